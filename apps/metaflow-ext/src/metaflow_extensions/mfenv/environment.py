"""`--environment=conda`: every step in the environment that its decorators ask for."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaflow._vendor import click
from metaflow.metaflow_environment import MetaflowEnvironment
from metaflow.packaging_sys import ContentType

from metaflow_extensions.mfenv.bridge import call
from metaflow_extensions.mfenv.collect import is_remote, stated
from metaflow_extensions.mfenv.descriptions import DESCRIPTIONS, environment_info
from metaflow_extensions.mfenv.folders import RunFolder
from metaflow_extensions.mfenv.local import LocalRun
from metaflow_extensions.mfenv.pathspecs import METADATA

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "EXPORTS",
    "PYTHON",
    "VARIABLE",
    "CondaEnvironment",
    "PypiEnvironment",
    "reference",
]

VARIABLE = "_METAFLOW_CONDA_ENV"
"""The variable by which a task knows its environment, `[req_id, full_id, platform]`."""

PYTHON = "_METAFLOW_CONDA_PYTHON"
"""The variable by which a task knows the interpreter of its environment."""

EXPORTS = "mfenv_exports.sh"
"""Where a container finds what the shell that starts its task must export."""


class CondaEnvironment(MetaflowEnvironment):
    """Resolves the environments of all steps before a run, and knows them from then on.

    `answers` says of each step what was found: see `metaflow_extensions.mfenv.engine.resolve`.
    """

    TYPE = "conda"

    def __init__(self, flow: Any) -> None:
        super().__init__(flow)
        self.flow = flow
        self.answers: dict[str, dict[str, Any]] = {}
        self.folder: RunFolder | None = None
        self.local: LocalRun | None = None

    def validate_environment(
        self,
        echo: Callable[..., None],
        datastore_type: str,
    ) -> None:
        self.datastore_type = datastore_type

    def decospecs(self) -> tuple[str, ...]:
        return ("conda_env_internal", *super().decospecs())

    def init_environment(self, echo: Callable[..., None], only_steps: Any = None) -> None:
        steps = [step for step in self.flow if not only_steps or step.name in only_steps]
        found = self.call(
            "resolve",
            steps=[stated(self.flow, step) for step in steps],
            force=bool(getattr(self, "_force_rebuild", False)),
        )
        self.answers = found["steps"]
        self._write(found)

    def call(self, function: str, **arguments: Any) -> Any:
        """Call `metaflow_extensions.mfenv.engine` for the datastore of this run."""
        return call(function, _say, datastore=self.datastore_type, **arguments)

    def answer(self, step_name: str) -> dict[str, Any]:
        """What was found for a step: here before a run, else what its task was started with.

        That is an answer of `engine.resolve` on the way to another machine, and an id in the task.
        """
        if step_name in self.answers:
            return self.answers[step_name]
        given = json.loads(os.environ.get(VARIABLE) or "{}")
        return given if isinstance(given, dict) else {"env_id": given}

    def start_local_run(self, package: Any, order: list[str]) -> None:
        """Begin, once, to make what the local tasks of this run share, in the order of steps."""
        if self.local is not None:
            return
        self.local = LocalRun(self, package)
        steps = {step.name: step for step in self.flow}
        for name in order:
            env_id = self.answer(name).get("env_id")
            if env_id and not is_remote(steps[name].decorators):
                self.local.create(reference(env_id))

    def end_local_run(self) -> None:
        if self.local:
            self.local.close()
            self.local = None

    def executable(self, step_name: str, default: str | None = None) -> str:
        # A task of several processes starts the others of them itself, in its own environment.
        inside = os.environ.get(PYTHON) if step_name not in self.answers else None
        if inside or not self.answer(step_name):
            return inside or str(super().executable(step_name, default))
        return f"${PYTHON}"  # for a shell that has run `bootstrap_commands`

    def _write(self, found: dict[str, Any]) -> None:
        # A file, since the code package takes nothing else; it goes when this object does.
        self.folder = RunFolder()
        self.call("outlive", folder=self.folder.name)
        text = json.dumps(found, sort_keys=True, separators=(",", ":"))
        Path(self.folder.name, DESCRIPTIONS).write_text(text, encoding="utf-8")

    def add_to_package(self) -> list[tuple[str, str, ContentType]]:
        if self.folder is None:
            return []
        path = os.path.join(self.folder.name, DESCRIPTIONS)  # noqa: PTH118 - Metaflow wants texts
        return [(path, DESCRIPTIONS, ContentType.OTHER_CONTENT)]

    def pylint_config(self) -> list[str]:
        # What a step imports need not be where the flow is started.
        return [*super().pylint_config(), "--disable=F0401"]

    def bootstrap_commands(self, step_name: str, datastore_type: str) -> list[str]:
        answer = self.answer(step_name)
        if not answer:
            return list(super().bootstrap_commands(step_name, datastore_type))
        name = answer.get("at_exec", "")
        return [
            "echo 'Creating the environment of the step.'",
            "flush_mflogs",
            # What traces may be in the environment only.
            "DISABLE_TRACING=True python -m metaflow_extensions.mfenv.bootstrap"
            f" {step_name} {datastore_type} {name}".rstrip(),
            f". ./{EXPORTS}",
            "flush_mflogs",
        ]

    @classmethod
    def get_client_info(
        cls,
        flow_name: str,  # noqa: ARG003 - as Metaflow calls it
        metadata: dict[str, str],
    ) -> dict[str, Any]:
        """The description of the environment that a task ran in; empty if it ran in none."""
        found = metadata.get(METADATA)
        if not found:
            return {}
        from metaflow.metaflow_config import DEFAULT_DATASTORE

        info = json.loads(metadata.get("code-package", "{}"))
        datastore = info.get("ds_type", DEFAULT_DATASTORE)
        return environment_info(
            call("describe", print, datastore=datastore, env_id=json.loads(found))
        )


class PypiEnvironment(CondaEnvironment):
    """The same by the name that Metaflow has for it too."""

    TYPE = "pypi"


def reference(env_id: list[str]) -> str:
    """The name of an environment by its ids."""
    return f"{env_id[0]}:{env_id[1]}"


def _say(text: str) -> None:
    # As Metaflow says it, but for where: data goes to the standard output.
    now = datetime.now().astimezone()
    click.secho(f"{now:%Y-%m-%d %H:%M:%S.%f}"[:-3], fg="magenta", nl=False, err=True)
    click.echo(f" {text}", err=True)
