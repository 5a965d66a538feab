"""Flows whose home cannot be written, as one that is baked into an image."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from tests.helpers import private_mounts

if TYPE_CHECKING:
    from pathlib import Path

    from .helpers import Pad

# A Python whose home is mounted read-only.
PYTHON = """\
#!/bin/sh
[ "$MOUNTED" ] || exec env MOUNTED=1 unshare --map-root-user --mount "$0" "$@"
mount --bind "$MFENV_HOME" "$MFENV_HOME" && mount -o remount,ro,bind "$MFENV_HOME" || exit 3
exec "{python}" "$@"
"""


def test_a_run_whose_environments_exist(pad: Pad, tmp_path: Path) -> None:
    if not private_mounts():
        pytest.skip("this user may not mount a file system in a name space of its own")
    program = tmp_path / "python"
    program.write_text(PYTHON.format(python=sys.executable))
    program.chmod(0o755)
    pad.ok("bare", "--with", 'pypi:packages={"app": ""}')
    reading, outside = pad.of(str(program)), {"OUTSIDE_PREFIX": sys.prefix}
    ran = reading.ok("bare", "--with", 'pypi:packages={"app": ""}', env=outside)
    assert ran.fact("modules") == ["app", "requests"]
    assert ran.fact("prefix").startswith(str(pad.home))
    ran = reading.run("bare", "--with", 'pypi:packages={"other": "1.0"}', env=outside)
    assert ran.status
    assert f"cannot write into `{pad.home}`: read-only file system" in ran.out
