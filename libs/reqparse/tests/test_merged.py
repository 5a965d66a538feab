"""What is no whole file is said as such: what git leaves of a merge that it cannot make, a pipe."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

import reqparse

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


@pytest.mark.parametrize("name", ["poetry.lock", "uv.lock", "Pipfile.lock", "pyproject.toml"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(desk: Desk, name: str) -> None:
    os.mkfifo(desk.root / name)
    with pytest.raises(reqparse.ParseErrors, match="this is a pipe"):
        reqparse.parse_file(desk.root / name)


def test_a_pipe_of_a_shell_is_read(desk: Desk) -> None:
    pipe = desk.root / "63"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("foo\n",))
    writer.start()
    assert [r.name for r in reqparse.parse_file(pipe).requirements] == ["foo"]
    writer.join()
