"""What git leaves of a merge that it cannot make is said as such, whatever the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .helpers import Desk

MERGED = "{}\n<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"
HEADS = {
    "uv.lock": "version = 1",
    "pylock.toml": 'lock-version = "1.0"',
    "poetry.lock": "package = []",
    "Pipfile.lock": "{",
    "pixi.lock": "version: 6",
    "conda-lock.yml": "version: 1",
    "environment.yml": "name: x",
    "requirements.txt": "foo",
    "list.txt": "@EXPLICIT",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_conflict_of_a_merge_is_said(desk: Desk, name: str) -> None:
    (problem,) = desk.problems(MERGED.format(HEADS[name]), name)
    assert f"{name}:2: here is a conflict of a merge" in problem


def test_lines_that_only_look_like_it_are_none(desk: Desk) -> None:
    assert desk.read("# a\n# <<<<<<< ours\nfoo\n", "requirements.txt").requirements
