"""What one sees of work that takes its time: on a terminal, and in a log."""

from __future__ import annotations

import re
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from envid.platforms import host_platform
from resolvers.testing import FakeIndex

from .helpers import distributions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler

    from .helpers import Machine

HOST = host_platform()


class SlowIndex(FakeIndex):
    """Takes its time for each page and each file, by the beginning of its path."""

    def __init__(self) -> None:
        super().__init__(*distributions())
        self.seconds = {"/simple/app": 3.0}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        for start, seconds in self.seconds.items():
            if request.path.startswith(start):
                time.sleep(seconds)
        super().answer(request)


@pytest.fixture
def slow(machine: Machine) -> Iterator[SlowIndex]:
    with SlowIndex() as index:
        machine.environ["MFENV_INDEX_URL"] = index.url
        del machine.environ["MFENV_NO_PROGRESS"]
        yield index


def lines(text: str) -> list[str]:
    """The lines on a screen, each time that they were drawn."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return [" ".join(line.split()) for line in re.split(r"[\r\n]+", plain)]


@pytest.mark.slow
def test_a_terminal_shows_what_is_being_done(machine: Machine, slow: SlowIndex) -> None:
    drawn = lines(machine.on_terminal("resolve", "--pypi", "app", "--alias", "a:v1", answer=""))
    for label in (f"resolving for {HOST}", f"choosing PyPI packages for {HOST}"):
        found = [line for line in drawn if line.startswith(label)]
        assert any(line.endswith(" 2 s") for line in found), drawn
    assert not [line for line in drawn if re.search(r"\b0 packages", line)]


@pytest.mark.slow
def test_a_terminal_shows_what_is_unpacked_and_of_how_many(
    machine: Machine, slow: SlowIndex
) -> None:
    machine.environ["MFENV_STORE"] = ""
    slow.seconds = {}
    machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    shutil.rmtree(machine.home / "cache")
    slow.seconds = {"/files/app": 1.0}
    drawn = lines(machine.on_terminal("create", "a:v1", answer=""))
    assert any(re.match(r"fetching packages .* of \d", line) for line in drawn), drawn
    assert any(re.match(r"unpacking packages .* of \d packages", line) for line in drawn), drawn


def test_a_log_gets_a_line_for_what_takes_long(machine: Machine, slow: SlowIndex) -> None:
    said = machine.run("resolve", "--pypi", "app").err.splitlines()
    assert said.count(f"resolving for {HOST}") == 1
    assert said.count(f"choosing PyPI packages for {HOST}") == 1
    assert not [line for line in said if "\x1b" in line]


@pytest.mark.parametrize("option", ["--no-progress", "--quiet"])
def test_no_line_where_none_is_wanted(machine: Machine, slow: SlowIndex, option: str) -> None:
    assert "resolving for" not in machine.run("resolve", "--pypi", "app", option).err


@pytest.mark.slow
def test_a_variable_wants_no_line_of_any_command(machine: Machine, slow: SlowIndex) -> None:
    machine.environ["MFENV_NO_PROGRESS"] = "yes"
    assert "resolving for" not in machine.run("resolve", "--pypi", "app").err
    machine.environ["MFENV_NO_PROGRESS"] = "perhaps"
    assert machine.fails("resolve", "--pypi", "app").startswith(
        "error: MFENV_NO_PROGRESS: `perhaps` is neither true nor false"
    )
