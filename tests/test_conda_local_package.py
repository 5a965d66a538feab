"""A conda package by its file, in a channel of this machine and outside of one."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from .channel import cached

if TYPE_CHECKING:
    from .helpers import Machine

pytestmark = pytest.mark.slow


def test_a_package_by_its_file(conda: Machine) -> None:
    (path,) = cached().main.glob("linux-64/greeter-1.1-*.conda")
    answer = json.loads(conda.ok("resolve", "--conda", str(path), "--json"))
    found = {one["name"]: one for one in answer["environments"][0]["packages"]}
    assert (found["greeter"]["filename"], found["greeter"]["url"]) == (path.name, path.as_uri())
    alone = conda.work / path.name
    shutil.copy(path, alone)
    said = conda.fails("resolve", "--conda", f"./{path.name}")
    assert f"--conda: the conda package `{alone}` lies in no channel" in said
    assert "hint: index its directory" in said
