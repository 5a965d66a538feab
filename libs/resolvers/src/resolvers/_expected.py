"""Wheels that uv looks into while it chooses, read by us meanwhile.

An answer is checked by what its wheels say of themselves, and reading them takes as long as choosing
them. uv tells in its log which it has never seen before, and most of these it will choose. So it is
a hint and no more: what was read in vain is forgotten, what was not foreseen is read afterwards, and
a uv that words its log otherwise costs time.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from envid.errors import InvalidDescription
from envid.packages import Package
from pkgcache.archives.wheel_listing import see_wheel
from pkgcache.errors import PkgcacheError
from pkgcache.threads import Threads
from pkgcache.web.download import Downloader
from pkgcache.web.receiving import Cancelled
from resolvers._lock import plain_url
from resolvers._wheel_listings import WheelListings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future
    from pathlib import Path

    from pkgcache.archives.wheel_listing import SeenWheel
    from resolvers.request import ResolveContext

__all__ = ["ExpectedWheels"]

# Beside a wheel its metadata may lie, under its name (PEP 658).
_NEW = re.compile(r"No cache entry for: (https?://\S+\.whl)(?:\.metadata)?$")
_AT_ONCE = 16
# Of a project that uv goes through from version to version, the first ones are not those it takes.
_OF_A_PROJECT = 2


class ExpectedWheels:
    """Reads wheels as they are named; safe to use from several threads. `reading` has their URLs."""

    def __init__(self, context: ResolveContext) -> None:
        self._context = context
        self._listings = WheelListings((), context)
        self._downloader = Downloader(
            context.credentials, workers=_AT_ONCE, patience=context.telling_patience
        )
        self._pool = Threads(_AT_ONCE)
        self._stop = threading.Event()
        self.reading: dict[str, Future[SeenWheel | None]] = {}
        self._of_project: Counter[str] = Counter()

    def __enter__(self) -> ExpectedWheels:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
        self._downloader.close()

    def note(self, line: str) -> None:
        """A line of uv's log."""
        # What cannot be begun is read afterwards.
        with suppress(ValueError, RuntimeError, OSError):
            if named := _NEW.search(line):
                self._expect(plain_url(named[1]))

    def _expect(self, url: str) -> None:
        filename = unquote(urlsplit(url).path).rpartition("/")[2]
        project = filename.partition("-")[0]
        if url not in self.reading and self._of_project[project] < _OF_A_PROJECT:
            self._of_project[project] += 1
            self.reading[url] = self._pool.submit(self._read, url, filename)

    def settle(self, packages: Iterable[Package]) -> None:
        """Wait for those of the wheels that were foreseen; what they say is kept then."""
        for package in packages:
            reading = self.reading.get(package.url)
            seen = reading.result() if reading else None
            digest = package.hashes.sha256
            # Of a larger one only its size can be compared, as where nothing was foreseen.
            if seen and not seen.sha256 and digest and package.size in (None, seen.size):
                self._listings.keep(digest, seen.listing, package.url)

    def _read(self, url: str, filename: str) -> SeenWheel | None:
        whole = partial(self._keep, url, filename) if self._context.keep else None
        try:
            with self._listings.alone(url):
                if self._listings.seen(url):
                    return None
                seen = see_wheel(url, filename, self._downloader, stop=self._stop, whole=whole)
                if seen.sha256:
                    self._listings.keep(seen.sha256, seen.listing, url)
        # Whoever needs the wheel meets with the same, and says it.
        except (PkgcacheError, Cancelled, InvalidWheelFilename, InvalidDescription, OSError):
            return None
        return seen

    def _keep(self, url: str, filename: str, wheel: Path | bytes, sha256: str) -> None:
        name, version = parse_wheel_filename(filename)[:2]
        package = Package.make(
            kind="pypi",
            name=name,
            version=str(version),
            filename=filename,
            url=url,
            sha256=sha256,
            size=len(wheel) if isinstance(wheel, bytes) else wheel.stat().st_size,
        )
        if self._context.keep:
            self._context.keep(package, wheel)
