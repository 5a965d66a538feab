"""A home that can be read and not written: baked into an image, mounted read-only, somebody's."""

from __future__ import annotations

import sqlite3
import sys
from typing import TYPE_CHECKING

import pytest

from .helpers import Machine, failure, finish, private_mounts, tidy, unprivileged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

# Whoever is in a name space of mounts already starts the command.
MOUNTED = (
    '[ "$MOUNTED" ] || exec env MOUNTED=1 unshare --map-root-user --mount sh -c'
    """ 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'"""
    ' "{}" "$0" "$@"'
)
WRITES = (
    ["resolve", "--pypi", "other"],
    ["resolve", "--pypi", "app", "--alias", "new:v1"],
    ["create", "a:v1", "--name", "f"],
    ["create", "a:v1", "--name", "e", "--force"],
    ["alias", "a:v1", "b:v1"],
    ["alias", "--delete", "a:v1"],
    ["get", "a:v1"],
    ["rm", "e"],
    ["gc"],
)


@pytest.fixture
def baked(machine: Machine) -> Machine:
    """A machine whose home has an environment, in two prefixes, that were used a day ago."""
    machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    machine.ok("create", "a:v1", "--name", "e")
    machine.ok("create", "a:v1")
    used_before(machine)
    return machine


def used_before(machine: Machine) -> None:
    """Make the last use one that would be written down anew."""
    database = sqlite3.connect(machine.home / "registry.sqlite")
    for table in ("environments", "prefixes"):
        database.execute(f"update {table} set used_at = used_at - 86400")
    database.commit()
    database.close()


@pytest.fixture(params=["mount", "mode"])
def before(request: pytest.FixtureRequest, baked: Machine) -> Iterator[str]:
    """What makes the home one that cannot be written."""
    if request.param == "mount":
        if not private_mounts():
            pytest.skip("this user may not mount a file system in a name space of its own")
        yield MOUNTED.format(baked.home)
        return
    user = unprivileged()
    folders = [baked.home, *(one for one in baked.home.rglob("*/") if not one.is_symlink())]
    for one in folders:
        one.chmod(0o555)
    yield user
    for one in folders:
        one.chmod(0o755)


def test_what_only_reads_works(baked: Machine, before: str) -> None:
    everything = sorted(baked.home.rglob("*"))
    for words in (
        *(["list"], ["list", "--json"], ["show", "a:v1"], ["config"], ["cache", "info"]),
        *(["gc", "--dry-run"], ["cache", "verify"], ["alias", "a:v1", "a:v1"]),
        *(["resolve", "--pypi", "app", "--alias", "a:v1"], ["create", "a:v1"]),
        ["create", "a:v1", "--name", "e", "--exist-ok"],
    ):
        done = baked.run(*words, before=before)
        assert done.status == 0, done.err
    assert "a:v1" in baked.run("list", before=before).out
    for name in ("e", "a:v1"):
        assert baked.run("run", name, "--", "hello", before=before).status == 7
    assert sorted(baked.home.rglob("*")) == everything


def test_a_dry_run_leaves_the_registry_open(baked: Machine, before: str) -> None:
    program = (
        "from mfenv.environments import Environments\n"
        "with Environments() as environments:\n"
        "    environments.collect(dry_run=True)\n"
        "    print(len(environments.rows()))\n"
    )
    shell = ("/bin/sh", "-c", f'{before}; exec "$0" "$@"')
    done = finish(baked.spawn(*shell, sys.executable, "-c", program))
    assert (done.status, done.out) == (0, "1\n"), done.err


def test_an_environment_is_created_elsewhere(baked: Machine, before: str) -> None:
    place = baked.work / "there"
    for said in ("does not know of", "there already"):
        done = baked.run("create", "a:v1", "--prefix", "there", before=before)
        assert (done.status, done.out) == (0, f"{place}\n"), done.err
        assert said in done.err
    assert baked.run("create", "a:v1", "--prefix", "there", "--force", before=before).status == 0
    done = finish(baked.spawn(place / "bin" / "hello"))
    assert (done.out, done.status) == (f"hello from {place}\n", 7)
    tidy(baked)


