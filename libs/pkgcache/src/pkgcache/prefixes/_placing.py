"""Putting many files in place with few system calls: hard link, else reflink, else copy."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sys
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from pkgcache import _sharing
from pkgcache._files import NEVER, NO_LINKS, NOT_THIS_ONE, in_threads, open_cached
from pkgcache.errors import NotInCache
from pkgcache.prefixes._inventory import Made
from pkgcache.progress import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pkgcache.archives.records import PackagedFile
    from pkgcache.progress import Progress

    Link = tuple[str, str, PackagedFile]

_FICLONE = 0x40049409  # from linux/fs.h: share the blocks of a file
_NO_CLONE = (*NO_LINKS, errno.EINVAL, errno.ENOTTY, errno.ETXTBSY)


class Placer:
    """Makes files under `root`. What exists is left alone: `FileExistsError`.

    `made` takes down what it made.
    """

    def __init__(self, root: str, progress: Progress, made: Made | None = None) -> None:
        self._root, self._progress = root, progress
        self.made = made or Made()
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

    @contextmanager
    def linking(
        self, folders: Iterable[str], links: Sequence[Link]
    ) -> Iterator[Callable[[], None]]:
        """Make folders, and files of packages appear in them, while the body does something else.

        A link is the file, the path at which it appears, and what the package says of it. What is
        yielded is to be called before the body makes anything in these folders: it raises where
        they cannot be made. What else there is to raise is raised at the end.
        """
        root, known = self._root, 0

        def work(part: Sequence[Link]) -> int:
            for number, (source, path, _) in enumerate(part):
                try:
                    os.link(source, f"{root}/{path}")
                except OSError:
                    return number
            return len(part)

        def rest(undone: Sequence[Sequence[Link]]) -> None:
            for part in undone:
                for source, path, _ in counted(part, task):
                    self.link(source, path)

        def told(amount: int) -> None:
            nonlocal known
            known += amount
            task.advance(amount)

        dealt = _sharing.parts(links)
        first = partial(self.make_folders, folders)
        with ExitStack() as stack:
            with _sharing.shared(dealt, work, files=len(links), first=first, told=told) as shared:
                # Not before: what shows it may be a thread, and then no process can be forked.
                task = self._progress.start("linking files", len(links), "files")
                stack.callback(task.done)
                self.made.links((path, file) for _, path, file in links)
                yield shared.begin
            left = [dealt[number][done:] for number, done in shared.undone]
            task.advance(len(links) - sum(map(len, left)) - known)
            # Which says why it cannot be linked, or goes on in another way.
            in_threads(left, rest, few=1)

    def link(self, source: str, path: str) -> None:
        """Make the file `source` appear at `path`."""
        target = f"{self._root}/{path}"
        if self._linking:
            try:
                os.link(source, target)
            except FileNotFoundError:
                raise NotInCache(source) from None
            except OSError as error:
                if error.errno in NEVER:
                    # Once and for all: the next thousands of files would each fail in the same way.
                    self._stop_linking()
                elif error.errno not in NOT_THIS_ONE:
                    raise
            else:
                return
        self.made.not_linked(path)
        self.copy(source, path)

    def copy(self, source: str, path: str) -> None:
        """Make a copy of the file `source` at `path`."""
        self.made.others.append(path)
        self._copy(source, f"{self._root}/{path}")

    def symlink(self, target: str, path: str) -> None:
        """Make a symbolic link to `target` at `path`."""
        self.made.others.append(path)
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
        self.made.others.append(path)
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
