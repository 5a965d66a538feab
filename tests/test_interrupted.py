"""Ctrl-C and kill -9 at any moment: nothing half made, nothing lost, the next run just works."""

from __future__ import annotations

import fcntl
import random
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from resolvers.testing import FakeIndex, make_wheel

from .helpers import Machine, consistent, failure, finish, processes_of, tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SECONDS = 3.0
KINDS = [signal.SIGINT, signal.SIGKILL]
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


def moments(name: str, longest: float) -> Iterator[float]:
    """Random moments of a piece of work, for as long as a test may take."""
    chance = random.Random(name)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        yield chance.uniform(0, longest)


def timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


@pytest.mark.parametrize("number", KINDS)
def test_resolving_and_publishing(tmp_path: Path, index: FakeIndex, number: signal.Signals) -> None:
    def fresh(name: str) -> Machine:
        return Machine(tmp_path / name, index, tmp_path / name / "store")

    words = ("resolve", "--pypi", "whole", "--alias", "team/whole:v1")
    first = fresh("first")
    longest = timed(lambda: first.ok(*words))
    ids = first.ok(*words)
    hits = 0
    for turn, moment in enumerate(moments(f"resolve {number}", longest)):
        machine = fresh(str(turn))
        hits += interrupt(machine, number, moment, *words)
        consistent(machine)
        done = machine.run(*words)
        assert (done.status, done.out.strip()) == (0, ids), done.err
        assert "waiting for" not in done.err
        consistent(machine)
        assert len(machine.objects()) == 3
        if number == signal.SIGINT:
            tidy(machine)
    assert hits


@pytest.mark.parametrize("number", KINDS)
def test_creating(machine: Machine, number: signal.Signals) -> None:
    machine.ok("resolve", "--pypi", "whole", "--alias", "whole")
    longest = timed(lambda: machine.ok("create", "whole", "--name", "first"))
    hits = 0
    for turn, moment in enumerate(moments(f"create {number}", longest)):
        name = f"e{turn}"
        if turn % 2:  # with wheels to unpack
            shutil.rmtree(machine.home / "cache" / "wheels-1")
        hits += interrupt(machine, number, moment, "create", "whole", "--name", name)
        if machine.prefix(name).exists():
            assert works(machine, name)
        recorded = any(name == row[1] for row in machine.rows()["prefixes"])
        more = ["--exist-ok"] if recorded else []
        done = machine.run("create", "whole", "--name", name, *more)
        assert (done.status, "waiting for" in done.err) == (0, False), done.err
        assert works(machine, name)
        consistent(machine)
        tidy(machine)
    assert hits


@pytest.mark.parametrize("number", KINDS)
def test_replacing_and_removing(machine: Machine, number: signal.Signals) -> None:
    machine.ok("resolve", "--pypi", "whole", "--alias", "whole")
    machine.ok("create", "whole", "--name", "e")
    words = ("create", "whole", "--name", "e", "--force")
    longest = timed(lambda: machine.ok(*words))
    hits = 0
    for moment in moments(f"replace {number}", longest):
        hits += interrupt(machine, number, moment, *words)
        assert machine.run("run", "e", "--", "python", "-c", PROGRAM).status == SUM
        hits += interrupt(machine, number, moment / 2, "rm", "e")
        if machine.prefix("e").exists():
            assert works(machine, "e")
        machine.ok(*words)
        consistent(machine)
        tidy(machine)
    assert hits


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
