"""What finding and publishing ask of the store, counted; the store is in memory."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from envid.aliases import FullRef, parse_alias
from envid.packages import Package
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec
from mfenv import contents
from mfenv.environments import Environments
from mfenv.errors import Ambiguous, NoStore, NotHere, UnknownEnvironment
from mfenv.prefixes import fetch_env
from mfenv.registry import Registry
from mfenv.request import Request
from mfenv.settings import Settings
from pkgcache.progress import NoProgress
from pkgcache.share.shared import EnvStore
from pkgcache.stores.testing import MemoryStore
from resolvers.testing import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pkgcache.progress import Progress

BOTH = ("linux-64", "osx-arm64")
URL = "s3://team/mfenv"


class Notes(NoProgress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore(URL)


@pytest.fixture
def machine(tmp_path: Path, memory: MemoryStore) -> Iterator[Callable[..., Environments]]:
    """Opens the machine of that name, which has a home of its own and everybody's store."""
    opened: list[Environments] = []

    def on(name: str, progress: Progress | None = None, **settings: object) -> Environments:
        found = Environments(
            Settings.load(
                {
                    "home": str(tmp_path / name),
                    "store": URL,
                    "python_provider": "system",
                    **settings,
                },
                environ={},
                directory=tmp_path,
            ),
            progress=progress,
        )
        if found.store_url:
            found._site.store = EnvStore(memory)
        opened.append(found)
        return found

    yield on
    for one in opened:
        one.close()


def wheel(tmp_path: Path, version: str, name: str = "app") -> Package:
    made = make_wheel(name, version)
    path = tmp_path / made.filename
    path.write_bytes(made.data)
    return Package.make(
        kind="pypi",
        name=name,
        version=version,
        filename=made.filename,
        url=path.as_uri(),
        sha256=made.sha256,
        size=len(made.data),
    )


def resolved(
    tmp_path: Path, version: str, *, by: str = "me", platforms: Sequence[str] = BOTH
) -> tuple[ResolvedEnv, ...]:
    """One of the possible answers to one and the same request."""
    spec = EnvSpec.make(requirements={"pypi": ["app"]}, python="3.11")
    found = {platform: ("3.11.7", [wheel(tmp_path, version)]) for platform in platforms}
    return ResolvedEnv.co_resolve(spec, found, resolved_by=by)


def asked(memory: MemoryStore, since: int = 0) -> list[str]:
    """The operations and the first part of the keys of the requests, but for the layout's."""
    return [
        f"{one.operation} {one.key.split('/')[0]}"
        for one in memory.requests[since:]
        if one.key != "layout.json"
    ]


