"""Verified downloads: parallel-safe, retried, resumed, hashed while they stream."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

from envid.packages import Hashes
from envid.redaction import redact
from pkgcache._files import open_file
from pkgcache.errors import CacheError, DownloadError, HashMismatch
from pkgcache.web.credentials import Credentials
from pkgcache.web.patience import Patience, Tries
from pkgcache.web.receiving import Body, Cancelled, Looked, Partial, Received, T

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pkgcache.progress import Task
    from pkgcache.web._http import Client

__all__ = ["Downloader"]

_CHUNK = 1 << 18
_NO_HASHES = Hashes()


class Downloader:
    """Fetches URLs (`https`, `http`, `file`) into files. Safe to use from several threads.

    `workers` is how many downloads a caller should run at once; small ones mostly wait for their
    answers. `patience` says how long servers are waited for and how often they are asked again. One
    that is `offline` refuses every URL.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        # A line of 100 MB/s that is 50 ms long has room for fifty packages of 100 kB, and each takes a
        # few milliseconds here before another is asked for.
        workers: int = 64,
        patience: Patience | None = None,
        offline: bool = False,
    ) -> None:
        self.credentials = credentials or Credentials()
        self.workers, self.patience = workers, patience or Patience()
        self._offline = offline
        self._client: Client | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Downloader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._client:
            self._client.close()
            self._client = None

    def download(
        self,
        url: str,
        destination: Path,
        *,
        hashes: Hashes = _NO_HASHES,
        size: int | None = None,
        task: Task | None = None,
        stop: threading.Event | None = None,
    ) -> Received:
        """Fetch `url` into the file `destination`, which is right when this returns.

        Bytes that are in the file already are taken for an earlier attempt's, and the rest is
        asked for. What does not have the hashes and the size is fetched once more from the start.
        `task` follows the bytes; setting `stop` ends the download with `Cancelled`.

        Raises `DownloadError` where the URL cannot be fetched, `HashMismatch` where it gives other
        bytes, `CacheError` where the file cannot be written. The file then holds what arrived, but
        for a full disk.
        """
        _check_scheme(url)
        if self._offline:
            raise DownloadError(redact(url), "downloads are switched off")
        try:
            with Partial(
                destination, url, hashes=hashes, size=size, task=task, stop=stop
            ) as partial:
                return self._receive(url, partial)
        except (DownloadError, HashMismatch):
            raise
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CacheError(str(destination), reason) from error

    def read(
        self,
        url: str,
        reader: Callable[[Body], T],
        start: int = 0,
        end: int | None = None,
        *,
        stop: threading.Event | None = None,
        page: bool = False,
        accept: str | None = None,
    ) -> T:
        """What `reader` makes of the bytes of `url` from `start` up to `end`.

        A negative `start` counts from the end.
        They are in no way checked. `reader` need not take them all, and is called again, with a new
        body, where an attempt fails on its way. A web page is an error unless a `page` is asked for;
        `accept` are the kinds of content to ask for (RFC 9110, 12.5.1). Setting `stop` ends it with `Cancelled`. Raises
        `DownloadError` where the URL cannot be read, and whatever `reader` does.
        """
        _check_scheme(url)
        if self._offline:
            raise DownloadError(redact(url), "downloads are switched off")
        if urlsplit(url).scheme == "file":
            return _read_part(url, reader, start)
        client, asked = self._http(), stop or threading.Event()

        def heed(body: Body) -> T:
            return reader(body._replace(pieces=_until(asked, body.pieces)))

        def pause(seconds: float) -> None:
            if asked.wait(seconds):
                raise Cancelled

        def attempt() -> T:
            return client.read(url, start, end, heed, page=page, accept=accept)

        return self._retried(url, attempt, pause)

    def look(self, url: str) -> Looked:
        """What a server answers about `url`, whatever its status; asked once, and nothing is read.

        Raises `DownloadError` where it does not answer.
        """
        _check_scheme(url)
        if self._offline:
            raise DownloadError(redact(url), "downloads are switched off")
        return self._http().look(url)

    def proxy(self, url: str) -> str | None:
        """The proxy that requests to `url` go through, without its login; None for none."""
        from pkgcache.web._http import proxy_of

        return proxy_of(url)

    def _receive(self, url: str, partial: Partial) -> Received:
        # A beginning left by an earlier attempt may be wrong, and so may a proxy once.
        for last in (False, True):
            try:
                self._complete(url, partial)
                return partial.verify()
            except HashMismatch:
                partial.restart()
                if last:
                    raise
        # The second round returns or raises.
        raise AssertionError

    def _complete(self, url: str, partial: Partial) -> None:
        if urlsplit(url).scheme == "file":
            _read_file(url, partial)
        else:
            client = self._http()
            self._retried(url, lambda: client.fetch(url, partial), partial.pause, partial)

    def _retried(
        self,
        url: str,
        attempt: Callable[[], T],
        pause: Callable[[float], None],
        partial: Partial | None = None,
    ) -> T:
        tries = Tries(self.patience, f"`{urlsplit(url).hostname}`")
        while True:
            size = partial.size if partial else 0
            try:
                return attempt()
            except DownloadError as error:
                # A server that is too slow moves something as well, and its try was no good one.
                moved = partial is not None and partial.size > size
                wait = tries.wait(error.retry_after, moved=moved and not error.slow)
                if wait is None:
                    raise
                pause(wait)

    def _http(self) -> Client:
        with self._lock:
            if not self._client:
                from pkgcache.web._http import Client

                self._client = Client(self.credentials, pool=self.workers, patience=self.patience)
            return self._client


def _until(stop: threading.Event, pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if stop.is_set():
            raise Cancelled
        yield piece


def _check_scheme(url: str) -> None:
    try:
        known = urlsplit(url).scheme in ("https", "http", "file")
    except ValueError:
        known = False
    if not known:
        raise DownloadError(redact(url), "it is not a URL that can be fetched")


def _read_file(url: str, partial: Partial) -> None:
    # To read it again takes less than to find out whether what is here is its beginning.
    partial.restart()
    with _local_file(url) as file:
        while data := file.read(_CHUNK):
            partial.write(data)


def _read_part(url: str, reader: Callable[[Body], T], start: int) -> T:
    with _local_file(url) as file:
        size = file.seek(0, os.SEEK_END)
        start = file.seek(start if start >= 0 else max(0, size + start))
        return reader(Body(start, size, iter(lambda: file.read(_CHUNK), b"")))


@contextmanager
def _local_file(url: str) -> Iterator[BinaryIO]:
    try:
        file = os.fdopen(open_file(unquote(urlsplit(url).path)), "rb")
    except OSError as error:
        raise DownloadError(redact(url), (error.strerror or "").lower()) from error
    with file:
        yield file
