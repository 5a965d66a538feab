"""`kill -9` at random moments of a publish: what is in the store is right, and the next completes.

`PKGCACHE_KILLS` says how many moments there are for each store.
"""

from __future__ import annotations

import hashlib
import os
import random
import secrets
import time
from typing import TYPE_CHECKING

import pytest

from envid.resolved import ResolvedEnv
from pkgcache.local.cache import PackageCache
from pkgcache.share.shared import EnvStore, Transmuting
from pkgcache.stores import layout
from pkgcache.stores.opening import open_store

from .children import SPAWN, publish
from .conda_helpers import Conda
from .conda_helpers import env_of as conda_env
from .conda_helpers import package_of as conda_package
from .helpers import env_of, make_wheel, package_of

if TYPE_CHECKING:
    from pathlib import Path

    from envid.packages import Package
    from pkgcache.stores.store import Store

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("PKGCACHE_KILLS", "5"))
HOW = Transmuting(to="conda", level=1)


def right(store: Store) -> int:
    """Check all that is in the store; the number of environments."""
    for one in store.list("packages/"):
        digest = one.key.split("/")[2]
        assert hashlib.sha256(store.read(one.key)).hexdigest() == digest
    described = [one.key for one in store.list("environments/")]
    for key in described:
        for package in ResolvedEnv.from_json(store.read(key)).packages:
            assert store.head(layout.package_key(package)), package.filename
    for one in store.list("transmuted/"):
        assert store.read(one.key).endswith(b"}")
    return len(described)


@pytest.fixture
def packages(tmp_path: Path) -> list[Package]:
    """Packages that are in a cache: wheels of some size, and conda packages to transmute."""
    cache, chance, found = PackageCache(tmp_path / "cache"), random.Random(2), []
    for number in range(8):
        name = f"w{number}"
        data = make_wheel(name, files={f"{name}.bin": chance.randbytes(200_000)})
        found.append(package_of(data, name))
        cache.add(data, found[-1].filename)
    for number in range(8):
        conda = Conda(name=f"c{number}", files={"share/data": chance.randbytes(100_000)})
        data = conda.tar_bz2()
        found.append(conda_package(conda, data, ".tar.bz2"))
        cache.add(data, found[-1].filename)
    return found


@pytest.fixture(params=["directory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, of which `NAME` is a part."""
    if request.param == "directory":
        return f"{tmp_path.as_uri()}/store-NAME"
    service = request.getfixturevalue("s3_service")
    monkeypatch = request.getfixturevalue("monkeypatch")
    for name, value in service.environ.items():
        monkeypatch.setenv(name, value)
    found: str = service.url(f"killed/{secrets.token_hex(4)}-NAME")
    return found


def test_at_any_moment(tmp_path: Path, packages: list[Package], url: str) -> None:
    chance = random.Random(4)
    wheels, condas = packages[:8], packages[8:]
    envs = [env_of(*wheels), env_of(*wheels[4:]), conda_env(*condas), conda_env(*condas[4:])]
    texts = [one.to_json() for one in envs]
    cache = PackageCache(tmp_path / "cache")

    def run(name: str, patience: float | None) -> tuple[Store, bool, float]:
        """Publish in a process of its own: the store, whether it was killed, and the seconds."""
        here = url.replace("NAME", name)
        ours, theirs = SPAWN.Pipe()
        child = SPAWN.Process(target=publish, args=(here, cache.root, texts, HOW, theirs))
        child.start()
        theirs.close()
        ours.recv()
        started = time.monotonic()
        child.join(patience)
        child.kill()
        child.join()
        ours.close()
        return open_store(here), child.exitcode != 0, time.monotonic() - started

    _, killed, longest = run("first", None)
    assert not killed
    hits = partly = 0
    for turn in range(KILLS):
        store, killed, _ = run(str(turn), chance.uniform(0, longest))
        partly += 0 < right(store) < len(envs)
        hits += killed
        before = time.monotonic()
        again = EnvStore(store).publish(envs, cache=cache, transmuting=HOW)
        assert time.monotonic() - before < 60  # no lock of the dead
        assert right(store) == len(envs)
        assert (again.environments > 0) <= killed
    assert hits
    print(f"{hits} of {KILLS} were killed, {partly} between two descriptions")