class TestNames:
    def test_a_mutable_alias_is_asked_for_at_each_use(
        self, machine: Callable[..., Environments], memory: MemoryStore, tmp_path: Path
    ) -> None:
        one, two = machine("one"), machine("two")
        old, new = resolved(tmp_path, "1"), resolved(tmp_path, "2")
        one.publish([*old, *new])
        store = EnvStore(memory)
        for envs in (old, new):
            store.set_alias(parse_alias("team/app"), ref(envs))
            assert two.find("team/app", ("linux-64",))[0].full_id == envs[0].full_id
        before = len(memory.requests)
        for _ in range(3):
            two.find("team/app", ("linux-64",))
        assert asked(memory, before) == ["get aliases"] * 3

    def test_an_immutable_alias_and_a_description_are_asked_for_once(
        self, machine: Callable[..., Environments], memory: MemoryStore, tmp_path: Path
    ) -> None:
        one, two = machine("one"), machine("two")
        envs = resolved(tmp_path, "1")
        one.publish(envs)
        EnvStore(memory).set_alias(parse_alias("team/app:v1"), ref(envs))
        before = len(memory.requests)
        two.find("team/app:v1", ("linux-64",))
        assert asked(memory, before) == ["get aliases", "get environments"]
        before = len(memory.requests)
        for _ in range(3):
            two.find("team/app:v1", ("linux-64",))
        assert memory.requests[before:] == []

    def test_a_name_is_given_to_what_is_in_the_store(
        self, machine: Callable[..., Environments], memory: MemoryStore, tmp_path: Path
    ) -> None:
        """What this machine found without the store is published before it is named there."""
        one = machine("one")
        envs = resolved(tmp_path, "1")
        one._site.registry.add(envs, default=True)
        one.alias(name_of(envs), "team/app:v1")
        assert machine("two").find("team/app:v1") == envs
        puts = [one for one in asked(memory) if one.startswith("put")]
        assert puts[-1] == "put aliases"
        assert puts.count("put environments") == 2

    @pytest.mark.parametrize(("alias", "requests"), [("app:v1", []), ("app", ["get aliases"])])
    def test_a_name_that_holds_there_is_not_written_again(
        self,
        machine: Callable[..., Environments],
        memory: MemoryStore,
        tmp_path: Path,
        alias: str,
        requests: list[str],
    ) -> None:
        one = machine("one")
        envs = resolved(tmp_path, "1")
        one.publish(envs)
        one._site.registry.add(envs, default=True)
        one.alias(name_of(envs), alias)
        before = len(memory.requests)
        one.alias(name_of(envs), alias)
        assert asked(memory, before) == requests

    def test_a_name_that_moved_there_moves_back(
        self, machine: Callable[..., Environments], memory: MemoryStore, tmp_path: Path
    ) -> None:
        one, two = machine("one"), machine("two")
        old, new = resolved(tmp_path, "1"), resolved(tmp_path, "2")
        for who, envs in ((one, old), (two, new)):
            who.publish(envs)
            who._site.registry.add(envs, default=True)
            who.alias(name_of(envs), "app")
        one.alias(name_of(old), "app")
        assert EnvStore(memory).alias(parse_alias("app")) == ref(old)

    def test_a_bare_request_means_the_default_of_the_platform_that_is_asked_for(
        self, machine: Callable[..., Environments], tmp_path: Path
    ) -> None:
        one = machine("one")
        for version, platform in (("1", "linux-64"), ("2", "osx-arm64")):
            one._site.registry.add(resolved(tmp_path, version, platforms=[platform]), default=True)
        req_id = resolved(tmp_path, "1")[0].req_id
        for version, platform in (("1", "linux-64"), ("2", "osx-arm64")):
            (found,) = one.find(req_id, [platform])
            assert found.packages[0].version == version

    def test_one_of_several_answers_without_a_default_is_ambiguous(
        self, machine: Callable[..., Environments], tmp_path: Path
    ) -> None:
        one = machine("one")
        for version in ("1", "2"):
            one._site.registry.add(resolved(tmp_path, version), default=False)
        with pytest.raises(Ambiguous, match="fits 2 environments"):
            one.find(resolved(tmp_path, "1")[0].req_id)

    @pytest.mark.parametrize("store_only", [False, True])
    def test_the_first_digits_of_both_ids_name_one_environment(
        self, machine: Callable[..., Environments], tmp_path: Path, store_only: bool
    ) -> None:
        one = machine("one")
        envs = [resolved(tmp_path, version) for version in ("1", "2")]
        for found in envs:
            one.publish(found)
            one._site.registry.add(found, default=False)
        asked = machine("two") if store_only else one
        for found in envs:
            req_id, full_id = ref(found)
            for pair in ((8, 8), (12, 12), (40, 8), (8, 40)):
                text = f"{req_id[: pair[0]]}:{full_id[: pair[1]]}"
                assert asked.find(text, ("linux-64",)) == found[:1]
            # Each half must fit, and in its place.
            for text in (f"{full_id[:8]}:{req_id[:8]}", f"{req_id[:8]}:{'0' * 8}"):
                with pytest.raises(UnknownEnvironment, match=text):
                    asked.find(text)

    def test_digits_of_both_ids_that_fit_several_environments_are_ambiguous(
        self, machine: Callable[..., Environments], tmp_path: Path
    ) -> None:
        one = machine("one")
        (env, *_) = resolved(tmp_path, "1")
        one._site.registry.add([env], default=True)
        other = FullRef(env.req_id, f"{env.full_id[:39]}{int(env.full_id[39] != '1')}")
        with one._site.registry.write() as db:
            columns = ", ".join(row[1] for row in db.execute("pragma table_info(environments)"))
            others = columns.replace("full_id", "?", 1)
            db.execute(
                f"insert into environments ({columns}) select {others} from environments",
                (other.full_id,),
            )
        with pytest.raises(Ambiguous, match="fits 2 environments") as caught:
            one.find(f"{env.req_id[:8]}:{env.full_id[:12]}")
        assert caught.value.hint == "add digits"

    def test_the_name_of_a_prefix_names_what_is_in_it_where_no_alias_does(
        self, machine: Callable[..., Environments], tmp_path: Path
    ) -> None:
        one = machine("one")
        old, new = resolved(tmp_path, "1"), resolved(tmp_path, "2")
        one.add([*old, *new])
        for number, name in enumerate(("app", "App", "decade00")):
            one._site.registry.add_prefix(tmp_path / str(number), name, old[0].env_id)
            assert one.find(name) == old
        with pytest.raises(UnknownEnvironment, match="`other` is neither known"):
            one.find("other")
        one.alias(name_of(new), "app")
        assert one.find("app") == new


