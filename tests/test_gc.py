"""Garbage collection and reading back, through the real command."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envid.sizes import size_text
from pkgcache.local.collecting import disk_use

from .helpers import consistent, files, finish, tidy

if TYPE_CHECKING:
    from collections.abc import Callable

    from .helpers import Machine, Process

pytestmark = pytest.mark.slow

DAY = 86400


def age(machine: Machine, seconds: float = 2 * DAY) -> None:
    """Make all that the machine keeps older."""
    path = machine.home / "registry.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for table in ("environments", "prefixes"):
            database.execute(f"update {table} set used_at = used_at - {int(seconds)}")
    cache = machine.home / "cache"
    folders = [*cache.glob("*/??/*"), *cache.glob("archives/??/*/*"), cache / "limited"]
    for one in folders:
        if one.exists():
            at = one.stat().st_mtime - seconds
            os.utime(one, (at, at))


def held(machine: Machine, kind: str = "archives") -> set[str]:
    return {path.name for path in (machine.home / "cache" / kind).glob("??/*")}


def resolve(machine: Machine, *words: str) -> str:
    return machine.ok("resolve", "--pypi", *words)


def test_nothing_is_collected_right_after_its_use(machine: Machine) -> None:
    env = resolve(machine, "app")
    machine.ok("create", env)
    before = machine.rows(), held(machine), held(machine, "wheels-2")
    machine.ok("rm", env)
    found = machine.json("gc")
    assert found["packages"] == []
    assert found["recent"] == len(held(machine)) + len(held(machine, "wheels-2")) > 0
    assert before[1:] == (held(machine), held(machine, "wheels-2"))


def test_what_was_removed_leaves_the_cache(machine: Machine) -> None:
    kept, gone = resolve(machine, "app"), resolve(machine, "other")
    for env in (kept, gone):
        machine.ok("create", env)
    machine.ok("rm", gone)
    age(machine)
    before = held(machine)
    said = machine.json("gc", "--dry-run")
    assert f", which frees {size_text(said['freed'])}\n" in machine.run("gc", "--dry-run").err
    assert held(machine) == before
    size = disk_use([machine.home / "cache"])
    done = machine.json("gc")
    assert {**said, "dry_run": False} == done
    assert done["freed"] == size - disk_use([machine.home / "cache"]) > 0
    assert {one["digest"] for one in done["packages"]} == before - held(machine) != set()
    machine.ok("create", kept)
    assert "there already" in machine.run("create", kept).err
    machine.ok("get", gone)
    machine.ok("create", gone)
    consistent(machine)
    tidy(machine)


def test_an_answer_that_another_took_over_from_is_forgotten(machine: Machine) -> None:
    old = resolve(machine, "app", "--exclude-newer", "2030-01-01")
    named = resolve(machine, "other", "--alias", "team/tool:v1")
    created = machine.ok("create", old)
    with (
        contextlib.closing(sqlite3.connect(machine.home / "registry.sqlite")) as database,
        database,
    ):
        database.execute("delete from defaults")
    age(machine)
    found = machine.json("gc")
    assert [f"{one['req_id']}:{one['full_id']}" for one in found["environments"]] == [old]
    assert found["prefixes"] == [created]
    assert not Path(created).exists()
    assert machine.json("show", named)
    consistent(machine)


def test_names_and_directories_of_users_stay(machine: Machine) -> None:
    env = resolve(machine, "app")
    prefixes = [
        machine.ok("create", env, "--name", "mine"),
        machine.ok("create", env, "--prefix", "here"),
        machine.ok("create", env),
    ]
    age(machine, 100 * DAY)
    found = machine.json("gc", "--older-than", "30")
    assert found["prefixes"] == prefixes[2:]
    assert [Path(one).is_dir() for one in prefixes] == [True, True, False]
    assert found["environments"] == []


def test_what_only_its_request_names_goes_when_it_is_old(machine: Machine) -> None:
    resolve(machine, "app")
    age(machine, 20 * DAY)
    assert machine.json("gc", "--older-than", "30")["environments"] == []
    assert len(machine.json("gc", "--older-than", "10")["environments"]) == 1
    assert held(machine) == set()
    assert machine.rows().get("defaults") is None


def test_a_prefix_in_which_a_process_runs_stays(machine: Machine) -> None:
    env = resolve(machine, "app")
    prefix = machine.ok("create", env)
    age(machine, 100 * DAY)
    process = machine.start("run", env, "--", "python", "-c", "print(1, flush=True); input()")
    sleeper = machine.spawn(f"{prefix}/bin/python", "-c", "import time; time.sleep(600)")
    try:
        finish(process)
        age(machine, 100 * DAY)
        assert machine.json("gc", "--older-than", "30")["prefixes"] == []
    finally:
        sleeper.kill()
        sleeper.communicate()
    assert machine.json("gc", "--older-than", "30")["prefixes"] == [prefix]


def test_what_is_a_kernel_of_jupyter_stays(machine: Machine) -> None:
    prefix = machine.ok("create", resolve(machine, "app"))
    kernels = machine.user / ".local/share/jupyter/kernels"
    for name, text in (
        ("ours", json.dumps({"argv": [f"{prefix}/bin/python", "-m", "ipykernel_launcher"]})),
        *(("broken", "{"), ("other", "[]"), ("empty", '{"argv": []}')),
    ):
        (kernels / name).mkdir(parents=True)
        (kernels / name / "kernel.json").write_text(text)
    age(machine, 100 * DAY)
    found = machine.json("gc", "--older-than", "30")
    assert (found["prefixes"], found["unnamed"]) == ([], 1)
    assert "1 created environments without a name stay" in machine.run("gc").err
    shutil.rmtree(kernels / "ours")
    found = machine.json("gc", "--older-than", "30")
    assert (found["prefixes"], found["unnamed"]) == ([prefix], 0)


def test_leftovers_and_rows_of_what_is_gone_are_removed(machine: Machine) -> None:
    env = resolve(machine, "app")
    machine.ok("create", env, "--prefix", "gone")
    machine.ok("create", env)
    for path in files(machine.work / "gone"):
        path.unlink()
    (machine.work / "gone").rename(machine.root / "elsewhere")
    (machine.home / "envs" / ".x.mfenv-new" / "bin").mkdir(parents=True)
    (machine.home / "cache" / "archives" / ".0.tmp").write_bytes(b"")
    os.utime(machine.home / "cache" / "archives" / ".0.tmp", (0, 0))
    assert machine.json("gc")["leftovers"] == 2
    assert len(machine.rows()["prefixes"]) == 1
    assert files(machine.home / "locks") == []
    tidy(machine)


def test_limits_are_kept_once_an_hour(machine: Machine) -> None:
    env = resolve(machine, "app")
    machine.ok("create", env)
    age(machine)
    limited = {"MFENV_CACHE_SIZE": "1B"}
    machine.ok("get", env, env=limited)
    assert held(machine)  # which needs no cache
    machine.ok("create", env, "--name", "other", env=limited)
    assert held(machine, "wheels-2")  # just used
    machine.ok("rm", "other", env=limited)
    age(machine)
    (machine.home / "cache" / "limited").touch()
    machine.ok("gc", "--dry-run", env=limited)
    assert held(machine, "wheels-2")
    machine.ok("gc", env=limited)
    assert held(machine) == held(machine, "wheels-2") == set()
    machine.ok("create", env, "--name", "again", env=limited)


def test_gc_beside_everything_else(machines: Callable[[str], Machine]) -> None:
    """Nothing that a process is about to use disappears, however old it is."""
    machine = machines("one")
    envs = [resolve(machine, name) for name in ("app", "other")]
    # What was just used is made old again while commands run, but once in the life of each: more
    # often would be more than anybody promised.
    until, met = time.monotonic() + 6, set[str]()
    running: dict[str, Process] = {}
    count = 0
    while time.monotonic() < until or running:
        if time.monotonic() < until:
            if not met & running.keys():
                age(machine)
                met = set(running)
            for name, words in {
                "create": ("create", envs[count % 2]),
                "named": ("create", envs[count % 2], "--name", "n", "--force"),
                "resolve": ("resolve", "--pypi", "app", "--force"),
                "gc": ("gc", "--older-than", "1"),
                "gc2": ("gc", "--older-than", "1"),
            }.items():
                if name not in running:
                    running[name] = machine.start(*words)
                    count += 1
        for name, process in list(running.items()):
            if process.poll() is not None:
                done = finish(process)
                del running[name]
                met.discard(name)
                assert done.status == 0, (name, done.err)
                if name == "create":
                    assert Path(done.out.strip()).name
        time.sleep(0.05)
    consistent(machine)
    tidy(machine)


@pytest.mark.parametrize("seconds", [0.15, 0.25, 0.35, 0.5])
def test_a_killed_gc_is_completed_by_the_next(machine: Machine, seconds: float) -> None:
    env = resolve(machine, "app")
    machine.ok("create", env)
    age(machine, 100 * DAY)
    process = machine.start("gc", "--older-than", "1")
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    finish(process)
    machine.ok("gc", "--older-than", "1")
    assert held(machine) == held(machine, "wheels-2") == set()
    assert not machine.rows().get("prefixes")
    consistent(machine)
    tidy(machine)


# The store


def test_the_store_keeps_what_is_young(machine: Machine) -> None:
    resolve(machine, "app")
    before = machine.state()
    for words in ((), ("--grace", "0"), ("--older-than", "0")):
        found = machine.json("gc", "--store", *words)
        assert (found["deleted"], found["listed"]) == ([], [])
        assert machine.state() == before


def test_what_the_store_lists_is_deleted_an_hour_later(machine: Machine) -> None:
    old = resolve(machine, "app")
    (machine.store / "defaults").rename(machine.root / "defaults")
    kept = resolve(machine, "other", "--alias", "team/tool:v1")
    description = next(machine.store.glob(f"environments/*/*/{old.partition(':')[2]}.json"))
    key = str(description.relative_to(machine.store))
    now = ("gc", "--store", "--grace", "0", "--older-than", "0")
    said = machine.json(*now, "--dry-run")
    found = machine.json(*now)
    assert found["listed"] == said["listed"] == [key]
    assert "in 60 minutes or later" in machine.run(*now).err
    pointer = machine.store / "layout.json"
    os.utime(pointer, (time.time() - 3700, time.time() - 3700))
    found = machine.json(*now)
    assert found["deleted"] == [key]
    assert not description.exists()
    machine.ok("create", kept)
    consistent(machine)


def test_gc_of_a_store_needs_one(machine: Machine) -> None:
    assert "store" in machine.fails("gc", "--store", env={"MFENV_STORE": ""})
    machine.fails("gc", "--grace", "1", status=2)


# Reading back


def flip(path: Path) -> None:
    found, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(found.st_mode)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_a_flipped_byte_is_healed(machine: Machine) -> None:
    env = resolve(machine, "app")
    machine.ok("create", env)
    machine.ok("cache", "verify")
    archive = files(machine.home / "cache" / "archives")[0]
    unpacked = next((machine.home / "cache" / "wheels-2").rglob("tree/*.py"))
    content = archive.read_bytes(), unpacked.read_bytes()
    for path in (archive, unpacked):
        flip(path)
        done = machine.run("cache", "verify", "--no-repair", "--no-prefixes")
        assert (done.status, str(path.parent)[:40] in done.out) == (1, True)
        assert machine.run("cache", "verify", "--no-prefixes", "--json").status == 0
        machine.ok("cache", "verify", "--no-prefixes")
    assert content == (archive.read_bytes(), unpacked.read_bytes())
    done = machine.run("cache", "verify")
    assert done.status == 1  # the prefix has the damaged file yet
    assert "was changed" in done.out
    machine.ok("rm", env)
    machine.ok("get", env)
    machine.ok("create", env)
    machine.ok("cache", "verify")


def test_what_cannot_be_had_again_is_named(machine: Machine) -> None:
    machine.ok("create", resolve(machine, "app"))
    archive = files(machine.home / "cache" / "archives")[0]
    flip(archive)
    done = machine.run("cache", "verify", env={"MFENV_LOCAL_ONLY": "1"})
    assert done.status == 1
    assert f"{archive.name}: cannot be had again" in done.out
    assert not archive.exists()
    machine.ok("cache", "verify")


def test_what_nobody_needs_is_dropped(machine: Machine) -> None:
    env = resolve(machine, "app")
    machine.ok("rm", env)
    archive = files(machine.home / "cache" / "archives")[0]
    flip(archive)
    found = machine.json("cache", "verify")
    assert [one["path"] for one in found["damaged"]] == [str(archive.parent)]
    assert not archive.exists()


def test_a_damaged_registry_is_named(machine: Machine) -> None:
    resolve(machine, "app")
    with (
        contextlib.closing(sqlite3.connect(machine.home / "registry.sqlite")) as database,
        database,
    ):
        database.execute("update environments set description = x'00'")
    done = machine.run("cache", "verify", "--no-repair", "--json")
    assert done.status == 1
    (flaw,) = json.loads(done.out)["registry"]
    assert "is damaged" in flaw["problem"]
    assert flaw["mended"] is None
    assert machine.json("cache", "verify")["registry"] == [{**flaw, "mended": "put right"}]
    assert machine.json("cache", "verify")["registry"] == []


def test_what_the_machine_keeps(machine: Machine) -> None:
    assert machine.json("cache", "info")["cache"]["archives"]["count"] == 0
    env = resolve(machine, "app")
    machine.ok("create", env)
    found = machine.json("cache", "info")
    archives = files(machine.home / "cache" / "archives")
    assert found["cache"]["archives"] == {
        "count": len(archives),
        "size": sum(path.stat().st_size for path in archives),
    }
    assert found["cache"]["unpacked"]["count"] == len(held(machine, "wheels-2"))
    assert (found["prefixes"], found["collectable"]) == (1, 0)
    engines = files(machine.home / "engines")
    assert found["engines"] == sum(path.stat().st_blocks * 512 for path in engines) > 0
    assert found["limits"] == {"size": None, "age_days": None}
    linked = sum(path.stat().st_blocks * 512 for path in files(machine.home / "cache" / "wheels-2"))
    alone = sum(path.stat().st_blocks * 512 for path in files(machine.home / "envs"))
    assert found["disk"] < linked + alone + 512 * 1000
    text = machine.ok("cache", "info")
    assert str(machine.home / "cache") in text
    limits = {"MFENV_CACHE_SIZE": "2GB", "MFENV_CACHE_AGE": "30"}
    text = machine.ok("cache", "info", env=limits)
    assert "2.0 GB" in text
    assert "30 days" in text
