"""One pool for everything that an installation needs: cache, else store, else URL."""

from __future__ import annotations

import threading
import time
from itertools import zip_longest
from typing import TYPE_CHECKING

from pkgcache._jobs import Job, Step, T, run_jobs
from pkgcache.errors import HashMismatch, NotInCache, NotInStore, StoreError
from pkgcache.local._fetched import Fetched
from pkgcache.local._unpackers import PROCESSES, Unpackers
from pkgcache.locks import try_lock
from pkgcache.progress import NoProgress
from pkgcache.stores import layout
from pkgcache.web.receiving import Cancelled, Partial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from envid.packages import Package
    from pkgcache.local._shelves import Shelves
    from pkgcache.progress import Progress, Task
    from pkgcache.stores.store import Store
    from pkgcache.web.download import Downloader
    from pkgcache.web.receiving import Received

NETWORK, WAITING, LOCAL = "network", "waiting", "local"
# Seconds in which most of what another process has in hand is here, and between two looks for it.
_SOON, _LOOK = 0.5, 0.02


class Fetcher:
    """Brings archives into the cache: what it lacks from a store, or else from its URL."""

    def __init__(
        self,
        cache: Shelves,
        downloader: Downloader,
        store: Store | None,
        *,
        progress: Progress,
    ) -> None:
        self._cache, self._downloader, self._store = cache, downloader, store
        self._progress, self.unpackers = progress, Unpackers()
        self.stop = threading.Event()

    def run(self, packages: Iterable[Package], *, unpack: bool) -> Fetched:
        """Bring all of `packages`, each once, and unpack them."""
        ready = self._cache.has_unpacked if unpack else self._cache.has
        wanted = {(package.digest, package.filename): package for package in packages}.values()
        missing = [package for package in wanted if not ready(package)]
        here = Fetched(cached=len(wanted) - len(missing))
        if not missing:
            return here
        sizes = [
            0 if unpack and self._cache.has(package) else layout.archives(package)[-1].size
            for package in missing
        ]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        nothing = NoProgress()
        task = (self._progress if total != 0 else nothing).start(
            "fetching packages", total, "bytes"
        )
        unpacking = (self._progress if unpack else nothing).start(
            "unpacking packages", len(missing), "packages"
        )

        def after(package: Package) -> Callable[[Fetched], Step[Fetched]]:
            if not unpack:
                return lambda fetched: fetched
            return lambda fetched: Job(
                LOCAL, lambda: self._unpack(package, task, unpacking, fetched)
            )

        jobs = [self.job(package, task, after(package)) for package in interleaved(missing)]
        try:
            return sum(run_jobs(jobs, self.lanes, self.end), here)
        finally:
            self.unpackers.close()
            task.done()
            unpacking.done()

    @property
    def lanes(self) -> dict[str, int]:
        """The pools that these jobs run in."""
        workers = self._downloader.workers
        # One thread more than processes, so that small packages need not wait for large ones.
        # Whoever waits for another process has threads of their own, and takes none from the
        # downloads.
        return {NETWORK: workers, WAITING: workers, LOCAL: PROCESSES + 1}

    def job(self, package: Package, task: Task, then: Callable[[Fetched], Step[T]]) -> Job[T]:
        """What brings an archive and goes on with `then`."""

        def now() -> Step[T]:
            if self._cache.has(package):  # of another process by now: a lock is for who writes
                return then(Fetched(cached=1))
            with try_lock(self._cache.lock_path(package.digest)) as held:
                if not held:  # another process has it in hand: the rest comes first
                    return Job(WAITING, later)
                fetched = self._bring(package, task)
            return then(fetched)

        def later() -> Step[T]:
            # To look for it takes a tenth of asking for its lock, which many of several processes
            # would do again and again.
            until = time.monotonic() + _SOON
            while not self._cache.has(package) and time.monotonic() < until:
                if self.stop.wait(_LOOK):
                    raise Cancelled
            if self._cache.has(package):
                return then(Fetched(cached=1))
            with self._cache.locked(package, self._progress):
                fetched = self._bring(package, task)
            return then(fetched)

        return Job(NETWORK, now)

    def end(self) -> None:
        """End what is under way."""
        self.stop.set()
        self.unpackers.close()

    def _unpack(
        self, package: Package, task: Task, unpacking: Task, fetched: Fetched
    ) -> Step[Fetched]:
        fresh = not fetched.cached
        try:
            self._cache.unpack(package, self.unpackers, self._progress, verified=fresh)
        except NotInCache:  # it was, until its hash was checked
            if fresh:
                raise
            return self.job(
                package, task, lambda fetched: self._unpack(package, task, unpacking, fetched)
            )
        unpacking.advance()
        return fetched

    def _bring(self, package: Package, task: Task) -> Fetched:
        if self._cache.has(package):
            return Fetched(cached=1)
        if self._store and (received := self._from_store(self._store, package, task)):
            return Fetched(from_store=1, size=received.size)
        # Its URL is that of a source, not of these bytes.
        if package.built_from:
            hint = (
                "it was built where it was resolved: name the store that has it, or resolve again"
            )
            raise NotInCache(package.filename, hint)
        part = self._cache.part_path(package)
        received = self._downloader.download(
            package.url,
            part,
            hashes=package.hashes,
            size=package.size,
            task=task,
            stop=self.stop,
        )
        # Checked and on the disk by now, so that whatever has this name is right.
        part.rename(self._cache.archive_path(package))
        return Fetched(downloaded=1, size=received.size)

    def _from_store(self, store: Store, package: Package, task: Task) -> Received | None:
        key = layout.package_key(package)
        archive = layout.archives(package)[-1]
        part = self._cache.part_path(archive)
        with Partial(
            part,
            f"{store.url}/{key}",
            hashes=archive.hashes,
            size=archive.size,
            task=task,
            stop=self.stop,
        ) as partial:
            # What was begun may be of another download, and wrong; only then is there a second
            # attempt.
            for resumed in (bool(partial.size), False):
                try:
                    store.get(key, partial, partial.size)
                    received = partial.verify()
                except NotInStore:
                    break
                except (HashMismatch, StoreError) as error:
                    partial.restart()
                    if not resumed:
                        self._progress.note(f"{error}; taking it from where it came from")
                        break
                else:
                    part.rename(self._cache.archive_path(archive))
                    return received
            # An empty beginning helps nobody; another may be gone on with.
            if not partial.size:
                part.unlink()
        return None


def interleaved(packages: Iterable[Package]) -> list[Package]:
    """The largest and the smallest in turn: the large keep the line busy while the small wait.

    Those between come last, so that no large package is left alone at the end.
    """
    falling = sorted(packages, key=lambda package: -(package.size or 0))
    half = (len(falling) + 1) // 2
    pairs = zip_longest(falling[:half], falling[: half - 1 : -1])
    return [package for pair in pairs for package in pair if package]