def ref(envs: Sequence[ResolvedEnv]) -> FullRef:
    return FullRef(req_id=envs[0].req_id, full_id=envs[0].full_id)


def name_of(envs: Sequence[ResolvedEnv]) -> str:
    return str(ref(envs))


class TestLatest:
    """What the store has answers a request that this machine does not know."""

    REQUEST = Request(pypi=("app",), python="3.11", platforms=BOTH)

    @pytest.fixture
    def answers(
        self, machine: Callable[..., Environments], tmp_path: Path
    ) -> dict[str, tuple[ResolvedEnv, ...]]:
        """Three answers: the default, a newer one, and the newest, which is for one platform."""
        one = machine("one")
        found = {
            "default": self._answer(tmp_path, "1", "ada", BOTH),
            "newer": self._answer(tmp_path, "2", "bob", BOTH),
            "newest": self._answer(tmp_path, "3", "ada", ["linux-64"]),
        }
        for name, envs in found.items():
            one.publish(envs, default=name == "default")
        return found

    def _answer(
        self, tmp_path: Path, version: str, by: str, platforms: Sequence[str]
    ) -> tuple[ResolvedEnv, ...]:
        from mfenv.request import prepare

        settings = Settings.load({"python_provider": "system"}, environ={}, directory=tmp_path)
        spec = prepare(self.REQUEST, settings, lambda *_: ()).spec
        found = {platform: ("3.11.7", [wheel(tmp_path, version)]) for platform in platforms}
        return ResolvedEnv.co_resolve(spec, found, resolved_by=by)

    @pytest.mark.parametrize(
        ("who", "expected"),
        [
            ("anyone", ("default", {"get defaults": 2, "get environments": 2})),
            ("ada", ("default", {"list environments": 2, "get environments": 3})),
            ("bob,eve", ("newer", {"list environments": 2, "get environments": 2})),
        ],
    )
    def test_costs_no_more_than_what_is_looked_at(
        self,
        machine: Callable[..., Environments],
        memory: MemoryStore,
        answers: dict[str, tuple[ResolvedEnv, ...]],
        who: str,
        expected: tuple[str, dict[str, int]],
    ) -> None:
        answer, requests = expected
        two = machine("two", use_remote_latest=who)
        before = len(memory.requests)
        outcome = two.resolve(self.REQUEST)
        assert outcome.envs == answers[answer]
        assert (outcome.known, outcome.from_store) == (True, True)
        found = asked(memory, before)
        assert {one: found.count(one) for one in set(found)} == requests
        before = len(memory.requests)
        again = two.resolve(self.REQUEST)
        assert (again.envs, again.known, again.from_store) == (outcome.envs, True, False)
        assert memory.requests[before:] == []

    def test_without_a_common_default_it_is_the_newest_for_all_platforms(
        self,
        machine: Callable[..., Environments],
        memory: MemoryStore,
        answers: dict[str, tuple[ResolvedEnv, ...]],
    ) -> None:
        EnvStore(memory).set_default(answers["newest"][0].env_id)
        outcome = machine("two", use_remote_latest="anyone").resolve(self.REQUEST)
        assert outcome.envs == answers["newer"]

    def test_a_default_whose_description_is_lost_is_passed_over(
        self,
        machine: Callable[..., Environments],
        memory: MemoryStore,
        answers: dict[str, tuple[ResolvedEnv, ...]],
    ) -> None:
        default = answers["default"][1]
        memory.delete(f"environments/{default.req_id}/osx-arm64/{default.full_id}.json")
        outcome = machine("two", use_remote_latest="anyone").resolve(self.REQUEST)
        assert outcome.envs == answers["newer"]

    @pytest.mark.parametrize("damaged", ["environments", "defaults"])
    def test_what_is_damaged_is_passed_over_and_said(
        self,
        machine: Callable[..., Environments],
        memory: MemoryStore,
        answers: dict[str, tuple[ResolvedEnv, ...]],
        damaged: str,
    ) -> None:
        default = answers["default"][1]
        keys = {
            "environments": f"environments/{default.req_id}/osx-arm64/{default.full_id}.json",
            "defaults": f"defaults/{default.req_id}/osx-arm64.json",
        }
        memory.put(keys[damaged], b"{}")
        notes = Notes()
        outcome = machine("two", use_remote_latest="anyone", progress=notes).resolve(self.REQUEST)
        assert outcome.envs == answers["newer"]
        (note,) = notes.lines
        assert keys[damaged] in note

    def test_a_dry_run_remembers_nothing(
        self,
        machine: Callable[..., Environments],
        answers: dict[str, tuple[ResolvedEnv, ...]],
    ) -> None:
        two = machine("two", use_remote_latest="anyone")
        assert two.resolve(self.REQUEST, dry_run=True).envs == answers["default"]
        assert list(two._site.registry.rows()) == []

    def test_it_is_the_default_here_unless_told_otherwise(
        self,
        machine: Callable[..., Environments],
        answers: dict[str, tuple[ResolvedEnv, ...]],
    ) -> None:
        req_id = answers["default"][0].req_id
        for default in (True, False):
            two = machine(f"two-{default}", use_remote_latest="anyone")
            two.resolve(self.REQUEST, set_default=default)
            assert bool(two._site.registry.defaults(req_id)) is default


