"""Runs that are killed, and what they leave in the temporary directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .helpers import Pad

pytestmark = pytest.mark.slow

PROCESSES = Path("/proc")


class Killable:
    """A run of `slow.py` whose first step is running."""

    def __init__(self, pad: Pad, tmp: Path, patience: float) -> None:
        self.tmp, self._told = tmp, tmp / "told"
        self.process = subprocess.Popen(
            [pad.program, "slow.py", "--no-pylint", "--environment=conda", "run"],
            env={
                **pad.environ,
                "PATIENCE": str(patience),
                "TMPDIR": str(tmp),
                "TOLD": str(self._told),
            },
            cwd=pad.flows,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.task: int = self.wait_for("pid")

    def wait_for(self, fact: str) -> Any:
        """What the step tells, as soon as it does."""

        def told() -> Any:
            lines = self._told.read_text().splitlines() if self._told.exists() else []
            return next((one[fact] for one in map(json.loads, lines) if fact in one), None)

        return soon(told)

    @property
    def folders(self) -> list[Path]:
        return list(self.tmp.glob("metaflow-mfenv-*"))


def soon(ask: Callable[[], Any], seconds: float = 300) -> Any:
    end = time.monotonic() + seconds
    while not (found := ask()) and time.monotonic() < end:
        time.sleep(0.05)
    assert found
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_a_killed_run_needed_goes_with_its_last_task(
    pad: Pad, tmp_path: Path, number: signal.Signals
) -> None:
    run = Killable(pad, tmp_path, patience=3)
    assert len(run.folders) == 1
    run.process.send_signal(number)
    run.process.wait(60)
    if number == signal.SIGKILL:
        # The task is not disturbed.
        assert run.wait_for("late") == "metaflow.plugins.cards.card_client"
    soon(lambda: not run.folders)


@pytest.mark.skipif(not PROCESSES.exists(), reason="this system shows no processes")
def test_what_nothing_was_left_to_delete_goes_with_the_next_run(pad: Pad, tmp_path: Path) -> None:
    run = Killable(pad, tmp_path, patience=60)
    children = [one for one in PROCESSES.glob("[0-9]*") if parent(one) == run.process.pid]
    (mfenv,) = [one for one in children if "isolated.py" in (one / "cmdline").read_text()]
    for pid in (run.process.pid, int(mfenv.name)):
        os.kill(pid, signal.SIGKILL)
    run.process.wait(60)
    before = run.folders
    env = {"TMPDIR": str(tmp_path)}
    pad.ok("slow", env=env)
    assert run.folders == before  # a task still needs it
    os.kill(run.task, signal.SIGKILL)
    soon(lambda: state(PROCESSES / str(run.task)) in ("", "Z"))
    pad.ok("slow", env=env)
    assert run.folders == []


def parent(process: Path) -> int:
    return int(_status(process, 1) or 0)


def state(process: Path) -> str:
    return _status(process, 0)


def _status(process: Path, place: int) -> str:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[place]
    except (FileNotFoundError, ProcessLookupError):
        return ""
