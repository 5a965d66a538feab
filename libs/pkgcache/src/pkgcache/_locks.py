"""Locks between processes and threads: `flock(2)`, gone when the owner dies, never global."""

from __future__ import annotations

import errno
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pkgcache.progress import Progress

UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def lock(path: Path, *, waiting_for: str, progress: Progress) -> Iterator[None]:
    """Hold the lock of `path`. Says through `progress` what is waited for, if it is."""
    mutex = file_lock(path)
    try:
        mutex.acquire(timeout=0)
    except Timeout:
        progress.note(f"waiting for {waiting_for}")
        mutex.acquire()
    try:
        yield
    finally:
        mutex.release()


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock of `path` if nobody else does; yields whether it is held.

    It is not where nothing can be written.
    """
    mutex = file_lock(path)
    try:
        mutex.acquire(timeout=0)
    except OSError as error:
        # `Timeout` is an `OSError` as well, without an `errno`.
        if not isinstance(error, Timeout) and error.errno not in UNWRITABLE:
            raise
        yield False
        return
    try:
        yield True
    finally:
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


def file_lock(path: Path) -> FileLock:
    """The lock of `path`; what is there and is no file is an `OSError`."""
    with suppress(FileNotFoundError):
        kind = stat.S_IFMT(path.lstat().st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFLNK):  # a link is not followed
            raise OSError(errno.EINVAL, "it is not a file", str(path))
    # Everybody who may write into the directory must be able to take a lock that somebody else
    # left there. The file has no content, so group and world access gives nothing away.
    # Its state is the object's, not a thread's: a generator may be closed, and so let go of it, in
    # another thread than took it.
    return FileLock(path, mode=0o666, thread_local=False)
