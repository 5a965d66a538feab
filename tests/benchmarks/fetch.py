"""Fetching from a store that is far away: next to the limit of the line, alone and with others."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import shutil
import statistics
import time
from typing import TYPE_CHECKING

from tests.benchmarks.table import TABLE

from envid.packages import Package
from pkgcache.local.cache import PackageCache
from pkgcache.stores import layout
from pkgcache.stores.directory import DirectoryStore
from pkgcache.stores.testing import SlowStore

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

    from pkgcache.stores.store import Store

LATENCY, BANDWIDTH = 0.05, 100e6
PACKAGES, PROCESSES = 300, 4


def fetch(folder: Path, rounds: int) -> None:
    chance = random.Random(1)
    sizes = {
        "like an environment's": [int(chance.lognormvariate(12, 1.5)) for _ in range(PACKAGES)],
        "of 100 kB": [100_000] * PACKAGES,
    }
    for title, each in sizes.items():
        store = folder / f"store-{len(list(folder.iterdir()))}"
        packages = _stored(store, each, chance)
        total = sum(each)
        limit = total / BANDWIDTH + LATENCY
        print(
            f"\nfetch {PACKAGES} packages {title}, {total / 1e6:.0f} MB in all, at"
            f" {LATENCY * 1e3:.0f} ms per request and {BANDWIDTH / 1e6:.0f} MB/s ({rounds} rounds)"
        )
        print(f"  {'':40} {'min':>7} {'median':>7}  min/limit")
        print(f"  {'limit: all bytes and one wait':40} {limit:7.3f} {limit:7.3f}  {1:9.2f}")
        for count in (1, PROCESSES):
            load = os.getloadavg()[0]
            seconds = [_together(folder, store, packages, count) for _ in range(rounds)]
            best, median = min(seconds), statistics.median(seconds)
            name = f"{count} processes on one cold cache" if count > 1 else "one process"
            print(f"  {name:40} {best:7.3f} {median:7.3f}  {best / limit:9.2f}", flush=True)
            row = f"fetch {PACKAGES} packages {title}{', four processes' if count > 1 else ''}"
            TABLE.add(row, "the line", seconds, [limit], load=load)


class _Line(SlowStore):
    """A store at the end of one line for several processes: `free` is when it will be free."""

    def __init__(self, store: Store, free: Synchronized[float]) -> None:
        super().__init__(store, latency=LATENCY)
        self._shared = free

    def _move(self, size: int) -> None:
        with self._shared.get_lock():
            until = max(self._shared.value, time.monotonic()) + size / BANDWIDTH
            self._shared.value = until
        time.sleep(max(0.0, until - time.monotonic()))


def _stored(folder: Path, sizes: list[int], chance: random.Random) -> list[Package]:
    store, found = DirectoryStore(folder), []
    for number, size in enumerate(sizes):
        data = chance.randbytes(size)
        filename = f"p{number}-1.0-py3-none-any.whl"
        package = Package.make(
            kind="pypi",
            name=f"p{number}",
            version="1.0",
            filename=filename,
            url=f"https://files.test/{filename}",
            sha256=hashlib.sha256(data).hexdigest(),
            size=size,
        )
        store.put(layout.package_key(package), data)
        found.append(package)
    return found


def _together(folder: Path, store: Path, packages: list[Package], count: int) -> float:
    """The seconds until all of some processes, which share the line, have all packages."""
    spawn = multiprocessing.get_context("spawn")
    cache, ready, free = folder / "cache", spawn.Barrier(count + 1), spawn.Value("d", 0.0)
    children = [
        spawn.Process(target=_fetch, args=(store, cache, packages, free, ready))
        for _ in range(count)
    ]
    for child in children:
        child.start()
    ready.wait()
    started = time.perf_counter()
    ready.wait()
    elapsed = time.perf_counter() - started
    for child in children:
        child.join()
    shutil.rmtree(cache)
    return elapsed


def _fetch(
    store: Path, cache: Path, packages: list[Package], free: Synchronized[float], ready: Barrier
) -> None:
    slow = _Line(DirectoryStore(store), free)
    here = PackageCache(cache)
    ready.wait()
    here.fetch(packages, store=slow)
    ready.wait()
