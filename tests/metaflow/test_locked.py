"""Flows whose steps run in what lock files have."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

if TYPE_CHECKING:
    from pathlib import Path

    from .helpers import Pad

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PROJECT = """
[project]
name = "ours"
version = "1"
requires-python = ">=3.10"
dependencies = [{asked}]
[dependency-groups]
more = ["other"]
"""


@pytest.fixture
def locked(pad: Pad, tmp_path: Path) -> Pad:
    """A flow with the uv.lock of a project above it, and a list of conda packages beside it."""
    project(pad, tmp_path, '"app", "requests"')
    flows = tmp_path / "src" / "flows"
    (flows / "conda").mkdir(parents=True)
    shutil.copy(pad.flows / "locked.py", flows)
    words = ("--conda", "colours", "--conda", "requests", "--python", PYTHON)
    env = pad.mfenv("resolve", *words)
    listed = pad.mfenv("export", env, "--format", "explicit")
    (flows / "conda" / "list.txt").write_text(f"{listed}\n")
    return pad.at(flows)


def project(pad: Pad, folder: Path, asked: str) -> None:
    (folder / "pyproject.toml").write_text(PROJECT.format(asked=asked))
    subprocess.run(
        [
            *(find_uv_bin(), "lock", "-q", "--no-config", "--python", sys.executable),
            *("--default-index", pad.environ["MFENV_INDEX_URL"]),
        ],
        cwd=folder,
        env={**pad.environ, "UV_CACHE_DIR": str(folder / "uv")},
        check=True,
    )


def test_steps_run_in_what_locks_have(locked: Pad) -> None:
    ran = locked.ok("locked")
    assert (ran.fact("app"), ran.fact("other"), ran.fact("dep")) == ("app", "other", "2.0")
    assert ran.fact("colours").count(".") >= 1
    again = locked.ok("locked")
    assert ", new" not in again.out
    shown = locked.ok("locked", command="environment show")
    assert "unresolved" not in shown.out
    assert "error" not in shown.out


def test_a_flow_that_says_nothing_runs_in_its_lock(locked: Pad, pad: Pad) -> None:
    for name in ("bare.py", "inside.py"):
        shutil.copy(pad.flows / name, locked.flows)
    ran = locked.ok("bare", "--with", "resolved_uv")
    assert ran.fact("modules") == ["app", "requests"]


def test_a_lock_without_what_metaflow_needs_is_refused_before_the_run(
    pad: Pad, locked: Pad, tmp_path: Path
) -> None:
    project(pad, tmp_path, '"app"')
    ran = locked.run("locked")
    assert ran.status == 1
    assert "has no `requests>=2.21.0`, which Metaflow needs in a task" in ran.out
    assert "lock again" in ran.out
    assert "(run-id " not in ran.out
    assert "Traceback" not in ran.out


def test_who_chooses_what_a_lock_does_not_have_is_named(locked: Pad) -> None:
    text = (locked.flows / "locked.py").read_text()
    (locked.flows / "locked.py").write_text(text.replace('["more"]', '["nope"]'))
    for command in ("run", "environment resolve"):
        ran = locked.run("locked", command=command)
        assert ran.status == 1
        assert "the lock of more: " in ran.out
        assert "uv.lock:1: the lock has no group `nope`" in ran.out
        assert "hint: it has more" in ran.out


def test_a_lock_excludes_what_else_says_what_there_is(locked: Pad) -> None:
    ran = locked.run("locked", "--with", 'pypi:packages={"app": ""}')
    assert ran.status == 1
    assert "says what there is, and --with pypi says `@pypi`" in ran.out
    assert "Traceback" not in ran.out
    (locked.flows.parent.parent / "uv.lock").unlink()
    ran = locked.run("locked")
    assert ran.status == 1
    assert "there is no directory with `uv.lock` and `pyproject.toml` from" in ran.out


def test_steps_are_resolved_from_a_lock_file(locked: Pad, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    ran = locked.ok(
        "locked",
        *("start", "--lockfile", "conda/list.txt", "--alias", "team/listed:v1"),
        *("--output", str(out)),
        command="environment resolve",
    )
    assert "start " in ran.out
    (by_platform,) = json.loads(out.read_text()).values()
    (step,) = by_platform.values()
    names = {package["name"] for package in step["env"]["packages"]}
    assert {"colours", "python"} <= names
