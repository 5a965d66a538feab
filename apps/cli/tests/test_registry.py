from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envid import EnvId, ResolvedEnv
from envid.aliases import FullRef
from envid.packages import BuiltFrom
from mfenv import contents
from mfenv.errors import RegistryError
from mfenv.past import Given
from mfenv.registry import Registry
from pkgcache.share.digests import DigestSet

from .helpers import resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    found = Registry(tmp_path / "registry.sqlite")
    yield found
    found.close()


def test_a_home_says_that_it_is_one(registry: Registry, tmp_path: Path) -> None:
    registry.aliases()
    assert (tmp_path / ".mfenv-home").exists()


def test_gives_back_what_was_added(registry: Registry) -> None:
    env = resolved("a", "b")
    registry.add([env], default=True)
    text = registry.description(env.env_id)
    assert text is not None
    assert ResolvedEnv.from_json(text) == env
    assert registry.defaults(env.req_id) == {"linux-64": env.full_id}
    assert registry.platforms(env.env_id.ref) == ["linux-64"]


def test_knows_nothing_of_others(registry: Registry) -> None:
    unknown = EnvId("0" * 40, "1" * 40, "linux-64")
    assert registry.description(unknown) is None
    assert registry.defaults("0" * 40) == {}
    assert registry.alias("a:latest") is None
    assert registry.prefix_named("a") is None
    assert not registry.is_published("file:///store", unknown)


def test_adding_without_default_leaves_the_default(registry: Registry) -> None:
    env = resolved("a")
    registry.add([env], default=False)
    assert registry.defaults(env.req_id) == {}


def test_candidates_by_either_id(registry: Registry) -> None:
    one, two = resolved("a"), resolved("b")
    registry.add([one, two], default=True)
    assert registry.candidates(one.req_id[:8]) == [(one.req_id, one.full_id)]
    assert registry.candidates(two.full_id[:8]) == [(two.req_id, two.full_id)]
    assert registry.candidates("f" * 39) == []


def test_candidates_by_both_ids(registry: Registry) -> None:
    one, two = resolved("a"), resolved("b")
    registry.add([one, two], default=True)
    assert registry.candidates(one.req_id[:8], one.full_id[:8]) == [(one.req_id, one.full_id)]
    assert registry.candidates(one.req_id, one.full_id) == [(one.req_id, one.full_id)]
    assert registry.candidates(one.full_id[:8], one.req_id[:8]) == []
    assert registry.candidates(one.req_id[:8], "f" * 39) == []


def test_an_immutable_alias_stays(registry: Registry) -> None:
    one, two = FullRef("1" * 40, "2" * 40), FullRef("3" * 40, "4" * 40)
    assert registry.set_alias("a:v1", one, mutable=False) is None
    assert registry.set_alias("a:v1", one, mutable=False) is None
    assert registry.set_alias("a:v1", two, mutable=False) == one
    assert registry.alias("a:v1") == one


def test_a_mutable_alias_moves(registry: Registry) -> None:
    one, two = FullRef("1" * 40, "2" * 40), FullRef("3" * 40, "4" * 40)
    registry.set_alias("a:latest", one, mutable=True)
    assert registry.set_alias("a:latest", two, mutable=True) is None
    assert registry.alias("a:latest") == two


def test_a_name_moves_to_the_newer_prefix(registry: Registry, tmp_path: Path) -> None:
    env = resolved("a")
    registry.add_prefix(tmp_path / "one", "work", env.env_id)
    registry.add_prefix(tmp_path / "two", "work", env.env_id)
    row = registry.prefix_named("work")
    assert row is not None
    assert row.path == str(tmp_path / "two")
    assert [one.name for one in registry.prefixes_of(env.env_id.ref)] == [None, "work"]


def test_rows_show_what_is_known_of_each(registry: Registry, tmp_path: Path) -> None:
    one, two = resolved("a"), resolved("b")
    registry.add([one], default=True)
    registry.add([two], default=False)
    registry.set_alias("x:v1", FullRef(one.req_id, one.full_id), mutable=False)
    registry.set_alias("x:latest", FullRef(one.req_id, one.full_id), mutable=True)
    registry.add_prefix(tmp_path / "a prefix", None, one.env_id)
    rows = {row.env_id: row for row in registry.rows()}
    assert rows[one.env_id].aliases == ("x:latest", "x:v1")
    assert rows[one.env_id].prefixes == (str(tmp_path / "a prefix"),)
    assert rows[one.env_id].is_default
    assert not rows[two.env_id].is_default
    assert len(list(registry.rows(limit=1))) == 1


