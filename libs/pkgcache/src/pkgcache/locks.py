"""Locks between processes and threads: `flock(2)`, gone when the owner dies, never global.

A lock is a file, which stays when nobody holds it. The library that takes them is imported with the
first of them: what only reads takes none.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pkgcache.progress import Progress

__all__ = ["UNWRITABLE", "hold", "lock", "remove_unheld", "try_lock"]

UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
"""What says that nothing can be written somewhere."""

# A link is not followed, and a pipe not waited for.
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Everybody who may write into the directory must be able to take a lock that somebody else left
# there. The file has no content, so group and world access gives nothing away.
_MODE = 0o666


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock of `path`, however long it takes to get it.

    Its folder is made. Raises `OSError`, also for what is there and is no file.
    """
    release = _take(path, wait=True)
    try:
        yield
    finally:
        if release:
            release()


@contextmanager
def lock(path: Path, *, waiting_for: str, progress: Progress) -> Iterator[bool]:
    """As `hold`. Says through `progress` what is waited for, if it is; yields whether it was."""
    release = _take(path, wait=False)
    waits = not release
    if waits:
        progress.note(f"waiting for {waiting_for}")
        release = _take(path, wait=True)
    try:
        yield waits
    finally:
        if release:
            release()


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock of `path` if nobody else does; yields whether it is held.

    It is not where nothing can be written.
    """
    try:
        release = _take(path, wait=False)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        release = None
    try:
        yield release is not None
    finally:
        if release:
            release()


def remove_unheld(folder: Path) -> int:
    """Delete the lock files in `folder` that nobody holds; how many they were.

    Whoever waits for one of them is not fooled: a lock on a file without a name does not count.
    """
    removed = 0
    for path in folder.glob("*.lock"):
        with suppress(OSError), try_lock(path) as held:
            if held:
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def _take(path: Path, *, wait: bool) -> Callable[[], None] | None:
    """What lets go of the lock of `path`, held from now on; None where somebody else has it."""
    # A descriptor's, since the library takes fifteen times as long for a path's, of which commands
    # have hundreds.
    from filelock import lock_descriptor

    while True:
        descriptor = _opened(path)
        try:
            held = lock_descriptor(descriptor, blocking=wait)
            status = os.fstat(descriptor)
            _check_file(path, status)
        except BaseException as error:
            _close(descriptor)
            if isinstance(error, OSError) and error.errno == errno.ENOSYS:
                return _take_elsewise(path, wait=wait)
            raise
        # One without a name was collected while it was waited for, and is nobody else's lock.
        if held and status.st_nlink:
            if stat.S_IMODE(status.st_mode) != _MODE:  # by the umask
                with suppress(PermissionError):
                    os.fchmod(descriptor, _MODE)
            return partial(_release, descriptor)
        _close(descriptor)
        if not held:
            return None


def _take_elsewise(path: Path, *, wait: bool) -> Callable[[], None] | None:
    """The same on file systems without flock(2): by another file, there as long as it is held."""
    from filelock import SoftFileLock, Timeout

    # Its state is the object's, not a thread's: a generator may be closed, and so let go of it, in
    # another thread than took it.
    mutex = SoftFileLock(f"{path}.held", mode=_MODE, thread_local=False)
    try:
        mutex.acquire(timeout=-1 if wait else 0)
    except Timeout:
        return None
    return mutex.release


def _opened(path: Path) -> int:
    """The descriptor of a lock file, made where it is missing."""
    with _OPENING:
        try:
            descriptor = _open(path)
        except OSError as error:
            if error.errno in (errno.EISDIR, errno.ENXIO):  # a folder; a socket
                raise _no_file(path) from None
            raise
        _OPEN.add(descriptor)
    return descriptor


def _open(path: Path) -> int:
    try:
        return os.open(path, _FLAGS | os.O_CREAT, _MODE)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, _FLAGS | os.O_CREAT, _MODE)
    except PermissionError:
        # In a folder of everybody's, somebody else's file may be opened, and not made.
        if not path.exists():
            raise
        return os.open(path, _FLAGS)


def _check_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _no_file(path)


def _no_file(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is not a file", str(path))


def _release(descriptor: int) -> None:
    from filelock import unlock_descriptor

    # A process that was forked meanwhile has let go of it, and may have another file in its place.
    if descriptor in _OPEN:
        unlock_descriptor(descriptor)
        _close(descriptor)


def _close(descriptor: int) -> None:
    _OPEN.remove(descriptor)
    os.close(descriptor)


def _let_go() -> None:
    """In a process that was just forked: the locks are its parent's, which may end before it."""
    while _OPEN:
        os.close(_OPEN.pop())
    _OPENING.release()


# The lock files that are open; none is opened, and not yet known, while another thread forks.
_OPEN: set[int] = set()
_OPENING = threading.Lock()
os.register_at_fork(
    before=_OPENING.acquire, after_in_parent=_OPENING.release, after_in_child=_let_go
)
