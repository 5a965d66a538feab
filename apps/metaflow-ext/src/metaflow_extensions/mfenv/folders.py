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
import tempfile
from contextlib import suppress
from pathlib import Path

from metaflow_extensions.mfenv.outlived import LOCK, delete

__all__ = ["RunFolder", "hold", "shown", "written"]

_PREFIX = "metaflow-mfenv-"
# What a file names by `../..` is then looked for where nobody else can put anything.
_BELOW = ("_",) * 16


class RunFolder(tempfile.TemporaryDirectory):  # type: ignore[type-arg]  # on Python 3.8
    """A directory that this process needs; making one deletes what killed runs have left."""

    def __init__(self) -> None:
        for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            delete(path, wait=False)
        super().__init__(prefix=_PREFIX)
        new = Path(self.name, f"{LOCK}.new")
        # Never closed: the lock is to last as long as this process. It is shared, with the tasks of
        # the run.
        fcntl.flock(os.open(str(new), os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_SH)
        new.replace(Path(self.name, LOCK))  # nobody finds it unlocked


def hold(folder: str) -> None:
    """Keep a directory of a run, if it is one, for as long as this process lives."""
    if Path(folder).name.startswith(_PREFIX):
        with suppress(OSError):
            fcntl.flock(os.open(str(Path(folder, LOCK)), os.O_RDWR), fcntl.LOCK_SH)


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
