"""Flows whose steps are resolved by programs of the machine, as Metaflow's settings name them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

import pytest
from tests.channel.standin import write_standin

if TYPE_CHECKING:
    from .helpers import Pad


def started(log: Path) -> list[list[str]]:
    """The arguments of all solves that a stand-in was asked for."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [one["argv"] for one in map(json.loads, lines) if "create" in one["argv"]]


@pytest.mark.slow
def test_a_flow_is_resolved_by_micromamba_and_pip(pad: Pad, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_standin(tmp_path / "bin", "micromamba", log)
    env = {
        "EXACT": python_version(),
        "METAFLOW_CONDA_DEPENDENCY_RESOLVER": "micromamba",
        "MFENV_HOME": str(tmp_path / "home"),
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.defpath}",
    }
    if (pip := Path(sys.executable).with_name("pip")).exists():
        (tmp_path / "bin/pip").symlink_to(pip)
        env["METAFLOW_CONDA_PYPI_DEPENDENCY_RESOLVER"] = "pip"
    ran = pad.ok("own", env=env)
    assert ran.fact("done")
    assert "means nothing" not in ran.out
    solves = started(log)
    assert solves
    assert any("colours==2.0" in words for words in solves), solves
    # What is known by then is resolved by nobody.
    assert pad.ok("own", env=env).fact("done")
    assert started(log) == solves


@pytest.mark.slow
def test_a_resolver_that_is_not_there_is_one_line(pad: Pad, tmp_path: Path) -> None:
    env = {
        "EXACT": python_version(),
        "METAFLOW_CONDA_DEPENDENCY_RESOLVER": "micromamba",
        "MFENV_HOME": str(tmp_path / "home"),
    }
    ran = pad.run("own", env=env)
    assert ran.status == 1
    assert "micromamba failed: it is not on PATH" in ran.out
    assert "hint: " in ran.out
    assert "Traceback" not in ran.out
