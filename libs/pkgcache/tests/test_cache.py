from __future__ import annotations

import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from envid.packages import BuiltFrom
from pkgcache.errors import (
    BadArchive,
    CacheError,
    DownloadError,
    HashMismatch,
    NotInCache,
    PkgcacheError,
)
from pkgcache.local.cache import Fetched, PackageCache
from pkgcache.stores import layout
from pkgcache.stores.testing import MemoryStore
from pkgcache.web.download import Downloader
from pkgcache.web.patience import Patience

from .children import SPAWN, fetch
from .helpers import Recorder, make_wheel, package_of
from .server import cut, serving, status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envid.packages import Package

    from .server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture
def downloader() -> Iterator[Downloader]:
    with Downloader(patience=Patience(backoff=0.001, silence=5)) as found:
        yield found


def offer(server: Server, name: str, size: int = 100) -> Package:
    """Put a wheel of about `size` bytes on the server."""
    content = random.Random(name).randbytes(size)
    data = make_wheel(name, files={f"{name}.py": b"", f"{name}.bin": content})
    package = package_of(data, name, url=server.url("/"))
    server.files[f"/{package.filename}"] = data
    return package


def leftovers(cache: PackageCache) -> list[str]:
    """Files that are neither an archive nor part of an unpacked wheel nor a lock."""
    found = [one for one in cache.root.rglob(".*") if one.is_file()]
    return [one.name for one in found]


def test_archives_are_fetched_once_each(
    server: Server, cache: PackageCache, downloader: Downloader
) -> None:
    packages = [offer(server, f"p{number}") for number in range(40)]
    progress = Recorder()
    found = cache.fetch([*packages, *packages], downloader=downloader, progress=progress)
    size = sum(one.size or 0 for one in packages)
    assert found == Fetched(downloaded=40, size=size)
    assert progress.advanced == size
    assert len(server.seen) == 40
    assert all(cache.archive(one).read_bytes() for one in packages)
    again = cache.fetch(packages, downloader=downloader)
    assert again == Fetched(cached=40)
    assert len(server.seen) == 40
    assert leftovers(cache) == []


def test_wheels_are_unpacked_as_they_come(
    server: Server, cache: PackageCache, downloader: Downloader
) -> None:
    package = offer(server, "demo")
    cache.fetch([package], downloader=downloader, unpack=True)
    assert (cache.root / "wheels-2" / package.digest[:2]).is_dir()
    assert [one.path for one in cache.unpacked(package).files][-1] == "demo.py"


def test_an_archive_without_a_known_size(
    server: Server, cache: PackageCache, downloader: Downloader
) -> None:
    package = offer(server, "demo")._replace(size=None)
    cache.fetch([package], downloader=downloader)
    assert cache.archive(package).stat().st_size == len(server.files[f"/{package.filename}"])


def test_the_first_failure_ends_the_fetch_and_what_came_stays(
    server: Server, cache: PackageCache
) -> None:
    good, bad, more = offer(server, "good", 900), offer(server, "bad"), offer(server, "more", 500)
    server.script[f"/{bad.filename}"] = [status(404)]
    with Downloader(workers=1) as downloader:
        with pytest.raises(DownloadError, match="404"):
            cache.fetch([more, bad, good], downloader=downloader)
        assert [cache.has(one) for one in (good, bad, more)] == [True, False, False]
        cache.fetch([good, bad, more], downloader=downloader)
    assert server.count(f"/{good.filename}") == 1


def test_a_wrong_file_is_never_cached(
    server: Server, cache: PackageCache, downloader: Downloader
) -> None:
    package = offer(server, "demo")
    server.files[f"/{package.filename}"] = make_wheel("evil")
    with pytest.raises(HashMismatch):
        cache.fetch([package], downloader=downloader, unpack=True)
    assert not cache.has(package)
    with pytest.raises(NotInCache):
        cache.unpacked(package)


def test_a_hostile_wheel_with_the_right_hash_is_not_unpacked(cache: PackageCache) -> None:
    data = make_wheel("demo", entry_points="[console_scripts]\n../evil = a:b\n")
    cache.add(data, "demo-1.0-py3-none-any.whl")
    with pytest.raises(BadArchive):
        cache.unpacked(package_of(data, "demo"))
    assert not [one for one in (cache.root / "wheels-2").rglob("*") if one.is_file()]


