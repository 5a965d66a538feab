"""One pool for everything that an installation needs: cache, else store, else URL."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkgcache import layout
from pkgcache._locks import try_lock
from pkgcache._unpackers import Unpackers
from pkgcache.download import Partial
from pkgcache.errors import HashMismatch, NotInCache, NotInStore, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from envid.packages import Package
    from pkgcache.cache import PackageCache
    from pkgcache.download import Downloader, Received
    from pkgcache.progress import Progress, Task
    from pkgcache.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Where archives came from, and the bytes that were moved."""

    cached: int = 0
    from_store: int = 0
    downloaded: int = 0
    size: int = 0

    def __add__(self, other: Fetched) -> Fetched:
        return Fetched(
            cached=self.cached + other.cached,
            from_store=self.from_store + other.from_store,
            downloaded=self.downloaded + other.downloaded,
            size=self.size + other.size,
        )


class Fetcher:
    """One run of `PackageCache.fetch`."""

    def __init__(
        self,
        cache: PackageCache,
        downloader: Downloader,
        store: Store | None,
        *,
        unpack: bool,
        progress: Progress,
    ) -> None:
        self._cache, self._downloader, self._store = cache, downloader, store
        self._unpack, self._progress = unpack, progress
        self._stop, self._unpackers = threading.Event(), Unpackers()

    def run(self, packages: Iterable[Package]) -> Fetched:
        wanted = {(layout.digest(one), one.filename): one for one in packages}.values()
        missing = [one for one in wanted if not self._ready(one)]
        here = Fetched(cached=len(wanted) - len(missing))
        if not missing:
            return here
        # The largest first, so that none of them is left alone at the end.
        missing.sort(key=lambda one: -(one.size or 0))
        sizes = [0 if self._cache.has(one) else one.size for one in missing]
        total = None if None in sizes else sum(one or 0 for one in sizes)
        task = self._progress.start("fetching packages", total, "bytes")
        try:
            return sum(self._in_pool(missing, task), here)
        finally:
            self._unpackers.close()
            task.done()

    def _ready(self, package: Package) -> bool:
        return self._cache.has_unpacked(package) if self._unpack else self._cache.has(package)

    def _in_pool(self, packages: list[Package], task: Task) -> list[Fetched]:
        found: list[Fetched] = []
        with ThreadPoolExecutor(self._downloader.workers) as pool:
            running = {pool.submit(self._unless_busy, one, task): one for one in packages}
            try:
                while running:
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        package = running.pop(future)
                        if result := future.result():
                            found.append(result)
                        else:  # another process has it in hand: the rest comes first
                            running[pool.submit(self._waiting, package, task)] = package
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                self._unpackers.close()
                raise
        return found

    def _unless_busy(self, package: Package, task: Task) -> Fetched | None:
        with try_lock(self._cache.lock_path(layout.digest(package))) as held:
            result = self._bring(package, task) if held else None
        return result and self._finish(package, task, result)

    def _waiting(self, package: Package, task: Task) -> Fetched:
        with self._cache.locked(package, self._progress):
            result = self._bring(package, task)
        return self._finish(package, task, result)

    def _finish(self, package: Package, task: Task, result: Fetched) -> Fetched:
        if self._unpack:
            try:
                self._cache.unpack(package, self._unpackers, self._progress)
            except NotInCache:  # it was, until its hash was checked
                with self._cache.locked(package, self._progress):
                    result = self._bring(package, task)
                self._cache.unpack(package, self._unpackers, self._progress)
        return result

    def _bring(self, package: Package, task: Task) -> Fetched:
        if self._cache.has(package):
            return Fetched(cached=1)
        part = self._cache.part_path(package)
        if self._store and (received := self._from_store(self._store, package, part, task)):
            result = Fetched(from_store=1, size=received.size)
        elif package.built_from:
            raise NotInCache(package.filename, "it was built here once; resolve again to build it")
        else:
            received = self._downloader.download(
                package.url,
                part,
                hashes=package.hashes,
                size=package.size,
                task=task,
                stop=self._stop,
            )
            result = Fetched(downloaded=1, size=received.size)
        part.rename(self._cache.archive_path(package))
        return result

    def _from_store(
        self, store: Store, package: Package, part: Path, task: Task
    ) -> Received | None:
        key = layout.package_key(package)
        with Partial(
            part,
            f"{store.url}/{key}",
            hashes=package.hashes,
            size=package.size,
            task=task,
            stop=self._stop,
        ) as partial:
            for resumed in (bool(partial.size), False):
                try:
                    store.get(key, partial, partial.size)
                    return partial.verify()
                except NotInStore:
                    return None
                except (HashMismatch, StoreError) as error:
                    partial.restart()
                    if not resumed:
                        self._progress.note(f"{error}; taking it from where it came from")
                        return None
        raise AssertionError
