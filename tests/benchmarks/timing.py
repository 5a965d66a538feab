"""Timing commands side by side: interleaved rounds, fresh directories, minimum and median."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Command = Sequence[str | Path]
MFENV = Path(sys.executable).with_name("mfenv")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the things compared: `command` makes the command to run in a fresh directory."""

    name: str
    command: Callable[[Path], Command]
    environ: Mapping[str, str] = field(default_factory=dict)


def compare(title: str, sides: Sequence[Side], *, rounds: int) -> None:
    """Run the sides in turn, `rounds` times each, and print their times next to the first side's.

    A side whose program is missing is left out, and said so.
    """
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for side in sides:
            if side.name not in failed:
                found = _run(side)
                if isinstance(found, str):
                    failed[side.name] = found
                else:
                    seconds[side.name].append(found)
    print(f"\n{title} ({rounds} rounds, seconds of the whole process)")
    print(f"  {'':40} {'min':>7} {'median':>7}  ours/this")
    ours = statistics.median(seconds[sides[0].name] or [float("nan")])
    for side in sides:
        if side.name in failed:
            print(f"  {side.name:40} left out: {failed[side.name]}")
            continue
        found_seconds = seconds[side.name]
        median = statistics.median(found_seconds)
        print(f"  {side.name:40} {min(found_seconds):7.3f} {median:7.3f}  {ours / median:9.2f}")


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
        return (done.stderr or done.stdout).decode(errors="replace").strip()[-200:]
    return elapsed


def quietly(*command: str | Path) -> None:
    """Run what prepares a comparison, in the directory of the benchmarks."""
    words = [str(word) for word in command]
    folder = os.environ["MFENV_BENCHMARK_DIR"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr}")
