from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from envid.aliases import FullRef, parse_alias
from pkgcache.errors import Conflict, DamagedObject, StoreError
from pkgcache.local.cache import PackageCache
from pkgcache.share._claims import LAPSE, LEASE, LOOK, SETTLE, Claims, list_content
from pkgcache.share.shared import BuiltWheel, EnvStore
from pkgcache.share.sweeping import Swept, sweep
from pkgcache.stores import layout
from pkgcache.stores.directory import DirectoryStore
from pkgcache.stores.testing import MemoryStore

from .helpers import env_of, make_wheel, package_of
from .simulation import SimulatedStore, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envid.resolved import ResolvedEnv

DAY = 86400.0


class AgingStore(MemoryStore):
    """A store in which time can be let pass."""

    def later(self, seconds: float) -> None:
        for key, (data, info) in self._objects.items():
            self._objects[key] = data, replace(info, modified=info.modified - seconds)


class Team:
    """A store, and a cache to publish from."""

    def __init__(self, folder: Path) -> None:
        self.store = AgingStore()
        self.shared = EnvStore(self.store)
        self.cache = PackageCache(folder / "cache")

    def env(self, *names: str, request: str = "anything") -> ResolvedEnv:
        packages = []
        for name in names:
            data = make_wheel(name)
            packages.append(package_of(data, name))
            self.cache.add(data, packages[-1].filename)
        return env_of(*packages, requirement=request)

    def publish(self, *names: str, request: str = "anything", default: bool = False) -> ResolvedEnv:
        env = self.env(*names, request=request)
        self.shared.publish([env], cache=self.cache)
        if default:
            self.shared.set_default(env.env_id)
        return env

    def later(self, seconds: float) -> None:
        """Let time pass; new users look anew."""
        self.store.later(seconds)
        self.shared = EnvStore(self.store)

    def sweep(self, grace: float = 7 * DAY, *, keep: float = 0.0, dry_run: bool = False) -> Swept:
        return sweep(self.shared, grace=grace, keep=keep, dry_run=dry_run)

    def objects(self) -> set[str]:
        return {one.key for one in self.store.list("") if one.key != layout.LAYOUT_KEY}

    def until_clean(self) -> Swept:
        """Pass after pass, until there is nothing left to do."""
        while (found := self.sweep()).listed or found.deleted:
            self.later(SETTLE + 1)
        return found


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


def keys_of(env: ResolvedEnv) -> set[str]:
    packages = {layout.package_key(one) for one in env.packages}
    return packages | {layout.description_key(env.env_id)}


def test_a_store_that_nobody_laid_out_is_left_alone(team: Team) -> None:
    assert team.sweep() == Swept()
    assert team.objects() == set()


def test_what_something_names_stays(team: Team) -> None:
    old = team.publish("old", request="one", default=True)
    new = team.publish("new", request="one", default=True)
    aliased = team.publish("aliased", request="two")
    ref = FullRef(req_id=aliased.req_id, full_id=aliased.full_id)
    team.shared.set_alias(parse_alias("team/two:v1"), ref)
    team.later(30 * DAY)
    team.until_clean()
    left = team.objects()
    assert keys_of(new) | keys_of(aliased) <= left
    assert not keys_of(old) & left
    assert team.shared.fetch_description(aliased.env_id) == aliased


def test_what_only_ids_name_is_kept_for_longer_with_its_packages(team: Team) -> None:
    env = team.publish("kept")
    stray = layout.archive_key("ab" * 32, "stray-1-py3-none-any.whl")
    team.store.put(stray, b"x")
    team.later(30 * DAY)
    assert team.sweep(keep=90 * DAY).listed == (stray,)
    team.later(SETTLE + 1)
    assert team.sweep(keep=90 * DAY).deleted == (stray,)
    assert team.objects() == keys_of(env)
    team.later(61 * DAY)
    assert team.sweep(keep=90 * DAY).listed == (layout.description_key(env.env_id),)


def test_the_longer_of_both_times_counts_for_descriptions(team: Team) -> None:
    env = team.publish("young")
    team.later(DAY)
    assert team.sweep(2 * DAY).listed == ()
    assert team.sweep(0).listed == (layout.description_key(env.env_id),)


def test_a_description_goes_a_pass_before_its_packages(team: Team) -> None:
    env = team.publish("demo")
    description = layout.description_key(env.env_id)
    team.later(30 * DAY)
    first = team.sweep()
    assert (first.deleted, first.listed) == ((), (description,))
    assert first.due == SETTLE
    team.later(SETTLE + 1)
    second = team.sweep()
    assert second.deleted == (description,)
    assert set(second.listed) == keys_of(env) - {description}
    assert second.listed_size == sum(one.size or 0 for one in env.packages)
    team.later(SETTLE + 1)
    assert team.sweep().deleted == second.listed
    assert team.objects() == set()
    assert json.loads(team.store.read(layout.LAYOUT_KEY)) == {"layout": 1}


