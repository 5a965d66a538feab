"""What the user should know of an environment: said when it is resolved, and whenever it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolvers.testing import make_wheel

from .channel import cached

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolvers.testing import FakeIndex

    from .helpers import Machine

REASON = "breaks on Tuesdays"


@pytest.fixture
def withdrawn(index: FakeIndex) -> None:
    wheel = make_wheel("old-tool", "1.0")
    index.add(wheel)
    index.yank(wheel, REASON)


def notes(done: str) -> list[str]:
    return [line for line in done.splitlines() if line.startswith("note: ")]


@pytest.mark.slow
@pytest.mark.usefixtures("withdrawn")
def test_a_note_is_said_again_by_whoever_asks_again(
    machine: Machine, machines: Callable[[str], Machine]
) -> None:
    machine.file("reqs.txt", "old-tool==1.0\napp[nosuch]\n")
    words = ("resolve", "-r", "reqs.txt", "--platform", "linux-64", "--platform", "osx-arm64")
    first = notes(machine.run(*words).err)
    assert len(first) == 2, "one for each fact, not for each platform"
    assert sum(REASON in one and "(reqs.txt:1)" in one for one in first) == 1
    assert sum("nosuch" in one and "(reqs.txt:2)" in one for one in first) == 1
    again = machine.run(*words)
    assert "known already" in again.err
    assert notes(again.err) == first
    assert sorted(machine.json(*words)["notes"]) == sorted(one[6:] for one in first)

    other = machines("two")
    other.file("reqs.txt", "old-tool==1.0\napp[nosuch]\n")
    taken = other.run(*words, "--use-remote-latest", "anyone")
    assert "from the store" in taken.err
    assert notes(taken.err) == first


@pytest.mark.slow
@pytest.mark.usefixtures("withdrawn")
def test_a_note_is_part_of_the_description(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "old-tool==1.0", "--alias", "team/old:v1")
    assert REASON in machine.ok("show", "team/old:v1")
    (env,) = machine.json("show", "team/old:v1")["environments"]
    (note,) = env["notes"]
    assert REASON in note
    machine.ok("resolve", "--pypi", "app", "--alias", "team/app:v1")
    (env,) = machine.json("show", "team/app:v1")["environments"]
    assert "notes" not in env


def test_an_index_cannot_say_what_a_terminal_obeys(machine: Machine, index: FakeIndex) -> None:
    wheel = make_wheel("odd-tool", "1.0")
    index.add(wheel)
    index.yank(wheel, "\x1b[31mred \u202e " + "long " * 10_000)
    done = machine.run("resolve", "--pypi", "odd-tool==1.0")
    (note,) = notes(done.err)
    assert "\x1b" not in note
    assert "red" in note
    assert len(note) < 2100


def test_what_is_plain_has_no_notes(machine: Machine) -> None:
    assert machine.json("resolve", "--pypi", "app")["notes"] == []


@pytest.mark.slow
@pytest.mark.usefixtures("withdrawn")
def test_notes_beside_conda_packages(machine: Machine) -> None:
    machine.environ |= {
        "MFENV_CHANNELS": cached().main.as_uri(),
        "MFENV_PYTHON_PROVIDER": "conda",
    }
    pypi = ("--pypi", "old-tool==1.0", "--pypi", "app[no]")
    done = machine.run("resolve", "--conda", "colours", *pypi)
    assert done.status == 0, done.err
    assert sorted(REASON in one for one in notes(done.err)) == [False, True]
    assert notes(machine.run("resolve", "--conda", "colours").err) == []