class TestGet:
    def test_brings_every_platform_that_the_store_has(
        self, machine: Callable[..., Environments], memory: MemoryStore, tmp_path: Path
    ) -> None:
        envs = resolved(tmp_path, "1")
        machine("one").publish(envs)
        two = machine("two")
        before = len(memory.requests)
        assert two.get(name_of(envs)) == envs
        assert asked(memory, before) == ["list environments", *["get environments"] * 2]
        # A directory of many environments is not searched for one whose name is whole.
        (listing,) = (one.key for one in memory.requests[before:] if one.operation == "list")
        assert listing == f"environments/{envs[0].req_id}/"
        assert two._site.registry.defaults(envs[0].req_id) == dict.fromkeys(BOTH, envs[0].full_id)
        before = len(memory.requests)
        assert two.publish(envs) is None
        assert memory.requests[before:] == []

    def test_a_request_means_the_default_of_the_store(
        self, machine: Callable[..., Environments], tmp_path: Path
    ) -> None:
        """Even where this machine has another one."""
        one, two = machine("one"), machine("two")
        theirs, ours = resolved(tmp_path, "1"), resolved(tmp_path, "2")
        one.publish(theirs)
        two._site.registry.add(ours, default=True)
        req_id = ours[0].req_id
        assert two.get(req_id[:10], default=False) == theirs
        assert two._site.registry.defaults(req_id)["linux-64"] == ours[0].full_id
        assert two.get(req_id) == theirs
        assert two._site.registry.defaults(req_id)["linux-64"] == theirs[0].full_id

    def test_what_only_this_machine_knows_is_not_in_the_store(
        self, machine: Callable[..., Environments], tmp_path: Path
    ) -> None:
        two = machine("two")
        envs = resolved(tmp_path, "1")
        two._site.registry.add(envs, default=True)
        for name in (name_of(envs), envs[0].req_id, envs[0].full_id[:12], "app:v1"):
            with pytest.raises(UnknownEnvironment, match="store"):
                two.get(name)

    def test_a_platform_that_it_was_not_resolved_for(
        self, machine: Callable[..., Environments], tmp_path: Path
    ) -> None:
        envs = resolved(tmp_path, "1", platforms=["osx-64"])
        machine("one").publish(envs)
        with pytest.raises(UnknownEnvironment, match="for osx-64, and not for linux-64"):
            machine("two").get(name_of(envs), ["linux-64"])

    @pytest.mark.parametrize("settings", [{"store": ""}, {"local_only": True}])
    def test_without_a_store(
        self, machine: Callable[..., Environments], settings: dict[str, object]
    ) -> None:
        one = machine("one", **settings)
        with pytest.raises(NoStore, match="there is no store to get `a` from") as caught:
            one.get("a")
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


