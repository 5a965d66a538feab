"""The decorator that every step gets with `--environment=conda`: it starts tasks where they belong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, Iterable

from metaflow.decorators import StepDecorator
from metaflow.metadata_provider import MetaDatum

from metaflow_extensions.mfenv import encoding
from metaflow_extensions.mfenv.conda_environment import PYTHON, VARIABLE, CondaEnvironment
from metaflow_extensions.mfenv.descriptions import description, environment_info
from metaflow_extensions.mfenv.failures import EnvironmentFailed
from metaflow_extensions.mfenv.folders import hold
from metaflow_extensions.mfenv.names import expand
from metaflow_extensions.mfenv.pathspecs import METADATA
from metaflow_extensions.mfenv.places import is_remote
from metaflow_extensions.mfenv.records import EnvId, StepEnvironment

if TYPE_CHECKING:
    from metaflow import FlowSpec
    from metaflow.datastore import FlowDataStore, TaskDataStore
    from metaflow.decorators import Decorator
    from metaflow.graph import FlowGraph
    from metaflow.metadata_provider import MetadataProvider
    from metaflow.package import MetaflowPackage
    from metaflow.runtime import CLIArgs, Task

    from metaflow_extensions.mfenv.documents import EnvironmentInfo
    from metaflow_extensions.mfenv.local import LocalRun
    from metaflow_extensions.mfenv.run_records import Interpreter

__all__ = ["TaskEnvironment"]

_PARAMETER = "METAFLOW_INIT_"


class TaskEnvironment(StepDecorator):
    """Runs the tasks of a step in its environment, and records which one that is."""

    name = "conda_env_internal"
    defaults: ClassVar[dict[str, object]] = {}

    def step_init(
        self,
        flow: FlowSpec,
        graph: FlowGraph,
        step_name: str,
        decorators: Iterable[Decorator],
        environment: CondaEnvironment,
        flow_datastore: FlowDataStore,
        logger: object,
    ) -> None:
        self.step, self.environment = step_name, environment
        self.remote = is_remote(decorators)

    def runtime_init(
        self, flow: FlowSpec, graph: FlowGraph, package: MetaflowPackage, run_id: str
    ) -> None:
        self.environment.start_local_run(package, graph.sorted_nodes)

    def runtime_step_cli(
        self, cli_args: CLIArgs, retry_count: int, max_user_code_retries: int, ubf_context: str
    ) -> None:
        env = self.environment.of_step(self.step)
        # A run that a task starts must not take the task's environment for its own.
        cli_args.env.update({VARIABLE: "", PYTHON: ""})
        if not env:
            return
        if self.remote:
            # The process that sends the task away reads this, not the task.
            # In this process are the parameters and ids that the name may ask for.
            if env.at_exec:
                env = StepEnvironment(at_exec=self._name(env.at_exec, cli_args.task))
            cli_args.env[VARIABLE] = encoding.write(env)
            return
        local = self.environment.local
        if local is None:
            raise EnvironmentFailed(f"step `{self.step}`: its run has ended")
        interpreter = self._created(env, local, cli_args.task)
        # In this order: an activated environment has no PYTHONPATH, and the code is found by that.
        cli_args.env.update(interpreter.variables)
        cli_args.env.update(local.variables())
        cli_args.env[VARIABLE] = encoding.write(interpreter.env_id)
        cli_args.env[PYTHON] = cli_args.entrypoint[0] = interpreter.python

    def _created(self, env: StepEnvironment, local: LocalRun, task: Task) -> Interpreter:
        name = self._name(env.at_exec, task) if env.at_exec else ""
        try:
            if env.env_id:
                # It has begun when the run did; here it is only waited for.
                return local.create(env.env_id.name).result()
            return self.environment.create(name)
        except EnvironmentFailed as error:
            raise EnvironmentFailed(f"step `{self.step}`: {error.message}") from None

    def _name(self, text: str, task: Task) -> str:
        variables = {
            "METAFLOW_RUN_ID": task.run_id,
            "METAFLOW_RUN_ID_BASE": task.run_id,
            "METAFLOW_STEP_NAME": task.step,
            "METAFLOW_TASK_ID": task.task_id,
            **(_parameters(task) if _PARAMETER in text else {}),
            **os.environ,
        }
        try:
            return expand(text, variables)
        except KeyError as error:
            raise EnvironmentFailed(
                f"step `{self.step}`: there is no variable {error.args[0]} to put into `{text}`"
            ) from None

    def _info(self, env_id: EnvId | None) -> EnvironmentInfo | None:
        if env_id is None:
            return None
        return environment_info(description(env_id) or self.environment.describe(env_id))

    def runtime_finished(self, exception: BaseException | None) -> None:
        self.environment.end_local_run()

    def task_pre_step(
        self,
        step_name: str,
        task_datastore: TaskDataStore,
        metadata: MetadataProvider,
        run_id: str,
        task_id: str,
        flow: FlowSpec,
        graph: FlowGraph,
        retry_count: int,
        max_user_code_retries: int,
        ubf_context: str,
        inputs: object,
    ) -> None:
        from metaflow import current

        hold(os.environ.get("METAFLOW_EXTRACTED_ROOT", ""))
        text = os.environ.get(VARIABLE)
        env_id = encoding.read(text, EnvId) if text else None
        # Read when somebody asks: what a task looked up itself is not in its code package.
        # A property works on a class alone.
        type(current).environment_info = property(lambda _: self._info(env_id))
        if env_id:
            # As Metaflow tags its own metadata, so that a client finds that of the last attempt.
            tags = [f"attempt_id:{retry_count}"]
            datum = MetaDatum(METADATA, encoding.write(env_id), METADATA, tags)
            metadata.register_metadata(run_id, step_name, task_id, [datum])


def _parameters(task: Task) -> dict[str, str]:
    """The parameters of a run, as the variables that Metaflow's schedulers give them as."""
    store = task._flow_datastore  # noqa: SLF001 - the flow itself has no values any more
    (values,) = store.get_task_datastores(run_id=task.run_id, steps=["_parameters"])
    names = [name for name, _ in task.flow._get_parameters() if name in values]  # noqa: SLF001
    return {f"{_PARAMETER}{name.upper().replace('-', '_')}": str(values[name]) for name in names}
