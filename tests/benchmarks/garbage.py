"""Collecting and reading back: what it costs to find little garbage among very much."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import random
import sqlite3
import statistics
import time
from typing import TYPE_CHECKING

from tests.benchmarks.timing import MFENV, Command, Side, compare
from tests.many import known

from pkgcache.local.cache import PackageCache
from pkgcache.prefixes.verifying import verify_cache
from pkgcache.share.shared import EnvStore
from pkgcache.share.sweeping import sweep
from pkgcache.stores import layout
from pkgcache.stores.testing import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pkgcache.share.sweeping import Memory

ENVIRONMENTS, KINDS, PACKAGES = 10_000, 100, 300
ARCHIVES, SIZE, FILE = 40, 12_000_000, 15_000
DAY = 86400.0

# Nothing but their ids is left of ten environments, and they were used long ago.
_FORGET = """
create temp table ten as select rowid as id, req_id, full_id from environments
 where exists (select 1 from defaults d where d.full_id=environments.full_id) limit 10;
delete from aliases where full_id in (select full_id from ten);
delete from defaults where full_id in (select full_id from ten);
delete from prefixes where full_id in (select full_id from ten);
update environments set used_at=0 where rowid in (select id from ten);
"""


def garbage(folder: Path, rounds: int) -> None:
    """Here and in the store, with ten thousand environments of 300 packages."""
    home = folder / "known"
    known(home, ENVIRONMENTS)[0].close()
    _change(home, "update environments set digests=randomblob(length(digests))")
    store = folder / "store"
    _fill(store)
    environ = {"MFENV_HOME": str(home), "MFENV_STORE": store.as_uri()}

    for title, words, before in (
        ("gc that forgets ten", ("gc",), _FORGET),
        ("gc --dry-run", ("gc", "--dry-run"), ""),
        ("cache info", ("cache", "info"), ""),
        ("gc --store, the first pass from here", ("gc", "--store"), "delete from named"),
        ("gc --store, the next pass", ("gc", "--store"), ""),
    ):

        def command(_: Path, words: Command = words, before: str = before) -> Command:
            _change(home, before)
            return [MFENV, *words]

        sides = [Side(name=f"{ENVIRONMENTS} environments", command=command, environ=environ)]
        compare(f"garbage: {title}", sides, rounds=rounds)
    _in_memory(store, rounds)


def verify(folder: Path, rounds: int) -> None:
    """Reading back, next to hashing the same bytes in as many processes."""
    cache = PackageCache(folder / "cache")
    chance = random.Random(1)
    for number in range(ARCHIVES):
        cache.add(chance.randbytes(SIZE), f"large{number}-1.0-py3-none-any.whl")
    for number in range(ARCHIVES * 20):
        cache.add(chance.randbytes(FILE), f"small{number}-1.0-py3-none-any.whl")
    paths = [path for path in cache.root.glob("archives/*/*/*") if path.is_file()]
    total = sum(path.stat().st_size for path in paths)
    count = os.cpu_count() or 1

    def bare() -> None:
        with multiprocessing.get_context("spawn").Pool(count) as pool:
            pool.map(_hash, [paths[at :: count * 4] for at in range(count * 4)])

    print(f"\nverify {len(paths)} archives, {total / 1e6:.0f} MB in all ({rounds} rounds)")
    for name, work in (("verify_cache", lambda: verify_cache(cache)), ("sha256 alone", bare)):
        seconds = _seconds(work, rounds)
        best, median = min(seconds), statistics.median(seconds)
        print(f"  {name:40} {best:7.3f} {median:7.3f}  {total / best / 1e6:6.0f} MB/s")


def _change(home: Path, sql: str) -> None:
    path = home / "registry.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.executescript(sql)


def _fill(store: Path) -> None:
    """Descriptions of 300 packages each; each of a hundred kinds is there a hundred times."""
    store.mkdir()
    for kind in range(KINDS):
        digests = [hashlib.sha256(b"%d-%d" % (kind, at)).hexdigest() for at in range(PACKAGES)]
        for digest in digests:
            path = store / layout.archive_key(digest, "a-1.0-py3-none-any.whl")
            path.parent.mkdir(parents=True)
            path.write_bytes(b"x")
        packages = [{"name": "a", "hashes": {"sha256": digest}} for digest in digests]
        text = store / f"{kind}.text"
        text.write_text(json.dumps({"schema_version": 1, "packages": packages}))
        for number in range(ENVIRONMENTS // KINDS):
            req_id = hashlib.sha1(b"%d-%d" % (kind, number)).hexdigest()
            path = store / f"environments/{req_id}/linux-64/{req_id[::-1]}.json"
            path.parent.mkdir(parents=True)
            path.hardlink_to(text)
            default = store / f"defaults/{req_id}/linux-64.json"
            default.parent.mkdir(parents=True)
            default.write_text(json.dumps({"full_id": req_id[::-1]}))
        text.unlink()
    (store / layout.LAYOUT_KEY).write_text(json.dumps({"layout": layout.LAYOUT}))


def _in_memory(store: Path, rounds: int) -> None:
    """The same objects without a disk, and how many requests they take."""
    objects = MemoryStore()
    for path in store.rglob("*"):
        key = str(path.relative_to(store))
        if path.is_file() and not key.startswith((".", "garbage/")):
            objects.put(key, path.read_bytes())
    print(f"\ngarbage: the same store in memory ({rounds} rounds)")
    memory: Memory = {}
    for name, remembered in (("first", False), ("next", True)):
        seconds = []
        for _ in range(rounds):
            objects.requests.clear()
            started = time.perf_counter()
            found = sweep(EnvStore(objects), grace=7 * DAY, memory=memory if remembered else None)
            seconds.append(time.perf_counter() - started)
        memory = found.memory
        print(f"  {name:40} {min(seconds):7.3f}  {len(objects.requests)} requests")


def _seconds(work: Callable[[], object], rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return found


def _hash(paths: list[Path]) -> None:
    for path in paths:
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            while data := file.read(1 << 20):
                digest.update(data)
