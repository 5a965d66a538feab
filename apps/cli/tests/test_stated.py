"""Requests of which a part was read before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mfenv.errors import Contradiction
from mfenv.request import Request, prepare
from mfenv.settings import Settings
from reqparse import Origin, PythonRequirement, RequirementSet, StatedSource, parse_requirement

if TYPE_CHECKING:
    from pathlib import Path

    from mfenv.request import Prepared

BOSS = Origin("the boss")
SAID = RequirementSet(
    requirements=(parse_requirement("numpy>=2", category="conda", origin=BOSS),),
    sources=(StatedSource(kind="channel", url="near"), StatedSource(kind="channel", url="far")),
    python=(PythonRequirement(specifier="3.12", origin=BOSS),),
)


def prepared(folder: Path, *stated: RequirementSet) -> Prepared:
    settings = Settings.load(environ={}, directory=folder)
    return prepare(Request(stated=stated), settings, lambda *_: ())


def test_what_was_read_before_is_asked_for_with_its_place(tmp_path: Path) -> None:
    found = prepared(tmp_path, SAID)
    assert found.spec.requirements["conda"] == ("numpy>=2",)
    assert found.spec.python == "==3.12.*"
    assert [one.url for one in found.spec.sources if one.kind == "channel"] == ["near", "far"]
    channels = dict.fromkeys(("near", "far"), "<command line>")
    assert found.origins == {"numpy>=2": "the boss", "python ==3.12.*": "the boss", **channels}


@pytest.mark.parametrize(
    ("said", "noted"),
    [
        ("[tool.uv.sources]\ndep = { path = '../dep' }\n", True),
        ("[tool.uv.sources.dep]\npath = '../dep'\n", True),
        ("[tool.uv]\nno-index = true\nsources = { dep = { path = '../dep' } }\n", True),
        ("[tool.uv]\nsources.dep.path = '../dep'\n", True),
        ("[tool.uv]\nno-index = true\n[tool.mine]\nsources = []\n", False),
        ("", False),
    ],
)
def test_what_a_project_says_to_uv_of_its_needs_is_noted(
    tmp_path: Path, said: str, noted: bool
) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(f"[project]\nname = 'x'\nversion = '1'\ndependencies = ['dep']\n{said}")
    settings = Settings.load(environ={"MFENV_PYTHON_PROVIDER": "system"}, directory=tmp_path)
    found = prepare(Request(pypi=(str(tmp_path),)), settings, lambda *_: ())
    assert [note for note in found.notes if "`[tool.uv.sources]` is not used" in note] == [
        note for note in found.notes if noted and note.startswith(f"{file}: ")
    ]
    assert any("sources" in note for note in found.notes) == noted


def test_what_was_read_before_may_contradict_itself(tmp_path: Path) -> None:
    other = RequirementSet(python=(PythonRequirement(specifier="3.10", origin=Origin("another")),))
    with pytest.raises(Contradiction, match=r"the boss asks for Python .* and another"):
        prepared(tmp_path, SAID, other)
