from __future__ import annotations

import multiprocessing
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pkgcache.errors import NotInCache
from pkgcache.local.collecting import GRACE, CacheLimits, collect, holdings, measure
from pkgcache.locks import hold, remove_unheld
from pkgcache.prefixes._making import building
from pkgcache.prefixes._placing import Placer
from pkgcache.prefixes.prefix import create_venv, read_marker, remove_prefix, tidy_prefixes
from pkgcache.progress import NoProgress
from pkgcache.share.digests import DigestSet, packed

from .helpers import env_of, make_wheel, package_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from envid.packages import Package
    from pkgcache.local.cache import PackageCache

NOTHING: frozenset[str] = frozenset()
LONG_AGO = 30 * GRACE


def keep(cache: PackageCache, name: str, *, used: float = LONG_AGO, size: int = 100) -> Package:
    """Put a wheel into the cache, unpacked too, and make it as old as if `used` that long ago."""
    data = make_wheel(name, files={f"{name}/data": os.urandom(size)})
    package = package_of(data, name)
    cache.add(data, package.filename)
    cache.unpacked(package)
    age(cache, used)
    return package


def age(cache: PackageCache, seconds: float) -> None:
    for path in cache.root.rglob("*"):
        if path.stat().st_mtime > time.time() - 60 and "tree" not in path.parts:
            os.utime(path, (time.time() - seconds,) * 2)


def here(cache: PackageCache) -> set[tuple[str, str]]:
    return {(one.kind, one.digest) for one in holdings(cache)}


