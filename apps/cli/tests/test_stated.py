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


def test_what_was_read_before_may_contradict_itself(tmp_path: Path) -> None:
    other = RequirementSet(python=(PythonRequirement(specifier="3.10", origin=Origin("another")),))
    with pytest.raises(Contradiction, match=r"the boss asks for Python .* and another"):
        prepared(tmp_path, SAID, other)
