"""A file as it is received: its size and hash are known at every moment."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from envid.redaction import redact
from pkgcache.errors import HashMismatch
from pkgcache.lacking import FULL
from pkgcache.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envid.packages import Hashes
    from pkgcache.progress import Task

__all__ = ["Body", "Cancelled", "Looked", "Partial", "Received"]

_CHUNK = 1 << 18

T = TypeVar("T")


class Cancelled(Exception):
    """The work was called off through its `stop` event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What a download brought."""

    sha256: str
    size: int


class Body(NamedTuple):
    """A part of a file as it arrives: where it begins, and the size of the whole, if that is known.

    A server that knows no ranges sends all of it, from 0 on.
    """

    start: int
    total: int | None
    pieces: Iterator[bytes]

    def text(self) -> str:
        """All of it as UTF-8; what is none is replaced."""
        return b"".join(self.pieces).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a server answered. `date` is its clock, as a POSIX time, None where it does not say."""

    status: int
    date: float | None


class Partial:
    """A file that is being received: its size and hash are known at every moment.

    `origin` is the URL that the bytes come from. What is in the file already counts.
    """

    def __init__(
        self,
        path: Path,
        origin: str,
        *,
        hashes: Hashes,
        size: int | None,
        task: Task | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._path, self._origin, self._hashes, self._expected = path, origin, hashes, size
        self._task = task or NoProgress().start("", None, "bytes")
        self._stop = stop or threading.Event()
        self.size, self._digests = 0, self._fresh()

    def __enter__(self) -> Partial:
        # Without a buffer: the pieces are large, and what was counted is in the file.
        descriptor, begun = _open(self._path)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        while begun and (data := self._file.read(_CHUNK)):
            self._count(data)
        if self._expected is not None and self.size > self._expected:
            self.restart()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._file.close()
        if isinstance(error, OSError) and error.errno in FULL:
            self._path.unlink()  # so that others have the room

    @property
    def complete(self) -> bool:
        """Whether all that was promised is here."""
        return self.size == self._expected

    def write(self, data: bytes) -> None:
        """Append received bytes. Raises `HashMismatch` where they are too many, or `Cancelled`."""
        if self._stop.is_set():
            raise Cancelled
        # An unbuffered file may take a part only, as it does where a disk gets full.
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]
        self._count(data)
        if self._expected is not None and self.size > self._expected:
            self._refuse(f"{self._expected} bytes", "more")

    def pause(self, seconds: float) -> None:
        """Wait before another attempt; raises `Cancelled`."""
        if self._stop.wait(seconds):
            raise Cancelled

    def restart(self) -> None:
        """Forget what was received."""
        self._task.advance(-self.size)
        self._file.seek(0)
        self._file.truncate()
        self.size, self._digests = 0, self._fresh()

    def verify(self) -> Received:
        """Check what was received and bring it to the disk; raises `HashMismatch`."""
        if self._expected not in (None, self.size):
            self._refuse(f"{self._expected} bytes", f"{self.size} bytes")
        actual = {kind: digest.hexdigest() for kind, digest in self._digests.items()}
        for kind, digest in actual.items():
            expected = getattr(self._hashes, kind)
            if expected not in (None, digest):
                self._refuse(f"{kind}:{expected}", f"{kind}:{digest}")
        # Before whoever called renames it: after a power cut a name must not stand for missing
        # bytes.
        os.fsync(self._file.fileno())
        return Received(sha256=actual["sha256"], size=self.size)

    def _refuse(self, expected: str, actual: str) -> None:
        filename = unquote(urlsplit(self._origin).path.rpartition("/")[2])
        raise HashMismatch(filename, expected, actual, redact(self._origin))

    def _fresh(self) -> dict[str, hashlib._Hash]:
        digests = {"sha256": hashlib.sha256()}
        # A weak digest is looked at only where the index has no other; sha256 is the name in every
        # store.
        if self._hashes.md5 and not self._hashes.sha256:
            digests["md5"] = hashlib.md5(usedforsecurity=False)
        return digests

    def _count(self, data: bytes) -> None:
        self.size += len(data)
        for digest in self._digests.values():
            digest.update(data)
        self._task.advance(len(data))


def _open(path: Path) -> tuple[int, int]:
    """The descriptor of a file, made where it is missing, and how many bytes are in it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o644)
    except PermissionError:
        pass  # begun by another user of the group; if not, neither can it be replaced
    except OSError:
        if not path.is_symlink():
            raise
    else:
        status = os.fstat(descriptor)
        # A second name may be that of a file elsewhere that others believe in.
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            return descriptor, status.st_size
        os.close(descriptor)
    # Something that is not our own file was planted here: leave its target alone.
    path.unlink(missing_ok=True)
    return os.open(path, flags | os.O_EXCL, 0o644), 0