def test_a_cache_tells_what_it_holds(cache: PackageCache) -> None:
    package = keep(cache, "demo", size=5000, used=7200)
    digest = package.digest
    archive, unpacked = sorted(holdings(cache), key=lambda one: one.kind)
    assert (archive.kind, archive.digest, archive.size) == ("archive", digest, package.size)
    assert (unpacked.kind, unpacked.digest) == ("pypi", digest)
    files = [path for path in (unpacked.path / "tree").rglob("*") if path.is_file()]
    assert unpacked.size == sum(path.stat().st_size for path in files) > 5000
    assert [round(time.time() - one.used) // 10 for one in (archive, unpacked)] == [720, 720]


def test_what_nothing_needs_is_removed(cache: PackageCache) -> None:
    needed, unneeded = keep(cache, "needed"), keep(cache, "unneeded")
    found = collect(cache, {needed.digest})
    assert {one.digest for one in found.holdings} == {unneeded.digest}
    assert found.freed > 0
    assert {digest for _, digest in here(cache)} == {needed.digest}
    assert cache.unpacked(needed).name == "needed"


def test_a_dry_run_says_the_same_and_removes_nothing(cache: PackageCache) -> None:
    keep(cache, "one")
    before = here(cache)
    said = collect(cache, NOTHING, dry_run=True)
    assert here(cache) == before
    done = collect(cache, NOTHING)
    assert (said.holdings, said.freed) == (done.holdings, done.freed)
    assert here(cache) == set()


def test_what_was_just_used_stays(cache: PackageCache) -> None:
    used, unused = keep(cache, "used"), keep(cache, "unused")
    cache.fetch([used])
    found = collect(cache, NOTHING)
    assert found.recent == 2
    assert {digest for _, digest in here(cache)} == {used.digest}
    assert unused.digest not in {digest for _, digest in here(cache)}


def test_linking_counts_as_use(cache: PackageCache) -> None:
    package = keep(cache, "demo")
    cache.unpacked(package)
    assert {one.kind for one in collect(cache, NOTHING).holdings} == {"archive"}
    assert here(cache) == {("pypi", package.digest)}


def test_what_somebody_works_on_stays(cache: PackageCache) -> None:
    package = keep(cache, "demo")
    with hold(cache.lock_path(package.digest)):
        assert collect(cache, NOTHING).holdings == ()
    assert len(here(cache)) == 2


def test_a_download_under_way_stays(cache: PackageCache) -> None:
    package = package_of(b"x", "demo")
    part = cache.part_path(package)
    part.write_bytes(b"begun")
    os.utime(part.parent, (0, 0))
    assert collect(cache, NOTHING).recent == 1
    assert part.exists()
    os.utime(part, (0, 0))
    os.utime(part.parent, (0, 0))
    assert collect(cache, {package.digest}).holdings == ()
    assert len(collect(cache, NOTHING).holdings) == 1
    assert not part.parent.exists()


def test_a_package_without_its_list_is_removed(cache: PackageCache) -> None:
    package = keep(cache, "demo")
    (unpacked,) = (one for one in holdings(cache) if one.kind == "pypi")
    listed = unpacked.path / "files.json"
    listed.chmod(0o644)
    listed.write_bytes(b"")
    age(cache, LONG_AGO)
    assert [one.kind for one in collect(cache, {package.digest}).holdings] == ["pypi"]
    assert cache.unpacked(package).name == "demo"


def test_what_is_linked_elsewhere_frees_nothing(cache: PackageCache, tmp_path: Path) -> None:
    package = keep(cache, "demo", size=100_000)
    tree = cache.unpacked(package).tree
    linked = tmp_path / "linked"
    linked.mkdir()
    alone = measure([tree])
    os.link(tree / "demo/data", linked / "data")
    assert alone >= 100_000
    assert measure([tree]) <= alone - 100_000
    assert measure([tree, linked]) == alone


def test_an_age_limit_removes_what_is_needed_too(cache: PackageCache) -> None:
    old, young = keep(cache, "old", used=10 * 86400), keep(cache, "young", used=2 * 86400)
    needed = {old.digest, young.digest}
    found = collect(cache, needed, limits=CacheLimits(age=5 * 86400))
    assert {one.digest for one in found.holdings} == {old.digest}


def test_a_size_limit_removes_the_longest_unused_first(cache: PackageCache) -> None:
    ages = {"third": 2, "first": 9, "second": 5}
    packages = {
        name: keep(cache, name, used=days * 86400, size=50_000) for name, days in ages.items()
    }
    needed = {one.digest for one in packages.values()}
    total = sum(one.size or 0 for one in holdings(cache))
    found = collect(cache, needed, limits=CacheLimits(size=total - 60_000))
    assert {one.digest for one in found.holdings} == {packages["first"].digest}
    assert sum(one.size or 0 for one in holdings(cache)) <= total - 60_000


def test_limits_spare_only_copies_and_what_was_just_used(cache: PackageCache) -> None:
    built, used = keep(cache, "built"), keep(cache, "used", used=60)
    needed = {built.digest, used.digest}
    limits = CacheLimits(size=1, age=1)
    found = collect(cache, needed, only_copies={built.digest}, limits=limits)
    assert found.holdings == ()
    assert len(here(cache)) == 4


def test_leftovers_of_killed_processes_go(cache: PackageCache) -> None:
    package = keep(cache, "demo")
    (unpacked,) = (one for one in holdings(cache) if one.kind == "pypi")
    half = unpacked.path.with_name(f".{unpacked.digest}.1234abcd.new")
    gone = unpacked.path.with_name(f".{unpacked.digest}.gone")
    for folder in (half, gone):
        (folder / "tree").mkdir(parents=True)
    beside = cache.root / "archives" / ".0123.tmp"
    beside.write_bytes(b"half")
    os.utime(beside, (0, 0))
    fresh = cache.root / "archives" / ".4567.tmp"
    fresh.write_bytes(b"half")
    with hold(cache.lock_path(unpacked.digest)):
        assert collect(cache, {package.digest}, dry_run=True).leftovers == 1
    assert collect(cache, {package.digest}).leftovers == 3
    assert [path.exists() for path in (half, gone, beside, fresh)] == [False, False, False, True]
    assert cache.unpacked(package).name == "demo"


def test_what_another_version_of_the_program_keeps_is_left_alone(cache: PackageCache) -> None:
    theirs = cache.root / "wheels-99" / "ab" / ("ab" * 32) / "tree"
    theirs.mkdir(parents=True)
    os.utime(theirs.parent, (0, 0))
    collect(cache, NOTHING, limits=CacheLimits(size=1, age=1))
    assert theirs.is_dir()


def test_unheld_lock_files_go(cache: PackageCache) -> None:
    keep(cache, "demo")
    held = cache.lock_path("held")
    with hold(held):
        collect(cache, NOTHING)
        assert [path.name for path in (cache.root / "locks").iterdir()] == [held.name]
    assert remove_unheld(cache.root / "locks") == 1


def _count(lock: str, counter: str, times: int) -> None:
    for _ in range(times):
        with hold(Path(lock)):
            path = Path(counter)
            number = int(path.read_text())
            path.write_text(str(number + 1))


@pytest.mark.slow
def test_a_lock_holds_while_lock_files_are_removed(tmp_path: Path) -> None:
    locks, counter = tmp_path / "locks", tmp_path / "counter"
    locks.mkdir()
    counter.write_text("0")
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_count, args=(str(locks / "a.lock"), str(counter), 100))
        for _ in range(2)
    ]
    for one in processes:
        one.start()
    while any(one.is_alive() for one in processes):
        remove_unheld(locks)
    assert [one.exitcode for one in processes] == [0, 0]
    assert counter.read_text() == "200"