class TestLostByTheStore:
    def wiped(self, memory: MemoryStore) -> None:
        for one in list(memory.list("")):
            memory.delete(one.key)

    def test_publishing_again_brings_everything_back(
        self, machine: Callable[..., Environments], memory: MemoryStore, tmp_path: Path
    ) -> None:
        one = machine("one")
        envs = resolved(tmp_path, "1")
        one._site.registry.add(envs, default=True)
        one.publish(envs)
        one.alias(name_of(envs), "app:v1")
        whole = {one.key for one in memory.list("")}
        self.wiped(memory)
        assert one.publish(envs) is None
        with pytest.raises(UnknownEnvironment):
            machine("two").find("app:v1")
        fresh = machine("one")
        _, published = fresh.publish_again("app:v1")
        assert published
        assert (published.environments, published.packages) == (2, 1)
        assert {one.key for one in memory.list("")} == whole
        assert machine("two").find("app:v1") == envs

    def test_only_verifying_finds_a_package_that_is_lost(
        self, machine: Callable[..., Environments], memory: MemoryStore, tmp_path: Path
    ) -> None:
        one = machine("one")
        envs = resolved(tmp_path, "1")
        one._site.registry.add(envs, default=True)
        one.publish(envs)
        (package,) = memory.list("packages/")
        memory.delete(package.key)
        one.publish_again(name_of(envs))
        assert memory.head(package.key) is None
        _, published = one.publish_again(name_of(envs), verify=True)
        assert published
        assert (published.environments, published.packages) == (0, 1)
        assert memory.head(package.key)

    def test_a_name_brings_back_what_it_names(
        self, machine: Callable[..., Environments], memory: MemoryStore, tmp_path: Path
    ) -> None:
        one = machine("one")
        envs = resolved(tmp_path, "1")
        one._site.registry.add(envs, default=True)
        one.publish(envs)
        self.wiped(memory)
        machine("one").alias(name_of(envs), "app:v1")
        assert machine("two").find("app:v1") == envs

    def test_what_somebody_else_has_by_now_stays(
        self, machine: Callable[..., Environments], memory: MemoryStore, tmp_path: Path
    ) -> None:
        one, two = machine("one"), machine("two")
        ours, theirs = resolved(tmp_path, "1"), resolved(tmp_path, "2")
        for who, envs in ((one, ours), (two, theirs)):
            who._site.registry.add(envs, default=True)
            who.publish(envs)
            who.alias(name_of(envs), "app")
        store = EnvStore(memory)
        one.publish_again(name_of(ours), verify=True)
        assert store.alias(parse_alias("app")) == ref(theirs)
        assert store.default(theirs[0].req_id, "linux-64") == theirs[0].env_id
        one.publish_again(name_of(ours), default=True)
        assert store.default(theirs[0].req_id, "linux-64") == ours[0].env_id