def test_nothing_is_deleted_before_its_time(team: Team) -> None:
    team.publish("demo")
    team.later(30 * DAY)
    listed = team.sweep().listed
    team.later(SETTLE / 2)
    found = team.sweep()
    assert found.deleted == ()
    assert found.listed == listed
    assert 0 < found.due <= SETTLE / 2 + 1


def test_what_is_young_stays(team: Team) -> None:
    env = team.publish("demo")
    team.store.put(layout.archive_key("ab" * 32, "lone.whl"), b"lone")
    team.later(6 * DAY)
    assert team.sweep() == Swept()
    assert keys_of(env) <= team.objects()


def test_a_dry_run_says_what_a_pass_would_do(team: Team) -> None:
    team.publish("demo")
    team.later(30 * DAY)
    for _ in range(3):
        before = team.objects()
        said = team.sweep(dry_run=True)
        assert team.objects() == before
        assert team.sweep() == said
        team.later(SETTLE + 1)
    assert team.objects() == set()


def test_an_archive_that_a_built_wheel_names_goes_after_the_name(team: Team) -> None:
    data = make_wheel("built")
    found = team.cache.add(data, "built-1.0-py3-none-any.whl")
    wheel = BuiltWheel(filename="built-1.0-py3-none-any.whl", sha256=found.sha256, size=found.size)
    archive = team.cache.archive(package_of(data, "built"))
    team.shared.set_built_wheel("ab/cd", wheel, archive)
    team.later(30 * DAY)
    assert team.sweep().listed == ("built/ab/cd.json",)
    team.later(SETTLE + 1)
    assert team.sweep().listed == (layout.archive_key(found.sha256, wheel.filename),)


def test_an_archive_that_is_listed_is_taken_from_the_list_once_a_built_wheel_names_it(
    team: Team,
) -> None:
    (package,) = team.publish("demo").packages
    key = layout.package_key(package)
    team.later(30 * DAY)
    while team.sweep().listed != (key,):
        team.later(SETTLE + 1)
    team.later(0)
    wheel = BuiltWheel(filename=package.filename, sha256=package.digest, size=package.size or 0)
    team.shared.set_built_wheel("ab/cd", wheel, team.cache.archive(package))
    pointer = json.loads(team.store.read(layout.LAYOUT_KEY))["garbage"]
    assert json.loads(team.store.read(pointer))["condemned"] == {}


def test_a_description_that_is_listed_is_taken_from_the_list_once_a_default_names_it(
    team: Team,
) -> None:
    env = team.publish("demo")
    team.later(30 * DAY)
    assert team.sweep().listed == (layout.description_key(env.env_id),)
    team.later(0)
    team.shared.set_default(env.env_id)
    pointer = json.loads(team.store.read(layout.LAYOUT_KEY))["garbage"]
    assert json.loads(team.store.read(pointer))["condemned"] == {}


def test_a_built_wheel_that_an_environment_holds_keeps_its_name(team: Team) -> None:
    env = team.publish("demo", default=True)
    one = env.packages[0]
    wheel = BuiltWheel(filename=one.filename, sha256=one.digest, size=one.size or 0)
    team.shared.set_built_wheel("ab/cd", wheel, team.cache.archive(one))
    team.later(30 * DAY)
    assert team.until_clean() == Swept()
    assert "built/ab/cd.json" in team.objects()


def test_what_others_put_there_is_left_alone(team: Team) -> None:
    team.publish("demo", default=True)
    theirs = {"environments/README.md", "packages/index.html", "notes/today", "aliases/x"}
    for key in theirs:
        team.store.put(key, b"ours")
    team.later(30 * DAY)
    assert team.until_clean() == Swept()
    assert theirs <= team.objects()


@pytest.mark.parametrize("text", [b"", b"{}", b'{"schema_version":99,"packages":[]}', b"[1]"])
def test_a_description_that_cannot_be_read_ends_it(team: Team, text: bytes) -> None:
    env = team.publish("demo")
    key = layout.description_key(env.env_id)
    team.store.put(key, text)
    team.later(30 * DAY)
    with pytest.raises(DamagedObject, match=env.full_id):
        team.sweep()
    assert keys_of(env) <= team.objects()


