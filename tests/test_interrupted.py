"""Ctrl-C, kill and kill -9 at any moment: nothing half made, nothing lost, the next run just works."""

from __future__ import annotations

import fcntl
import itertools
import random
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from resolvers.testing import FakeIndex, make_wheel

from .helpers import Machine, consistent, failure, finish, processes_of, tidy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SECONDS = 3.0
KINDS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
PARTS = 8
SUM = sum(range(PARTS))
PROGRAM = f"import sys; sys.exit(sum(__import__(f'part{{n}}').x for n in range({PARTS})))"
# What the interpreter does before it comes to our code is not ours to answer for.
OURS = """
import sys
import mfenv.__main__
print("started", flush=True)
sys.argv[0] = "mfenv"
mfenv.__main__.main()
"""


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    """Enough packages and bytes for there to be moments between them."""
    parts = [make_wheel(f"part{n}", "1.0", module=f"x = {n}\n" * 30_000) for n in range(PARTS)]
    whole = make_wheel("whole", "1.0", requires=[part.name for part in parts])
    with FakeIndex(whole, *parts) as found:
        yield found


def interrupt(machine: Machine, number: signal.Signals, after: float, *words: str) -> bool:
    """Send a signal to a command `after` seconds from its start; whether it stopped by that."""
    process = machine.spawn(sys.executable, "-c", OURS, *words)
    assert process.stdout
    assert process.stdout.readline() == "started\n"
    time.sleep(after)
    process.send_signal(number)
    done = finish(process)
    assert "Traceback" not in done.err
    if done.status == 130:
        assert "error: interrupted\nhint: nothing is half done" in failure(done, 130)
    else:
        assert done.status in (0, -number), done.err
    assert processes_of(machine) == []
    return done.status != 0


class Interruptions:
    """Random moments of a piece of work, for as long as a test may take, and until one hits."""

    def __init__(self, number: signal.Signals, name: str) -> None:
        self._number, self._chance = number, random.Random(f"{name} {number}")
        self._longest, self._hits = 1.0, 0

    def __iter__(self) -> Iterator[int]:
        deadline = time.monotonic() + SECONDS
        for turn in itertools.count():
            if self._hits and time.monotonic() > deadline:
                break
            yield turn

    def interrupt(self, machine: Machine, *words: str) -> None:
        moment = self._chance.uniform(0, self._longest)
        started = time.monotonic()
        if interrupt(machine, self._number, moment, *words):
            self._hits += 1
        else:  # it was over by then
            self._longest = min(moment, time.monotonic() - started)


@pytest.mark.parametrize("number", KINDS)
def test_resolving_and_publishing(tmp_path: Path, index: FakeIndex, number: signal.Signals) -> None:
    def fresh(name: str) -> Machine:
        return Machine(tmp_path / name, index, tmp_path / name / "store")

    words = ("resolve", "--pypi", "whole", "--alias", "team/whole:v1")
    ids = fresh("first").ok(*words)
    work = Interruptions(number, "resolve")
    for turn in work:
        machine = fresh(str(turn))
        work.interrupt(machine, *words)
        consistent(machine)
        done = machine.run(*words)
        assert (done.status, done.out.strip()) == (0, ids), done.err
        assert "waiting for" not in done.err
        consistent(machine)
        assert len(machine.objects()) == 3
        if number == signal.SIGINT:
            tidy(machine)


@pytest.mark.parametrize("number", KINDS)
def test_creating(machine: Machine, number: signal.Signals) -> None:
    machine.ok("resolve", "--pypi", "whole", "--alias", "whole")
    machine.ok("create", "whole", "--name", "first")
    work = Interruptions(number, "create")
    for turn in work:
        name = f"e{turn}"
        if turn % 2:  # with wheels to unpack
            shutil.rmtree(machine.home / "cache" / "wheels-2")
        work.interrupt(machine, "create", "whole", "--name", name)
        if machine.prefix(name).exists():
            assert works(machine, name)
        recorded = any(name == row[1] for row in machine.rows()["prefixes"])
        more = ["--exist-ok"] if recorded else []
        done = machine.run("create", "whole", "--name", name, *more)
        assert (done.status, "waiting for" in done.err) == (0, False), done.err
        assert works(machine, name)
        consistent(machine)
        tidy(machine)


@pytest.mark.parametrize("number", KINDS)
def test_replacing_and_removing(machine: Machine, number: signal.Signals) -> None:
    machine.ok("resolve", "--pypi", "whole", "--alias", "whole")
    machine.ok("create", "whole", "--name", "e")
    words = ("create", "whole", "--name", "e", "--force")
    replacing, removing = Interruptions(number, "replace"), Interruptions(number, "remove")
    for _ in replacing:
        replacing.interrupt(machine, *words)
        assert machine.run("run", "e", "--", "python", "-c", PROGRAM).status == SUM
        removing.interrupt(machine, "rm", "e")
        if machine.prefix("e").exists():
            assert works(machine, "e")
        machine.ok(*words)
        consistent(machine)
        tidy(machine)


@pytest.mark.parametrize("number", KINDS)
def test_naming_and_forgetting(machine: Machine, number: signal.Signals) -> None:
    """What is written to the registry and the store is there, or is not."""
    ids = machine.ok("resolve", "--pypi", "part0")
    other = machine.ok("resolve", "--pypi", "part1")
    naming, forgetting = Interruptions(number, "alias"), Interruptions(number, "forget")
    for turn in naming:
        alias = f"team/part:v{turn}"
        naming.interrupt(machine, "alias", ids, alias)
        consistent(machine)
        machine.ok("alias", ids, alias)
        assert [env["req_id"] for env in machine.json("show", alias)["environments"]] == [
            ids.split(":")[0]
        ]
        forgetting.interrupt(machine, "rm", other)
        known = [":".join(row[:2]) for row in machine.rows()["environments"]]
        assert known in ([ids], sorted([ids, other]))
        machine.ok("show", other)  # from the store, if need be
        consistent(machine)


def test_waiting_for_another_process(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "part0", "--alias", "a")
    machine.ok("create", "a", "--name", "e")
    (lock,) = (machine.home / "cache" / "locks").glob("prefix-*.lock")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = machine.start("create", "a", "--name", "e", "--force")
        assert process.stderr
        assert process.stderr.readline().startswith("waiting for another process that works on")
        process.send_signal(signal.SIGINT)
        assert "interrupted" in failure(finish(process), 130)
    assert machine.ok("run", "e", "--", "python", "-c", "import part0; print(part0.x)") == "0"


def works(machine: Machine, name: str) -> bool:
    python = machine.prefix(name) / "bin" / "python"
    return finish(machine.spawn(python, "-c", PROGRAM)).status == SUM


IN_THE_END = """
import os, signal, sys, time
import mfenv.command_line, mfenv.__main__

class Ended:
    def __del__(self):
        if sys.argv[1] == "interrupt":
            signal.raise_signal(signal.SIGINT)
        raise MemoryError if sys.argv[1] == "memory" else ValueError

def run(*args, **kwargs):
    Ended()
    time.sleep(sys.argv[1] == "interrupt" and 60)
    return 0

mfenv.command_line.run = run
mfenv.__main__.main()
"""


@pytest.mark.parametrize(("kind", "status"), [("interrupt", 130), ("memory", 0), ("other", 0)])
def test_where_nothing_can_be_raised(tmp_path: Path, kind: str, status: int) -> None:
    """Python drops what is raised in the end of an object; a Ctrl-C there is one nonetheless."""
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_END, kind],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert ("Traceback" in done.stderr) == (kind == "other")
    assert ("interrupted" in done.stderr) == (kind == "interrupt")
