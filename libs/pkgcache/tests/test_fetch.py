"""Many packages at once: how long it takes, and how often each is asked for."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pkgcache.local._fetch import interleaved
from pkgcache.local.cache import PackageCache
from pkgcache.stores import layout
from pkgcache.stores.testing import MemoryStore, SlowStore

from .children import SPAWN, fetch_and_count
from .helpers import make_wheel, package_of
from .server import serving

if TYPE_CHECKING:
    from pathlib import Path

    from envid.packages import Package
    from pkgcache.stores.store import ObjectInfo

LATENCY, BANDWIDTH = 0.05, 20e6


class FarStore(SlowStore):
    """A slow store that knows how many objects it was at most asked for at once."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.most = self._now = 0
        self._counting = threading.Lock()

    def get(self, *args: Any, **options: Any) -> ObjectInfo:
        self._count(1)
        try:
            return super().get(*args, **options)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._counting:
            self._now += change
            self.most = max(self.most, self._now)


def made(name: str, size: int) -> tuple[Package, bytes]:
    data = make_wheel(name, files={f"{name}.bin": random.Random(name).randbytes(size)})
    return package_of(data, name), data


@pytest.mark.slow
def test_three_hundred_packages_wait_for_the_line_and_not_for_each_other(tmp_path: Path) -> None:
    chance, store, packages = random.Random(3), MemoryStore(), []
    for number in range(300):
        package, data = made(f"p{number}", int(chance.lognormvariate(10.5, 1.2)))
        store.put(layout.package_key(package), data)
        packages.append(package)
    size = sum(one.size or 0 for one in packages)
    slow = FarStore(store, latency=LATENCY, bandwidth=BANDWIDTH)
    started = time.perf_counter()
    found = PackageCache(tmp_path / "cache").fetch(packages, store=slow)
    elapsed = time.perf_counter() - started
    assert (found.from_store, len(slow.requests)) == (300, 300)
    # How much longer than the line needs it takes depends on what else the machine does.
    assert elapsed > size / BANDWIDTH + LATENCY
    assert slow.most > 10


def test_large_and_small_ones_in_turn_and_those_between_last() -> None:
    packages = [made(f"p{number}", 100 * number)[0] for number in range(7)]
    order = [packages.index(one) for one in interleaved(packages)]
    assert order == [6, 0, 5, 1, 4, 2, 3]
    assert interleaved([]) == []
    assert interleaved(packages[:1]) == packages[:1]


@pytest.mark.slow
def test_four_processes_on_one_cold_cache_download_each_package_once(tmp_path: Path) -> None:
    with serving() as server:
        packages = []
        for number in range(40):
            data = make_wheel(f"p{number}", files={f"p{number}.bin": bytes(2000 * number)})
            package = package_of(data, f"p{number}", url=server.url("/"))
            server.files[f"/{package.filename}"] = data
            packages.append(package)
        answers = SPAWN.Queue()
        children = [
            SPAWN.Process(target=fetch_and_count, args=(tmp_path / "cache", packages, answers))
            for _ in range(4)
        ]
        for child in children:
            child.start()
        downloaded = [answers.get(timeout=300) for _ in children]
        for child in children:
            child.join()
        assert [server.count(f"/{one.filename}") for one in packages] == [1] * 40
    assert sum(downloaded) == 40
