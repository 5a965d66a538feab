"""Flows whose home cannot be written: one that is baked into an image, or on a full disk."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from tests.helpers import private_mounts

if TYPE_CHECKING:
    from pathlib import Path

    from .helpers import Pad

pytestmark = pytest.mark.slow

READ_ONLY = 'mount --bind "$MFENV_HOME" "$MFENV_HOME" && mount -o remount,ro,bind "$MFENV_HOME"'
FULL = 'mount -t tmpfs -o size=100k none "$MFENV_HOME"'
OUTSIDE = {"OUTSIDE_PREFIX": sys.prefix}


def with_home(pad: Pad, folder: Path, mounts: str) -> Pad:
    """The pad with a Python that does something to its home before it starts."""
    if not private_mounts():
        pytest.skip("this user may not mount a file system in a name space of its own")
    program = folder / "python"
    program.write_text(f"""#!/bin/sh
        [ "$MOUNTED" ] || exec env MOUNTED=1 unshare --map-root-user --mount "$0" "$@"
        {mounts} || exit 3
        exec "{sys.executable}" "$@"
    """)
    program.chmod(0o755)
    found = pad.of(str(program))
    found.started = True
    return found


def test_a_run_whose_environments_exist(pad: Pad, tmp_path: Path) -> None:
    pad.ok("bare", "--with", 'pypi:packages={"app": ""}')
    reading = with_home(pad, tmp_path, READ_ONLY)
    ran = reading.ok("bare", "--with", 'pypi:packages={"app": ""}', env=OUTSIDE)
    assert ran.fact("modules") == ["app", "requests"]
    assert ran.fact("prefix").startswith(str(pad.home))
    ran = reading.run("bare", "--with", 'pypi:packages={"other": "1.0"}', env=OUTSIDE)
    assert ran.status
    assert f"cannot write into `{pad.home}`: read-only file system" in ran.out


def test_a_run_on_a_full_disk(pad: Pad, tmp_path: Path) -> None:
    pad.home.mkdir(exist_ok=True)
    full = with_home(pad, tmp_path, FULL)
    ran = full.run("bare", "--with", 'pypi:packages={"app": ""}', env=OUTSIDE)
    assert ran.status
    assert f"hint: disk full: `{pad.home}" in ran.out
    assert "defect" not in ran.out