def test_what_writes_says_so_before_it_does_anything(baked: Machine, before: str) -> None:
    state = baked.state()
    for words in WRITES:
        said = failure(baked.run(*words, before=before))
        assert said.startswith(f"error: cannot write into `{baked.home}`: "), words
        assert said.endswith("hint: set MFENV_HOME to a directory that can be written\n")
    assert baked.state() == state


@pytest.mark.parametrize("beside", [("wal", "shm"), ("wal",), ()])
def test_a_registry_that_was_left_open(
    baked: Machine, before: str, beside: tuple[str, ...]
) -> None:
    """As a killed process leaves it, or a copy of what it left: the last writes are in the log."""
    path, mode = baked.home / "registry.sqlite", baked.home.stat().st_mode
    database = sqlite3.connect(path)
    database.execute("pragma wal_autocheckpoint=0")
    database.execute("insert into aliases select 'in-the-log', req_id, full_id, '' from aliases")
    database.commit()
    left = {one: path.with_name(f"{path.name}-{one}").read_bytes() for one in beside}
    content = path.read_bytes()
    database.close()
    baked.home.chmod(0o755)
    path.write_bytes(content)
    for one, data in left.items():
        path.with_name(f"{path.name}-{one}").write_bytes(data)
    baked.home.chmod(mode)
    assert ("in-the-log" in baked.run("list", before=before).out) is bool(beside)
    failure(baked.run("gc", before=before))


def test_a_home_that_is_not_there_and_cannot_be_made(machine: Machine) -> None:
    if not private_mounts():
        pytest.skip("this user may not mount a file system in a name space of its own")
    place = machine.root / "image"
    place.mkdir()
    machine.environ["MFENV_HOME"] = str(place / "none" / "home")
    before = MOUNTED.format(place)
    assert machine.run("list", "--json", before=before).out.split() == [
        "{",
        '"environments":',
        "[]",
        "}",
    ]
    for words in (["cache", "info"], ["config"], ["gc", "--dry-run"]):
        assert machine.run(*words, before=before).status == 0
    for words in (["show", "a:v1"], ["run", "a:v1", "--", "hello"]):
        assert "is neither known here nor in the store" in machine.fails(*words, before=before)
    said = machine.fails("resolve", "--pypi", "app", before=before)
    assert f"cannot write into `{place}/none/home`: read-only file system\nhint: set MF" in said


def test_what_only_the_store_has_is_read_from_there(
    machine: Machine, baked: Machine, machines: Callable[[str], Machine]
) -> None:
    if not private_mounts():
        pytest.skip("this user may not mount a file system in a name space of its own")
    there = machines("two")
    there.home.mkdir()
    before = MOUNTED.format(there.home)
    assert "known as      \n" not in there.run("show", "a:v1", before=before).out
    assert there.run("show", "a:v1", before=before).status == 0
    said = there.fails("run", "a:v1", "--", "hello", before=before)
    assert f"cannot write into `{there.home}`: read-only file system" in said
    said = there.fails("create", "a:v1", "--prefix", "there", before=before)
    assert f"cannot use the package cache at `{there.home}/cache`: read-only file system" in said
    assert not (there.work / "there").exists()
    tidy(there)


def test_a_home_that_may_not_even_be_read(baked: Machine) -> None:
    user = unprivileged()
    try:
        for closed in (baked.home / "registry.sqlite", baked.home):
            closed.chmod(0)
            for words in (["list"], ["run", "e", "--", "hello"], ["resolve", "--pypi", "other"]):
                said = failure(baked.run(*words, before=user))
                assert f"`{baked.home}" in said
                assert "MFENV_HOME" in said.partition("\nhint: ")[2]
            closed.chmod(0o755)
    finally:
        baked.home.chmod(0o755)
