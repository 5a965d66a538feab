"""Between machines, through the store: what others resolved, got, published again, or left out."""

from __future__ import annotations

import json
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

from .helpers import consistent, files

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolvers.testing import FakeIndex

    from .helpers import Machine

pytestmark = pytest.mark.slow


@pytest.fixture
def two(machines: Callable[[str], Machine]) -> Machine:
    return machines("two")


# Taking what the store has of a request


@pytest.mark.parametrize("who", ["anyone", "me", "eve,ada"])
def test_what_others_resolved_is_taken(
    machine: Machine, two: Machine, index: FakeIndex, who: str
) -> None:
    author = {"LOGNAME": "ada"}
    name = machine.ok("resolve", "--pypi", "app", env=author)
    index.requests.clear()
    done = two.run("resolve", "--pypi", "app", "--use-remote-latest", who, env=author)
    assert done.out.strip() == name
    assert "from the store, resolved by ada at 20" in done.err
    assert sum(index.requests.values()) == 0
    assert "known already" in two.run("resolve", "--pypi", "app").err
    consistent(two)


def test_what_was_resolved_by_somebody_else_is_not_mine(machine: Machine, two: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", env={"LOGNAME": "ada"})
    two.environ |= {"LOGNAME": "eve", "MFENV_USE_REMOTE_LATEST": "me"}
    done = two.run("resolve", "--pypi", "app")
    assert "on Python" in done.err
    assert "from the store" not in done.err


def test_force_does_not_ask_the_store(machine: Machine, two: Machine, index: FakeIndex) -> None:
    machine.ok("resolve", "--pypi", "app")
    index.requests.clear()
    done = two.run("resolve", "--pypi", "app", "--force", "--use-remote-latest", "anyone")
    assert "from the store" not in done.err
    assert sum(index.requests.values()) > 0


def test_nobody_is_somebody_else_s_word(machine: Machine) -> None:
    said = machine.fails("resolve", "--pypi", "app", "--use-remote-latest", "anyone,ada")
    assert said.startswith("error: --use-remote-latest: `anyone` cannot stand beside other words\n")


# Getting


def test_get_brings_what_create_then_needs(machine: Machine, two: Machine) -> None:
    name = machine.ok(
        *("resolve", "--pypi", "app", "--alias", "app:v1"),
        *("--platform", "linux-64", "--platform", "osx-arm64"),
    )
    assert two.ok("get", "app:v1") == name
    rows = two.rows()
    assert {row[2] for row in rows["environments"]} == {"linux-64", "osx-arm64"}
    assert len(rows["defaults"]) == 2
    assert two.json("get", "app:v1", "--platform", "osx-arm64")["environments"][0]["platform"] == (
        "osx-arm64"
    )
    # Nothing but packages is asked for from here on.
    shutil.rmtree(two.store / "environments")
    shutil.rmtree(two.store / "aliases")
    assert two.ok("run", "app:v1", "--", "python", "-c", "import app") == ""


def test_get_leaves_the_default_alone_when_told(machine: Machine, two: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1")
    two.ok("get", "app:v1", "--no-default")
    assert "defaults" not in two.rows()


def test_get_of_what_the_store_does_not_have(machine: Machine, two: Machine) -> None:
    assert machine.fails("get", "app:v1") == (
        "error: `app:v1` is neither known here nor in the store\n"
        "hint: `mfenv list` shows what is known here; who knows it can `mfenv publish` it\n"
    )
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1")
    said = two.fails("get", "app:v1", "--platform", "osx-64")
    assert "and not for osx-64\nhint: resolve the same request with `--platform osx-64`" in said
    said = two.fails("get", "app:v1", env={"MFENV_STORE": ""})
    assert said.startswith("error: there is no store to get `app:v1` from\nhint: MFENV_STORE ")


# Publishing again


def test_a_store_that_lost_everything_is_filled_again(machine: Machine, two: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1")
    objects = machine.objects()
    shutil.rmtree(machine.store)
    assert "`mfenv publish` it" in two.fails("create", "app:v1")
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1")
    assert not machine.store.exists()
    done = machine.run("publish", "app:v1", "--json")
    (found,) = json.loads(done.out)["published"]
    assert found["added"]["environments"] == 1
    assert found["added"]["packages"] == 2
    assert "app:v1: added 1 of 1 descriptions and 2 packages" in done.err
    assert machine.objects() == objects
    consistent(machine)
    assert two.ok("create", "app:v1")


def test_resolving_by_force_fills_a_store_that_lost_everything(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1")
    objects = machine.objects()
    shutil.rmtree(machine.store)
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v2", "--force")
    assert len(machine.objects()) == len(objects)
    consistent(machine)


def test_a_package_that_the_store_lost_comes_back_by_force(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1")
    archives = files(machine.store / "packages")
    archives[0].unlink()
    machine.ok("publish", "app:v1")
    assert not archives[0].exists()
    machine.ok("publish", "app:v1", "--force")
    assert files(machine.store / "packages") == archives
    consistent(machine)


@pytest.mark.parametrize(
    ("words", "comes_back"),
    [
        (("alias", "app:v1", "app:v2"), False),
        (("alias", "app:v1", "app"), False),
        (("resolve", "--pypi", "app", "--force"), False),
        (("publish", "app:v1"), False),
        (("publish", "app:v1", "--force"), True),
    ],
    ids=["alias", "moving alias", "resolve", "publish", "publish by force"],
)
def test_a_package_is_missed_where_its_description_is_too_or_by_force(
    machine: Machine, words: tuple[str, ...], comes_back: bool
) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1")
    archives = files(machine.store / "packages")
    archives[0].unlink()
    machine.ok(*words)
    assert archives[0].exists() is comes_back
    archives[0].unlink(missing_ok=True)
    shutil.rmtree(machine.store / "environments")
    machine.ok("alias", "app:v1", "app:v3")
    assert files(machine.store / "packages") == archives


def test_an_alias_for_ever_that_the_store_lost_comes_back_by_publishing(
    machine: Machine, two: Machine
) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1")
    aliases = files(machine.store / "aliases")
    aliases[0].unlink()
    for words in (("alias", "app:v1", "app:v1"), ("resolve", "--pypi", "app", "--alias", "app:v1")):
        machine.ok(*words)
        assert not aliases[0].exists()
    machine.ok("publish", "app:v1")
    assert files(machine.store / "aliases") == aliases
    # What is another's by now stays.
    aliases[0].unlink()
    theirs = two.ok("resolve", "--pypi", "dep", "--alias", "app:v1")
    given = aliases[0].read_bytes()
    machine.ok("publish", "app:v1")
    assert aliases[0].read_bytes() == given
    assert theirs.split(":")[0].encode() in given


def test_what_was_resolved_without_a_store_is_published_with_its_names(
    machine: Machine, two: Machine
) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1", env={"MFENV_STORE": ""})
    assert not machine.store.exists()
    assert machine.ok("publish", "app:v1") == ""
    consistent(machine)
    assert two.ok("get", "app:v1")
    said = machine.fails("publish", "app:v1", env={"MFENV_STORE": ""})
    assert said.startswith("error: there is no store to publish `app:v1` to\n")


def test_a_name_for_what_was_resolved_without_a_store(machine: Machine, two: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1", env={"MFENV_STORE": ""})
    machine.ok("alias", "app:v1", "app:v2")
    consistent(machine)
    assert two.ok("create", "app:v2")


def test_what_is_deleted_is_what_a_name_means_here(machine: Machine, two: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "team/it")
    machine.ok("create", "team/it")
    two.ok("resolve", "--pypi", "other", "--alias", "team/it")
    objects = machine.objects()
    assert "forgot" in machine.run("rm", "team/it").err
    assert machine.rows() == {}
    assert machine.objects() == objects


# What the store lists


def test_the_aliases_of_the_store(machine: Machine, two: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "team/app:v1", "--alias", "teams")
    found = two.json("list", "--shared")["aliases"]
    assert {one["alias"] for one in found} == {"team/app:v1", "teams:latest"}
    assert [one["alias"] for one in two.json("list", "--shared", "team/")["aliases"]] == [
        "team/app:v1"
    ]
    assert len(two.json("list", "--shared", "--limit", "1")["aliases"]) == 1
    assert "team/app:v1  20" in two.ok("list", "--shared", "team/app:")
    assert two.json("list", "--shared", "other")["aliases"] == []
    said = two.fails("list", "--shared", env={"MFENV_STORE": ""})
    assert said.startswith("error: there is no store to list the aliases of\n")


# Without store and network


def test_local_only_needs_nothing_but_this_machine(machine: Machine, index: FakeIndex) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app")
    machine.ok("create", "app", "--name", "known")
    machine.ok("rm", "known")
    shutil.rmtree(machine.store)
    index.requests.clear()
    cut = 'unshare --user --net --map-root-user true 2>/dev/null && exec unshare --user --net "$0" "$@"'
    for words in (
        ["resolve", "--pypi", "app", "--alias", "app:v2"],
        ["resolve", "--pypi", "app", "--force"],
        ["show", "app"],
        ["create", "app", "--name", "e"],
        ["run", "app", "--", "python", "-c", "import app"],
        ["alias", "app", "app:v3"],
    ):
        done = machine.run(words[0], "--local-only", *words[1:], before=cut)
        assert done.status == 0, done.err
    done = machine.run("list", before=cut, env={"MFENV_LOCAL_ONLY": "1"})
    assert "app:v2" in done.out
    assert "app:v3" in done.out
    assert sum(index.requests.values()) == 0
    assert not machine.store.exists()


def test_what_local_only_left_out_is_published_later(machine: Machine, two: Machine) -> None:
    machine.ok("resolve", "--pypi", "app")
    machine.environ["MFENV_LOCAL_ONLY"] = "1"
    machine.ok("resolve", "--pypi", "dep", "--alias", "dep:v1")
    assert "aliases/dep/v1.json" not in machine.objects()
    machine.environ["MFENV_LOCAL_ONLY"] = "0"
    machine.ok("resolve", "--pypi", "dep", "--alias", "dep:v1")
    consistent(machine)
    assert two.ok("create", "dep:v1")


def test_local_only_says_what_is_missing(machine: Machine, two: Machine, index: FakeIndex) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1")
    two.environ["MFENV_LOCAL_ONLY"] = "true"
    index.requests.clear()
    assert two.fails("show", "app:v1") == (
        "error: `app:v1` is not known here, and `local_only` forbids to ask the store\n"
        "hint: leave out `local_only`, or run `mfenv get` once\n"
    )
    two.ok("get", "app:v1", env={"MFENV_LOCAL_ONLY": "0"})
    two.ok("show", "app:v1")
    for words in (["create", "app:v1"], ["run", "app:v1", "--", "true"]):
        said = two.fails(*words)
        assert "needs what is not here, and `local_only` forbids to fetch it: `app-1.0-" in said
        assert "hint: leave out `local_only` once\n" in said
    assert "the network is not to be used" in two.fails("resolve", "--pypi", "other")
    assert sum(index.requests.values()) == 0


@pytest.mark.parametrize("command", ["get", "publish"])
def test_commands_that_are_about_the_store_refuse_local_only(
    machine: Machine, command: str
) -> None:
    said = machine.fails(command, "app:v1", env={"MFENV_LOCAL_ONLY": "1"}, status=2)
    assert said.startswith("error: the store is needed, and `MFENV_LOCAL_ONLY` forbids to ask it\n")
    assert "there is no option" in machine.fails(command, "app:v1", "--local-only", status=2)


# Listing


def test_a_table_of_many_says_how_to_see_the_rest(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "app:v1")
    multiply(machine, 60)
    done = machine.run("list")
    assert len(done.out.splitlines()) == 51
    assert done.err == "there are more than 50; `--limit N` shows N of them\n"
    done = machine.run("list", "--limit", "61")
    assert (len(done.out.splitlines()), done.err) == (62, "")
    done = machine.run("list", "--limit", "3")
    assert (len(done.out.splitlines()), done.err) == (4, "")
    assert len(machine.json("list")["environments"]) == 61


def multiply(machine: Machine, count: int) -> None:
    """Let the registry know more environments like the one that it knows."""
    database = sqlite3.connect(machine.home / "registry.sqlite")
    with database:
        (row,) = database.execute("select * from environments").fetchall()
        database.executemany(
            f"insert into environments values ({','.join('?' * len(row))})",
            [(f"{number:040x}", *row[1:]) for number in range(count)],
        )
    database.close()