def test_a_row_shows_names_and_paths_whole(registry: Registry, tmp_path: Path) -> None:
    env = resolved("a")
    registry.add([env], default=False)
    for name in ("of two words", "other"):
        registry.set_alias(name, FullRef(env.req_id, env.full_id), mutable=True)
    paths = [tmp_path / "a\nb", tmp_path / "c"]
    for path in paths:
        registry.add_prefix(path, None, env.env_id)
    (row,) = registry.rows()
    assert row.aliases == ("of two words", "other")
    assert row.prefixes == tuple(sorted(map(str, paths)))


def test_forgetting_takes_defaults_and_aliases_along(registry: Registry) -> None:
    env = resolved("a")
    registry.add([env], default=True)
    registry.set_alias("x:v1", FullRef(env.req_id, env.full_id), mutable=False)
    registry.forget(env.env_id.ref)
    assert registry.description(env.env_id) is None
    assert registry.defaults(env.req_id) == {}
    assert registry.alias("x:v1") is None


def plan(registry: Registry, ask: Callable[[Registry], object]) -> list[str]:
    """How SQLite answers what `ask` makes a registry ask, of tables of any size."""
    registry.names()  # opens the database
    statements: list[str] = []
    database = registry._connection
    assert database
    database.set_trace_callback(statements.append)
    ask(registry)
    database.set_trace_callback(None)
    assert statements
    return [row[3] for one in statements for row in database.execute(f"explain query plan {one}")]


