"""Timing commands side by side: interleaved rounds, fresh directories, minimum and median."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.table import TABLE

Command = Sequence[str | Path]
MFENV = Path(sys.executable).with_name("mfenv")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the things compared: `command` makes the command to run in a fresh directory."""

    name: str
    command: Callable[[Path], Command]
    environ: Mapping[str, str] = field(default_factory=dict)


def compare(title: str, sides: Sequence[Side], *, rounds: int, detail: str = "") -> None:
    """Run the sides in turn, `rounds` times each, and print their times next to the first side's.

    A side whose program is missing is left out, and said so; so is a comparison that nobody asked
    for. `detail` says of what size it is, which may differ from day to day.
    """
    if not TABLE.wants(title):
        return
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    failed: dict[str, str] = {}
    load = os.getloadavg()[0]
    for _ in range(rounds):
        for side in sides:
            if side.name not in failed:
                found = _run(side)
                if isinstance(found, str):
                    failed[side.name] = found
                else:
                    seconds[side.name].append(found)
    beside = f", {detail}" if detail else ""
    print(f"\n{title}{beside} ({rounds} rounds, load {load:.1f}, seconds of the whole process)")
    print(f"  {'':40} {'min':>7} {'median':>7}  ours/this")
    ours = seconds[sides[0].name]
    for side in sides:
        if side.name in failed:
            print(f"  {side.name:40} left out: {failed[side.name]}")
            continue
        this = seconds[side.name]
        ratio = min(ours, default=float("nan")) / min(this)
        print(f"  {side.name:40} {min(this):7.3f} {statistics.median(this):7.3f}  {ratio:9.2f}")
        if ours and side is not sides[0]:
            TABLE.add(title, side.name, ours, this, load=load, detail=detail)
    sys.stdout.flush()


def _run(side: Side) -> float | str:
    # What was made is kept until the end of all rounds: deleting slows down whoever comes next.
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("MFENV_BENCHMARK_DIR")))
    command = [str(word) for word in side.command(folder)]
    environ = {**os.environ, **side.environ}
    started = time.perf_counter()
    try:
        done = subprocess.run(command, env=environ, capture_output=True, check=False, cwd=folder)
    except FileNotFoundError:
        return f"no `{command[0]}` on PATH"
    elapsed = time.perf_counter() - started
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        # What `env` cannot start it names itself.
        return said[-200:] or f"exit status {done.returncode}"
    return elapsed


def apart(model: Path) -> Path:
    """A copy of an environment, beside it, that shares no file with the cache.

    `cp -al` of the environment itself would be a change of the cache's files by somebody else: the
    next `mfenv create` would hash them all, and be measured with that.
    """
    copy = model.with_name(f"{model.name}-apart")
    shutil.copytree(model, copy, symlinks=True)
    return copy


def quietly(*command: str | Path) -> None:
    """Run what prepares a comparison, in the directory of the benchmarks."""
    words = [str(word) for word in command]
    folder = os.environ["MFENV_BENCHMARK_DIR"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr}")
