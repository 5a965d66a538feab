"""A zip at a URL, of which only those parts are fetched that somebody wants to read.

What is fetched lies at its place in a temporary file that has holes for the rest: the end first,
with the directory, then what lies together. Of a server that knows no ranges, all of it comes. What
is small and comes as a whole needs no file.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, NoReturn

from envid.packages import Hashes
from envid.redaction import redact
from pkgcache.archives import _zip
from pkgcache.errors import DownloadError, HashMismatch

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator

    from envid.packages import Package
    from pkgcache.archives._zip import Data
    from pkgcache.web.download import Downloader
    from pkgcache.web.receiving import Body

_TAIL = 64 << 10
_FEW = 256 << 10
_GAP = 16 << 10  # to fetch this much for nothing costs less than another request
LARGEST = 64 << 20
_NO_SUCH_RANGE = 416


class Unknown(NamedTuple):
    """A file of which its URL is known, and nothing by which it could be checked."""

    url: str
    filename: str
    size: int | None = None
    hashes: Hashes = Hashes()


class _Place:
    """Where fetched bytes are put: in memory as long as they are few and without holes."""

    def __init__(self) -> None:
        self._few = bytearray()
        self._file: IO[bytes] | None = None
        self._open = ExitStack()

    def close(self) -> None:
        self._open.close()

    def put(self, at: int, data: bytes) -> None:
        if not self._file and at <= len(self._few) and at + len(data) <= _FEW:
            self._few[at : at + len(data)] = data
            return
        if not self._file:
            file = tempfile.NamedTemporaryFile(buffering=0)  # noqa: SIM115 - `close` closes it
            self._file = self._open.enter_context(file)
            self._file.write(self._few)
        while data:
            written = os.pwrite(self._file.fileno(), data, at)
            at, data = at + written, data[written:]

    def data(self, size: int) -> Data:
        """All of it, where the last bytes are there already; what comes later appears in a file's."""
        if not self._file:
            return bytes(self._few[:size])
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._open.enter_context(mapped)

    def digest(self, kind: str) -> str:
        digest = hashlib.new(kind, self._few if not self._file else b"", usedforsecurity=False)
        if self._file:
            self._file.seek(0)
            while piece := self._file.read(1 << 20):
                digest.update(piece)
        return digest.hexdigest()

    @property
    def content(self) -> Path | bytes:
        return Path(self._file.name) if self._file else bytes(self._few)


