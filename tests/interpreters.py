"""What uv knows of this machine's interpreters, shared by the tests of a process.

uv asks each once, and keeps the answer in its cache for as long as the file stays what it is; a test
with a cache of its own would start them all anew, which costs more than what it tests.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from uv import find_uv_bin

__all__ = ["known_interpreters"]


def known_interpreters(engines: Path) -> Path:
    """The folder, a `cache_dir` of resolvers, where uv has those answers in its cache below."""
    shared = _shared()
    link = engines / "uv" / shared.name
    link.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):  # of several threads with one folder the first has made it
        link.symlink_to(shared)
    return engines


@cache
def _shared() -> Path:
    """A folder of uv's cache, whose name says the format of what is in it."""
    folder = Path(tempfile.mkdtemp(prefix="interpreters-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    asked = [find_uv_bin(), "python", "list", "--only-installed", "--cache-dir", str(folder)]
    subprocess.run([*asked, sys.executable], check=True, capture_output=True)
    (shared,) = folder.glob("interpreter-*")
    return shared
