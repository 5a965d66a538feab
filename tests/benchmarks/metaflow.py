"""What environments cost a flow of five steps of which everything is known, and a new one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tests.benchmarks.timing import Side, compare
from tests.channel import cached

if TYPE_CHECKING:
    from pathlib import Path

_STEPS = ("start", "a", "b", "c", "end")


def metaflow(folder: Path, rounds: int) -> None:
    """Time whole runs: with no environment, with one that is known and created, with new ones."""
    flows = folder / "flows"
    flows.mkdir()
    path = flows / "flow.py"
    path.write_text(_flow())
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as it is where flows run
    environ = {
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder / "datastore"),
        "METAFLOW_USER": "bench",
        "MFENV_CHANNELS": cached().main.as_uri(),
        "MFENV_PYTHON_PROVIDER": "conda",
    }
    sides = [
        _side(path, "known environments", "conda", environ),
        _side(path, "no environments", "local", environ),
    ]
    compare("metaflow: five steps, one after the other", sides, rounds=rounds)
    new = Side(
        name="new environments, empty home",
        command=lambda folder: [
            "env",
            f"MFENV_HOME={folder}/home",
            sys.executable,
            str(path),
            "--no-pylint",
            "--environment=conda",
            "run",
        ],
        environ={**environ, "EVERY": "1"},
    )
    compare("metaflow: five steps in five environments", [new, sides[1]], rounds=rounds)


def _side(path: Path, name: str, environment: str, environ: dict[str, str]) -> Side:
    command = [sys.executable, str(path), "--no-pylint", f"--environment={environment}", "run"]
    return Side(name=name, command=lambda _: command, environ=environ)


def _flow() -> str:
    """A flow whose steps are in five environments if `EVERY` is set, and say nothing else."""
    lines = ["import os", "from metaflow import FlowSpec, conda, step", ""]
    lines += ["def needs(**libraries):", "    deco = conda(libraries=libraries)"]
    lines += ["    return deco if os.environ.get('EVERY') else lambda found: found", ""]
    packages = ("colours", "shared", "six", "pytool", "rich")
    lines += ["class Bench(FlowSpec):"]
    for name, then, package in zip(_STEPS, (*_STEPS[1:], None), packages, strict=True):
        body = f"self.next(self.{then})" if then else "pass"
        lines += [f"    @needs({package}='')", "    @step", f"    def {name}(self): {body}"]
    return "\n".join([*lines, "Bench()", ""])
