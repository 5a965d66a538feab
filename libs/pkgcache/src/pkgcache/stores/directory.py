"""A store in a directory, which may lie on a file system that several machines share."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pkgcache._files import NO_LINKS, open_file
from pkgcache.errors import Conflict, NotInStore, StoreError
from pkgcache.locks import hold
from pkgcache.stores.store import ObjectInfo, Store, check_key
from pkgcache.whole_files import contents, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pkgcache.progress import Task
    from pkgcache.stores.store import Sink

__all__ = ["DirectoryStore"]

_CHUNK = 1 << 20
_PATIENCE, _PAUSE = 10, 0.002  # seconds
_NO_PLACE = (errno.EACCES, errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EPERM, errno.EROFS)
_HINT = "correct the URL of the store: it must be of a directory"
_WRITE_HINT = f"{_HINT} that you may write to"


class DirectoryStore(Store):
    """Objects are files under `root`, written beside their place and moved there when complete.

    Names that start with a dot are ours: `.locks/` and temporary files. Permissions follow the
    umask; symbolic links in the place of an object are not followed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    @property
    def url(self) -> str:
        return self._root.as_uri()

    def __repr__(self) -> str:
        return f"DirectoryStore({str(self._root)!r})"

    def head(self, key: str) -> ObjectInfo | None:
        path = self._path(key)
        with self._errors("look up", key):
            try:
                status = path.lstat()
            except FileNotFoundError:
                return None
            except NotADirectoryError:
                self._check_root()
                return None
            return _info(key, status) if stat.S_ISREG(status.st_mode) else None

    def exists(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if self.head(key)}

    def get(self, key: str, sink: Sink, offset: int = 0) -> ObjectInfo:
        path = self._path(key)
        with self._errors("read", key):
            try:
                # An open file stays what it was, also where it is replaced while it is read.
                descriptor = open_file(path, follow=False)
            except (FileNotFoundError, NotADirectoryError) as error:
                if isinstance(error, NotADirectoryError):
                    self._check_root()
                raise NotInStore(key, self.url) from None
            try:
                status = os.fstat(descriptor)
                # By the position, and no further than the end: of many small objects, each call of
                # the system counts, and so does room for what is not in them.
                while piece := min(_CHUNK, max(0, status.st_size - offset)):
                    if not (data := os.pread(descriptor, piece, offset)):
                        break
                    sink.write(data)
                    offset += len(data)
            finally:
                os.close(descriptor)
            return _info(key, status)

    def put(
        self,
        key: str,
        source: bytes | Path,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        task: Task | None = None,
    ) -> ObjectInfo:
        path = self._path(key)
        # In the same folder, so that the rename stays within a file system; hidden, so that no key
        # is its.
        beside = path.parent / f".{secrets.token_hex(8)}.tmp"
        with self._errors("write", key, hint=_WRITE_HINT):
            descriptor = self._create(beside)
        with self._errors("write", key):
            try:
                written = _write(descriptor, source, task)
                if if_absent:
                    self._add(key, beside, path)
                else:
                    with self._lock(key):
                        if if_match is not None and self._etag(path) != if_match:
                            raise Conflict(key, self.url)
                        beside.replace(path)
            except FileExistsError:
                raise Conflict(key, self.url) from None
            finally:
                beside.unlink(missing_ok=True)
            # The name itself is on the disk only once its folder is.
            with suppress(FileNotFoundError):  # deleted since, with its folder
                _sync_directory(path.parent)
        return _info(key, written)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder, _, name = prefix.rpartition("/")
        start = self._path(folder) if folder else self._root
        with self._errors("list", prefix):
            self._check_root()
            yield from _walk(start, folder, name)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._errors("delete", key):
            self._check_root()
            # Where it is not, nothing is to be deleted, and there may be no store to take a lock
            # in.
            if path.parent.is_dir():
                with self._lock(key):
                    path.unlink(missing_ok=True)
                self._tidy(path.parent)

    def remove_leftovers(self, before: float) -> int:
        """Delete what killed writers left and last wrote `before`, a POSIX time; how much it was."""
        count = 0
        with self._errors("delete", ""):
            for path in self._root.rglob(".*.tmp"):
                with suppress(FileNotFoundError):  # its writer is done
                    if path.lstat().st_mtime < before:
                        path.unlink()
                        count += 1
                        self._tidy(path.parent)
        return count

    def _add(self, key: str, beside: Path, path: Path) -> None:
        """Move a file to where nothing is yet; raises `FileExistsError` where something is."""
        try:
            # link(2) fails where the name exists, which makes one of several writers win without
            # a lock, on network file systems too.
            os.link(beside, path)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            # Who cannot link here can nowhere in this file system, so all writers take the lock.
            with self._lock(key):
                if os.path.lexists(path):
                    raise FileExistsError from None
                beside.replace(path)

    def _tidy(self, folder: Path) -> None:
        """Remove folders that nothing is left in; a writer makes them again."""
        with suppress(OSError):  # there is something left
            while folder != self._root:
                folder.rmdir()
                folder = folder.parent

    def _check_root(self) -> None:
        """Raise `NotADirectoryError` where no store can be; where nothing is, one can be made."""
        with suppress(FileNotFoundError):
            if not stat.S_ISDIR(self._root.stat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    def _create(self, path: Path) -> int:
        """Open a new file for writing, in a folder that somebody else may be removing."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                return os.open(path, flags, 0o666)
            except (FileNotFoundError, FileExistsError):  # gone between two looks
                # Nobody removes the root: where there is none now, none can be.
                if time.monotonic() > end or not self._root.is_dir():
                    self._check_root()
                    raise
            # Two that take turns at the same pace would do so for ever.
            time.sleep(random.uniform(0, _PAUSE))  # noqa: S311

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _etag(self, path: Path) -> str | None:
        try:
            return _etag(path.lstat())
        except FileNotFoundError:
            return None

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        # Held for the length of a rename, so that a few shared locks do for all keys and no file
        # is left behind for each of them.
        locks = self._root / ".locks"
        locks.mkdir(exist_ok=True)
        with hold(locks / hashlib.sha256(key.encode()).hexdigest()[:2]):
            yield

    @contextmanager
    def _errors(self, operation: str, key: str, *, hint: str | None = None) -> Iterator[None]:
        try:
            yield
        except (Conflict, StoreError):
            raise
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            if isinstance(error, NotADirectoryError):
                hint = hint or _HINT
            elif error.errno not in _NO_PLACE:
                hint = None
            raise StoreError(operation, key, self.url, reason, hint=hint) from error


def _write(descriptor: int, source: bytes | Path, task: Task | None) -> os.stat_result:
    try:
        for data in contents(source):
            write_all(descriptor, data)
            if task:
                task.advance(len(data))
        # The kernel stamps files with a coarse clock; two versions must not share an etag.
        now = time.time_ns()
        os.utime(descriptor, ns=(now, now))
        os.fsync(descriptor)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _walk(folder: Path, key: str, prefix: str) -> Iterator[ObjectInfo]:
    try:
        with os.scandir(folder) as entries:
            shown = [
                entry for entry in entries if entry.name.startswith(prefix) and entry.name[0] != "."
            ]
    except (FileNotFoundError, NotADirectoryError):
        return
    # A folder sorts as its name and a slash, which is how its keys compare with a file's key.
    folders = {entry.name for entry in shown if entry.is_dir(follow_symlinks=False)}
    for entry in sorted(shown, key=lambda entry: entry.name + "/" * (entry.name in folders)):
        own = f"{key}/{entry.name}" if key else entry.name
        if entry.name in folders:
            yield from _walk(folder / entry.name, own, "")
        elif entry.is_file(follow_symlinks=False):
            try:
                yield _info(own, entry.stat(follow_symlinks=False))
            except FileNotFoundError:  # deleted since
                continue


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(
        key=key, size=status.st_size, etag=_etag(status), modified=status.st_mtime_ns / 1e9
    )


def _etag(status: os.stat_result) -> str:
    # Not a hash, which would cost a reading: `_write` sees to it that two versions differ.
    return f"{status.st_mtime_ns:x}-{status.st_ino:x}-{status.st_size:x}"
