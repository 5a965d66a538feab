"""The local cache: verified archives and unpacked packages, shared by processes and by a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pkgcache.archives import conda_packages, wheels
from pkgcache.errors import BadArchive, NotInCache
from pkgcache.local._fetched import Fetched
from pkgcache.local._shelves import Shelves
from pkgcache.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envid.packages import Package
    from pkgcache.archives.conda_listing import CondaListing
    from pkgcache.progress import Progress
    from pkgcache.stores.store import Store
    from pkgcache.web.download import Downloader

__all__ = ["Fetched", "PackageCache"]


class PackageCache(Shelves):
    """A cache in the directory `root`, which is made where it is missing and can be made.

    With `always_verify` every file of an unpacked package is hashed whenever it is used, else those
    that may have changed. A cache that cannot be written is read; whatever would have to be written
    is a `CacheError`.

    Raises `CacheError` for a directory that others may write into, unless it is given to one of
    the user's groups on purpose (`chgrp`, `chmod g+ws`).
    """

    def fetch(
        self,
        packages: Iterable[Package],
        *,
        downloader: Downloader | None = None,
        store: Store | None = None,
        unpack: bool = False,
        progress: Progress | None = None,
    ) -> Fetched:
        """Bring the archives of `packages` into the cache, each once, in parallel.

        What is not here is taken from `store`, and what is not there, or is damaged there, from
        its URL. With `unpack`, packages are unpacked as they come. Other processes that fetch the
        same are waited for, not repeated.

        Raises the first error, `DownloadError`, `HashMismatch`, `BadArchive`, `CacheError`, or
        `NotInCache` for a built wheel that neither cache nor store has; what arrived stays.
        """
        packages = tuple(packages)
        if self.in_use(packages, unpacked=unpack):
            return Fetched(cached=len({(package.digest, package.filename) for package in packages}))
        from pkgcache.local._fetch import Fetcher  # nearly always all is here
        from pkgcache.web.download import Downloader

        own = downloader or Downloader()
        fetcher = Fetcher(self, own, store, progress=progress or NoProgress())
        try:
            with self.room_for(packages):
                return fetcher.run(packages, unpack=unpack)
        finally:
            if not downloader:
                own.close()

    def in_use(self, packages: Iterable[Package], *, unpacked: bool) -> bool:
        """Keep garbage collection from packages for a while; whether all are here, or `unpacked`."""
        packages = tuple(packages)
        for package in packages:
            # Before anything is looked for: what is touched now is not collected while the rest
            # comes.
            self._use(package)
        with self.errors():
            return all(map(self.has_unpacked if unpacked else self.has, packages))

    def listing(self, package: Package) -> CondaListing | None:
        """What is in a conda package, by what is here of it; None where nothing is."""
        from pkgcache.archives.conda_listing import CondaListing, read_listing
        from pkgcache.web.download import Downloader

        with self.errors():
            if unpacked := conda_packages.load(self._folder(package)):
                files = [file for file in unpacked.files if file.kind != "directory"]
                return CondaListing.of(unpacked.index, files)
            try:
                archive = self.archive(package)
                return read_listing(package._replace(url=archive.as_uri()), Downloader())
            except (NotInCache, BadArchive):
                return None

    def wheel_metadata(self, package: Package) -> str | None:
        """The METADATA of a wheel, by what is here of it; None where nothing is."""
        from pkgcache.archives.wheel_listing import read_listing
        from pkgcache.web.download import Downloader

        with self.errors():
            if unpacked := wheels.load(self._folder(package)):
                path = unpacked.tree / unpacked.dist_info / "METADATA"
                return path.read_text("utf-8", "replace")
            try:
                archive = self.archive(package)
                here = package._replace(url=archive.as_uri(), built_from=None)
                return read_listing(here, Downloader()).metadata
            except (NotInCache, BadArchive):
                return None
