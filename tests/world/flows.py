"""The same requests, as the decorators of a Metaflow flow make them."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from tests.world.judging import Judge, Judged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.world.asking import Ask, Known
    from tests.world.judging import Resolved
    from tests.world.machine import Machine
    from tests.world.packages import Packages

__all__ = ["Flows"]

_FLOW = """
from metaflow import FlowSpec, pypi, step


class World(FlowSpec):
    @pypi(python={python!r}, packages={packages!r})
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    World()
"""


class Flows:
    """The requests of `packages`, with conda's Python, which is what flows have."""

    def __init__(self, machine: Machine, packages: Packages, known: Mapping[str, Known]) -> None:
        self._machine, self._packages = machine, packages
        self._judge = Judge(
            machine=machine, packages=known, resolve=self._resolved, sampled=sys.maxsize
        )

    @property
    def count(self) -> int:
        return sys.maxsize

    def judge(self, number: int) -> Judged:
        """Write a flow, have its environment resolved, and judge that."""
        ask = replace(self._packages.ask(number), provider="conda")
        return Judged(asked=str(ask), findings=self._judge.judge(ask), smallest=str(ask))

    def _resolved(self, ask: Ask) -> Resolved:
        packages = {text: str(Requirement(text).specifier) or "" for text in ask.requirements}
        with tempfile.TemporaryDirectory(dir=self._machine.folder) as name:
            work = Path(name)
            flow = work / "flow.py"
            flow.write_text(_FLOW.format(python=ask.python, packages=packages))
            done = self._machine.run(
                *(sys.executable, flow, "--no-pylint", "--quiet", "--environment=conda"),
                *("environment", "resolve", "start", "--force", "--output", work / "out.json"),
                *(word for one in ask.platforms for word in ("--arch", one)),
                environ={
                    **self._machine.environ,
                    "MFENV_EXCLUDE_NEWER": ask.moment,
                    "METAFLOW_CONDA_SKIP_METAFLOW_DEPS": "1",
                    "METAFLOW_DATASTORE_SYSROOT_LOCAL": name,
                    "METAFLOW_USER": "world",
                },
                directory=work,
            )
            if done.returncode:
                return {}, f"{done.stdout}{done.stderr}".strip()
            answer: dict[str, Any] = json.loads((work / "out.json").read_text())
        return {platform: one["env"] for platform, one in answer["start"].items()}, ""
