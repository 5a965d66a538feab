"""Machines that lack something: rights, space, handles, time; and state that was tampered with."""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest

from .helpers import Machine, consistent, failure, files, finish, private_mounts, tidy, unprivileged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from resolvers.testing import FakeIndex

    from .helpers import Done

pytestmark = pytest.mark.slow

RUN = ("run", "a:v1", "--", "hello")


@pytest.fixture
def known(machine: Machine) -> str:
    """An environment named `a:v1`, with a prefix."""
    ids = machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    machine.ok("create", "a:v1", "--name", "e")
    return ids


def clear(done: Done) -> str:
    """What a command says that may have failed, if it did so well."""
    return failure(done) if done.status else ""


# Rights


@pytest.fixture
def writable(tmp_path: Path) -> Iterator[None]:
    """Gives back what tests take away."""
    yield
    for path in [tmp_path, *tmp_path.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


@pytest.mark.usefixtures("writable")
@pytest.mark.parametrize(
    ("below", "resolves", "creates"),
    [("cache", False, True), ("locks", False, True), ("envs", True, False)],
)
def test_a_part_of_the_home_that_may_not_be_written(
    machine: Machine, known: str, below: str, resolves: bool, creates: bool
) -> None:
    before, user = machine.state(), unprivileged()
    folder = machine.home / below
    closed = [folder, *folder.glob("*/"), *folder.glob("*/*/")]
    for one in closed:
        one.chmod(0o555)
    for words, works in (
        (["resolve", "--pypi", "other"], resolves),
        (["create", "a:v1", "--name", "f"], creates),
    ):
        done = machine.run(*words, before=user)
        if works:
            assert done.status == 0, done.err
        else:
            said = failure(done)
            assert f"`{folder}" in said
            assert "permission denied" in said
    assert machine.run("run", "e", "--", "hello", before=user).status == 7
    for one in closed:
        one.chmod(0o755)
    assert before[0]["aliases"] == machine.rows()["aliases"]
    machine.ok("resolve", "--pypi", "other")
    assert machine.run(*RUN).status == 7
    consistent(machine)


@pytest.mark.usefixtures("writable")
def test_a_store_that_may_only_be_read(
    machine: Machine, known: str, machines: Callable[[str], Machine]
) -> None:
    user, there = unprivileged(), machines("two")
    for one in [machine.store, *machine.store.rglob("*/")]:
        one.chmod(0o555)
    assert there.run(*RUN, before=user).status == 7
    before = there.state()
    said = there.fails("resolve", "--pypi", "other", before=user)
    assert "cannot write `packages/" in said
    assert f"in the store `{machine.store.as_uri()}`: permission denied" in said
    said = there.fails("alias", "a:v1", "b:v1", before=user)
    assert "cannot write `aliases/" in said
    assert there.state() == before


@pytest.mark.usefixtures("writable")
def test_a_store_that_may_not_be_listed_or_read(
    machine: Machine, known: str, machines: Callable[[str], Machine]
) -> None:
    user, there = unprivileged(), machines("two")
    url = machine.store.as_uri()
    (machine.store / "environments").chmod(0o333)
    said = there.fails("show", known[:12], before=user)
    assert "cannot list `environments/" in said
    assert f"in the store `{url}`: permission denied" in said
    (machine.store / "environments").chmod(0o755)
    (description,) = machine.store.glob("environments/*/*/*.json")
    description.chmod(0)
    said = there.fails("show", "a:v1", before=user)
    assert f"cannot read `{description.relative_to(machine.store)}` in the store `{url}`" in said
    description.chmod(0o644)
    assert there.run(*RUN).status == 7


def test_a_cache_that_is_not_ours_alone_is_refused(machine: Machine, known: str) -> None:
    cache = machine.home / "cache"
    cache.chmod(0o777)
    said = machine.fails("create", "a:v1", "--name", "f")
    assert f"cannot use the package cache at `{cache}`: everybody may write into it" in said
    assert f"hint: run `chmod o-w {cache}`" in said
    cache.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(cache, 12345, 12345)
        said = machine.fails("create", "a:v1", "--name", "f")
        assert "it belongs to another user" in said
    assert not machine.prefix("f").exists()


def test_links_that_were_planted_are_not_followed(machine: Machine, known: str) -> None:
    victim = machine.work / "victim"
    victim.write_text("precious")
    beside = [*machine.home.glob("locks/*.lock"), *machine.home.glob("cache/locks/*.lock")]
    beside += machine.store.glob(".locks/*")
    for lock in beside:
        lock.unlink()
        lock.symlink_to(victim)
    shutil.rmtree(machine.home / "cache" / "wheels-2")
    for words in (
        ["resolve", "--pypi", "app", "--force"],
        ["create", "a:v1", "--name", "e", "--force"],
        ["alias", known, "b"],
    ):
        clear(machine.run(*words))
    assert victim.read_text() == "precious"
    assert victim.stat().st_nlink == 1
    for lock in beside:
        lock.unlink()
    machine.ok("create", "a:v1", "--name", "e", "--force")
    assert machine.run("run", "e", "--", "hello").status == 7


def test_no_directory_for_temporary_files(machine: Machine, known: str) -> None:
    if not private_mounts():
        pytest.skip("this user may not mount a file system in a name space of its own")
    mounts = f"""
        mount --bind {machine.root} {machine.root}
        for one in /tmp /var/tmp /usr/tmp; do
            [ -d $one ] && mount --rbind $one $one && mount -o remount,ro,bind $one
        done
        cd /proc; exec "$0" "$@"
    """
    machine.environ |= {"TMPDIR": "/proc/none", "MOUNTS": mounts}
    before = """[ -z "$MOUNTS" ] || exec unshare --map-root-user --mount \\
        sh -c 'now=$MOUNTS; export MOUNTS=; eval "$now"' "$0" "$@" """
    for words in (["list"], ["show", "a:v1"], ["create", "a:v1"]):
        done = machine.run(*words, before=before)
        assert done.status == 0, done.err
    assert machine.run("run", "e", "--", "hello", before=before).status == 7
    said = machine.fails("resolve", "--pypi", "other", before=before)
    assert said.startswith("error: no directory for temporary files can be written\nhint: set TMPD")


# Handles, names, space


def starve(machine: Machine, most: int, *words: str) -> None:
    """Resolve and create with at most so many open files, and then with enough of them."""
    limit = f"ulimit -n {most}"
    for command in (["resolve", *words, "--alias", "a:v1"], ["create", "a:v1", "--name", "e"]):
        said = clear(machine.run(*command, before=limit))
        assert not said or "hint: raise the limit: `ulimit -n`" in said, said
        consistent(machine)
        machine.ok(*command, *(["--exist-ok"] if "--name" in command else []))
    consistent(machine)
    tidy(machine)


@pytest.mark.parametrize("most", [8, 12, 16, 24, 40])
def test_too_many_open_files(machine: Machine, most: int) -> None:
    starve(machine, most, "--pypi", "app")
    assert machine.run("run", "e", "--", "hello").status == 7


@pytest.mark.parametrize("most", [8, 16, 20])
def test_too_many_open_files_for_conda_packages(conda: Machine, most: int) -> None:
    starve(conda, most, "--conda", "greeter")
    assert "hello from" in conda.ok("run", "e", "--", "greeter")


def test_a_path_that_is_too_long(machine: Machine, known: str) -> None:
    part, before = "d" * 200, machine.state()
    for long in (f"{'d' * 300}/env", "/".join([part] * 25)):
        said = machine.fails("create", "a:v1", "--prefix", long)
        assert "file name too long" in said
        said = machine.fails("list", env={"MFENV_HOME": f"{machine.work}/{long}"})
        assert "too long" in said or "unable to open" in said
    assert machine.state() == before
    assert not (machine.work / part).exists()


# Time


def test_ids_do_not_depend_on_clocks_and_time_zones(
    machines: Callable[[str], Machine],
) -> None:
    words = ("resolve", "--pypi", "app", "--exclude-newer", "2024-01-02")
    found = set()
    for number, zone in enumerate(["UTC", "Pacific/Kiritimati", "Pacific/Niue"]):
        found.add(machines(str(number)).ok(*words, env={"TZ": zone}))
    assert len(found) == 1


@pytest.mark.parametrize("year", [1971, 2037])
def test_files_from_another_time_are_as_good(
    machine: Machine, known: str, machines: Callable[[str], Machine], index: FakeIndex, year: int
) -> None:
    """As they are after the clock went back, or forth, or on file systems with coarse times."""
    moment = time.mktime((year, 1, 1, 0, 0, 0, 0, 0, 0))
    for root in (machine.home, machine.store):
        for path in root.rglob("*"):
            os.utime(path, (moment, moment), follow_symlinks=False)
    index.failures["/"] = 500
    assert machine.run("run", "e", "--", "hello").status == 7
    assert machine.ok("create", "a:v1", "--name", "f")
    there = machines("two")
    assert there.run(*RUN).status == 7
    there.ok("alias", "a:v1", "b")
    index.failures.clear()
    machine.ok("resolve", "--pypi", "other", "--alias", "o")
    shown = machine.json("list")["environments"]
    assert {one["req_id"] for one in shown} >= {known.split(":", maxsplit=1)[0]}
    consistent(machine)


# What was there before


def test_files_of_no_length_after_a_power_cut(
    machine: Machine, known: str, machines: Callable[[str], Machine]
) -> None:
    for path in files(machine.home / "cache"):
        path.chmod(0o644)
        path.write_bytes(b"")
    machine.ok("create", "a:v1", "--name", "f")
    assert machine.run("run", "f", "--", "hello").status == 7
    (machine.home / "registry.sqlite").write_bytes(b"")
    for path in machine.home.glob("registry.sqlite-*"):
        path.unlink()
    assert machine.run(*RUN).status == 7
    marker = machine.prefix("f") / ".mfenv.json"
    marker.chmod(0o644)
    marker.write_bytes(b"")
    assert "exists already" in machine.fails("create", "a:v1", "--name", "f")
    for pattern in ("environments/*/*/*.json", "aliases/*/*.json", "packages/*/*/*.whl"):
        (path, *_) = machine.store.glob(pattern)
        content = path.read_bytes()
        path.write_bytes(b"")
        there = machines(pattern[:3])
        done = there.run(*RUN)
        assert done.status == 7 or path.name in clear(done)
        path.write_bytes(content)


def test_any_damage_of_the_registry_is_named_or_harmless(machine: Machine, known: str) -> None:
    path = machine.home / "registry.sqlite"
    good, chance = path.read_bytes(), random.Random(4)
    ids = [one for pair in machine.rows()["environments"] for one in pair[:2]]
    for _ in range(30):
        data = bytearray(good)
        at = chance.randrange(len(data))
        length = chance.choice([1, 16, 4096])
        data[at : at + length] = chance.randbytes(len(data[at : at + length]))
        path.write_bytes(data)
        for words in (["list"], ["show", "a:v1", "--json"], ["create", known, "--name", "g"]):
            done = machine.run(*words)
            said = clear(done)
            if words[0] == "show" and not said:
                assert all(one in done.out for one in ids)
        for left in machine.home.glob("registry.sqlite*"):
            left.unlink()
        path.write_bytes(good)
    assert machine.run("run", "e", "--", "hello").status == 7


def test_an_environment_is_deleted_while_a_program_runs_in_it(machine: Machine, known: str) -> None:
    program = "import sys, time; print('here', flush=True); time.sleep(1); sys.exit(5)"
    process = machine.start("run", "e", "--", "python", "-c", program)
    assert process.stdout
    assert process.stdout.readline() == "here\n"
    machine.ok("rm", "e")
    assert not machine.prefix("e").exists()
    assert finish(process).status == 5
    assert machine.run(*RUN).status == 7
    consistent(machine)
    tidy(machine)


def test_another_version_on_the_same_cache_is_left_alone(machine: Machine, known: str) -> None:
    """It unpacks in its own way, into its own folders, and shares the archives."""
    newer = (
        "import sys, pkgcache.local._shelves, mfenv.__main__;"
        "pkgcache.local._shelves.UNPACKED = {'pypi': 'wheels-9', 'conda': 'conda-9'};"
        "sys.argv[0] = 'mfenv'; mfenv.__main__.main()"
    )
    other = machine.spawn(sys.executable, "-c", newer, "create", "a:v1", "--name", "f")
    ours = machine.start("create", "a:v1", "--name", "g")
    assert [finish(one).status for one in (other, ours)] == [0, 0]
    assert list((machine.home / "cache" / "wheels-9").glob("*/*/tree"))
    for name in ("f", "g"):
        assert machine.run("run", name, "--", "hello").status == 7
