"""`--environment=conda`: every step in the environment that its decorators ask for.

Each task imports this. What asks mfenv, and what a run asks, is imported where that is done.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Container, Iterable, TypeVar

from metaflow._vendor import click
from metaflow.metaflow_environment import MetaflowEnvironment
from metaflow.packaging_sys import ContentType

from metaflow_extensions.mfenv import encoding
from metaflow_extensions.mfenv.descriptions import DESCRIPTIONS, environment_info
from metaflow_extensions.mfenv.folders import RunFolder
from metaflow_extensions.mfenv.pathspecs import METADATA
from metaflow_extensions.mfenv.places import is_remote
from metaflow_extensions.mfenv.records import EnvId, StepEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from metaflow import FlowSpec
    from metaflow.package import MetaflowPackage

    from metaflow_extensions.mfenv.documents import Description
    from metaflow_extensions.mfenv.local import LocalRun
    from metaflow_extensions.mfenv.records import Question
    from metaflow_extensions.mfenv.run_records import FlowEnvironments, Interpreter

__all__ = [
    "EXPORTS",
    "PYTHON",
    "VARIABLE",
    "CondaEnvironment",
    "LockedEnvironment",
    "PypiEnvironment",
]

VARIABLE = "_METAFLOW_CONDA_ENV"
"""The variable by which a task knows its environment, `[req_id, full_id, platform]`."""

PYTHON = "_METAFLOW_CONDA_PYTHON"
"""The variable by which a task knows the interpreter of its environment."""

EXPORTS = "mfenv_exports.sh"
"""Where a container finds what the shell that starts its task must export."""


_A = TypeVar("_A")


class CondaEnvironment(MetaflowEnvironment):
    """Resolves the environments of all steps before a run, and knows them from then on."""

    TYPE = "conda"
    locked = False

    def __init__(self, flow: FlowSpec) -> None:
        super().__init__(flow)
        self.flow = flow
        self.environments: dict[str, StepEnvironment] = {}
        self.folder: RunFolder | None = None
        self.local: LocalRun | None = None

    def validate_environment(
        self,
        echo: Callable[..., None],
        datastore_type: str,
    ) -> None:
        self.datastore_type: str = datastore_type

    def decospecs(self) -> tuple[str, ...]:
        return ("conda_env_internal", *super().decospecs())

    def init_environment(
        self, echo: Callable[..., None], only_steps: Container[str] | None = None
    ) -> None:
        from metaflow_extensions.mfenv.collect import lock_place, statements_of
        from metaflow_extensions.mfenv.run_records import Resolve

        steps = [step for step in self.flow if not only_steps or step.name in only_steps]
        # One call for all steps, so that what is alike is resolved once and all of it at a time.
        # `_force_rebuild` is Metaflow's, of `--force-rebuild-environments`: old releases have none.
        resolved = _call(
            Resolve(
                datastore=self.datastore_type,
                steps=tuple(statements_of(self.flow, step) for step in steps),
                force=bool(getattr(self, "_force_rebuild", False)),
                place=lock_place(self.flow),
                locked=self.locked,
            )
        )
        self.environments = resolved.steps
        self._write(resolved)

    def create(self, name: str) -> Interpreter:
        """Create the environment that a text names, if it is not there yet."""
        from metaflow_extensions.mfenv.run_records import Create

        return _call(Create(datastore=self.datastore_type, name=name))

    def describe(self, env_id: EnvId) -> Description:
        """The description of an environment that is known here or in the store."""
        from metaflow_extensions.mfenv.command_records import Describe

        return _call(Describe(datastore=self.datastore_type, env_id=env_id))

    def of_step(self, name: str) -> StepEnvironment:
        """The environment of a step: as it was resolved, else as its task was started with it.

        That is a `StepEnvironment` on the way to another machine, and an id in the task.
        """
        if name in self.environments:
            return self.environments[name]
        text = os.environ.get(VARIABLE, "")
        if text.startswith("["):
            return StepEnvironment(env_id=encoding.read(text, EnvId))
        return encoding.read(text, StepEnvironment) if text else StepEnvironment()

    def start_local_run(self, package: MetaflowPackage, order: Iterable[str]) -> None:
        """Begin, once, to make what the local tasks of this run share, in the order of steps."""
        # The decorator of each step asks for it.
        if self.local is not None or self.folder is None:
            return
        from metaflow_extensions.mfenv.local import LocalRun

        self.local = LocalRun(self.create, package, Path(self.folder.name))
        steps = {step.name: step for step in self.flow}
        for name in order:
            env_id = self.of_step(name).env_id
            if env_id and not is_remote(steps[name].decorators):
                self.local.create(env_id.name)

    def end_local_run(self) -> None:
        if self.local:
            self.local.close()
            self.local = None

    def executable(self, step_name: str, default: str | None = None) -> str:
        # A task of several processes starts the others of them itself, in its own environment.
        inside = os.environ.get(PYTHON) if step_name not in self.environments else None
        if inside or not self.of_step(step_name):
            return inside or str(super().executable(step_name, default))
        return f"${PYTHON}"  # for a shell that has run `bootstrap_commands`

    def _write(self, resolved: FlowEnvironments) -> None:
        # A file, since the code package takes nothing else; it goes when this object does.
        from metaflow_extensions.mfenv.run_records import Outlive

        self.folder = RunFolder()
        _call(Outlive(folder=self.folder.name))
        Path(self.folder.name, DESCRIPTIONS).write_text(encoding.write(resolved), encoding="utf-8")

    def add_to_package(self) -> list[tuple[str, str, ContentType]]:
        if self.folder is None:
            return []
        path = os.path.join(self.folder.name, DESCRIPTIONS)  # noqa: PTH118 - Metaflow wants texts
        return [(path, DESCRIPTIONS, ContentType.OTHER_CONTENT)]

    def pylint_config(self) -> list[str]:
        # What a step imports need not be where the flow is started.
        return [*super().pylint_config(), "--disable=F0401"]

    def bootstrap_commands(self, step_name: str, datastore_type: str) -> list[str]:
        env = self.of_step(step_name)
        if not env:
            return list(super().bootstrap_commands(step_name, datastore_type))
        return [
            "echo 'Creating the environment of the step.'",
            "flush_mflogs",
            # What traces may be in the environment only.
            "DISABLE_TRACING=True python -m metaflow_extensions.mfenv.bootstrap"
            f" {step_name} {datastore_type} {env.at_exec or ''}".rstrip(),
            f". ./{EXPORTS}",
            "flush_mflogs",
        ]

    @classmethod
    def get_client_info(
        cls,
        flow_name: str,  # noqa: ARG003 - as Metaflow calls it
        metadata: dict[str, str],
    ) -> Mapping[str, object]:
        """The description of the environment that a task ran in; empty if it ran in none."""
        text = metadata.get(METADATA)
        if not text:
            return {}
        from metaflow.metaflow_config import DEFAULT_DATASTORE

        from metaflow_extensions.mfenv.bridge import call
        from metaflow_extensions.mfenv.command_records import Describe

        # The store lies beside the datastore that the run had, which need not be the one of today.
        code = json.loads(metadata.get("code-package", "{}"))
        datastore = code.get("ds_type", DEFAULT_DATASTORE)
        env_id = encoding.read(text, EnvId)
        return environment_info(call(Describe(datastore=datastore, env_id=env_id), print))


class PypiEnvironment(CondaEnvironment):
    """The same by the name that Metaflow has for it too."""

    TYPE = "pypi"


class LockedEnvironment(CondaEnvironment):
    """The same with every environment from the lock file beside the flow."""

    # Since `run` takes no options of extensions, this is how one run is locked.
    TYPE = "locked"
    locked = True


def _call(question: Question[_A]) -> _A:
    """What mfenv answers; how the work goes is said."""
    from metaflow_extensions.mfenv.bridge import call

    return call(question, say)


def say(text: str) -> None:
    """Say something as Metaflow does, but for where: data goes to the standard output."""
    now = datetime.now().astimezone()
    click.secho(f"{now:%Y-%m-%d %H:%M:%S.%f}"[:-3], fg="magenta", nl=False, err=True)
    click.echo(f" {text}", err=True)
