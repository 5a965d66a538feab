"""Opening files, and doing work on many of them."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from pkgcache.errors import NotInCache

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")

_THREADS = min(4, os.cpu_count() or 1)
# A thread that hashes fewer than this does not pay for its start.
_FEW = 500
# The first are about two file systems, and so about every file; the others may be about one file
# alone, which has too many links, or is somebody else's (`fs.protected_hardlinks`).
NEVER = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS)
NOT_THIS_ONE = (errno.EMLINK, errno.EPERM, errno.EACCES)
# What link(2) says on file systems without hard links, and where it may not make this.
NO_LINKS = (*NEVER, *NOT_THIS_ONE)


def open_file(path: os.PathLike[str] | str, *, follow: bool = True) -> int:
    """Open a file for reading; what is none, such as a pipe, is an `OSError`, and not waited for.

    Without `follow`, neither is a symbolic link.
    """
    # Whoever opens a pipe waits for who writes into it, unless he says otherwise.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a file", os.fspath(path))
    return descriptor


def open_cached(path: str) -> BinaryIO:
    """Open a file of an unpacked package. Raises `NotInCache` where it is gone.

    So it is when it was collected as garbage, or dropped as damaged, since the package was checked.
    """
    try:
        return open(path, "rb")  # noqa: PTH123  of very many; the caller closes it
    except FileNotFoundError:
        raise NotInCache(path) from None


def in_threads(
    items: Sequence[_T], work: Callable[[Sequence[_T]], None], *, few: int = _FEW
) -> None:
    """Do work on all items, some thousands of them, each thread on a part of at least `few`.

    For what runs without the interpreter's lock, as hashing and link(2) do.
    """
    step = max(-(-len(items) // _THREADS), few, 1)
    parts = [items[at : at + step] for at in range(0, len(items), step)]
    if len(parts) <= 1:
        for part in parts:
            work(part)
        return
    from pkgcache.threads import Threads  # where there is much to do

    with Threads(_THREADS) as pool:
        for _ in pool.map(work, parts):
            pass
