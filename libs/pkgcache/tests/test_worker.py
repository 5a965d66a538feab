"""The worker process: what it answers, how it ends, and that nobody suffers from its end."""

from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pkgcache.errors import WorkerCrashed, WorkerFailed
from pkgcache.lacking import lacking
from pkgcache.worker import Worker

WORK = "pkgcache.stores.testing:work"

ORPHAN = """
import os, sys, time
from pkgcache.worker import Worker
worker = Worker()
print(worker.call("pkgcache.stores.testing:work", do="nothing")["pid"], flush=True)
{then}
"""


def gone(pid: int, patience: float = 120) -> bool:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_starts_on_first_use_and_once_for_many_calls() -> None:
    started: list[str] = []
    with Worker(started.append) as worker:
        assert started == []
        pids = {worker.call(WORK, do="nothing")["pid"] for _ in range(3)}
    assert len(pids) == 1
    assert os.getpid() not in pids
    assert started == ["worker"]


def test_is_made_ready_before_the_first_call() -> None:
    started: list[str] = []
    with Worker(started.append) as worker:
        worker.prepare("pkgcache.nowhere:nothing")
        assert started == ["worker"]
        pid = worker.call(WORK, do="nothing")["pid"]
        worker.prepare(WORK)
        assert worker.call(WORK, do="nothing")["pid"] == pid
    assert started == ["worker"]
    with Worker() as worker:
        worker.prepare(WORK)  # nobody calls it after all


@pytest.mark.parametrize("may_fork", [True, False])
def test_a_thread_of_it_without_memory_is_its_end(*, may_fork: bool) -> None:
    with Worker(may_fork=may_fork) as worker:
        with pytest.raises(WorkerCrashed) as caught:
            worker.call(WORK, do="starve")
        assert lacking(caught.value) == errno.ENOMEM
        assert worker.call(WORK, do="nothing", value=3)["value"] == 3


def test_an_answer_for_which_there_is_no_memory_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without_memory(message: bytes) -> None:
        raise MemoryError

    with Worker() as worker:
        pid = worker.call(WORK, do="nothing")["pid"]
        with monkeypatch.context() as patch:
            patch.setattr(json, "loads", without_memory)
            with pytest.raises(MemoryError):
                worker.call(WORK, do="nothing")
        assert gone(pid)
        assert worker.call(WORK, do="nothing")["pid"] != pid


def test_an_idle_process_ends_when_it_is_let_go_and_another_call_starts_another() -> None:
    started: list[str] = []
    with Worker(started.append) as worker:
        worker.let_go()
        assert started == []
        pid = worker.call(WORK, do="nothing")["pid"]
        worker.let_go()
        assert worker.call(WORK, do="nothing")["pid"] != pid
        assert gone(pid)
        assert started == ["worker", "worker"]
        with ThreadPoolExecutor(1) as pool:
            told = threading.Event()
            running = pool.submit(
                worker.call, WORK, do="report", value=1, on_event=lambda _: told.set(), seconds=0.5
            )
            while not told.wait(0.01):
                worker.let_go()  # not while it is at work
            assert running.result()["value"] == 1


def test_calls_run_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        with Worker() as worker:
            long = pool.submit(worker.call, WORK, do="nothing", seconds=600)
            calls = [pool.submit(worker.call, WORK, do="nothing", value=one) for one in range(7)]
            assert [call.result()["value"] for call in calls] == list(range(7))
            assert not long.done()
        with pytest.raises(WorkerCrashed):
            long.result()


@pytest.mark.slow
def test_big_messages_pass_in_both_directions() -> None:
    value = "ä" * 3_000_000
    with Worker() as worker, ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(worker.call, WORK, do="nothing", value=value) for _ in range(4)]
        assert all(call.result()["value"] == value for call in calls)


def test_reports_reach_their_caller() -> None:
    seen: list[object] = []
    with Worker() as worker:
        worker.call(WORK, do="report", value={"done": 3}, on_event=seen.append)
        worker.call(WORK, do="report", value="for nobody")
    assert seen == [{"done": 3}]


