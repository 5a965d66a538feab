"""What wheels say of themselves: looked up once, kept by the hash of the wheel.

It is read from the wheels, by range, and not from what an index says beside them, so that an index
that describes a wheel wrongly is found out.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from envid.redaction import redact
from pkgcache.archives.wheel_listing import read_file, read_listing
from pkgcache.errors import BadArchive, CacheError, DownloadError, PkgcacheError
from pkgcache.threads import Threads
from pkgcache.web.download import Downloader
from resolvers._kept import Kept
from resolvers.errors import IndexUnreachable
from resolvers.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envid.packages import Package
    from pkgcache.archives.wheel_listing import WheelListing
    from resolvers.request import Resolution, ResolveContext

__all__ = ["WheelFacts", "WheelListings"]

_SCHEMA = 1
_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFacts:
    """The metadata of a wheel, and what lies at the top of its part of site-packages."""

    metadata: Metadata
    tops: frozenset[str]


class WheelListings:
    """The wheels of resolutions, those that were built here or are on this machine among them."""

    def __init__(self, resolutions: Iterable[Resolution], context: ResolveContext) -> None:
        self._context, self._kept = context, Kept(context.cache_dir / "wheels", _SCHEMA)
        self._paths = {
            artifact.sha256: artifact.path for each in resolutions for artifact in each.artifacts
        }

    def facts(
        self, packages: Iterable[Package], *, known: Mapping[str, WheelFacts] | None = None
    ) -> dict[str, WheelFacts]:
        """The facts by sha256, but of wheels that were built and are gone, not had offline, or none.

        Those that are `known` are looked up no more.
        Raises `IndexUnreachable` where a wheel is not to be had, or is not what its index says.
        """
        wanted = {_digest(package): package for package in packages}
        by_digest = {digest: known[digest] for digest in wanted if digest in known} if known else {}
        for digest in wanted.keys() - by_digest.keys():
            if facts := self._kept.load(digest, _read):
                by_digest[digest] = facts
        missing = [package for digest, package in wanted.items() if digest not in by_digest]
        missing = [at for package in missing if (at := self._located(package))]
        if not missing:
            return by_digest
        stop = threading.Event()
        task = self._context.progress.start("looking into wheels", len(missing), "packages")
        with self._downloader() as downloader, Threads(_AT_ONCE) as pool:

            def look(package: Package) -> WheelFacts | None:
                digest = _digest(package)
                # Where several processes want to know the same, the first looks.
                with self.alone(package.url):
                    facts = self._kept.load(digest, _read) or self._look(package, downloader, stop)
                task.advance()
                return facts

            try:
                for package, facts in zip(missing, pool.map(look, missing), strict=True):
                    if facts:
                        by_digest[_digest(package)] = facts
            finally:
                stop.set()
                pool.shutdown(cancel_futures=True)
                task.done()
        return by_digest

    def files(self, package: Package) -> dict[str, tuple[str, str]]:
        """What a wheel brings to site-packages, by path: path in the wheel, hash."""
        name = f"{_digest(package)}.files"
        files = self._kept.load(name, dict[str, tuple[str, str]])
        if files is None:
            with self._downloader() as downloader:
                self._look(self._located(package) or package, downloader)
            files = self._kept.load(name, dict[str, tuple[str, str]])
        return files or {}

    def file(self, package: Package, path: str) -> bytes:
        """One file of a wheel."""
        with self._downloader() as downloader:
            return read_file(self._located(package) or package, path, downloader)

    def _downloader(self) -> Downloader:
        context = self._context
        patience = context.telling_patience
        return Downloader(context.credentials, workers=_AT_ONCE, patience=patience)

    def _located(self, package: Package) -> Package | None:
        """The package at a URL where its wheel is; None where there is none."""
        path = self._paths.get(_digest(package)) or self._context.wheel(package)
        if path:
            return package._replace(url=path.absolute().as_uri())
        # The URL of a built wheel is that of its source.
        gone = package.built_from or (self._context.offline and not package.url.startswith("file:"))
        return None if gone else package

    def _look(
        self, package: Package, downloader: Downloader, stop: threading.Event | None = None
    ) -> WheelFacts | None:
        keep = None if package.url.startswith("file:") else self._context.keep
        whole = partial(keep, package) if keep else None
        try:
            listing = read_listing(package, downloader, stop=stop, whole=whole)
        except DownloadError as error:
            raise IndexUnreachable(error.url, error.reason, error.status, error.hint) from error
        except BadArchive:
            return None  # whoever unpacks it says what is wrong with it
        # It is of this machine, and not of the index.
        except CacheError:
            raise
        except PkgcacheError as error:
            raise IndexUnreachable(redact(package.url), str(error), hint=error.hint) from error
        return self.keep(_digest(package), listing, package.url)

    @contextmanager
    def alone(self, url: str) -> Iterator[None]:
        """Read the wheel at a URL while no other process does."""
        with self._kept.alone(_name(url)):
            yield

    def seen(self, url: str) -> bool:
        """Whether the wheel at a URL was read."""
        return (
            self._kept.load(_name(url), lambda digest: self._kept.load(digest, _read)) is not None
        )

    def keep(self, digest: str, listing: WheelListing, url: str) -> WheelFacts | None:
        """Keep what is in the wheel of a hash, and that it is at a URL; None for no metadata."""
        try:
            metadata = Metadata.parse(listing.metadata)
        except ValueError:
            return None
        files = {path: (source, hashed) for path, source, hashed in listing.site_packages}
        facts = WheelFacts(
            metadata=metadata,
            tops=frozenset(path.partition("/")[0] for path in files),
        )
        # Last what says that all of it is there.
        self._kept.keep(f"{digest}.files", files)
        document = {"metadata": facts.metadata.to_dict(), "tops": sorted(facts.tops)}
        self._kept.keep(digest, document)
        self._kept.keep(_name(url), digest)
        return facts


def _name(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def _read(content: Any) -> WheelFacts:
    return WheelFacts(
        metadata=Metadata.from_dict(content["metadata"]), tops=frozenset(content["tops"])
    )


def _digest(package: Package) -> str:
    return package.hashes.sha256 or ""
