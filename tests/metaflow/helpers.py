"""Flows run with this machine's Metaflow, in a place of their own."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import ready
from uv import find_uv_bin

if TYPE_CHECKING:
    from collections.abc import Mapping

FLOWS = Path(__file__).with_name("flows")
PROJECT = """
[project]
name = "ours"
version = "1"
requires-python = ">=3.10"
dependencies = [{asked}]
[dependency-groups]
more = ["other"]
train = ["other"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that has ended, and what the steps told."""

    status: int
    out: str
    """All that was printed, in one line: Metaflow breaks lines where they are long."""
    data: str
    """What went to the standard output, as it is."""
    told: list[dict[str, Any]]

    def fact(self, name: str) -> Any:
        (found,) = (one[name] for one in self.told if name in one)
        return found


class Pad:
    """Where flows start: a home of mfenv, a datastore of Metaflow and an index, for all of them.

    Nothing of the surrounding environment reaches a flow, but what `environ` holds.
    """

    started = False
    """Whether a start of Python is part of what is tested: else `run` does without, see `ready`."""

    def __init__(self, root: Path, *, channel: str, index: str) -> None:
        self.root = root
        self.program = sys.executable
        self.home, self.user, self.flows = root / "home", root / "user", root / "flows"
        self.user.mkdir(parents=True)
        shutil.copytree(FLOWS, self.flows)
        self.environ = {
            "HOME": str(self.user),
            "LANG": "C.UTF-8",
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(root),
            "METAFLOW_USER": "tester",
            "MFENV_CHANNELS": channel,
            "MFENV_HOME": str(self.home),
            "MFENV_INDEX_URL": index,
            "OUTSIDE_PREFIX": sys.prefix,
            "PATH": os.defpath,
        }

    def of(self, program: str) -> Pad:
        """The same for another Python."""
        found = copy.copy(self)
        found.program = program
        found.environ = {**self.environ, "OUTSIDE_PREFIX": str(Path(program).parent.parent)}
        return found

    def at(self, folder: Path) -> Pad:
        """The same for flows in another directory."""
        found = copy.copy(self)
        found.flows = folder
        return found

    def run(
        self, flow: str, *words: str, env: Mapping[str, str] | None = None, command: str = "run"
    ) -> Ran:
        """Run a flow of `flows` to its end; `command` may be several words."""
        line = (f"{flow}.py", "--no-pylint", "--environment=conda", *command.split(), *words)
        if self.started or not ready.possible(line, self.environ | dict(env or {})):
            return self.python(*line, env=env)
        environ, told = self._telling(env)
        return _ran(*ready.run_flow(self.program, line, environ, self.flows), told)

    def ok(
        self, flow: str, *words: str, env: Mapping[str, str] | None = None, command: str = "run"
    ) -> Ran:
        ran = self.run(flow, *words, env=env, command=command)
        assert ran.status == 0, ran.out
        return ran

    def python(self, *words: str, env: Mapping[str, str] | None = None) -> Ran:
        environ, told = self._telling(env)
        done = subprocess.run(
            [self.program, *words],
            env=environ,
            cwd=self.flows,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return _ran(done.returncode, done.stdout, done.stderr, told)

    def _telling(self, env: Mapping[str, str] | None) -> tuple[dict[str, str], Path]:
        """The environment of a command, and where its steps tell what they tell."""
        told = self.root / f"told-{os.urandom(8).hex()}"
        return {**self.environ, "TOLD": str(told), **(env or {})}, told

    def mfenv(self, *words: str) -> str:
        """What mfenv's own command prints, in the same home."""
        command = [str(Path(sys.executable).with_name("mfenv")), *words]
        status, out, err = ready.run(command, self.environ, self.root)
        assert status == 0, err
        return out.strip()

    def lock_project(self, folder: Path, asked: str) -> None:
        """Make a project that asks for these packages, with its uv.lock."""
        (folder / "pyproject.toml").write_text(PROJECT.format(asked=asked))
        subprocess.run(
            [
                *(find_uv_bin(), "lock", "-q", "--no-config", "--python", sys.executable),
                *("--default-index", self.environ["MFENV_INDEX_URL"]),
            ],
            cwd=folder,
            env={**self.environ, "UV_CACHE_DIR": str(folder / "uv")},
            check=True,
        )


def _ran(status: int, out: str, err: str, told: Path) -> Ran:
    lines = told.read_text().splitlines() if told.exists() else []
    return Ran(
        status=status,
        out=" ".join((err + out).split()),
        data=out,
        told=[json.loads(one) for one in lines],
    )