@pytest.mark.parametrize("way", [Placer.link, Placer.copy])
def test_placing_says_what_vanished(
    way: Callable[[Placer, str, str], None], tmp_path: Path
) -> None:
    with pytest.raises(NotInCache):
        way(Placer(str(tmp_path), NoProgress()), str(tmp_path / "gone"), "here")


@pytest.mark.slow
def test_files_may_be_added_while_leftovers_are_looked_for(cache: PackageCache) -> None:
    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(lambda: [cache.add(b"%d" % n, "x.whl") for n in range(300)])
        while not adding.done():
            collect(cache, None)
    assert len(adding.result()) == 300


def test_a_digest_set_knows_what_was_packed(cache: PackageCache) -> None:
    packages = [package_of(os.urandom(10), f"p{number}") for number in range(50)]
    known = DigestSet([packed(packages[:20]), packed(packages[10:40])])
    assert len(known) == 40
    assert [one.digest in known for one in packages] == [True] * 40 + [False] * 10
    assert "" not in known
    assert 5 not in known


class TestPrefixes:
    @pytest.fixture
    def prefix(self, cache: PackageCache, tmp_path: Path) -> Path:
        prefix = tmp_path / "envs" / "demo"
        create_venv(env_of(keep(cache, "demo")), prefix, python=Path(sys.executable), cache=cache)
        return prefix

    def test_one_is_kept_when_asked_at_the_last_moment(
        self, cache: PackageCache, prefix: Path
    ) -> None:
        assert not remove_prefix(prefix, cache=cache, unless=lambda: True)
        assert read_marker(prefix)
        assert remove_prefix(prefix, cache=cache, unless=lambda: False)
        assert not prefix.exists()

    def test_what_was_interrupted_is_put_right(self, cache: PackageCache, prefix: Path) -> None:
        envs = prefix.parent
        prefix.rename(envs / ".demo.mfenv-old")
        (envs / ".demo.mfenv-new").mkdir()
        (envs / ".other.mfenv-gone" / "lib").mkdir(parents=True)
        assert tidy_prefixes(envs, cache=cache, dry_run=True) == 2
        assert tidy_prefixes(envs, cache=cache) == 2
        assert [path.name for path in envs.iterdir()] == ["demo"]
        assert read_marker(prefix)
        assert tidy_prefixes(envs / "missing", cache=cache) == 0

    def test_what_somebody_builds_stays(self, cache: PackageCache, prefix: Path) -> None:
        env = env_of(keep(cache, "demo"))
        with building(prefix, env, cache=cache, replace=True, progress=NoProgress()) as site:
            assert tidy_prefixes(prefix.parent, cache=cache) == 0
            assert site.root.is_dir()