def test_a_publisher_takes_what_it_needs_from_the_list(team: Team) -> None:
    one = team.publish("shared", "lone", request="one")
    team.later(30 * DAY)
    team.sweep()
    team.later(SETTLE + 1)
    team.sweep()  # the description is gone, its packages are listed
    team.later(SETTLE + 1)
    two = team.publish("shared", "other", request="two", default=True)
    team.sweep()
    assert keys_of(two) <= team.objects()
    assert not keys_of(one) - keys_of(two) & team.objects()


def test_who_publishes_what_is_listed_keeps_it(team: Team) -> None:
    env = team.publish("demo")
    team.later(30 * DAY)
    team.sweep()
    team.later(SETTLE + 1)
    published = team.shared.publish([env], cache=team.cache)
    assert (published.environments, published.packages) == (0, 0)
    team.shared.set_default(env.env_id)
    team.until_clean()
    assert keys_of(env) <= team.objects()


def test_requests_of_a_publish_beside_a_list() -> None:
    objects = MemoryStore()
    objects.put(layout.LAYOUT_KEY, b'{"garbage":"garbage/1.json","layout":1}')
    objects.put("garbage/1.json", list_content({"packages/x": "1"}, deleting=False))
    shared = EnvStore(objects)
    shared.claims.claim("a", "b")
    for key in map(str, range(100)):
        shared.claims.claim(key)
    assert [one.operation for one in objects.requests[2:]] == ["get", "get"]


def test_who_needs_what_is_being_deleted_waits_for_it(team: Team) -> None:
    objects = MemoryStore()
    objects.put(layout.LAYOUT_KEY, b'{"garbage":"garbage/1.json","layout":1}')
    objects.put("garbage/1.json", list_content({"packages/x": "1"}, deleting=True))
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        if now > LEASE / 2:
            objects.delete("garbage/1.json")

    claims = Claims(objects, lambda: claims.saw("garbage/1.json"), clock=lambda: now, sleep=sleep)
    claims.claim("packages/y")
    assert now == 0
    claims.claim("packages/x")
    assert LEASE / 2 < now < LEASE
    now = 0.0
    objects.put("garbage/1.json", list_content({"packages/x": "1"}, deleting=True))
    claims = Claims(
        objects, lambda: claims.saw("garbage/1.json"), clock=lambda: now, sleep=lambda _: later()
    )

    def later() -> None:
        nonlocal now
        now += 60

    claims.claim("packages/x")  # whose collector was killed
    assert LEASE < now < 2 * LEASE


def test_a_publish_that_took_a_long_break_says_so() -> None:
    now = 0.0
    looks = []

    def look() -> None:
        looks.append(now)
        claims.saw(None)

    claims = Claims(MemoryStore(), look, clock=lambda: now)
    claims.claim("a")
    now = LOOK / 2
    claims.beat()
    assert looks == [0]
    now = LAPSE
    claims.beat()
    assert looks == [0, LAPSE]
    now += LAPSE + 1
    with pytest.raises(StoreError, match="took a break"):
        claims.beat()
    claims.claim("a")


def test_a_collector_that_was_killed_is_followed_by_the_next(team: Team) -> None:
    env = team.publish("demo")
    team.later(30 * DAY)
    team.sweep()
    team.later(SETTLE + 1)
    pointer = json.loads(team.store.read(layout.LAYOUT_KEY))["garbage"]
    team.store.put(pointer, list_content({layout.description_key(env.env_id): "x"}, deleting=True))
    team.store.put("garbage/draft.json", b"")
    assert team.sweep().busy
    assert keys_of(env) <= team.objects()
    team.later(LEASE + 1)
    assert team.sweep().listed == (layout.description_key(env.env_id),)
    team.later(SETTLE + 1)
    team.until_clean()
    assert team.objects() == set()


def test_what_killed_writers_left_in_a_directory_goes(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put(layout.LAYOUT_KEY, b'{"layout":1}')
    for name, seconds in ((".old.tmp", 2 * DAY), (".young.tmp", 60)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - seconds,) * 2)
    sweep(EnvStore(store), grace=0, dry_run=True)
    assert (tmp_path / ".old.tmp").exists()
    sweep(EnvStore(store), grace=0)
    assert [path.name for path in tmp_path.glob(".*.tmp")] == [".young.tmp"]


class CountingStore(MemoryStore):
    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for one in self.requests:
            found[one.operation] = found.get(one.operation, 0) + 1
        return found


