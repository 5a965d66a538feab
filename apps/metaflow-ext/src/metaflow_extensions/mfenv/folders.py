"""Directories of runs in the temporary directory: there as long as anybody needs them.

A run needs its own, and so does each of its tasks, which may go on when the run was killed. They
hold a lock on a file in it, which the system takes back however they end. What nobody holds any more
is deleted by mfenv's process of the run, which sees its end, or by the next run.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaflow_extensions.mfenv.records import Outlive, Say

__all__ = ["RunFolder", "clear", "hold", "outlive", "shown", "written"]

_PREFIX = "metaflow-mfenv-"
_LOCK = ".lock"
# What a file names by `../..` is then looked for where nobody else can put anything.
_BELOW = ("_",) * 16
_UNLOCKED = 3600.0  # seconds that one may be without it, while it is made


class RunFolder(tempfile.TemporaryDirectory):  # type: ignore[type-arg]  # on Python 3.8
    """A directory that this process needs; making one deletes what killed runs have left."""

    def __init__(self) -> None:
        for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            _delete(path, wait=False)
        super().__init__(prefix=_PREFIX)
        new = Path(self.name, f"{_LOCK}.new")
        # Never closed: the lock is to last as long as this process. It is shared, with the tasks of
        # the run.
        fcntl.flock(os.open(str(new), os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_SH)
        new.replace(Path(self.name, _LOCK))  # nobody finds it unlocked


def hold(folder: str) -> None:
    """Keep a directory of a run, if it is one, for as long as this process lives."""
    if Path(folder).name.startswith(_PREFIX):
        with suppress(OSError):
            fcntl.flock(os.open(str(Path(folder, _LOCK)), os.O_RDWR), fcntl.LOCK_SH)


_written: list[RunFolder] = []


def written(name: str, content: str) -> str:
    """The path of a file with this name and content, which is there as long as this process."""
    if not _written:
        _written.append(RunFolder())
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    folder = Path(_written[0].name, digest, *_BELOW)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content, encoding="utf-8")
    return str(folder / name)


def shown(text: str) -> str:
    """A text with the names of files that were `written`, and not their places."""
    for folder in _written:
        text = re.sub(rf"{re.escape(folder.name)}/[0-9a-f]+/(?:_/)*", "", text)
    return text


_outlived: list[Path] = []


def outlive(asked: Outlive, _: Say) -> None:
    """Have `clear` delete a directory, once the process that asks for it has ended."""
    _outlived.append(Path(asked.folder))


def clear() -> None:
    """Wait until nobody needs what `outlive` was told of, and delete it."""
    for path in _outlived:
        _delete(path, wait=True)


def _delete(path: Path, *, wait: bool) -> None:
    with suppress(OSError):
        about = path.lstat()
        # The temporary directory is everybody's: what has such a name may be a trap.
        if about.st_uid != os.geteuid() or path.is_symlink():
            return
        try:
            lock = os.open(str(path / _LOCK), os.O_RDWR)
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
