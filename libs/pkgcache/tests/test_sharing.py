"""Work on files that is shared with a forked process, in an interpreter that has no other thread."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pkgcache._sharing import parts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no process is forked elsewhere")

# Makes a file for each number, with the process that made it, in the folder that it is run in.
_SCRIPT = """
import errno, os, signal, sys, threading, time
from pathlib import Path
from pkgcache import _sharing

def work(part):
    for done, number in enumerate(part):
        if number in bad:
            return done
        with open(str(number), "x") as file:
            file.write(str(os.getpid()))
    return len(part)

def made():
    names = [path for path in Path().iterdir() if path.name.isdigit()]
    # One may be made at this moment, and have nothing in it.
    return {int(path.name): int(text) for path in names if (text := path.read_text())}

def wait_for_helper():
    while not any(path.stat().st_size for path in Path().iterdir()):
        time.sleep(0.001)

bad = set()
dealt = _sharing.parts(range(2000))
"""


def run(script: str, folder: Path) -> None:
    command = [sys.executable, "-c", _SCRIPT + script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_parts_are_of_one_size_and_not_too_many() -> None:
    assert parts([]) == []
    assert parts(range(99)) == [range(99)]
    assert parts(range(250)) == [range(100), range(100, 200), range(200, 250)]
    dealt = parts(range(20_001))
    assert len(dealt) == 64
    assert [number for part in dealt for number in part] == list(range(20_001))
    assert {len(part) for part in dealt[:-1]} == {313}


@pytest.mark.slow
def test_two_processes_do_all_of_it_once(tmp_path: Path) -> None:
    run(
        """
with _sharing.shared(dealt, work, files=3000, first=lambda: Path("folder").mkdir()) as shared:
    wait_for_helper()
    assert os.getpid() not in made().values()
assert made().keys() == set(range(2000)) and shared.undone == [] and Path("folder").is_dir()
assert len(set(made().values())) <= 2
""",
        tmp_path,
    )


@pytest.mark.slow
def test_what_comes_first_can_be_built_upon_while_another_process_works(tmp_path: Path) -> None:
    run(
        """
with _sharing.shared(dealt, work, files=3000, first=lambda: Path("folder").mkdir()) as shared:
    shared.begin()
    Path("folder", "mine").touch()
    shared.begin()
    assert os.getpid() not in made().values()
assert len(made()) == 2000
with _sharing.shared([], work, files=2999, first=lambda: Path("other").mkdir()) as shared:
    shared.begin()
    Path("other", "mine").touch()
""",
        tmp_path,
    )


@pytest.mark.slow
def test_what_is_not_done_is_told_by_whichever_process(tmp_path: Path) -> None:
    run(
        """
bad |= {1, 700, 1999}
with _sharing.shared(dealt, work, files=3000) as shared:
    pass
step = len(dealt[0])
assert sorted(shared.undone) == [(number // step, number % step) for number in sorted(bad)]
""",
        tmp_path,
    )


def test_what_comes_first_fails_here_as_it_does_there(tmp_path: Path) -> None:
    run(
        """
Path("taken").mkdir()
try:
    with _sharing.shared(dealt, work, files=3000, first=lambda: os.mkdir("taken")):
        pass
except FileExistsError as error:
    assert error.filename == "taken" and made() == {}
else:
    assert False
begun = []
try:
    with _sharing.shared(dealt, work, files=3000, first=lambda: os.mkdir("taken")) as shared:
        shared.begin()
        begun.append(1)
except FileExistsError:
    assert begun == [] and made() == {}
else:
    assert False
""",
        tmp_path,
    )


def test_a_process_that_is_killed_is_an_error(tmp_path: Path) -> None:
    run(
        """
try:
    with _sharing.shared(dealt, work, files=3000):
        wait_for_helper()
        # Where it has done all by then, there is nothing to be killed.
        if len(made()) == 2000:
            sys.exit()
        os.kill(next(iter(made().values())), signal.SIGKILL)
except ChildProcessError:
    pass
""",
        tmp_path,
    )


def test_a_process_whose_parent_is_killed_begins_nothing_more(tmp_path: Path) -> None:
    script = """
me = os.getpid()
def slow(part):
    done = work(part)
    while os.getppid() == me:
        time.sleep(0.001)
    return done
with _sharing.shared(dealt, slow, files=3000):
    wait_for_helper()
    os.kill(me, signal.SIGKILL)
"""
    # Whoever reads its output is told of the end of both.
    command = [sys.executable, "-c", _SCRIPT + script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 100


def test_nothing_is_done_any_more_when_the_body_has_failed(tmp_path: Path) -> None:
    run(
        """
try:
    with _sharing.shared(dealt, work, files=3000):
        raise KeyError
except KeyError:
    before = made()
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    pass
else:
    assert False
assert made() == before
""",
        tmp_path,
    )


@pytest.mark.slow
def test_beside_another_thread_no_process_is_forked(tmp_path: Path) -> None:
    run(
        """
ended = threading.Event()
thread = threading.Thread(target=ended.wait, daemon=True)
thread.start()
with _sharing.shared(dealt, work, files=3000, first=lambda: Path("folder").mkdir()) as shared:
    assert made() == {}
ended.set()
assert set(made().values()) == {os.getpid()} and len(made()) == 2000 and shared.undone == []
""",
        tmp_path,
    )


@pytest.mark.slow
def test_for_little_no_process_is_forked(tmp_path: Path) -> None:
    run(
        """
with _sharing.shared(dealt, work, files=2999) as shared:
    pass
assert set(made().values()) == {os.getpid()} and len(made()) == 2000 and shared.undone == []
""",
        tmp_path,
    )


def test_where_no_process_can_be_had_threads_do_it(tmp_path: Path) -> None:
    run(
        """
def refused():
    raise BlockingIOError(errno.EAGAIN, "no")
os.fork = refused
before = len(os.listdir("/proc/self/fd"))
with _sharing.shared(dealt, work, files=3000) as shared:
    pass
assert len(made()) == 2000 and shared.undone == []
assert len(os.listdir("/proc/self/fd")) == before
""",
        tmp_path,
    )
