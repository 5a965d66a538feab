from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import random
import resource
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from envid.packages import Hashes, Package
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec
from pkgcache.archives.records import UnpackedConda
from pkgcache.errors import BadArchive, DamagedObject, DownloadError, StoreError
from pkgcache.local.cache import PackageCache
from pkgcache.local.collecting import collect
from pkgcache.prefixes.conda_prefix import create_conda_env
from pkgcache.share.shared import EnvStore, Published, Transmuting
from pkgcache.stores import layout
from pkgcache.stores.directory import DirectoryStore
from pkgcache.stores.testing import MemoryStore, SlowStore
from pkgcache.web.download import Downloader
from pkgcache.web.patience import Patience

from .conda_helpers import Conda, Entry
from .conda_helpers import env_of as conda_env
from .conda_helpers import package_of as conda_package
from .helpers import (
    PYTHON,
    Recorder,
    env_of,
    make_wheel,
    package_of,
    record_of,
    wheel_files,
    zipped,
)
from .server import Server, cut, serving, status

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .server import Handler

PATIENCE = 20.0
FORMATS = {"conda": ".conda", "tar.bz2": ".tar.bz2"}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def shared(store: MemoryStore) -> EnvStore:
    return EnvStore(store)


def offer(server: Server, name: str, size: int = 1000) -> Package:
    """A wheel of about `size` bytes on the server."""
    data = make_wheel(name, files={f"{name}.bin": random.Random(name).randbytes(size)})
    package = package_of(data, name, url=server.url("/"))
    server.files[f"/{package.filename}"] = data
    return package


def offer_conda(server: Server, name: str, suffix: str = ".tar.bz2") -> Package:
    """A conda package on the server."""
    made = Conda(
        name=name,
        files={f"share/{name}": Entry(name.encode() * 999), "share/link": Entry(link=name)},
    )
    data = made.conda() if suffix == ".conda" else made.tar_bz2()
    package = conda_package(made, data, suffix)._replace(url=server.url(f"/{made.stem}{suffix}"))
    server.files[f"/{package.filename}"] = data
    return package


def keys(store: MemoryStore, prefix: str = "") -> list[str]:
    return [one.key for one in store.list(prefix)]


def count(store: MemoryStore, operation: str, prefix: str = "") -> int:
    return sum(one.operation == operation and one.key.startswith(prefix) for one in store.requests)


