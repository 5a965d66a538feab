"""Where statements were made, as a description says it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mfenv.request import Request, prepare
from mfenv.settings import Settings

from .helpers import resolved

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from envid.resolved import ResolvedEnv

LINUX, MAC = "linux-64", "osx-arm64"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def places(request: Request, *known: ResolvedEnv, **values: Any) -> dict[str, Any]:
    def find(_: str, __: Sequence[str]) -> tuple[ResolvedEnv, ...]:
        return known

    settings = Settings.load({"home": "/nowhere", **values}, environ={})
    request = request._replace(platforms=request.platforms or (LINUX,))
    return {
        platform: {what: texts for what, texts in found.items() if texts and what != "sys"}
        for platform, found in prepare(request, settings, find).places.items()
    }


def test_each_statement_has_its_file_and_line_or_its_option(here: Path) -> None:
    (here / "sub").mkdir()
    (here / "limits.txt").write_text("b<2\n")
    (here / "sub" / "more.txt").write_text("c\n")
    (here / "r.txt").write_text("# a comment\n-c limits.txt\nA>=1\n-r sub/more.txt\n")
    request = Request(files=(here.joinpath("r.txt").relative_to(here),), pypi=("d",), python="3.12")
    assert places(request)[LINUX] == {
        "constraints": {"b<2": "limits.txt:1"},
        "pypi": {"a>=1": "r.txt:3", "c": "sub/more.txt:1", "d": "--pypi"},
        "python": {"==3.12.*": "--python"},
    }


def test_an_absolute_path_is_that_of_a_machine_and_only_its_name_is_said(here: Path) -> None:
    (here / "more.txt").write_text("b\n")
    (here / "r.txt").write_text(f"a\n-r {here}/more.txt\n")
    (here / "mfenv.toml").write_text("seed = true\n")
    found = places(Request(files=(here / "r.txt",), python="3.12"))[LINUX]["pypi"]
    assert (found["a"], found["b"], found["pip"]) == ("r.txt:1", "more.txt:1", "mfenv.toml:1")


def test_what_is_stated_twice_has_both_places(here: Path) -> None:
    (here / "r.txt").write_text("a\na\n")
    found = places(Request(files=(here / "r.txt",), pypi=("a",)))
    assert found[LINUX] == {"pypi": {"a": "r.txt:1, r.txt:2, --pypi"}}


def test_the_same_text_for_one_platform_each_has_the_place_of_its_platform(here: Path) -> None:
    (here / "environment.yml").write_text(
        "dependencies:\n  - a  # [linux]\n  - a  # [osx]\n  - python=3.12  # [osx]\n"
    )
    request = Request(files=(here / "environment.yml",), platforms=(LINUX, MAC))
    found = places(request)
    assert found[LINUX]["conda"]["a"] == "environment.yml:2"
    assert found[MAC]["conda"] == {"a": "environment.yml:3", "python 3.12.*": "environment.yml:4"}


def test_the_same_text_of_conda_and_of_pypi_has_two_places(here: Path) -> None:
    found = places(Request(pypi=("a",), conda=("a",)))
    assert found[LINUX] == {"pypi": {"a": "--pypi"}, "conda": {"a": "--conda"}}


def test_what_a_known_environment_asked_for_keeps_its_places(here: Path) -> None:
    base = replace(resolved("a", "b"), origins={"pypi": {"a": "r.txt:3", "gone": "x"}})
    found = places(Request(using="base", pypi=("c",)), base)
    assert found[LINUX]["pypi"] == {"a": "r.txt:3", "c": "--pypi"}
    assert places(Request(same_as="base"), base)[LINUX]["pypi"] == {"a": "r.txt:3"}
