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
    settings, which are added to them. `may_fork`: see `pkgcache.worker.Worker`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        progress: Progress | None = None,
        credentials: Credentials | None = None,
        may_fork: bool = False,
    ) -> None:
        from pkgcache.progress import NoProgress

        self._credentials, self._may_fork = credentials, may_fork
        self.settings = settings = settings or Settings.load()
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
    def credentials(self) -> Credentials:
        """The logins of the settings, and those that were given beside them."""
        from pkgcache.web.credentials import Credentials

        credentials, settings = self._credentials or Credentials(), self.settings
        # What it is chosen for may be a login, without which nobody fetches what it chose.
        if settings.pypi_resolver == "pip" and not (settings.offline or settings.local_only):
            from resolvers.engines import pip_logins

            credentials.beside = pip_logins
        # Whoever asks these servers has their logins, even where a file names them without.
        for url in (
            *(settings.index_url, *settings.extra_index_url, *settings.find_links),
            *(*settings.channels, settings.channel_alias),
        ):
            credentials.add(url)
        return credentials

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

        return Worker(may_fork=self._may_fork)

    def let_go(self) -> None:
        """End the worker of a process that is mfenv's alone: its command has asked all."""
        # A program that may ask again keeps what its worker has read.
        if self._may_fork and "worker" in self.__dict__:
            self.worker.let_go()

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
        packages = tuple(packages)
        # Nearly always all is here, and then neither a store nor a server is anybody's concern.
        if self.cache.in_use(packages, unpacked=unpack):
            return
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
        from pkgcache.locks import lock

        # Without a limit: whoever dies loses the lock, and whoever has it is at work.
        place = self.home / "locks" / f"{name}.lock"
        with lock(place, waiting_for=other, progress=self.progress):
            yield