class TestStore:
    """The store comes before the URL, and is not trusted."""

    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()

    def test_is_asked_first(
        self, server: Server, cache: PackageCache, downloader: Downloader, store: MemoryStore
    ) -> None:
        one, other = offer(server, "one"), offer(server, "other")
        store.put(layout.package_key(one), server.files[f"/{one.filename}"])
        store.requests.clear()
        found = cache.fetch([one, other], downloader=downloader, store=store)
        assert (found.from_store, found.downloaded) == (1, 1)
        assert [one.path for one in server.seen] == [f"/{other.filename}"]
        assert sorted(one.operation for one in store.requests) == ["get", "get"]

    @pytest.mark.parametrize(
        "change", [lambda data: data[:-9], lambda data: data + b"?", bytes.upper]
    )
    def test_a_damaged_copy_is_named_and_not_used(
        self,
        server: Server,
        cache: PackageCache,
        downloader: Downloader,
        store: MemoryStore,
        change: type[bytes],
    ) -> None:
        package, progress = offer(server, "demo"), Recorder()
        store.put(layout.package_key(package), change(server.files[f"/{package.filename}"]))
        found = cache.fetch([package], downloader=downloader, store=store, progress=progress)
        assert found.downloaded == 1
        assert package.filename in progress.notes[0]
        assert cache.archive(package).is_file()

    def test_a_partial_download_is_completed_from_the_store(
        self, server: Server, cache: PackageCache, downloader: Downloader, store: MemoryStore
    ) -> None:
        package = offer(server, "demo", 10_000)
        data = server.files[f"/{package.filename}"]
        cache.part_path(package).write_bytes(data[:5000])
        store.put(layout.package_key(package), data)
        assert cache.fetch([package], downloader=downloader, store=store).from_store == 1
        assert cache.archive(package).read_bytes() == data

    def test_a_built_wheel_comes_from_nowhere_else(
        self, server: Server, cache: PackageCache, downloader: Downloader, store: MemoryStore
    ) -> None:
        origin = BuiltFrom(kind="sdist", url=server.url("/demo.tar.gz"))
        package = offer(server, "demo")._replace(built_from=origin)
        with pytest.raises(NotInCache) as caught:
            cache.fetch([package], downloader=downloader, store=store)
        assert "resolve again" in str(caught.value.hint)
        assert server.seen == []
        store.put(layout.package_key(package), server.files[f"/{package.filename}"])
        assert cache.fetch([package], downloader=downloader, store=store).from_store == 1


class TestHealing:
    def test_a_flipped_byte_in_an_archive_is_found_and_fetched_again(
        self, server: Server, cache: PackageCache, downloader: Downloader
    ) -> None:
        package = offer(server, "demo")
        cache.fetch([package], downloader=downloader)
        path = cache.archive(package)
        data = bytearray(path.read_bytes())
        data[50] ^= 1
        path.write_bytes(data)
        with pytest.raises(NotInCache) as caught:
            cache.archive(package)
        assert caught.value.retryable
        cache.fetch([package], downloader=downloader)
        assert cache.archive(package).is_file()

    def test_an_empty_file_left_by_a_power_cut_is_a_miss(
        self, server: Server, cache: PackageCache, downloader: Downloader
    ) -> None:
        package = offer(server, "demo")._replace(size=None)
        cache.fetch([package], downloader=downloader)
        cache.archive(package).write_bytes(b"")
        assert not cache.has(package)
        assert cache.fetch([package], downloader=downloader).downloaded == 1

    def test_a_changed_file_of_an_unpacked_wheel_is_unpacked_again(
        self, server: Server, cache: PackageCache, downloader: Downloader
    ) -> None:
        package = offer(server, "demo")
        cache.fetch([package], downloader=downloader)
        file = cache.unpacked(package).tree / "demo.py"
        file.chmod(0o644)
        file.write_bytes(b"evil")
        assert (cache.unpacked(package).tree / "demo.py").read_bytes() == b""

    def test_a_wheel_and_its_archive_both_damaged_are_fetched_again(
        self, server: Server, cache: PackageCache, downloader: Downloader
    ) -> None:
        package = offer(server, "demo")
        cache.fetch([package], downloader=downloader)
        (cache.unpacked(package).tree / "demo.py").unlink()
        path = cache.archive_path(package)
        path.write_bytes(b"?" * path.stat().st_size)
        with pytest.raises(NotInCache):
            cache.unpacked(package)
        found = cache.fetch([package], downloader=downloader, unpack=True)
        assert found.downloaded == 1
        assert (cache.unpacked(package).tree / "demo.py").is_file()

    def test_an_archive_found_damaged_while_unpacking_is_fetched_again(
        self, server: Server, cache: PackageCache, downloader: Downloader
    ) -> None:
        package = offer(server, "demo")
        cache.fetch([package], downloader=downloader)
        path = cache.archive_path(package)
        path.write_bytes(b"?" * path.stat().st_size)
        assert cache.fetch([package], downloader=downloader, unpack=True).downloaded == 1
        assert cache.has_unpacked(package)

    def test_what_an_interrupted_unpack_left_is_removed(
        self, server: Server, cache: PackageCache, downloader: Downloader
    ) -> None:
        package = offer(server, "demo")
        cache.fetch([package], downloader=downloader)
        name = package.digest
        half = cache.root / "wheels-2" / name[:2] / f".{name}.0.new"
        half.mkdir(parents=True)
        (half / "junk").touch()
        cache.unpacked(package)
        assert not half.exists()


