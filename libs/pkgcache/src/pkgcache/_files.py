"""Putting many files in place with few system calls: hard link, else reflink, else copy."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from pkgcache.errors import NotInCache
from pkgcache.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pkgcache.progress import Progress

_T = TypeVar("_T")

_THREADS = min(4, os.cpu_count() or 1)
# A thread that links fewer than this does not pay for its start.
_FEW = 500
_FICLONE = 0x40049409  # from linux/fs.h: share the blocks of a file
# The first are about two file systems, and so about every file; the others may be about one file
# alone, which has too many links, or is somebody else's (`fs.protected_hardlinks`).
_NEVER = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS)
_NOT_THIS_ONE = (errno.EMLINK, errno.EPERM, errno.EACCES)
# What link(2) says on file systems without hard links, and where it may not make this.
NO_LINKS = (*_NEVER, *_NOT_THIS_ONE)
_NO_CLONE = (*_NEVER, *_NOT_THIS_ONE, errno.EINVAL, errno.ENOTTY, errno.ETXTBSY)


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


def in_threads(items: Sequence[_T], work: Callable[[Sequence[_T]], None]) -> None:
    """Do work on all items, some thousands of them, each thread on a part.

    link(2) runs without the interpreter's lock: two threads take half the time of one.
    """
    step = max(-(-len(items) // _THREADS), _FEW)
    parts = [items[at : at + step] for at in range(0, len(items), step)]
    with Threads(_THREADS) as pool:
        for _ in pool.map(work, parts):
            pass


class Placer:
    """Makes files under `root`, from any thread. What exists is left alone: `FileExistsError`."""

    def __init__(self, root: str, progress: Progress) -> None:
        self._root, self._progress = root, progress
        self._linking, self._lock = True, threading.Lock()
        self._cloning = sys.platform == "linux"

    def absolute(self, path: str) -> str:
        """Where a path of the root is."""
        return f"{self._root}/{path}"

    def source(self, path: str) -> str:
        """Where the content of a file that was placed can be read."""
        return f"{self._root}/{path}"

    def make_folders(self, folders: Iterable[str]) -> None:
        """Make these folders, and those above them, once each."""
        needed: set[str] = set()
        for folder in folders:
            while folder and folder not in needed:
                needed.add(folder)
                folder = folder.rpartition("/")[0]  # noqa: PLW2901  walks up
        # Sorted, each comes behind the folder that it is in.
        for folder in sorted(needed):
            try:
                os.mkdir(f"{self._root}/{folder}")  # noqa: PTH102  of very many
            except FileExistsError:
                if not os.path.isdir(f"{self._root}/{folder}"):  # noqa: PTH112  the same
                    raise

    def link(self, source: str, path: str) -> None:
        """Make the file `source` appear at `path`."""
        target = f"{self._root}/{path}"
        if self._linking:
            try:
                os.link(source, target)
            except FileNotFoundError:
                raise NotInCache(source) from None
            except OSError as error:
                if error.errno in _NEVER:
                    # Once and for all: the next thousands of files would each fail in the same way.
                    self._stop_linking()
                elif error.errno not in _NOT_THIS_ONE:
                    raise
            else:
                return
        self._copy(source, target)

    def copy(self, source: str, path: str) -> None:
        """Make a copy of the file `source` at `path`."""
        self._copy(source, f"{self._root}/{path}")

    def symlink(self, target: str, path: str) -> None:
        """Make a symbolic link to `target` at `path`."""
        os.symlink(target, f"{self._root}/{path}")  # noqa: PTH211  of very many

    def _stop_linking(self) -> None:
        with self._lock:
            # Several threads meet it at once, and it is told once.
            said, self._linking = not self._linking, False
        if not said:
            self._progress.note(
                "files are copied, not linked: the package cache and the environment are on"
                " different file systems, or theirs has no hard links"
            )

    def write(self, path: str, content: bytes, *, executable: bool) -> None:
        """Make a file with this content."""
        with os.fdopen(_create(f"{self._root}/{path}", executable=executable), "wb") as file:
            file.write(content)

    def _copy(self, source: str, target: str) -> None:
        with open_cached(source) as old:
            status = os.fstat(old.fileno())
            with os.fdopen(_create(target, executable=bool(status.st_mode & 0o100)), "wb") as new:
                if not self._clone(old.fileno(), new.fileno()):
                    shutil.copyfileobj(old, new, 1 << 20)
                    # Before the time is set, which a later write would move.
                    new.flush()
                # Compiled Python files hold the time of the source that they are valid for.
                os.utime(new.fileno(), ns=(status.st_mtime_ns, status.st_mtime_ns))

    def _clone(self, old: int, new: int) -> bool:
        if self._cloning:
            try:
                fcntl.ioctl(new, _FICLONE, old)
            except OSError as error:
                if error.errno not in _NO_CLONE:
                    raise
                self._cloning = False
        return self._cloning


def _create(path: str, *, executable: bool) -> int:
    # Never through a link, nor into what is there: two packages with the same path are a case of the
    # caller's.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o777 if executable else 0o666)
