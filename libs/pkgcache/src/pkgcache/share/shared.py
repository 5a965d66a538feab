"""What a team shares: environments with their packages, defaults, aliases and built wheels.

Packages come first, then the description, then what names it: a description that is there implies
that its packages are. Everything may be repeated; what an interrupted publish left is completed by
the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pkgcache.progress import NoProgress
from pkgcache.share._publish import Published, Publishing, Transmuting
from pkgcache.share._records import BuiltWheel, SharedRecords
from pkgcache.web.download import Downloader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envid.ids import EnvId
    from envid.resolved import ResolvedEnv
    from pkgcache.local.cache import PackageCache
    from pkgcache.progress import Progress

__all__ = ["ANY_FORMAT", "BuiltWheel", "EnvStore", "Published", "Transmuting"]

ANY_FORMAT = Transmuting()
"""Packages stay in the format they have."""


class EnvStore(SharedRecords):
    """Environments in a store. The layout's version is checked once, by the first operation.

    Every method raises `StoreError` where the store fails, `LayoutTooNew` where a newer version of
    this library laid it out, and `DamagedObject` for an object that is not what its key says.
    """

    def publish(
        self,
        envs: Iterable[ResolvedEnv],
        *,
        cache: PackageCache,
        downloader: Downloader | None = None,
        transmuting: Transmuting = ANY_FORMAT,
        verify: bool = False,
        alike: Iterable[EnvId] = (),
        progress: Progress | None = None,
    ) -> Published:
        """Put environments into the store, and those of their packages that it lacks.

        Packages that `cache` lacks are downloaded, and those of conda are transmuted where
        `transmuting` says so, each once for all environments; an environment is described as soon
        as all of its packages are there. A known environment costs a single request, unless `verify`
        asks to read all of its packages back from the store, and to put those right that are
        missing or damaged. What the store describes already has its packages there, so that those
        shared with `alike` environments, if they are there, are not asked for one by one.

        The first error, of a download, of an archive, or of the store, ends it; what arrived
        stays, and a repetition goes on from there.
        """
        own = downloader or Downloader()
        try:
            self._prepare()
            return Publishing(
                self,
                cache,
                own,
                transmuting=transmuting,
                verify=verify,
                alike=alike,
                progress=progress or NoProgress(),
            ).run(envs)
        finally:
            if not downloader:
                own.close()