class TestOwner:
    def test_a_cache_that_everybody_may_write_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache").chmod(0o777)
        with pytest.raises(CacheError, match="everybody") as caught:
            PackageCache(tmp_path / "cache")
        assert "chmod" in str(caught.value.hint)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
    def test_a_cache_of_another_user_is_refused_unless_it_is_shared(self, tmp_path: Path) -> None:
        root = tmp_path / "cache"
        root.mkdir()
        os.chown(root, 12345, os.getegid())
        with pytest.raises(CacheError, match="another user"):
            PackageCache(root)
        root.chmod(0o2775)
        assert PackageCache(root).root == root

    def test_a_file_in_its_place_is_one_clear_error(self, tmp_path: Path) -> None:
        (tmp_path / "cache").touch()
        with pytest.raises(CacheError, match="file exists"):
            PackageCache(tmp_path / "cache")

    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
    def test_under_any_umask_nobody_else_may_write(self, tmp_path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            cache = PackageCache(tmp_path / "cache")
            data = make_wheel("demo")
            cache.add(data, "demo-1.0-py3-none-any.whl")
            cache.unpacked(package_of(data, "demo"))
        finally:
            os.umask(before)
        PackageCache(tmp_path / "cache")
        for path in cache.root.rglob("*"):
            if path.parent.name != "locks":
                mode = stat.S_IMODE(path.lstat().st_mode)
                assert not mode & (0o022 | umask), path


def test_planted_links_are_not_followed(
    server: Server, cache: PackageCache, downloader: Downloader, tmp_path: Path
) -> None:
    package = offer(server, "demo")
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    cache.part_path(package).symlink_to(victim)
    cache.archive_path(package).symlink_to(victim)
    cache.fetch([package], downloader=downloader)
    assert cache.archive(package).read_bytes() == server.files[f"/{package.filename}"]
    cache.lock_path(package.digest).unlink()
    cache.lock_path(package.digest).symlink_to(victim)
    with pytest.raises(CacheError):
        cache.unpacked(package)
    assert victim.read_bytes() == b"precious"


def test_threads_that_want_the_same_do_it_once(
    server: Server, cache: PackageCache, downloader: Downloader
) -> None:
    packages = [offer(server, f"p{number}", 20_000) for number in range(10)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(cache.fetch, packages, downloader=downloader, unpack=True)
    assert len(server.seen) == 10


def test_waiting_says_what_for(cache: PackageCache) -> None:
    data, progress = make_wheel("demo"), Recorder()
    package = package_of(data, "demo")
    cache.add(data, package.filename)
    with ThreadPoolExecutor(1) as pool:
        with cache.locked(package, Recorder()):
            waiting = pool.submit(cache.unpacked, package, progress=progress)
            while not progress.notes:
                time.sleep(0.01)
            assert not waiting.done()
        assert waiting.result().name == "demo"
    assert progress.notes == [f"waiting for whoever works on `{package.filename}` already"]


def test_what_another_process_brings_is_taken_while_that_still_has_the_lock(
    server: Server, cache: PackageCache, downloader: Downloader
) -> None:
    package = offer(server, "p")
    with ThreadPoolExecutor(1) as pool, cache.locked(package, Recorder()):
        fetching = pool.submit(cache.fetch, [package], downloader=downloader)
        part = cache.part_path(package)
        part.write_bytes(server.files[f"/{package.filename}"])
        part.rename(cache.archive_path(package))
        assert fetching.result(60) == Fetched(cached=1)


@pytest.mark.slow
def test_processes_on_one_cold_cache_download_each_object_once(
    server: Server, tmp_path: Path
) -> None:
    packages = [offer(server, f"p{number}", 50_000) for number in range(20)]
    children = [SPAWN.Process(target=fetch, args=(tmp_path / "cache", packages)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert len(server.seen) == 20
    cache = PackageCache(tmp_path / "cache")
    assert all(cache.unpacked(one) for one in packages)


@pytest.mark.slow
def test_a_fetch_killed_at_any_moment_is_completed_by_the_next(
    server: Server, tmp_path: Path
) -> None:
    packages = [offer(server, f"p{number}", 200_000) for number in range(8)]
    root = tmp_path / "cache"
    chance = random.Random(1)
    for _ in range(8):
        child = SPAWN.Process(target=fetch, args=(root, packages))
        child.start()
        seen = len(server.seen)
        while child.is_alive() and len(server.seen) == seen:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.15))
        child.kill()
        child.join()
        cache = PackageCache(root)
        for one in packages:  # whatever is visible is right
            if cache.has(one):
                assert cache.archive(one).read_bytes() == server.files[f"/{one.filename}"]
    cache.fetch(packages, unpack=True)
    assert all(len(cache.unpacked(one).files) == 5 for one in packages)
    assert leftovers(cache) == []


def test_an_interrupted_fetch_ends_soon(server: Server, tmp_path: Path) -> None:
    package = offer(server, "demo", 200_000)
    server.script[f"/{package.filename}"] = [status(503, {"Retry-After": "50"})] * 9
    code = (
        "import sys, pathlib\n"
        "from envid.packages import Package\n"
        "from pkgcache.local.cache import PackageCache\n"
        f"package = Package.make(kind='pypi', name='demo', version='1.0', sha256='{'0' * 64}',"
        f" filename='{package.filename}', url='{package.url}')\n"
        "PackageCache(pathlib.Path(sys.argv[1])).fetch([package])\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "cache")], stderr=subprocess.PIPE, text=True
    )
    while not server.seen:
        assert child.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    start = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=200)
    assert "KeyboardInterrupt" in said
    assert time.monotonic() - start < 40  # not what the server asks for


def test_resuming_across_processes(server: Server, cache: PackageCache) -> None:
    package = offer(server, "demo", 100_000)
    server.script[f"/{package.filename}"] = [cut(60_000)]
    with Downloader(patience=Patience(tries=1)) as once, pytest.raises(PkgcacheError):
        cache.fetch([package], downloader=once)
    with Downloader(patience=Patience(tries=1)) as once:
        cache.fetch([package], downloader=once)
    assert server.seen[-1].headers["range"] == "bytes=60000-"


class TestAdding:
    def test_a_built_wheel(self, cache: PackageCache, tmp_path: Path) -> None:
        data = make_wheel("demo")
        (tmp_path / "built.whl").write_bytes(data)
        package = package_of(data, "demo")
        found = cache.add(tmp_path / "built.whl", package.filename)
        assert (found.sha256, found.size) == (package.hashes.sha256, package.size)
        assert cache.archive(package).read_bytes() == data
        assert (tmp_path / "built.whl").exists()

    def test_twice_is_once(self, cache: PackageCache) -> None:
        data = make_wheel("demo")
        assert cache.add(data, "a.whl") == cache.add(data, "a.whl")
        assert leftovers(cache) == []

    @pytest.mark.parametrize("filename", ["../evil", "a/b", "", ".", "..", "a\x00b", ".hidden"])
    def test_a_name_that_is_no_file_name_is_refused(
        self, cache: PackageCache, filename: str
    ) -> None:
        with pytest.raises(CacheError, match="not a file name"):
            cache.add(b"x", filename)
        assert leftovers(cache) == []


def test_the_metadata_of_a_wheel_is_known_by_what_is_here_of_it(cache: PackageCache) -> None:
    data = make_wheel("demo")
    package = package_of(data, "demo")
    assert cache.wheel_metadata(package) is None
    cache.add(data, package.filename)
    packed = cache.wheel_metadata(package)
    assert packed
    assert "Name: demo" in packed.splitlines()
    # Of a built one, too, whose URL is that of its source.
    origin = BuiltFrom(kind="directory", url="file:///absent", sha256="a" * 64)
    built = package._replace(url=origin.url, built_from=origin)
    assert cache.wheel_metadata(built) == packed
    cache.unpacked(package)
    archive = cache.archive(package)
    archive.unlink()
    assert cache.wheel_metadata(package) == packed
    shutil.rmtree(next(cache.root.glob("wheels-*/*/*")))
    archive.write_bytes(bytes(package.size or 0))
    assert cache.wheel_metadata(package) is None