def test_what_an_engine_prints_stays_out_of_the_answers(capfd: pytest.CaptureFixture[str]) -> None:
    with Worker() as worker:
        assert worker.call(WORK, do="print", value="\0\0\0\0 noise")["value"] == "\0\0\0\0 noise"
        assert worker.call(WORK, do="nothing", value=1)["value"] == 1
    assert capfd.readouterr() == ("", "")


def test_an_error_of_a_handler_has_its_text_and_its_traceback() -> None:
    with Worker() as worker:
        with pytest.raises(WorkerFailed) as caught:
            worker.call(WORK, do="raise", value="no such thing")
        assert worker.call(WORK, do="nothing", value=1)["value"] == 1
    assert str(caught.value) == "`pkgcache.stores.testing:work` failed: ValueError: no such thing"
    assert "Traceback" in caught.value.log
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_only_our_own_packages_have_handlers() -> None:
    with Worker() as worker, pytest.raises(WorkerFailed, match="os:system"):
        worker.call("os:system")


def test_a_crash_before_the_answer_is_an_error_and_the_next_call_works() -> None:
    with Worker() as worker:
        with pytest.raises(WorkerCrashed) as caught:
            worker.call(WORK, do="crash")
        assert caught.value.status == -signal.SIGSEGV
        assert caught.value.log == "the engine is on fire"
        assert "ended by signal 11" in str(caught.value)
        assert caught.value.retryable
        assert caught.value.hint
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        assert worker.call(WORK, do="nothing", value=1)["value"] == 1


def test_a_crash_ends_every_call_that_waits() -> None:
    with Worker() as worker, ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(worker.call, WORK, do="nothing", seconds=60)
        with pytest.raises(WorkerCrashed):
            worker.call(WORK, do="exit", value=3, seconds=0.2)
        with pytest.raises(WorkerCrashed, match="with status 3"):
            waiting.result(10)


@pytest.mark.slow
def test_a_panic_that_no_handler_catches_ends_every_call_that_waits() -> None:
    with Worker() as worker, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(worker.call, WORK, do="nothing", seconds=60)
        worker.call(WORK, do="panic", value="src/a.rs:1:2:")
        with pytest.raises(WorkerCrashed, match="with status 101") as caught:
            waiting.result(30)
        assert caught.value.log == "thread 'tokio' panicked at src/a.rs:1:2:"
        assert worker.call(WORK, do="nothing", value=1)["value"] == 1


@pytest.mark.slow
def test_a_panic_that_a_handler_catches_ends_nothing() -> None:
    with Worker() as worker:
        pid = worker.call(WORK, do="panic", value="src/a.rs:1:2:")["pid"]
        worker.call(WORK, do="report")
        assert worker.call(WORK, do="nothing", seconds=3)["pid"] == pid


def test_where_an_engine_panicked_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # It takes seconds, between what is printed and what a handler can catch.
    monkeypatch.setenv("RUST_BACKTRACE", "full")
    with Worker() as worker:
        assert worker.call(WORK, do="variable", value="RUST_BACKTRACE")["value"] == "0"


def test_a_crash_after_the_answer_is_nobodys_business() -> None:
    with Worker() as worker:
        pid = worker.call(WORK, do="nothing")["pid"]
        os.kill(pid, signal.SIGSEGV)


def test_closing_ends_the_calls_that_run() -> None:
    worker = Worker()
    pid = worker.call(WORK, do="nothing")["pid"]
    failures: list[Exception] = []

    def wait() -> None:
        try:
            worker.call(WORK, do="nothing", seconds=60)
        except WorkerCrashed as error:
            failures.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.2)
    worker.close()
    thread.join(10)
    assert len(failures) == 1
    assert gone(pid)


@pytest.mark.parametrize(
    "then", ["time.sleep(60)", "worker.call('pkgcache.stores.testing:work', do='x', seconds=60)"]
)
def test_killing_the_parent_leaves_no_worker(then: str) -> None:
    code = ORPHAN.format(then=then)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert gone(pid)


def test_a_parent_that_forgets_to_close_ends_well() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN.format(then="")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert gone(int(done.stdout))


@pytest.mark.slow
def test_ctrl_c_reaches_the_parent_alone() -> None:
    with Worker() as worker:
        pid = worker.call(WORK, do="nothing")["pid"]
        assert os.getpgid(pid) != os.getpgid(0)


