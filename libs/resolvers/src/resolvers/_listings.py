"""The lists of files of conda builds: looked up once, kept by the hash of the build."""

from __future__ import annotations

import threading
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from envid.redaction import redact
from pkgcache.archives.conda_listing import read_file, read_listing
from pkgcache.errors import CacheError, DownloadError, PkgcacheError
from pkgcache.threads import Threads
from pkgcache.web.download import Downloader
from resolvers._distributions import distributions
from resolvers._kept import Kept
from resolvers._refusals import GONE
from resolvers.errors import IndexUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envid.packages import Package
    from resolvers.request import ResolveContext

__all__ = ["Listing", "read_listings"]

_SCHEMA = 2
_AT_ONCE = 16
_COMPILED = (".pyc", ".pyo")


class Listing(NamedTuple):
    """`noarch` and the paths of a build, without compiled modules.

    `stated` is what metadata whose folder does not say it states: name and version by path.
    `digests` are the sha256 of modules and what lies beside them, where they are the same anywhere.
    """

    noarch: str | None
    paths: tuple[str, ...]
    stated: Mapping[str, tuple[str, str]]
    digests: Mapping[str, str]


def read_listings(
    packages: Iterable[Package], context: ResolveContext
) -> dict[str, Listing | DownloadError]:
    """The listings by the digests of packages, or why a build is not to be had any more, or not offline.

    Raises `IndexUnreachable` where a channel fails, or has something else in place of a build.
    """
    kept = Kept(context.cache_dir / "listings", _SCHEMA)
    wanted = {package.digest: package for package in packages}
    known: dict[str, Listing | DownloadError] = {}
    for digest in wanted:
        if listing := kept.load(digest, _read):
            known[digest] = listing
    missing = [package for digest, package in wanted.items() if digest not in known]
    if not missing:
        return known
    task = context.progress.start("looking into conda packages", len(missing), "packages")
    stop = threading.Event()
    with (
        Downloader(
            context.credentials,
            workers=_AT_ONCE,
            patience=context.telling_patience,
            offline=context.offline,
        ) as remote,
        # What is on this machine is read offline as well.
        Downloader() as local,
        Threads(_AT_ONCE) as pool,
    ):

        def look(package: Package) -> Listing | DownloadError:
            here = urlsplit(package.url).scheme == "file"
            try:
                listing = _look(package, local if here else remote, context, stop)
            except DownloadError as error:
                # Gone, or not to be fetched now: its name must do. What may be mended is an error.
                if not error.retryable and (here or context.offline or error.status in GONE):
                    return error
                raise IndexUnreachable(error.url, error.reason, error.status, error.hint) from error
            # It is of this machine, and not of the channel.
            except CacheError:
                raise
            except PkgcacheError as error:
                hint = error.hint or f"say the names of `{package.name}` in a table of PyPI names"
                raise IndexUnreachable(redact(package.url), str(error), hint=hint) from error
            # Under the hash of the build, so that it holds for ever.
            kept.keep(package.digest, listing._asdict())
            task.advance()
            return listing

        try:
            looked = pool.map(look, missing)
            known |= zip([package.digest for package in missing], looked, strict=True)
        finally:
            # Downloads end at their next piece; the pool waits for them when it closes.
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            task.done()
    return known


def _look(
    package: Package, downloader: Downloader, context: ResolveContext, stop: threading.Event
) -> Listing:
    listing = context.listing(package) or read_listing(package, downloader, stop=stop)
    stated = {
        path: _metadata(read_file(package, path, downloader, stop=stop))
        for path in _unclear(listing.paths)
    }
    paths = tuple(path for path in listing.paths if not path.endswith(_COMPILED))
    # Only what lies in site-packages is ever compared with wheels.
    digests = {
        path: listing.digests[path]
        for path in paths
        if "site-packages/" in path and path in listing.digests
    }
    return Listing(listing.noarch, paths, stated, digests)


def _unclear(paths: Iterable[str]) -> list[str]:
    """The metadata at the top of any site-packages whose folder does not say the version."""
    split = [path.partition("site-packages/") for path in paths]
    return [
        f"{place}{slash}{distribution.path}"
        for place, slash, rest in split
        if slash
        for distribution in distributions([rest])
        if not distribution.version
    ]


def _metadata(data: bytes) -> tuple[str, str]:
    message = BytesParser().parsebytes(data, headersonly=True)
    return message.get("Name", ""), message.get("Version", "")


def _read(content: Any) -> Listing:
    stated = {path: (name, version) for path, (name, version) in content["stated"].items()}
    return Listing(content["noarch"], tuple(content["paths"]), stated, dict(content["digests"]))
