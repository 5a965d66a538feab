"""What every use case stands on: settings, registry, cache, store, and who does the work."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mfenv.errors import InvalidRequest
from mfenv.registry import Registry
from mfenv.settings import Settings, package_limits, patience
from pkgcache.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envid.packages import Package
    from pkgcache.local.cache import PackageCache
    from pkgcache.progress import Progress
    from pkgcache.share.shared import EnvStore
    from pkgcache.stores.store import Store
    from pkgcache.web.credentials import Credentials
    from pkgcache.web.download import Downloader
    from pkgcache.web.patience import Patience
    from pkgcache.worker import Worker

__all__ = ["Site"]


class Site:
    """One user's place under one set of settings; safe between threads, processes and users.

    Each part is made by its first use, once. `credentials` are logins beside those in the
    settings, which are added to them.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        progress: Progress | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        from pkgcache.progress import NoProgress
        from pkgcache.web.credentials import Credentials

        self.credentials = credentials or Credentials()
        self.settings = settings = settings or Settings.load()
        # Whoever asks these servers has their logins, even where a file names them without.
        for url in (
            *(settings.index_url, *settings.extra_index_url, *settings.find_links),
            *(*settings.channels, settings.channel_alias),
        ):
            self.credentials.add(url)
        self.progress = progress or NoProgress()
        # Here, by which all that uses an `Environments` comes.
        for note in settings.notes:
            self.progress.note(f"note: {note}")
        self.home = settings.home_path
        self.registry = Registry(self.home / "registry.sqlite", self.progress.note)
        self.store_url = "" if settings.local_only else settings.store

    def close(self) -> None:
        """Close the registry, and end the worker."""
        self.registry.close()
        # Where `lazy` keeps it; to ask for it would make it.
        if "worker" in self.__dict__:
            self.worker.close()

    @property
    def has_used_cache(self) -> bool:
        """Whether anything asked for the cache."""
        return "cache" in self.__dict__

    @lazy
    def cache(self) -> PackageCache:
        """The local package cache."""
        from pkgcache.local.cache import PackageCache

        return PackageCache(
            self.home / "cache",
            limits=package_limits(self.settings),
            always_verify=self.settings.always_verify,
        )

    @lazy
    def worker(self) -> Worker:
        """The process for what must not run in this one; it starts with its first call."""
        from pkgcache.worker import Worker

        return Worker()

    @lazy
    def store(self) -> EnvStore | None:
        """The shared store of the settings; None where none is set, or `local_only` forbids it."""
        if not self.store_url:
            return None
        from pkgcache.share.shared import EnvStore
        from pkgcache.stores.opening import open_store

        return EnvStore(open_store(self.store_url, self.patience))

    def check_may_ask(self, what: str) -> None:
        """Raise `InvalidRequest` where settings forbid to ask sources, which alone know `what`."""
        for name in ("local_only", "offline"):
            if getattr(self.settings, name):
                origin = self.settings.origins.get(name, "default")
                raise InvalidRequest(
                    f"{what}, only sources know, and `{name}` ({origin}) forbids to ask them",
                    f"ask without `{name}`; `mfenv show` has what is known here",
                )

    def downloader(self) -> Downloader:
        """What downloads packages, with the logins of the settings; or refuses, `local_only`."""
        from pkgcache.web.download import Downloader

        settings = self.settings
        return Downloader(
            self.credentials,
            workers=settings.downloads,
            patience=self.patience,
            offline=settings.local_only,
        )

    @property
    def patience(self) -> Patience:
        """The patience with servers, as the settings have it; longer waits are told."""
        return patience(self.settings, self.progress.note)

    def fetch(
        self, packages: Iterable[Package], *, unpack: bool = False, store: Store | None = None
    ) -> None:
        """Bring packages into the cache: from `store`, else our store, else their sources.

        With `unpack` they are ready to be linked. Raises the errors of pkgcache.
        """
        # The store goes before channels and indexes, which may have lost what was resolved once.
        if store is None and self.store:
            store = self.store.store
        with self.downloader() as downloader:
            self.cache.fetch(
                packages, downloader=downloader, store=store, unpack=unpack, progress=self.progress
            )

    @contextmanager
    def lock(self, name: str, other: str) -> Iterator[None]:
        """Hold a lock of this home, which is gone when its holder is; `other` may hold it now."""
        from filelock import FileLock, Timeout

        folder = self.home / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        mutex = FileLock(folder / f"{name}.lock")
        try:
            # Without waiting, so that a wait can be told first.
            mutex.acquire(timeout=0)
        except Timeout:
            self.progress.note(f"waiting for {other}")
            mutex.acquire()
        try:
            yield
        finally:
            mutex.release()
