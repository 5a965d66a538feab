"""Indexes and channels that change while they are read: one consistent answer, or an error."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from envid.platforms import PLATFORMS
from resolvers.testing import FakeIndex, make_wheel

from .helpers import Machine, consistent, failure

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

pytestmark = pytest.mark.slow


class MovingIndex(FakeIndex):
    """Publishes another version of `dep`, and one of `app` that needs it, after each answer."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        super().answer(request)
        number = next(self.numbers)
        self.add(
            make_wheel("dep", f"{number}.0", module=f"version = {number}\n"),
            make_wheel("app", f"{number}.0", requires=[f"dep=={number}.0"]),
        )

    numbers = itertools.count(1)


def test_an_index_that_publishes_all_the_time(tmp_path: Path) -> None:
    with MovingIndex(make_wheel("dep", "0.1"), make_wheel("app", "0.1", requires=["dep"])) as index:
        machine = Machine(tmp_path, index, tmp_path / "store")
        platforms = [word for one in PLATFORMS for word in ("--platform", one)]
        for turn in range(30):
            # Three at least, and on a busy machine more, until there was an answer.
            if turn > 2 and machine.rows():
                break
            name = f"a:v{turn}"
            done = machine.run("resolve", "--pypi", "app", "--force", "--alias", name, *platforms)
            if done.status:
                failure(done)
                continue
            for env in machine.json("show", name)["environments"]:
                versions = {one["name"]: one["version"] for one in env["packages"]}
                assert versions["app"] in (versions["dep"], "0.1")
            machine.ok("create", name, "--name", f"e{turn}")
            consistent(machine)
        assert machine.rows()


class SwappingIndex(FakeIndex):
    """Answers every second request as if the files of `dep` had been built again."""

    swapped = False

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.swapped = not self.swapped
        self.add(make_wheel("dep", "1.0", module=f"again = {self.swapped}\n"))
        super().answer(request)


def test_an_index_whose_files_change_under_their_names(tmp_path: Path) -> None:
    with SwappingIndex(make_wheel("app", "1.0", requires=["dep"])) as index:
        machine = Machine(tmp_path, index, tmp_path / "store")
        for turn in range(3):
            name = f"a:v{turn}"
            done = machine.run("resolve", "--pypi", "app", "--force", "--alias", name)
            if done.status:
                assert "dep-1.0" in failure(done)
                continue
            machine.ok("create", name, "--name", f"e{turn}")
        consistent(machine)