def complete(store: MemoryStore) -> None:
    """Every package of every description, and what every name says, is there and right."""
    for key in keys(store, "environments/"):
        for package in ResolvedEnv.from_json(store.read(key)).packages:
            found = store.read(layout.package_key(package))
            archive = layout.archives(package)[-1]
            assert hashlib.sha256(found).hexdigest() == archive.hashes.sha256
    for key in keys(store, "transmuted/"):
        named = json.loads(store.read(key))
        found = store.read(layout.archive_key(named["sha256"], named["filename"]))
        assert hashlib.sha256(found).hexdigest() == named["sha256"]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestPipeline:
    def test_a_package_is_uploaded_while_another_one_is_downloaded(
        self, server: Server, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        fast, slow = offer(server, "fast"), offer(server, "slow")

        def answer(handler: Handler) -> None:
            until(lambda: store.head(layout.package_key(fast)))
            handler.send_file()

        server.script[f"/{slow.filename}"] = [answer]
        assert shared.publish([env_of(fast, slow)], cache=cache).packages == 2

    def test_an_environment_is_described_before_the_packages_of_another_one(
        self, server: Server, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        fast, slow = env_of(offer(server, "fast")), env_of(offer(server, "slow"))

        def answer(handler: Handler) -> None:
            until(lambda: store.head(layout.description_key(fast.env_id)))
            handler.send_file()

        server.script[f"/{slow.packages[0].filename}"] = [answer]
        assert shared.publish([slow, fast], cache=cache).environments == 2

    def test_platforms_share_what_they_have_in_common(
        self, server: Server, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        packages = [offer(server, f"p{number}") for number in range(20)]
        found = {
            platform: (PYTHON, [*packages[:10], one])
            for platform, one in zip(("linux-64", "osx-64"), packages[10:], strict=False)
        }
        spec = EnvSpec.make(requirements={"pypi": ["x"]}, python="==3.*")
        envs = ResolvedEnv.co_resolve(spec, found, resolved_by="tester")
        said = shared.publish(envs, cache=cache)
        assert (said.environments, said.packages, said.envs) == (2, 12, envs)
        assert len(server.seen) == 12
        assert count(store, "put", "packages/") == 12
        complete(store)

    def test_an_environment_of_nothing_is_described(
        self, shared: EnvStore, cache: PackageCache
    ) -> None:
        env = env_of()
        assert shared.publish([env], cache=cache) == Published(environments=1)
        assert shared.fetch_description(env.env_id) == env

    def test_the_bytes_of_both_ways_are_followed(
        self, server: Server, shared: EnvStore, cache: PackageCache
    ) -> None:
        env = env_of(offer(server, "one", 5000), offer(server, "two", 70_000))
        progress = Recorder()
        found = shared.publish([env], cache=cache, progress=progress)
        assert progress.labels == ["publishing packages", "downloading", "uploading"]
        assert progress.advanced == 2 + 2 * found.size

    def test_the_first_error_ends_it_and_what_arrived_stays(
        self, server: Server, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        packages = [offer(server, f"p{number}") for number in range(30)]
        bad = offer(server, "bad")
        server.script[f"/{bad.filename}"] = [status(404)]
        env = env_of(*packages, bad)
        with Downloader(workers=2) as downloader:
            with pytest.raises(DownloadError, match="404"):
                shared.publish([env], cache=cache, downloader=downloader)
            assert not keys(store, "environments/")
            stayed = len(keys(store, "packages/"))
            found = shared.publish([env], cache=cache, downloader=downloader)
        assert found.packages == 31 - stayed
        # Both had begun one, and may begin another before they see that it is over.
        assert len(server.seen) <= 1 + 31 + 4
        complete(store)

    def test_a_throttling_server_makes_it_slower_and_nothing_else(
        self, server: Server, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        packages = [offer(server, f"p{number}") for number in range(12)]
        for number, one in enumerate(packages):
            busy = status(429 if number % 2 else 503, {"Retry-After": "0"})
            server.script[f"/{one.filename}"] = [busy, cut(100), busy][: number % 4]
        with Downloader(patience=Patience(backoff=0.01)) as downloader:
            shared.publish([env_of(*packages)], cache=cache, downloader=downloader)
        complete(store)

    def test_a_damaged_archive_of_the_cache_is_downloaded_again(
        self, server: Server, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        env = env_of(offer(server, "one"), offer(server, "two"))
        cache.fetch(env.packages)
        path = cache.archive_path(env.packages[0])
        path.write_bytes(b"?" * path.stat().st_size)
        shared.publish([env], cache=cache)
        assert [server.count(f"/{one.filename}") for one in env.packages] == [2, 1]
        complete(store)

    def test_what_the_cache_has_costs_no_download(
        self, server: Server, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        env = env_of(offer(server, "one"))
        cache.fetch(env.packages)
        server.files.clear()
        assert shared.publish([env], cache=cache).packages == 1
        complete(store)


class TestFaults:
    def test_a_truncated_package_is_uploaded_again(
        self, server: Server, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        one, two = offer(server, "one"), offer(server, "two")
        shared.publish([env_of(one)], cache=cache)
        store.put(layout.package_key(one), b"PK")
        assert shared.publish([env_of(one, two)], cache=cache).packages == 2
        complete(store)

    def test_a_damaged_description_is_said_and_published_again(
        self, server: Server, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        env, progress = env_of(offer(server, "one")), Recorder()
        shared.publish([env], cache=cache)
        store.put(layout.description_key(env.env_id), b"{")
        found = shared.publish([env], cache=cache, progress=progress)
        assert found == Published(environments=1)
        assert "is damaged" in progress.notes[0]
        assert shared.fetch_description(env.env_id) == env

    def test_the_description_of_a_newer_version_is_left_alone(
        self, server: Server, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        env = env_of(offer(server, "one"))
        key = layout.description_key(env.env_id)
        content = json.dumps({**env.to_dict(), "schema_version": 99}).encode()
        store.put(key, content)
        with pytest.raises(DamagedObject, match="99"):
            shared.publish([env], cache=cache)
        assert store.read(key) == content

    def test_to_verify_what_is_right_writes_nothing(
        self, server: Server, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        env = env_of(offer(server, "one"), offer(server, "two"))
        shared.publish([env], cache=cache)
        store.requests.clear()
        assert shared.publish([env], cache=cache, verify=True) == Published()
        assert count(store, "put") == 0

    @pytest.mark.parametrize("local", [True, False], ids=["cached", "elsewhere"])
    def test_to_verify_puts_right_what_is_not(
        self, tmp_path: Path, server: Server, store: MemoryStore, shared: EnvStore, local: bool
    ) -> None:
        cache = PackageCache(tmp_path / "one")
        packages = [offer(server, name) for name in ("fine", "flipped", "cut", "gone")]
        env = env_of(*packages)
        shared.publish([env], cache=cache)
        _, flipped, cut_off, gone = map(layout.package_key, packages)
        store.put(flipped, bytes(len(store.read(flipped))))
        store.put(cut_off, b"")
        store.delete(gone)
        other = cache if local else PackageCache(tmp_path / "two")
        found = shared.publish([env], cache=other, verify=True)
        assert (found.environments, found.packages) == (0, 3)
        assert len(server.seen) == (4 if local else 7)
        complete(store)

    def test_a_reader_takes_damaged_packages_from_where_they_came_and_says_so(
        self, tmp_path: Path, server: Server, store: MemoryStore, shared: EnvStore
    ) -> None:
        packages = [offer(server, name) for name in ("fine", "flipped", "gone")]
        shared.publish([env_of(*packages)], cache=PackageCache(tmp_path / "one"))
        _, flipped, gone = map(layout.package_key, packages)
        store.put(flipped, bytes(len(store.read(flipped))))
        store.delete(gone)
        progress, reader = Recorder(), PackageCache(tmp_path / "two")
        found = reader.fetch(packages, store=store, progress=progress)
        assert (found.from_store, found.downloaded) == (1, 2)
        (note,) = progress.notes
        assert flipped in note


class Dying(MemoryStore):
    """A store whose publisher is killed before one of its requests: nothing gets through then."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 10**9

    def _request(self, operation: str, key: str, *, check: bool = True) -> threading.Lock:
        with self._lock:
            self.left -= 1
            if self.left < 0:
                raise StoreError(operation, key, self.url, "killed")
        return super()._request(operation, key, check=check)


def published_twice(store: Dying, requests: int, publish: Callable[[EnvStore], Published]) -> bool:
    """Publish, killed after some requests, and then once more; whether it was killed."""
    store.left, killed = requests, False
    try:
        publish(EnvStore(store))
    except StoreError:
        killed = True
    store.left = 10**9
    complete(store)
    publish(EnvStore(store))
    complete(store)
    return killed


@pytest.mark.slow
def test_a_publish_that_ends_between_any_two_requests_is_completed_by_the_next(
    server: Server, cache: PackageCache
) -> None:
    wheels = [offer(server, f"w{number}") for number in range(4)]
    condas = [offer_conda(server, f"c{number}") for number in range(3)]
    envs = [env_of(*wheels), env_of(*wheels[2:]), conda_env(*condas), conda_env(*condas[1:])]
    requests = 0
    while True:
        store = Dying()
        killed = published_twice(
            store,
            requests,
            lambda shared: shared.publish(
                envs, cache=cache, transmuting=Transmuting(to="conda", level=1)
            ),
        )
        assert len(keys(store, "environments/")) == 4
        assert len(keys(store, "packages/")) == 7
        if not killed:
            break
        requests += 1
    # layout twice; each environment, wheel and conda package asked for and put, these named too
    assert requests == 2 + 2 * 4 + 2 * 4 + 3 * 3


@pytest.mark.slow
def test_publishers_of_overlapping_environments_at_once(tmp_path: Path, server: Server) -> None:
    store = MemoryStore()
    packages = [offer(server, f"p{number}") for number in range(12)]
    condas = [offer_conda(server, f"c{number}") for number in range(6)]

    def publish(number: int) -> tuple[ResolvedEnv, ...]:
        mine = [
            env_of(*packages[number : number + 8]),
            env_of(*packages),
            conda_env(*condas),
        ]
        return (
            EnvStore(SlowStore(store, latency=0.001))
            .publish(
                mine,
                cache=PackageCache(tmp_path / str(number)),
                # Two who transmute differently must not get in each other's way.
                transmuting=Transmuting(to="conda", level=1 + 18 * (number % 2)),
            )
            .envs
        )

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(publish, range(4)))
    complete(store)
    shared = EnvStore(store)
    for env in (env for each in found for env in each):
        there = shared.fetch_description(env.env_id)
        assert there is not None
        assert there.packages == env.packages


class TestTransmuting:
    @pytest.mark.parametrize("to", FORMATS)
    def test_the_store_holds_the_other_format_and_the_description_both(
        self, server: Server, store: MemoryStore, shared: EnvStore, cache: PackageCache, to: str
    ) -> None:
        (other,) = (suffix for name, suffix in FORMATS.items() if name != to)
        converted, kept = offer_conda(server, "a", other), offer_conda(server, "b", FORMATS[to])
        env = conda_env(converted, kept, offer(server, "wheel"))
        found = shared.publish([env], cache=cache, transmuting=Transmuting(to=to))
        (there,) = found.envs
        assert shared.fetch_description(env.env_id) == there
        assert there.full_id == env.full_id
        new, same, wheel = there.packages
        assert (same, wheel) == env.packages[1:]
        assert new.transmuted
        assert new._replace(transmuted=None) == converted
        assert new.transmuted.filename == f"a-1.0-h0_0{FORMATS[to]}"
        assert keys(store, "packages/") == sorted(map(layout.package_key, there.packages))
        assert keys(store, "transmuted/") == [layout.transmuted_key(converted, to)]
        complete(store)
        assert not list(cache.root.glob(".*"))

    def test_what_a_killed_publisher_was_at_is_collected_and_what_another_is_at_is_not(
        self, server: Server, shared: EnvStore, cache: PackageCache
    ) -> None:
        env = conda_env(offer_conda(server, "a"))
        (cache.root / ".0123.new" / "of a killed one").mkdir(parents=True)
        left: list[int] = []

        def answer(handler: Handler) -> None:
            left.extend(collect(cache, set()).leftovers for _ in range(2))
            left.append(len(list(cache.root.glob(".*.new"))))
            handler.send_file()

        server.script[f"/{env.packages[0].filename}"] = [answer]
        shared.publish([env], cache=cache, transmuting=Transmuting(to="conda"))
        assert left == [1, 0, 1]

    def test_the_next_publisher_neither_downloads_nor_transmutes(
        self, tmp_path: Path, server: Server, store: MemoryStore, shared: EnvStore
    ) -> None:
        packages = [offer_conda(server, f"p{number}") for number in range(5)]
        how = Transmuting(to="conda")
        shared.publish(
            [conda_env(*packages)], cache=PackageCache(tmp_path / "one"), transmuting=how
        )
        server.files.clear()
        store.requests.clear()
        found = shared.publish(
            [conda_env(*packages[1:])], cache=PackageCache(tmp_path / "two"), transmuting=how
        )
        assert (found.environments, found.packages) == (1, 0)
        assert all(one.transmuted for one in found.envs[0].packages)
        assert count(store, "get", "transmuted/") == 4
        assert len(store.requests) == 4 + 2
        complete(store)

    def test_a_known_environment_says_what_its_packages_were_transmuted_to(
        self, tmp_path: Path, server: Server, store: MemoryStore, shared: EnvStore
    ) -> None:
        packages = [offer_conda(server, f"p{number}") for number in range(5)]
        how, known = Transmuting(to="conda"), conda_env(*packages)
        (there,) = shared.publish(
            [known], cache=PackageCache(tmp_path / "one"), transmuting=how
        ).envs
        store.requests.clear()
        for to, asked in (("conda", 0), ("", 4)):
            found = EnvStore(store).publish(
                [conda_env(*packages[1:])],
                cache=PackageCache(tmp_path / "two"),
                transmuting=Transmuting(to=to),
                alike=[known.env_id],
            )
            made = {package.name: package for package in there.packages}
            if to:
                assert all(package == made[package.name] for package in found.envs[0].packages)
                store.delete(layout.description_key(found.envs[0].env_id))
            # Who wants them as they came needs the archives that nobody has put there.
            assert count(store, "put", "packages/") == asked

    def test_who_finds_it_described_gets_the_description_of_the_store(
        self, tmp_path: Path, server: Server, store: MemoryStore, shared: EnvStore
    ) -> None:
        env = conda_env(offer_conda(server, "a"))
        how = Transmuting(to="conda")
        first = shared.publish([env], cache=PackageCache(tmp_path / "one"), transmuting=how)
        store.requests.clear()
        found = EnvStore(store).publish([env], cache=PackageCache(tmp_path / "two"))
        assert (found, found.envs) == (Published(), first.envs)
        assert len(store.requests) == 2

    def test_it_is_created_from_the_store_alone_and_remembers_its_origin(
        self, tmp_path: Path, server: Server, shared: EnvStore
    ) -> None:
        python = Conda(name="python", version="3.11.7", files={"bin/python3.11": b"#!/bin/sh\n"})
        data = python.tar_bz2()
        record = conda_package(python, data, ".tar.bz2")
        server.files[f"/{record.filename}"] = data
        record = record._replace(url=server.url(f"/{record.filename}"))
        env = conda_env(record, offer_conda(server, "a"))
        straight = PackageCache(tmp_path / "straight")
        straight.fetch(env.packages, unpack=True)
        published = shared.publish(
            [env], cache=PackageCache(tmp_path / "one"), transmuting=Transmuting(to="conda")
        )
        server.files.clear()
        (there,) = published.envs
        reader = PackageCache(tmp_path / "two")
        found = reader.fetch(there.packages, store=shared.store, unpack=True)
        assert found.from_store == 2
        assert all(reader.has(one) for one in there.packages)
        for one in there.packages:
            assert facts(reader, one) == facts(straight, one)
        create_conda_env(there, tmp_path / "prefix", cache=reader)
        for one in env.packages:
            path = tmp_path / "prefix/conda-meta" / f"{one.filename.removesuffix('.tar.bz2')}.json"
            meta = json.loads(path.read_text())
            assert (meta["url"], meta["fn"]) == (one.url, one.filename)
            assert meta["sha256"] == one.hashes.sha256

    def test_without_the_store_the_original_does(
        self, tmp_path: Path, server: Server, shared: EnvStore
    ) -> None:
        env = conda_env(offer_conda(server, "a"))
        cache = PackageCache(tmp_path / "one")
        found = shared.publish([env], cache=cache, transmuting=Transmuting(to="conda"))
        (package,) = found.envs[0].packages
        reader = PackageCache(tmp_path / "two")
        assert reader.fetch([package], store=MemoryStore(), unpack=True).downloaded == 1
        assert facts(reader, package) == facts(reader, env.packages[0])

    @pytest.mark.parametrize("level", [1, 19])
    def test_to_verify_makes_again_what_is_gone_and_keeps_the_format(
        self, tmp_path: Path, server: Server, store: MemoryStore, shared: EnvStore, level: int
    ) -> None:
        env = conda_env(offer_conda(server, "a"), offer_conda(server, "b"))
        cache = PackageCache(tmp_path / "one")
        (there,) = shared.publish(
            [env], cache=cache, transmuting=Transmuting(to="conda", level=1)
        ).envs
        store.delete(layout.package_key(there.packages[0]))
        store.put(layout.transmuted_key(env.packages[1], "conda"), b"{}")
        progress = Recorder()
        found = shared.publish(
            [env], cache=cache, transmuting=Transmuting(level=level), verify=True, progress=progress
        )
        assert found.packages == 2
        assert "is damaged" in progress.notes[0]
        complete(store)
        assert all(one.transmuted for one in found.envs[0].packages)
        assert shared.fetch_description(env.env_id) == found.envs[0]


WRONG: dict[str, tuple[str, bytes]] = {
    "a wheel": ("x-1.0-py3-none-any.whl", make_wheel("x", files={"x-1.0.data/data/bin": b""})),
    "a wheel that lacks a file": (
        "x-1.0-py3-none-any.whl",
        zipped({**wheel_files("x"), "x-1.0.dist-info/RECORD": b""}),
    ),
    "a large wheel": (
        "x-1.0-py3-none-any.whl",
        make_wheel("x", files={"x-1.0.data/data/bin": random.Random(1).randbytes(3 << 20)}),
    ),
    "another wheel": ("x-1.0-py3-none-any.whl", make_wheel("y")),
    "a conda package": (
        "x-1.0-0.conda",
        Conda(name="x", build="0", files={"conda-meta/history": b""}).conda(),
    ),
    "a conda package of old": (
        "x-1.0-0.tar.bz2",
        Conda(name="x", build="0", files={"conda-meta/history": b""}).tar_bz2(),
    ),
    "another conda package": ("x-1.0-0.conda", Conda(name="y", build="0").conda()),
}


@pytest.mark.parametrize("to", ["", "conda", "tar.bz2"])
@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_created_is_not_published(
    store: MemoryStore, shared: EnvStore, cache: PackageCache, name: str, to: str
) -> None:
    filename, data = WRONG[name]
    package = Package.make(
        kind="pypi" if filename.endswith(".whl") else "conda",
        name="x",
        version="1.0",
        build=None if filename.endswith(".whl") else "0",
        filename=filename,
        url=f"https://files.test/{filename}",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
    )
    cache.add(data, filename)
    env = env_of(package) if package.kind == "pypi" else conda_env(package)
    with pytest.raises(BadArchive) as refused:
        shared.publish([env], cache=cache, transmuting=Transmuting(to=to))
    assert [one.key for one in store.list("")] == ["layout.json"]
    load = cache.unpacked if package.kind == "pypi" else cache.unpacked_conda
    with pytest.raises(BadArchive) as created:
        load(package)
    assert str(created.value) == str(refused.value)


def test_what_is_described_as_another_package_is_not_published(
    store: MemoryStore, shared: EnvStore, cache: PackageCache
) -> None:
    data = make_wheel("demo")
    package = package_of(data, "demo")._replace(version="2.0")
    cache.add(data, package.filename)
    with pytest.raises(BadArchive, match=r"it is described as `demo 2\.0`"):
        shared.publish([env_of(package)], cache=cache)
    assert [one.key for one in store.list("")] == ["layout.json"]


def facts(cache: PackageCache, package: Package) -> object:
    """What an unpacked package holds."""
    found = cache.unpacked_conda(package)
    assert isinstance(found, UnpackedConda)
    return found.index, found.files


def _publish_large(root: Path, size: int, answers: multiprocessing.Queue[int]) -> None:
    path, digest, piece = root / "large-1.0-py3-none-any.whl", hashlib.sha256(), bytes(1 << 20)
    for _ in range(size // len(piece)):
        digest.update(piece)
    large = base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")
    found = wheel_files("large")
    found["large-1.0.dist-info/RECORD"] = b"large.bin,sha256=%s,\n%s" % (
        large.encode(),
        record_of(found, "large-1.0.dist-info"),
    )
    path.write_bytes(zipped(found))
    with zipfile.ZipFile(path, "a") as archive, archive.open("large.bin", "w") as member:
        for _ in range(size // len(piece)):
            member.write(piece)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while read := file.read(len(piece)):
            digest.update(read)
    package = package_of(b"", "large", url=f"{root.as_uri()}/")._replace(
        hashes=Hashes(sha256=digest.hexdigest()),
        size=path.stat().st_size,
    )
    store = EnvStore(DirectoryStore(root / "store"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store.publish([env_of(package)], cache=PackageCache(root / "cache"))
    answers.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units")
def test_memory_stays_the_same_whatever_the_size(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    child = spawn.Process(target=_publish_large, args=(tmp_path, 256 << 20, answers))
    child.start()
    assert answers.get(timeout=PATIENCE * 3) < 64 << 10
    child.join()