@pytest.mark.slow
def test_requests_of_a_pass() -> None:
    """A listing of each kind, and one request for each description that is not remembered."""
    objects = CountingStore()
    objects.put(layout.LAYOUT_KEY, b'{"layout":1}')
    for number in range(500):
        request, full = f"{number // 2:040x}", f"{number:040x}"
        packages = [{"hashes": {"sha256": f"{number * 30 + at:064x}"}} for at in range(30)]
        for package in packages:
            key = layout.archive_key(package["hashes"]["sha256"], "a.whl")
            objects.put(key, b"x")
        text = json.dumps({"schema_version": 1, "packages": packages}).encode()
        objects.put(f"environments/{request}/linux-64/{full}.json", text)
        objects.put(f"defaults/{request}/linux-64.json", json.dumps({"full_id": full}).encode())
    objects.requests.clear()
    memory = sweep(EnvStore(objects), grace=DAY).memory
    kinds = 6 - 2  # neither defaults nor aliases decide anything about what is young
    lists = {"list": kinds + 1}  # and that of lists
    assert objects.counts() == {"get": 1 + 1 + 500 + 1, **lists, "put": 2, "delete": 1}
    objects.requests.clear()
    sweep(EnvStore(objects), grace=DAY, memory=memory)
    assert objects.counts()["get"] == 3
    objects.requests.clear()
    time.sleep(0.01)
    found = sweep(EnvStore(objects), grace=0.0, memory=memory)
    assert len(found.listed) == 250
    counts = objects.counts()
    assert counts["get"] == 3 + 250  # the defaults of requests with two answers


# At random


def model(objects: MemoryStore) -> tuple[Callable[[], None], list[ResolvedEnv]]:
    """What must be true after every request, and environments that share packages."""
    packages = [package_of(name.encode(), name) for name in "abcdef"]
    envs = [
        env_of(*packages[at : at + 3], requirement=request)
        for at, request in ((0, "x"), (1, "x"), (2, "y"), (3, "z"))
    ]
    by_key = {layout.description_key(one.env_id): one for one in envs}

    def check() -> None:
        keys = set(objects._objects)
        for key in keys & by_key.keys():
            needed = {layout.package_key(one) for one in by_key[key].packages}
            assert needed <= keys, key
        for key in keys:
            if key.startswith("defaults/"):
                _, req_id, name = key.split("/")
                full_id = json.loads(objects._objects[key][0])["full_id"]
                assert f"environments/{req_id}/{name[:-5]}/{full_id}.json" in keys

    return check, envs


def publish(world: World, shared: EnvStore, env: ResolvedEnv, alike: ResolvedEnv) -> None:
    """What `EnvStore.publish` asks of a store, with breaks."""

    def pause() -> None:
        world.sleep(world.random.choice([0, 0, 0, 60, 1200, 2 * SETTLE]))

    store, claims = shared.store, shared.claims
    key = layout.description_key(env.env_id)
    shared._prepare()
    claims.claim(key)
    if not store.head(key):
        claims.claim(layout.description_key(alike.env_id))
        described = alike.packages if store.head(layout.description_key(alike.env_id)) else ()
        for package in env.packages:
            pause()
            claims.claim(layout.package_key(package))
            if package not in described and not store.head(layout.package_key(package)):
                pause()
                claims.claim(layout.package_key(package))
                store.put(layout.package_key(package), b"content")
        pause()
        claims.beat()
        with suppress(Conflict):
            store.put(key, env.to_json().encode(), if_absent=True)
    if world.random.random() < 0.5:
        claims.beat()
        shared.set_default(env.env_id)


@pytest.mark.parametrize("seed", range(150))
def test_no_interleaving_takes_a_package_from_a_description(seed: int) -> None:
    objects = MemoryStore()
    check, envs = model(objects)
    world = World(seed, check)

    def shared(dies: float) -> EnvStore:
        found = EnvStore(SimulatedStore(world, objects, dies=dies))
        found.claims._clock, found.claims._sleep = world.clock, world.sleep
        return found

    def publisher() -> None:
        own = shared(dies=world.random.choice([0, 0.01]))
        for _ in range(6):
            with suppress(StoreError):  # it took too long, and says so
                publish(world, own, world.random.choice(envs), world.random.choice(envs))
            world.sleep(world.random.choice([0, 600, SETTLE]))

    def collector() -> None:
        own = shared(dies=world.random.choice([0, 0.01]))
        for _ in range(12):
            grace = world.random.choice([0, 0, SETTLE])
            sweep(own, grace=grace, requests=1, clock=world.clock)
            world.sleep(world.random.choice([0, 600, SETTLE, SETTLE + 600]))

    world.run(
        {f"publisher {at}": publisher for at in range(3)} | {"one": collector, "two": collector}
    )
    # And a publish after all that completes.
    world.run({env.full_id: partial(patient, world, shared(dies=0), env) for env in envs})
    assert {layout.description_key(env.env_id) for env in envs} <= objects._objects.keys()


def patient(world: World, shared: EnvStore, env: ResolvedEnv) -> None:
    done = False
    while not done:
        with suppress(StoreError):
            publish(world, shared, env, env)
            done = True