# A copy is made of a process with a single thread, which a run of tests need not be.
COPIED = """
import fcntl, os, sys, threading, time
from pkgcache.errors import WorkerCrashed, WorkerFailed
from pkgcache.worker import Worker

started = []
own = os.getpid()
sys.addaudithook(
    lambda event, _: os.getpid() == own
    and event in ("os.fork", "subprocess.Popen")
    and started.append(event)
)
work = "pkgcache.stores.testing:work"
"""

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="copies are made on Linux alone")


def copied(code: str, *, status: int = 0) -> tuple[str, str]:
    """What a program says that has a single thread."""
    done = subprocess.run(
        [sys.executable, "-c", COPIED + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


@pytest.mark.slow
@only_linux
def test_a_copy_serves_as_a_new_process_does() -> None:
    said = copied("""
with Worker(may_fork=True) as worker:
    worker.prepare("pkgcache.nowhere:nothing")
    pid = worker.call(work, do="nothing")["pid"]
    assert pid != own and os.getsid(pid) == pid
    assert worker.call(work, do="nothing", value="ä" * 3_000_000)["value"] == "ä" * 3_000_000
    seen = []
    worker.call(work, do="report", value={"done": 3}, on_event=seen.append)
    assert seen == [{"done": 3}]
    assert worker.call(work, do="print", value="noise")["value"] == "noise"
    try:
        worker.call(work, do="raise", value="no such thing")
    except WorkerFailed as error:
        assert "ValueError: no such thing" in str(error) and "Traceback" in error.log
    try:
        worker.call(work, do="crash")
    except WorkerCrashed as error:
        assert (error.status, error.log) == (-11, "the engine is on fire"), error.log
    assert worker.call(work, do="nothing", value=1)["pid"] not in (own, pid)
assert started[0] == "os.fork" and len(started) == 2
""")
    assert said == ("", "")


@only_linux
@pytest.mark.parametrize(
    ("worker", "before", "expected"),
    [
        ("Worker(may_fork=True)", "", "os.fork"),
        ("Worker()", "", "subprocess.Popen"),
        (
            "Worker(may_fork=True)",
            "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
            "subprocess.Popen",
        ),
    ],
)
def test_a_copy_is_made_where_it_may_and_of_a_single_thread(
    worker: str, before: str, expected: str
) -> None:
    copied(f"""
{before}
with {worker} as worker:
    worker.call(work, do="nothing")
assert started == [{expected!r}], started
""")


@only_linux
def test_a_copy_keeps_nothing_that_is_ours(tmp_path: Path) -> None:
    """Neither a lock, nor the end of a pipe, nor what is still to be written."""
    out, err = copied(f"""
path = {str(tmp_path / "lock")!r}
print("once", end="")
lock = os.open(path, os.O_RDONLY | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
reads, writes = os.pipe()
worker = Worker(may_fork=True)
worker.call(work, do="nothing")
os.close(lock)
lock = os.open(path, os.O_RDONLY)
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
os.close(writes)
assert os.read(reads, 1) == b""
worker.close()
""")
    assert (out, err) == ("once", "")


@only_linux
@pytest.mark.parametrize("do", ["nothing", "print"])
def test_killing_the_parent_leaves_no_copy(do: str) -> None:
    code = (
        COPIED
        + f"""
worker = Worker(may_fork=True)
print(worker.call(work, do="nothing")["pid"], flush=True)
worker.call(work, do={do!r}, seconds=600)
"""
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert gone(pid)


@only_linux
def test_ctrl_c_is_nothing_to_a_copy() -> None:
    """It goes to all of a terminal's processes; the copy has left them."""
    code = (
        COPIED
        + """
worker = Worker(may_fork=True)
try:
    print(worker.call(work, do="nothing")["pid"], flush=True)
    worker.call(work, do="nothing", seconds=600)
except KeyboardInterrupt:
    print(worker.call(work, do="nothing")["pid"], flush=True)
"""
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout
        pid = parent.stdout.readline()
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.stdout.readline() == pid
        assert parent.wait() == 0
