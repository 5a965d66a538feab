"""Terminals of 40 columns, and none at all: what is shown fits, and nothing of the data is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mfenv._cli import cli

if TYPE_CHECKING:
    from .helpers import Machine

pytestmark = pytest.mark.slow

NARROW = 40


def shown(machine: Machine, *words: str, by: str = "terminal") -> list[str]:
    """The lines of a command on a narrow terminal, without the line that was typed into it."""
    machine.environ |= {"TERM": "xterm"} | ({"COLUMNS": "40"} if by == "variable" else {})
    text = machine.on_terminal(*words, columns=NARROW if by == "terminal" else 80)
    return [
        line for line in text.replace("\x1b[1m", "").replace("\x1b[0m", "").split("\r\n") if line
    ]


def fits(lines: list[str]) -> bool:
    """Whether lines fit, but for words that have no room in any line: an id, a path, a URL."""
    return all(len(line) <= NARROW or max(map(len, line.split())) >= NARROW - 14 for line in lines)


@pytest.fixture
def known(machine: Machine) -> str:
    ids = machine.ok("resolve", "--pypi", "app", "--alias", "team/a-name-that-is-long:v1")
    machine.ok("create", "team/a-name-that-is-long:v1", "--name", "e")
    return ids


@pytest.mark.parametrize("by", ["terminal", "variable"])
def test_tables_fit(machine: Machine, known: str, by: str) -> None:
    req_id, full_id = known.split(":")
    lines = shown(machine, "list", by=by)
    assert fits(lines)
    for word in (f"{req_id[:12]}*", full_id[:12], "linux-64", "team/a-name-that-is-long:v1", "e"):
        assert word in " ".join(lines).split()
    assert any(line.split()[:3] == ["req_id", "full_id", "platform"] for line in lines)
    lines = shown(machine, "show", known, by=by)
    assert fits(lines)
    assert known in " ".join(lines).split()
    for words in (["list", "--shared"], ["config"], ["cache", "info"], ["gc"]):
        lines = shown(machine, *words, by=by)
        assert lines
        assert fits(lines), lines
    assert " ".join("".join(shown(machine, "config", by=by)).split()).count("clobber") == 1


def test_where_there_is_no_terminal_data_is_whole(machine: Machine, known: str) -> None:
    machine.environ["COLUMNS"] = "40"
    head, row = machine.ok("list").splitlines()
    assert len(row) > 100
    assert row.index("linux-64") == head.index("platform")
    lines = machine.ok("config").splitlines()
    assert len(lines) == len(machine.json("config")) + 1
    assert known in machine.ok("show", known)
    assert "\x1b" not in machine.ok("list") + machine.ok("show", known)


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_escapes(machine: Machine, known: str, variable: dict[str, str]) -> None:
    machine.environ |= {"TERM": "xterm"}
    assert "\x1b[" in machine.on_terminal("list")
    machine.environ |= variable
    for words in (["list"], ["config"], ["show", known], ["create", known], ["show", "none"]):
        assert "\x1b" not in machine.on_terminal(*words)


@pytest.mark.parametrize("command", ["", *sorted(cli.commands)])
def test_help_fits(machine: Machine, command: str) -> None:
    words = [command] if command else []
    lines = shown(machine, *words, "--help")
    text, _, examples = "\n".join(lines).partition("Examples:")
    assert fits(text.splitlines()), text
    assert "mfenv" in examples