class TestLocalOnly:
    def test_the_store_is_not_opened(
        self, machine: Callable[..., Environments], memory: MemoryStore, tmp_path: Path
    ) -> None:
        envs = resolved(tmp_path, "1")
        machine("one").publish(envs)
        before = len(memory.requests)
        two = machine("two", local_only=True)
        assert two._site.store is None
        with pytest.raises(UnknownEnvironment, match="`local_only` forbids"):
            two.find(name_of(envs))
        two._site.registry.add(envs, default=True)
        assert two.find(name_of(envs)) == envs
        two.alias(name_of(envs), "app:v1")
        assert two.publish(envs) is None
        assert memory.requests[before:] == []

    def test_what_is_missing_is_named(
        self, machine: Callable[..., Environments], tmp_path: Path
    ) -> None:
        env = resolved(tmp_path, "1")[0]
        two = machine("two", local_only=True)
        with pytest.raises(NotHere, match=r"fetch it: `app-1-py3-none-any\.whl`") as caught:
            fetch_env(two._site, env)
        assert caught.value.missing == (env.packages[0].filename,)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        fetch_env(machine("two")._site, env)
        fetch_env(two._site, env)

    def test_a_package_that_is_damaged_is_not_fetched(
        self, machine: Callable[..., Environments], tmp_path: Path
    ) -> None:
        env = resolved(tmp_path, "1")[0]
        two = machine("two", local_only=True)
        (package,) = env.packages
        machine("two")._site.cache.fetch(env.packages)
        archive = two._site.cache.archive_path(package)
        archive.write_bytes(b"\0" * archive.stat().st_size)
        with pytest.raises(NotHere, match=r"fetch it: `app-1-py3-none-any\.whl`"):
            fetch_env(two._site, env)


class TestPublishing:
    @pytest.mark.slow
    def test_what_shares_most_with_what_is_there_costs_few_requests(
        self, machine: Callable[..., Environments], memory: MemoryStore, tmp_path: Path
    ) -> None:
        def env(*names: str) -> ResolvedEnv:
            packages = [wheel(tmp_path, "1", name) for name in names]
            spec = EnvSpec.make(requirements={"pypi": [names[0]]}, python="3.11")
            found = {"linux-64": ("3.11.7", packages)}
            return ResolvedEnv.co_resolve(spec, found, resolved_by="ada")[0]

        def published(*names: str) -> int:
            made = env(*names)
            one._site.registry.add([made], default=False)
            found = one.publish([made])
            assert found
            return found.packages

        names = [f"p{number}" for number in range(300)]
        one = machine("one")
        published("other", *names[:40])
        published(*names)
        before = len(memory.requests)
        assert published("more", *names[1:]) == 1
        assert len(memory.requests) - before <= 10
        # What the store has lost in the meantime is noticed, be the registry as sure as it may.
        for key in [info.key for info in memory.list("")]:
            if not key.startswith("layout"):
                memory.delete(key)
        assert published("another", *names[1:]) == 300


def test_a_damaged_row_is_no_environment_to_compare_with(tmp_path: Path) -> None:
    (env,) = resolved(tmp_path, "1", platforms=("linux-64",))
    registry = Registry(tmp_path / "registry.sqlite")
    registry.add([env], default=False)
    registry.set_published(URL, [env.env_id])
    with registry.write() as db:
        db.execute("update contents set packages=x'00'")
    assert contents.alike(registry, env, URL) == []
    registry.close()
