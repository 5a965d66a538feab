"""Environments in the stores of services."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from envid.aliases import Alias, FullRef
from pkgcache.local.cache import PackageCache
from pkgcache.share.shared import EnvStore
from pkgcache.stores import layout
from pkgcache.stores.opening import open_store

from .children import SPAWN, give_alias
from .helpers import PLATFORM, env_of, make_wheel, package_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulators import Service

    from envid.resolved import ResolvedEnv

pytestmark = pytest.mark.parametrize("service", ["s3", "azure", "gcs"], indirect=True)
ALIAS = Alias(name="team/app", tag="v1")


@pytest.fixture
def url(service: Service) -> str:
    return service.url(f"shared/{secrets.token_hex(4)}")


@pytest.fixture
def cache(tmp_path: Path) -> PackageCache:
    return PackageCache(tmp_path / "cache")


def made(cache: PackageCache, *names: str, size: int = 1000) -> ResolvedEnv:
    packages = []
    for name in names:
        data = make_wheel(name, files={f"{name}.bin": secrets.token_bytes(size)})
        packages.append(package_of(data, name))
        cache.add(data, packages[-1].filename)
    return env_of(*packages)


@pytest.mark.slow
def test_an_environment_is_created_elsewhere_from_the_store_alone(
    url: str, cache: PackageCache, tmp_path: Path
) -> None:
    here = EnvStore(open_store(url))
    env = made(cache, "one", "two", size=9_000_000)
    published = here.publish([env], cache=cache)
    assert (published.environments, published.packages) == (1, 2)
    here.set_default(env.env_id)
    here.set_alias(ALIAS, FullRef(req_id=env.req_id, full_id=env.full_id))

    there = EnvStore(open_store(url))
    assert there.publish([env], cache=cache).packages == 0
    ref = there.alias(ALIAS)
    assert ref is not None
    (env_id,) = there.find(ref.req_id, PLATFORM)
    assert env_id == env.env_id == there.default(env.req_id, PLATFORM)
    assert there.find_prefix(env.req_id[:8]) == (env_id,)
    found = there.fetch_description(env_id)
    assert found == env
    other = PackageCache(tmp_path / "other")
    assert other.fetch(found.packages, store=there.store).from_store == 2
    for package in env.packages:
        assert other.archive(package).read_bytes() == cache.archive(package).read_bytes()


def test_a_damaged_package_is_not_believed(url: str, cache: PackageCache, tmp_path: Path) -> None:
    shared = EnvStore(open_store(url))
    env = made(cache, "one")
    shared.publish([env], cache=cache)
    (package,) = env.packages
    data = bytearray(shared.store.read(layout.package_key(package)))
    data[len(data) // 2] ^= 1
    shared.store.put(layout.package_key(package), bytes(data))
    other = PackageCache(tmp_path / "other")
    with pytest.raises(Exception, match=package.filename):
        other.fetch([package], store=shared.store)
    assert not other.has(package)


@pytest.mark.slow
def test_of_several_processes_that_give_an_immutable_alias_one_wins(
    service: Service, url: str
) -> None:
    environ = dict(service.environ)
    children = [
        SPAWN.Process(target=give_alias, args=(url, ALIAS, str(n), environ)) for n in range(3)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert sorted(child.exitcode or 0 for child in children) == [0, 1, 1]
    holder = EnvStore(open_store(url)).alias(ALIAS)
    assert holder is not None
    won = [child.exitcode for child in children].index(0)
    assert holder.full_id == str(won) * 40