ASKED: dict[str, Callable[[Registry], object]] = {
    "description": lambda registry: registry.description(EnvId("a" * 40, "b" * 40, "linux-64")),
    "defaults": lambda registry: registry.defaults("a" * 40),
    "platforms": lambda registry: registry.platforms(FullRef("a" * 40, "b" * 40)),
    "candidates": lambda registry: registry.candidates("a" * 8),
    "candidates of both": lambda registry: registry.candidates("a" * 8, "b" * 8),
    "rows": lambda registry: list(registry.rows(10)),
    "alias": lambda registry: registry.alias("a:v1"),
    "aliases of": lambda registry: registry.aliases_of(FullRef("a" * 40, "b" * 40)),
    "names": lambda registry: registry.names("team/"),
    "prefix named": lambda registry: registry.prefix_named("etl"),
    "prefixes of": lambda registry: registry.prefixes_of(FullRef("a" * 40, "b" * 40)),
    "published": lambda registry: registry.is_published(
        "file:///s", EnvId("a" * 40, "b" * 40, "linux-64")
    ),
    "forget": lambda registry: registry.forget(FullRef("a" * 40, "b" * 40)),
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_look_up_costs_what_it_returns(registry: Registry, asked: str) -> None:
    steps = plan(registry, ASKED[asked])
    # A listing walks along its index, which its limit ends; anything else must be a search.
    scans = [one for one in steps if one.startswith("SCAN") and "environments_by_time" not in one]
    assert scans == []
    assert [one for one in steps if "TEMP B-TREE FOR ORDER BY" in one] == []


def test_an_alias_is_remembered_with_the_store_that_says_the_same(registry: Registry) -> None:
    one, two = FullRef("1" * 40, "2" * 40), FullRef("3" * 40, "4" * 40)
    registry.set_alias("x:latest", one, mutable=True, store="file:///s")
    assert registry.alias_in("file:///s", "x:latest") == one
    assert registry.alias_in("file:///other", "x:latest") is None
    registry.set_alias("x:latest", one, mutable=True)
    assert registry.alias_in("file:///s", "x:latest") == one
    registry.set_alias("x:latest", two, mutable=True)
    assert registry.alias_in("file:///s", "x:latest") is None
    assert registry.alias("x:latest") == two


def test_names_that_start_so(registry: Registry, tmp_path: Path) -> None:
    for alias in ("team/a:v1", "team/b:v1", "teams:v1", "tea:v1"):
        registry.set_alias(alias, FullRef("1" * 40, "2" * 40), mutable=False)
    registry.add_prefix(tmp_path, "team", EnvId("1" * 40, "2" * 40, "linux-64"))
    assert registry.names("team/") == ["team/a:v1", "team/b:v1"]
    assert registry.names("team") == ["team", "team/a:v1", "team/b:v1", "teams:v1"]
    assert len(registry.names()) == 5
    assert registry.names("\udcff") == []


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    path.write_bytes(b"not a database, and long enough to be taken for one" * 20)
    with pytest.raises(RegistryError, match=r"registry\.sqlite` cannot be used") as caught:
        Registry(path).defaults("0" * 40)
    assert "move the file away" in str(caught.value.hint)


def test_a_schema_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    registry = Registry(path)
    registry.names()
    registry.close()
    data = path.read_bytes()
    assert data.count(b"INDEX prefixes_by_env") == 1
    path.write_bytes(data.replace(b"INDEX prefixes_by_env", b"\x85\xff\xfeEX prefixes_by_env"))
    with (
        contextlib.closing(Registry(path)) as registry,
        pytest.raises(RegistryError, match=r"cannot be used: .*decode") as caught,
    ):
        registry.names()
    assert "move the file away" in str(caught.value.hint)


def test_an_older_format_is_brought_up_and_says_what_it_knew(tmp_path: Path) -> None:
    env, path = resolved("a"), tmp_path / "registry.sqlite"
    target = FullRef(env.req_id, env.full_id)
    with contextlib.closing(Registry(path)) as registry:
        registry.add([env], default=True)
        registry.set_alias("a:v1", target, mutable=False, by="ada")
        assert [given[1:] for given in registry.meanings("a:v1")] == [("ada", target)]
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("drop table history; drop table contents; pragma user_version=1")
    path.with_name(f"{path.name}-wal").unlink(missing_ok=True)
    copy = tmp_path / "read-only" / "registry.sqlite"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    with contextlib.closing(Registry(path)) as registry:
        assert registry.meanings("a:v1") == [Given(None, None, target)]
        assert list(contents.holders(registry, "a")) == []
        assert contents.complete(registry, registry.environment) == 0
        (held,) = contents.holders(registry, "a")
        assert held[0] == env.env_id
        registry.forget(target)
        assert registry.all("select * from contents", ()) == []
        assert [given.target for given in registry.meanings("a:v1")] == [None, target]
    # Where nothing can be written, it is read as if it had been.
    with contextlib.closing(Unwritable(copy)) as registry:
        assert registry.meanings("a:v1") == [Given(None, None, target)]
        assert contents.complete(registry, registry.environment) == 1


def test_a_damaged_row_of_the_past_or_of_contents_is_passed_over(registry: Registry) -> None:
    env = resolved("a")
    target = FullRef(env.req_id, env.full_id)
    registry.add([env], default=True)
    registry.set_alias("a:latest", target, mutable=True, by="ada")
    with registry.write() as db:
        more = [
            (b"x", "x", 1, None),
            ("x", "y", None, None),
            (*target, "late", None),
            (*target, 1, b"x"),
        ]
        db.executemany(
            "insert into history (alias, req_id, full_id, given_at, given_by)"
            " values ('a:latest',?,?,?,?)",
            more,
        )
    assert [given.target for given in registry.meanings("a:latest")] == [target]
    for damaged in (b"\na\t", "\na\tpypi\ta", "", None, 7):
        with registry.write() as db:
            db.execute("pragma ignore_check_constraints=on")
            db.execute("update contents set packages=coalesce(?, '')", (damaged,))
        assert list(contents.holders(registry, "a")) == []


class Unwritable(Registry):
    def _connect(self) -> sqlite3.Connection:
        return self._refuse("permission denied")


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version=99")
    db.close()
    with pytest.raises(RegistryError, match="newer mfenv"):
        Registry(path).defaults("0" * 40)


@pytest.mark.slow
def test_processes_that_start_at_once_on_no_registry_all_write(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    code = (
        "import sys; from pathlib import Path; from mfenv.registry import Registry\n"
        "registry = Registry(Path(sys.argv[1]))\n"
        "for n in range(20):\n"
        "    registry.set_alias(f'{sys.argv[2]}/{n}:v1', ('1' * 40, '2' * 40), mutable=False)\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(path), f"p{n}"]) for n in range(8)]
    assert [one.wait() for one in running] == [0] * 8
    registry = Registry(path)
    assert len(registry.names()) == 160
    registry.close()


def test_threads_share_a_registry(registry: Registry) -> None:
    def write(thread: int) -> None:
        for n in range(20):
            registry.set_alias(f"t{thread}/{n}:v1", FullRef("1" * 40, "2" * 40), mutable=False)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert len(registry.names()) == 160


# garbage

LATER = float("inf")
NEVER = float("-inf")


def alone(registry: Registry, *names: str) -> ResolvedEnv:
    """A known environment that nothing refers to."""
    env = resolved(*names)
    registry.add([env], default=False)
    return env


def test_collecting_forgets_what_nothing_refers_to(registry: Registry, tmp_path: Path) -> None:
    free, named, used = alone(registry, "a"), alone(registry, "b"), alone(registry, "c")
    default = resolved("d")
    registry.add([default], default=True)
    registry.set_alias("team/b:v1", FullRef(named.req_id, named.full_id), mutable=False)
    registry.add_prefix(tmp_path / "p", None, used.env_id)
    registry.set_published("file:///store", [free.env_id])
    said = registry.collect(before=LATER, defaults_before=NEVER, dry_run=True)
    assert registry.description(free.env_id)
    found = registry.collect(before=LATER, defaults_before=NEVER)
    assert found == said
    assert found.forgotten == (free.env_id,)
    assert registry.description(free.env_id) is None
    assert not registry.is_published("file:///store", free.env_id)
    assert all(registry.description(one.env_id) for one in (named, used, default))
    known = DigestSet(found.digests)
    names = ("b", "c", "d")
    assert all(one.packages[0].hashes.sha256 in known for one in map(resolved, names))


def test_collecting_forgets_defaults_that_were_not_used_for_long(registry: Registry) -> None:
    env = resolved("a")
    registry.add([env], default=True)
    assert registry.collect(before=LATER, defaults_before=LATER).forgotten == (env.env_id,)
    assert registry.defaults(env.req_id) == {}


def test_what_was_used_stays(registry: Registry) -> None:
    env, other = alone(registry, "a"), alone(registry, "b")
    grow_old(registry, "environments", 5000)
    registry.use([env])
    found = registry.collect(before=time.time() - 3600, defaults_before=NEVER)
    assert found.forgotten == (other.env_id,)


def test_a_use_that_follows_another_writes_nothing(registry: Registry) -> None:
    env = alone(registry, "a")
    before = registry.path.with_name("registry.sqlite-wal").read_bytes()
    registry.use([env])
    assert registry.path.with_name("registry.sqlite-wal").read_bytes() == before


def test_what_was_collected_since_it_was_read_is_known_again(registry: Registry) -> None:
    env = resolved("a")
    registry.use([env])
    assert registry.description(env.env_id)


def test_the_wheels_that_only_this_machine_has(registry: Registry) -> None:
    source = BuiltFrom(kind="sdist", url="https://index.test/a-1.tar.gz")
    env = resolved("a", built_from=source)
    registry.add([env], default=True)
    digest = env.packages[0].hashes.sha256
    found = registry.collect(before=LATER, defaults_before=NEVER)
    assert digest in DigestSet(found.only_copies)
    registry.set_published("file:///store", [env.env_id])
    assert registry.collect(before=LATER, defaults_before=NEVER).only_copies == ()


def test_a_prefix_without_a_name_is_unused_once_nothing_refers_to_it(
    registry: Registry, tmp_path: Path
) -> None:
    env, other = alone(registry, "a"), alone(registry, "b")
    registry.set_alias("team/b:v1", FullRef(other.req_id, other.full_id), mutable=False)
    paths = {name: tmp_path / name for name in ("free", "named", "aliased")}
    registry.add_prefix(paths["free"], None, env.env_id)
    registry.add_prefix(paths["named"], "named", env.env_id)
    registry.add_prefix(paths["aliased"], None, other.env_id)

    def unused(defaults_before: float = NEVER, before: float = LATER) -> list[str]:
        rows = registry.unused_prefixes(before=before, defaults_before=defaults_before)
        return [Path(one.path).name for one in rows]

    assert unused() == ["free"]
    assert unused(defaults_before=LATER) == ["aliased", "free"]
    assert unused(before=time.time() - 60) == []
    assert not registry.drop_unused(paths["named"], before=LATER, defaults_before=LATER)
    assert registry.drop_unused(paths["free"], before=LATER, defaults_before=NEVER)
    assert registry.prefix_at(paths["free"]) is None


def test_using_a_prefix_keeps_it(registry: Registry, tmp_path: Path) -> None:
    registry.add_prefix(tmp_path, None, alone(registry, "a").env_id)
    grow_old(registry, "prefixes", 5000)
    before = time.time() - 3600
    assert registry.unused_prefixes(before=before, defaults_before=NEVER)
    assert registry.use_prefix(tmp_path)
    assert registry.unused_prefixes(before=before, defaults_before=NEVER) == []
    assert not registry.use_prefix(tmp_path / "other")


def test_a_prefix_that_was_found_is_adopted_once(registry: Registry, tmp_path: Path) -> None:
    env = alone(registry, "a")
    registry.add_prefix(tmp_path / "known", "known", env.env_id)
    for name in ("known", "found"):
        registry.adopt_prefix(tmp_path / name, env.env_id, 5.5)
    assert [(one.name, one.used_at == 5) for one in registry.prefixes()] == [
        (None, True),
        ("known", False),
    ]


def grow_old(registry: Registry, table: str, seconds: int) -> None:
    with contextlib.closing(sqlite3.connect(registry.path)) as database, database:
        database.execute(f"update {table} set used_at = used_at - {seconds}")


def test_a_row_that_is_damaged_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    registry = Registry(tmp_path / "registry.sqlite", told.append)
    with registry.write() as db:
        db.execute("insert into aliases values ('a:v1', 'nonsense', 'nonsense', '')")
    assert [registry.alias("a:v1"), registry.alias("a:v1")] == [None, None]
    assert len(told) == 1
    registry.close()