class RemoteZip:
    """The zip of a package; `names` are those of its members, which need not be there yet.

    `whole` is all of it, or the file that it is in, where all was fetched and has the hash of the
    package; `sha256` is then that of an unknown one.
    """

    def __init__(
        self,
        package: Package | Unknown,
        downloader: Downloader,
        place: _Place,
        stop: threading.Event | None,
        small: int,
    ) -> None:
        self._package, self._place = package, place
        self._read = partial(downloader.read, package.url, stop=stop)
        size = package.size
        # Indexes need not say how large a file is: then the end is asked for by its length, and of
        # what is small that is all.
        start = -max(small, _TAIL)
        if size is not None:
            start = size - _TAIL if size > -start else 0
        self._begin, self._size = self._fetch(start, size)
        if not self._size:
            raise _zip.BadZip("is empty")
        self.size, self.sha256 = self._size, ""
        self.whole: Path | bytes | None = None
        # Only all of it has a hash that is known.
        if not self._begin:
            self._check_hash()
            self.whole = place.content
        self._data = place.data(self._size)
        start, end, count = _zip.directory(self._data, self._begin)
        self._bring([(start, end)])
        self._listed = _zip.listed(self._data, start, end, count)
        self.names = frozenset(self._listed)

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """The content of members, fetched together; raises `BadZip`."""
        wanted = list(names)
        self.fetch(wanted)
        if sum(self._listed[name][0].size for name in wanted) > LARGEST:
            raise _zip.BadZip("has absurdly large metadata")
        return {name: b"".join(self.content(name)) for name in wanted}

    def fetch(self, names: Iterable[str]) -> None:
        """Bring the bytes of members; raises `BadZip` where any is lacking or far too large."""
        for name in names:
            if name not in self._listed:
                raise _zip.BadZip(f"lacks `{name}`")
        self._bring([(entry.offset, stop) for entry, stop in map(self._listed.__getitem__, names)])

    def content(self, name: str) -> Iterator[bytes]:
        """The content of a member that was fetched."""
        return _zip.content(self._data, _zip.local(self._data, *self._listed[name]))

    def packed(self, name: str) -> int:
        """The bytes that a member takes in the zip."""
        return self._listed[name][0].packed

    def _bring(self, spans: list[tuple[int, int]]) -> None:
        """Fetch what is not there yet; spans that lie together are a single request."""
        missing = sorted((start, min(stop, self._begin)) for start, stop in spans)
        runs: list[tuple[int, int]] = []
        for start, stop in missing:
            if start >= self._begin:
                continue
            if runs and start - runs[-1][1] <= _GAP:
                runs[-1] = runs[-1][0], max(stop, runs[-1][1])
            else:
                runs.append((start, stop))
        if sum(stop - start for start, stop in runs) > LARGEST:
            raise _zip.BadZip("has absurdly large metadata")
        for start, stop in runs:
            self._fetch(start, stop)

    def _fetch(self, start: int, stop: int | None) -> tuple[int, int]:
        """Fetch a part to its place: from where on it is there, and the size of the whole."""

        def put(body: Body) -> tuple[int, int]:
            package = self._package
            if None not in (package.size, body.total) and package.size != body.total:
                self._refuse(f"{package.size} bytes", f"{body.total} bytes")
            size = body.total if package.size is None else package.size
            asked = start if start >= 0 else max(0, (size or 0) + start)
            # All from the first byte on is right too: so a server answers that knows no ranges.
            if body.start not in (0, asked) or (body.start and size is None):
                raise _OtherRangeError
            end = stop or size
            at = body.start
            for piece in body.pieces:
                # Where more is sent than was asked for, what lies behind `end` is not waited for.
                data = piece if end is None else piece[: end - at]
                self._place.put(at, data)
                at += len(data)
                if at == end:
                    break
            if end is not None and at < end:
                reason = "the connection broke off"
                raise DownloadError(redact(package.url), reason, retry_after=0.0)
            return body.start, size or at

        try:
            return self._read(put, start, stop)
        # Without a range there is nothing that could be misunderstood.
        except _OtherRangeError:
            return self._read(put)
        # The index may be wrong about the size, or the server about ranges.
        except DownloadError as error:
            if error.status != _NO_SUCH_RANGE:
                raise
            return self._read(put)

    def _check_hash(self) -> None:
        """All of it is there."""
        hashes = self._package.hashes
        kind = "md5" if hashes.md5 and not hashes.sha256 else "sha256"
        digest = self._place.digest(kind)
        if isinstance(self._package, Unknown):
            self.sha256 = digest
        elif digest != getattr(hashes, kind):
            self._refuse(f"{kind}:{getattr(hashes, kind)}", f"{kind}:{digest}")

    def _refuse(self, expected: str, actual: str) -> NoReturn:
        package = self._package
        raise HashMismatch(package.filename, expected, actual, redact(package.url))


class _OtherRangeError(Exception):
    """The server sent other bytes than it was asked for."""


@contextmanager
def remote_zip(
    package: Package | Unknown,
    downloader: Downloader,
    *,
    stop: threading.Event | None = None,
    small: int = 0,
) -> Iterator[RemoteZip]:
    """Open the zip that a package is; setting `stop` ends it with `Cancelled`.

    What is at most `small` is fetched as a whole.

    Raises `BadZip`, and `DownloadError` and `HashMismatch` where it cannot be had or is another.
    """
    with closing(_Place()) as place:
        yield RemoteZip(package, downloader, place, stop, small)
