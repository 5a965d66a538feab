"""Stores whose objects others have tampered with, and whose lists are late."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from envid.aliases import Alias, FullRef
from envid.ids import EnvId
from pkgcache.errors import DamagedObject, PkgcacheError, StoreError
from pkgcache.local.cache import PackageCache
from pkgcache.share import _records
from pkgcache.share.shared import EnvStore
from pkgcache.stores import layout
from pkgcache.stores.testing import MemoryStore

from .helpers import PLATFORM, Recorder, env_of, make_wheel, package_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from pkgcache.stores.store import ObjectInfo

ALIAS = Alias(name="a", tag="v1")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def cached(cache: PackageCache, name: str) -> Package:
    data = make_wheel(name)
    package = package_of(data, name)
    cache.add(data, package.filename)
    return package


@pytest.fixture
def env(store: MemoryStore, cache: PackageCache) -> ResolvedEnv:
    """An environment that is in the store, with an alias."""
    found = env_of(cached(cache, "one"), cached(cache, "two"))
    EnvStore(store).publish([found], cache=cache)
    EnvStore(store).set_alias(ALIAS, FullRef(req_id=found.req_id, full_id=found.full_id))
    return found


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "schema_version"),
        ({"platform": "osx-64"}, "platform|describes"),
        ({"platform": "amiga"}, "platform"),
        ({"packages": [1]}, re.escape("packages[0]")),
        ({"resolved_at": 7}, "resolved_at"),
    ],
)
def test_a_description_that_was_edited_names_the_field(
    store: MemoryStore, env: ResolvedEnv, change: dict[str, Any], message: str
) -> None:
    key = layout.description_key(env.env_id)
    store.put(key, json.dumps({**json.loads(store.read(key)), **change}).encode())
    with pytest.raises(DamagedObject, match=message) as caught:
        EnvStore(store).fetch_description(env.env_id)
    assert caught.value.key == key


@pytest.mark.parametrize("content", [DEEP, b'{"a":' * 100_000, b"\0" * 100])
def test_what_is_no_description_is_refused(
    store: MemoryStore, env: ResolvedEnv, content: bytes
) -> None:
    store.put(layout.description_key(env.env_id), content)
    store.put(layout.alias_key(ALIAS), content)
    with pytest.raises(DamagedObject):
        EnvStore(store).fetch_description(env.env_id)
    with pytest.raises(DamagedObject, match="it is not JSON"):
        EnvStore(store).alias(ALIAS)


def test_what_is_enormous_is_refused(
    store: MemoryStore, env: ResolvedEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_records, "_LARGEST", 5000)
    for key in (layout.description_key(env.env_id), layout.alias_key(ALIAS)):
        store.put(key, store.read(key) + b" " * 5000)
    with pytest.raises(DamagedObject, match="it has more than 5000 bytes"):
        EnvStore(store).fetch_description(env.env_id)
    with pytest.raises(DamagedObject, match="it has more than 5000 bytes"):
        EnvStore(store).alias(ALIAS)


class LateStore(MemoryStore):
    """Lists what was there a while ago: without `hidden`, and with `gone`."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: set[str] = set()
        self.gone: list[ObjectInfo] = []

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        found = [one for one in super().list(prefix) if one.key not in self.hidden]
        found += [one for one in self.gone if one.key.startswith(prefix)]
        return iter(sorted(found, key=lambda one: one.key))


def test_a_list_that_lacks_what_is_new_hides_nothing_that_is_asked_for(
    cache: PackageCache,
) -> None:
    store = LateStore()
    found = env_of(cached(cache, "one"))
    EnvStore(store).publish([found], cache=cache)
    EnvStore(store).set_default(found.env_id)
    store.hidden = {one.key for one in MemoryStore.list(store, "")}
    there = EnvStore(store)
    assert there.find(found.req_id, PLATFORM) == ()
    assert there.default(found.req_id, PLATFORM) == found.env_id
    assert there.fetch_description(found.env_id) == found
    assert there.publish([found], cache=cache).packages == 0


def test_a_list_that_still_has_what_is_gone_leads_to_nothing(
    store: MemoryStore, env: ResolvedEnv, cache: PackageCache
) -> None:
    late = LateStore()
    late.gone = list(store.list("environments/"))
    (found,) = EnvStore(late).find(env.req_id, PLATFORM)
    assert found == env.env_id
    assert EnvStore(late).fetch_description(found) is None
    EnvStore(late).publish([env], cache=cache)
    assert EnvStore(late).fetch_description(found) == env


class FailingStore(MemoryStore):
    """Fails at the first request of a kind, as a store does that throttles."""

    def __init__(self, fails: str) -> None:
        super().__init__()
        self.fails = {fails}

    def _once(self, operation: str, key: str) -> None:
        if operation in self.fails:
            self.fails.remove(operation)
            raise StoreError(operation, key, self.url, "slow down")

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for number, one in enumerate(super().list(prefix)):
            if number:  # the second page
                self._once("list", prefix)
            yield one


def test_a_list_of_which_a_page_is_missing_is_an_error_and_never_short(
    cache: PackageCache,
) -> None:
    store = FailingStore("list")
    envs = [env_of(cached(cache, name), requirement="same") for name in ("one", "two", "three")]
    EnvStore(store).publish(envs, cache=cache)
    with pytest.raises(StoreError, match="slow down"):
        EnvStore(store).find(envs[0].req_id, PLATFORM)
    assert len(EnvStore(store).find(envs[0].req_id, PLATFORM)) == 3


@pytest.mark.parametrize("damage", ["other bytes", "cut", "gone", "empty"])
def test_a_package_that_was_lost_in_the_store_is_named_and_published_again(
    store: MemoryStore, env: ResolvedEnv, cache: PackageCache, tmp_path: Path, damage: str
) -> None:
    package = env.packages[0]
    key = layout.package_key(package)
    good = store.read(key)
    match damage:
        case "gone":
            store.delete(key)
        case "other bytes":
            store.put(key, good[:-1] + b"?")
        case "cut":
            store.put(key, good[:-9])
        case _:
            store.put(key, b"")
    progress, there = Recorder(), PackageCache(tmp_path / "there")
    with pytest.raises(PkgcacheError, match=re.escape(package.filename)):
        there.fetch(env.packages, store=store, progress=progress)  # its URL leads nowhere
    assert not there.has(package)
    assert damage == "gone" or any(package.filename in note for note in progress.notes)
    store.delete(key)
    more = env_of(package, cached(cache, "more"))
    EnvStore(store).publish([more], cache=cache)
    assert store.read(key) == good
    there.fetch(env.packages, store=store)
    assert there.archive(package).read_bytes() == good


def test_an_id_that_is_none_is_not_looked_up(store: MemoryStore) -> None:
    with pytest.raises(PkgcacheError):
        EnvStore(store).fetch_description(EnvId("../x", "0" * 40, PLATFORM))
