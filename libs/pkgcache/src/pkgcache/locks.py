"""Locks between processes and threads: `flock(2)`, gone when the owner dies, never global.

A lock is a file, which stays when nobody holds it. The library that takes them is imported with the
first of them: what only reads takes none.
"""

from __future__ import annotations

import errno
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from filelock import FileLock

    from pkgcache.progress import Progress

__all__ = ["UNWRITABLE", "hold", "lock", "remove_unheld", "try_lock"]

UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
"""What says that nothing can be written somewhere."""


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock of `path`, however long it takes to get it.

    Its folder is made. Raises `OSError`, also for what is there and is no file.
    """
    with _lock(path):
        yield


@contextmanager
def lock(path: Path, *, waiting_for: str, progress: Progress) -> Iterator[bool]:
    """As `hold`. Says through `progress` what is waited for, if it is; yields whether it was."""
    mutex = _lock(path)
    waits = not _take(mutex)
    if waits:
        progress.note(f"waiting for {waiting_for}")
        mutex.acquire()
    try:
        yield waits
    finally:
        mutex.release()


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock of `path` if nobody else does; yields whether it is held.

    It is not where nothing can be written.
    """
    mutex = _lock(path)
    try:
        held = _take(mutex)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        held = False
    try:
        yield held
    finally:
        if held:
            mutex.release()


def remove_unheld(folder: Path) -> int:
    """Delete the lock files in `folder` that nobody holds; how many they were.

    Whoever waits for one of them is not fooled: a lock on a file without a name does not count,
    which filelock looks at once it has the lock.
    """
    removed = 0
    for path in folder.glob("*.lock"):
        with suppress(OSError), try_lock(path) as held:
            if held:
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def _take(mutex: FileLock) -> bool:
    from filelock import Timeout

    try:
        mutex.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _lock(path: Path) -> FileLock:
    """The lock of `path`; what is there and is no file is an `OSError`."""
    from filelock import FileLock

    with suppress(FileNotFoundError):
        kind = stat.S_IFMT(path.lstat().st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFLNK):  # a link is not followed
            raise OSError(errno.EINVAL, "it is not a file", str(path))
    # Everybody who may write into the directory must be able to take a lock that somebody else
    # left there. The file has no content, so group and world access gives nothing away.
    # Its state is the object's, not a thread's: a generator may be closed, and so let go of it, in
    # another thread than took it.
    return FileLock(path, mode=0o666, thread_local=False)
