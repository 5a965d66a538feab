"""Directories of runs that are deleted once nobody needs them: by mfenv's process, or the next run.

Whoever needs one holds a lock on a file in it.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaflow_extensions.mfenv.records import Say
    from metaflow_extensions.mfenv.run_records import Outlive

__all__ = ["LOCK", "clear", "delete", "outlive"]

LOCK = ".lock"
"""The file that is held."""

_UNLOCKED = 3600.0  # seconds that one may be without it, while it is made
_outlived: list[Path] = []


def outlive(asked: Outlive, _: Say) -> None:
    """Have `clear` delete a directory, once the process that asks for it has ended."""
    _outlived.append(Path(asked.folder))


def clear() -> None:
    """Wait until nobody needs what `outlive` was told of, and delete it."""
    for path in _outlived:
        delete(path, wait=True)


def delete(path: Path, *, wait: bool) -> None:
    """Delete a directory that nobody needs; with `wait`, once that is so."""
    import shutil  # which every run would import for this alone

    with suppress(OSError):
        about = path.lstat()
        # The temporary directory is everybody's: what has such a name may be a trap.
        if about.st_uid != os.geteuid() or path.is_symlink():
            return
        try:
            lock = os.open(str(path / LOCK), os.O_RDWR)
        except FileNotFoundError:
            if time.time() - about.st_mtime > _UNLOCKED:
                shutil.rmtree(path, ignore_errors=True)
            return
        try:
            # Granted only where nobody holds it shared: then run and tasks have ended.
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)
