"""The worker process: what it answers, how it ends, and that nobody suffers from its end."""

from __future__ import annotations

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


def test_calls_run_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        with Worker() as worker:
            long = pool.submit(worker.call, WORK, do="nothing", seconds=600)
            calls = [pool.submit(worker.call, WORK, do="nothing", value=one) for one in range(7)]
            assert [call.result()["value"] for call in calls] == list(range(7))
            assert not long.done()
        with pytest.raises(WorkerCrashed):
            long.result()


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


def test_ctrl_c_reaches_the_parent_alone() -> None:
    with Worker() as worker:
        pid = worker.call(WORK, do="nothing")["pid"]
        assert os.getpgid(pid) != os.getpgid(0)
