from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from envid.aliases import Alias, FullRef
from envid.ids import EnvId
from pkgcache.errors import AliasTaken, BadArchive, DamagedObject, LayoutTooNew, StoreError
from pkgcache.share.shared import BuiltWheel, EnvStore, Published
from pkgcache.stores import layout
from pkgcache.stores.directory import DirectoryStore
from pkgcache.stores.testing import MemoryStore

from .helpers import PLATFORM, env_of, make_wheel, package_of

if TYPE_CHECKING:
    from pathlib import Path

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from pkgcache.local.cache import PackageCache
    from pkgcache.stores.store import Store


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def shared(store: MemoryStore) -> EnvStore:
    return EnvStore(store)


def cached(cache: PackageCache, name: str) -> Package:
    data = make_wheel(name)
    package = package_of(data, name)
    cache.add(data, package.filename)
    return package


def env_with(cache: PackageCache, *names: str) -> ResolvedEnv:
    return env_of(*(cached(cache, name) for name in names), requirement=" ".join(names[:1]))


def count(store: MemoryStore, operation: str, start: str = "") -> int:
    return sum(one.operation == operation and one.key.startswith(start) for one in store.requests)


class TestPublish:
    def test_brings_packages_first_and_then_the_description(
        self, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        env = env_with(cache, "one", "two")
        found = shared.publish([env], cache=cache)
        assert (found.environments, found.packages) == (1, 2)
        puts = [one.key for one in store.requests if one.operation == "put"]
        assert puts[0] == "layout.json"
        assert sorted(puts[1:3]) == sorted(layout.package_key(one) for one in env.packages)
        assert puts[3:] == [layout.description_key(env.env_id)]
        assert shared.fetch_description(env.env_id) == env

    def test_what_is_known_costs_at_most_two_requests(
        self, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        env = env_with(cache, "one", "two")
        shared.publish([env], cache=cache)
        store.requests.clear()
        assert EnvStore(store).publish([env], cache=cache) == Published()
        assert len(store.requests) == 2

    @pytest.mark.slow
    def test_one_new_package_of_three_hundred_is_one_upload(
        self, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        names = [f"p{number}" for number in range(299)]
        shared.publish([env_with(cache, *names)], cache=cache)
        store.requests.clear()
        found = shared.publish([env_with(cache, "more", *names)], cache=cache)
        assert (found.environments, found.packages) == (1, 1)
        assert count(store, "put") == 2
        assert count(store, "head", "packages/") == 300
        assert len(store.requests) == 303  # and the description looked for

    @pytest.mark.slow
    def test_what_a_known_environment_has_costs_no_request_of_its_own(
        self, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        names = [f"p{number}" for number in range(299)]
        known = env_with(cache, *names)
        shared.publish([known], cache=cache)
        store.requests.clear()
        env = env_with(cache, "more", *names)
        found = EnvStore(store).publish([env], cache=cache, alike=[known.env_id])
        assert (found.environments, found.packages) == (1, 1)
        assert [(one.operation, one.key.partition("/")[0]) for one in store.requests] == [
            ("get", "layout.json"),
            ("get", "environments"),
            ("get", "environments"),
            ("head", "packages"),
            ("put", "packages"),
            ("put", "environments"),
        ]

    def test_an_environment_that_the_store_has_lost_says_nothing_of_packages(
        self, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        known, damaged = env_with(cache, "one", "two"), env_with(cache, "two", "three")
        shared.publish([known, damaged], cache=cache)
        store.delete(layout.description_key(known.env_id))
        store.put(layout.description_key(damaged.env_id), b"{}")
        for package in known.packages:
            store.delete(layout.package_key(package))
        env = env_with(cache, "one", "two", "three")
        alike = [known.env_id, damaged.env_id]
        found = EnvStore(store).publish([env], cache=cache, alike=alike)
        assert (found.environments, found.packages) == (1, 2)

    def test_to_verify_is_to_ask_for_every_package(
        self, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        known, env = env_with(cache, "one", "two"), env_with(cache, "two", "three")
        shared.publish([known], cache=cache)
        store.delete(layout.package_key(known.packages[1]))
        found = shared.publish([env], cache=cache, alike=[known.env_id], verify=True)
        assert (found.environments, found.packages) == (1, 2)

    def test_whether_an_environment_is_complete_costs_one_request(
        self, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        env = env_with(cache, "one", "two")
        shared.publish([env], cache=cache)
        store.requests.clear()
        assert shared.fetch_description(env.env_id)
        assert not shared.fetch_description(env.env_id._replace(full_id="0" * 40))
        assert len(store.requests) == 2

    def test_packages_of_several_environments_are_uploaded_once(
        self, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        envs = [env_with(cache, "one", "two"), env_with(cache, "three", "two")]
        assert shared.publish(envs, cache=cache).packages == 3
        assert count(store, "put", "packages/") == 3


class TestFind:
    def test_by_request_the_newest_first(self, shared: EnvStore, cache: PackageCache) -> None:
        package = cached(cache, "one")
        first, second = env_of(package), env_of(package, cached(cache, "two"))
        shared.publish([first], cache=cache)
        time.sleep(0.01)
        shared.publish([second], cache=cache)
        assert first.req_id == second.req_id
        assert shared.find(first.req_id, PLATFORM) == (second.env_id, first.env_id)
        assert shared.find(first.req_id, "osx-64") == ()

    def test_by_prefix(self, shared: EnvStore, cache: PackageCache) -> None:
        env, other = env_with(cache, "one"), env_with(cache, "two")
        shared.publish([env, other], cache=cache)
        assert shared.find_prefix(env.req_id[:8]) == (env.env_id,)
        assert set(shared.find_prefix("")) == {env.env_id, other.env_id}

    def test_nothing(self, shared: EnvStore) -> None:
        assert shared.fetch_description(EnvId("a" * 40, "b" * 40, PLATFORM)) is None
        assert shared.default("a" * 40, PLATFORM) is None
        assert shared.alias(Alias(name="x", tag="y")) is None
        assert shared.built_wheel("key") is None

    def test_defaults(self, store: MemoryStore, shared: EnvStore) -> None:
        one = EnvId("a" * 40, "b" * 40, PLATFORM)
        shared.set_default(one)
        assert shared.default(one.req_id, PLATFORM) == one
        shared.set_default(one._replace(full_id="c" * 40))
        assert shared.default(one.req_id, PLATFORM) == one._replace(full_id="c" * 40)
        assert shared.default(one.req_id, "osx-64") is None
        assert store.read(f"defaults/{one.req_id}/{PLATFORM}.json").startswith(b'{"full_id":"ccc')


class TestAliases:
    ONE = FullRef(req_id="a" * 40, full_id="b" * 40)
    OTHER = FullRef(req_id="a" * 40, full_id="c" * 40)

    def test_an_immutable_alias_stays(self, shared: EnvStore) -> None:
        alias = Alias(name="team/thing", tag="v1")
        shared.set_alias(alias, self.ONE)
        shared.set_alias(alias, self.ONE)
        with pytest.raises(AliasTaken) as caught:
            shared.set_alias(alias, self.OTHER)
        assert (caught.value.alias, caught.value.holder) == ("team/thing:v1", str(self.ONE))
        assert shared.alias(alias) == self.ONE

    @pytest.mark.parametrize("tag", ["latest", "candidate", "stable"])
    def test_a_mutable_alias_moves(self, shared: EnvStore, tag: str) -> None:
        alias = Alias(name="team/thing", tag=tag)
        shared.set_alias(alias, self.ONE)
        shared.set_alias(alias, self.OTHER)
        assert shared.alias(alias) == self.OTHER

    def test_names_and_tags_do_not_get_mixed_up(self, tmp_path: Path) -> None:
        shared = EnvStore(DirectoryStore(tmp_path / "store"))
        names = [("a/b", "c"), ("a", "b"), ("a/b.json", "c"), ("a", "b.json"), ("a/b/c", "latest")]
        for number, (name, tag) in enumerate(names):
            shared.set_alias(
                Alias(name=name, tag=tag), FullRef(req_id="a" * 40, full_id=f"{number:040}")
            )
        found = [shared.alias(Alias(name=name, tag=tag)) for name, tag in names]
        assert [one and int(one.full_id) for one in found] == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize(
        ("start", "expected"),
        [
            ("", ["team/a:latest", "team/a:v1", "team/ab:v1", "teams:v1"]),
            ("team/", ["team/a:latest", "team/a:v1", "team/ab:v1"]),
            ("team/a:", ["team/a:latest", "team/a:v1"]),
            ("team/a:v", ["team/a:v1"]),
            ("other", []),
            ("../", []),
        ],
    )
    def test_are_listed_by_how_they_start(
        self, store: MemoryStore, start: str, expected: list[str]
    ) -> None:
        shared = EnvStore(store)
        target = FullRef(req_id="a" * 40, full_id="b" * 40)
        for name, tag in (
            ("team/a", "v1"),
            ("team/a", "latest"),
            ("team/ab", "v1"),
            ("teams", "v1"),
        ):
            shared.set_alias(Alias(name=name, tag=tag), target)
        store.put("aliases/Not%2Fours/v1.json", b"{}")
        before = len(store.requests)
        found = dict(shared.aliases(start))
        assert sorted(map(str, found)) == expected
        assert all(abs(given - time.time()) < 60 for given in found.values())
        assert [one.operation for one in store.requests[before:]] == ["list"]

    @pytest.mark.parametrize("kind", ["memory", "directory"])
    def test_of_many_who_give_it_at_once_one_wins(self, tmp_path: Path, kind: str) -> None:
        store: Store = MemoryStore() if kind == "memory" else DirectoryStore(tmp_path / "store")
        alias = Alias(name="contended", tag="v1")

        def give(number: int) -> str:
            full_id = f"{number:040x}"
            try:
                EnvStore(store).set_alias(alias, FullRef(req_id="a" * 40, full_id=full_id))
            except AliasTaken as error:
                return error.holder
            return f"{'a' * 40}:{full_id}"

        with ThreadPoolExecutor(8) as pool:
            holders = set(pool.map(give, range(8)))
        assert holders == {str(EnvStore(store).alias(alias))}


class TestBuiltWheels:
    def test_are_found_by_their_source(self, shared: EnvStore, tmp_path: Path) -> None:
        wheel, archive = built(tmp_path, make_wheel("demo"))
        assert shared.set_built_wheel("source-1", wheel, archive) == wheel
        assert shared.built_wheel("source-1") == wheel
        key = layout.archive_key(wheel.sha256, wheel.filename)
        assert shared.store.read(key) == archive.read_bytes()

    def test_the_first_one_is_used_by_all(self, shared: EnvStore, tmp_path: Path) -> None:
        first, archive = built(tmp_path, make_wheel("demo"))
        second = replace(first, sha256="b" * 64)
        shared.set_built_wheel("source-1", first, archive)
        assert shared.set_built_wheel("source-1", second, archive) == first

    def test_one_that_cannot_be_installed_is_refused(
        self, store: MemoryStore, shared: EnvStore, tmp_path: Path
    ) -> None:
        files = {"demo-1.0.data/data/bin/python": b""}
        wheel, archive = built(tmp_path, make_wheel("demo", files=files))
        with pytest.raises(BadArchive, match=r"`bin/python`, which belongs"):
            shared.set_built_wheel("source-1", wheel, archive)
        assert list(store.list("")) == []


def built(folder: Path, data: bytes) -> tuple[BuiltWheel, Path]:
    package = package_of(data, "demo")
    archive = folder / package.filename
    archive.write_bytes(data)
    sha256 = str(package.hashes.sha256)
    return BuiltWheel(filename=package.filename, sha256=sha256, size=len(data)), archive


class TestDamage:
    def test_a_newer_layout_is_refused_by_everything(self, store: MemoryStore) -> None:
        store.put("layout.json", b'{"layout": 2}')
        shared = EnvStore(store)
        with pytest.raises(LayoutTooNew, match="layout 2"):
            shared.default("a" * 40, PLATFORM)
        with pytest.raises(LayoutTooNew):
            shared.set_alias(Alias(name="a", tag="b"), TestAliases.ONE)
        assert [one.key for one in store.list("")] == ["layout.json"]

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"layout": "1"}', b"\xff"])
    def test_a_damaged_layout_is_named(self, store: MemoryStore, content: bytes) -> None:
        store.put("layout.json", content)
        with pytest.raises(DamagedObject, match=r"layout\.json"):
            EnvStore(store).default("a" * 40, PLATFORM)

    @pytest.mark.parametrize(
        "content", [b"", b"null", b"{}", b'{"full_id": 1}', b'{"full_id": "x"}']
    )
    def test_a_damaged_default_is_named(
        self, store: MemoryStore, shared: EnvStore, content: bytes
    ) -> None:
        store.put(layout.default_key("a" * 40, PLATFORM), content)
        with pytest.raises(DamagedObject, match="defaults/aaa"):
            shared.default("a" * 40, PLATFORM)

    def test_an_edited_description_is_named_with_its_field(
        self, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        env = env_with(cache, "one")
        shared.publish([env], cache=cache)
        key = layout.description_key(env.env_id)
        document = json.loads(store.read(key))
        document["packages"][0]["hashes"]["sha256"] = "0" * 64
        store.put(key, json.dumps(document).encode())
        with pytest.raises(DamagedObject, match=f"co_resolved.{PLATFORM}"):
            shared.fetch_description(env.env_id)

    def test_a_description_under_another_id_is_refused(
        self, store: MemoryStore, shared: EnvStore, cache: PackageCache
    ) -> None:
        env = env_with(cache, "one")
        other = env.env_id._replace(full_id="0" * 40)
        store.put(layout.description_key(other), env.to_json().encode())
        with pytest.raises(DamagedObject, match="it describes"):
            shared.fetch_description(other)

    @pytest.mark.parametrize("content", [b"{}", b'{"filename": "a", "sha256": "b", "size": "x"}'])
    def test_a_damaged_entry_of_a_built_wheel_is_named(
        self, store: MemoryStore, shared: EnvStore, content: bytes
    ) -> None:
        store.put("built/key.json", content)
        with pytest.raises(DamagedObject, match=r"built/key\.json"):
            shared.built_wheel("key")

    def test_other_objects_in_the_store_do_no_harm(
        self, store: MemoryStore, shared: EnvStore
    ) -> None:
        store.put("environments/README", b"hello")
        store.put(f"environments/{'a' * 40}/linux-64/notes.txt", b"hello")
        assert shared.find_prefix("") == ()

    @pytest.mark.parametrize(
        ("place", "said"),
        [
            ("file/store", "cannot read `layout.json`.*: not a directory"),
            ("/proc/self/store", "cannot write `layout.json`.*: no such file"),
        ],
    )
    def test_a_store_that_cannot_be_there_says_so(
        self, tmp_path: Path, cache: PackageCache, place: str, said: str
    ) -> None:
        (tmp_path / "file").touch()
        shared = EnvStore(DirectoryStore(tmp_path / place))
        with pytest.raises(StoreError, match=said):
            shared.publish([env_with(cache, "one")], cache=cache)
