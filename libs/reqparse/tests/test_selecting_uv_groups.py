"""The groups of a uv.lock that count where nothing is said, and the Python that they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import reqparse
from reqparse.selecting import Choice, pythons, select

from .targets import target
from .test_selecting import WORKSPACE, app, names, package, refused, to
from .test_selecting_uv import Uv

if TYPE_CHECKING:
    from pathlib import Path

    from .helpers import Desk

GROUPS = "[package.dev-dependencies]\ndev = [{ name = 'foo' }]\ntest = [{ name = 'bar' }]\n"
PACKAGES = "".join(map(package, ("foo", "bar", "baz")))


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("", ["baz", "foo"]),
        ("default-groups = ['test']\n", ["bar", "baz"]),
        ("default-groups = []\n", ["baz"]),
        ("default-groups = 'all'\n", ["bar", "baz", "foo"]),
    ],
)
def test_the_lock_says_which_groups_are_default(
    desk: Desk, stated: str, expected: list[str]
) -> None:
    locked = desk.read(app(to("baz"), stated + GROUPS) + PACKAGES, "uv.lock")
    assert names(select(locked, target())) == expected
    assert names(select(locked, target(), Choice(packages=("app",)))) == expected
    assert names(select(locked, target(), Choice(default_groups=False))) == ["baz"]
    assert not [note for note in locked.notes if "default-groups" in note.text]


@pytest.mark.parametrize(
    ("stated", "says"),
    [("['docs']", "default group `docs` is none"), ("'some'", "expected a list")],
)
def test_default_groups_that_there_are_not(desk: Desk, stated: str, says: str) -> None:
    text = app(to("baz"), f"default-groups = {stated}\n{GROUPS}") + PACKAGES
    (problem,) = desk.problems(text, "uv.lock")
    assert says in problem


def test_a_workspace_says_it_for_all_of_its_members(desk: Desk) -> None:
    of_member = "[package.dev-dependencies]\ndocs = [{ name = 'bar' }]\n[[package]]\nname = \"two\""
    text = WORKSPACE.replace('[[package]]\nname = "two"', of_member) + package("bar")
    every = text.replace("[manifest]\n", "[manifest]\ndefault-groups = 'all'\n")
    assert names(select(desk.read(text, "uv.lock"), target())) == ["foo", "tester"]
    assert names(select(desk.read(every, "uv.lock"), target())) == ["bar", "foo", "tester"]


@pytest.mark.parametrize("workspace", [False, True])
def test_a_group_is_for_its_own_pythons(desk: Desk, workspace: bool) -> None:
    stated = "group-requires-python = { dev = '>=3.13' }\n"
    if workspace:
        text = WORKSPACE.replace("[manifest]\n", "[manifest]\n" + stated)
    else:
        text = app(to("baz"), stated + GROUPS) + PACKAGES
    locked = desk.read(text, "uv.lock")
    line = text.split(stated)[0].count("\n") + 1
    (problem,) = refused(locked)
    assert problem.startswith(f"{line}: the group `dev` is for Python >=3.13, not 3.12.4;")
    without = Choice(default_groups=False)
    assert select(locked, target(), without)
    assert select(locked, target(python="3.13.1"))
    assert ">=3.13" in pythons(locked).requires
    assert ">=3.13" not in pythons(locked, without).requires


def test_groups_are_as_uv_has_them(tmp_path: Path) -> None:
    uv = Uv(tmp_path)
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        stated = f'[project]\nname = "{name}"\nversion = "1"\n'
        (tmp_path / name / "pyproject.toml").write_text(stated)
    stated = (
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
        'dependencies = ["one"]\n[dependency-groups]\ndev = ["two"]\ntest = ["three"]\n[tool.uv]\n'
    )
    sources = "".join(f'{name} = {{ path = "{name}" }}\n' for name in ("one", "two", "three"))
    for default in ('["test"]', "[]", '"all"'):
        text = f"{stated}default-groups = {default}\n[tool.uv.sources]\n{sources}"
        (tmp_path / "pyproject.toml").write_text(text)
        done = uv.run("lock")
        assert done.returncode == 0, done.stderr
        if "default-groups" not in (tmp_path / "uv.lock").read_text():
            pytest.skip("this uv does not write it")
        exported = uv.export() or []
        locked = reqparse.parse_file(tmp_path / "uv.lock")
        selected = names(select(locked, target()))
        assert selected == sorted(line.removeprefix("./") for line in exported)
        assert len(selected) == {'["test"]': 2, "[]": 1, '"all"': 3}[default]
