"""Files that are written beside their place, and get their name when they are complete."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20


@contextmanager
def new_file(target: Path) -> Iterator[BinaryIO]:
    """A file that gets the name `target` in the end, or none; what a killed process left goes.

    For what is large and written for long; `whole_files` has those that are not looked for again.
    """
    _remove_abandoned(target)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.new")
        file = cast("BinaryIO", os.fdopen(os.open(beside, flags, 0o666), "w+b"))
        # Gone with the process, so whatever is not locked is abandoned.
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            break
        file.close()  # taken for abandoned in the moment before it was locked
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            beside.replace(target)
    except OSError as error:
        # A write does not say where, and a disk that is full is to be named.
        error.filename = error.filename or str(beside)
        raise
    finally:
        beside.unlink(missing_ok=True)


def sha256_of(file: BinaryIO) -> str:
    """The digest of all that was written to a new file, in hex."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(_CHUNK):
        digest.update(piece)
    return digest.hexdigest()


def _remove_abandoned(target: Path) -> None:
    """Delete what killed processes left of this file: they hold no lock any more."""
    start = f".{target.name}."
    for path in target.parent.iterdir():
        if path.name.startswith(start) and path.suffix == ".new":
            with suppress(OSError):  # it is held, gone, or not ours
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(descriptor)
