"""The decorator that every step gets with `--environment=conda`: it starts tasks where they belong."""

from __future__ import annotations

import json
import os
from typing import Any, ClassVar

from metaflow.decorators import StepDecorator
from metaflow.metadata_provider import MetaDatum

from metaflow_extensions.mfenv.bridge import EnvironmentFailed
from metaflow_extensions.mfenv.collect import is_remote
from metaflow_extensions.mfenv.descriptions import description, environment_info
from metaflow_extensions.mfenv.environment import PYTHON, VARIABLE, reference
from metaflow_extensions.mfenv.folders import hold
from metaflow_extensions.mfenv.names import expand
from metaflow_extensions.mfenv.pathspecs import METADATA

__all__ = ["TaskEnvironment"]

_PARAMETER = "METAFLOW_INIT_"


class TaskEnvironment(StepDecorator):
    """Runs the tasks of a step in its environment, and records which one that is."""

    name = "conda_env_internal"
    defaults: ClassVar[dict[str, Any]] = {}

    def step_init(
        self,
        flow: Any,
        graph: Any,
        step_name: str,
        decorators: Any,
        environment: Any,
        flow_datastore: Any,
        logger: Any,
    ) -> None:
        self.step, self.environment = step_name, environment
        self.remote = is_remote(decorators)

    def runtime_init(self, flow: Any, graph: Any, package: Any, run_id: str) -> None:
        self.environment.start_local_run(package, graph.sorted_nodes)

    def runtime_step_cli(
        self, cli_args: Any, retry_count: int, max_user_code_retries: int, ubf_context: str
    ) -> None:
        answer = self.environment.answer(self.step)
        # A run that a task starts must not take the task's environment for its own.
        cli_args.env.update({VARIABLE: "", PYTHON: ""})
        if not answer:
            return
        if self.remote:
            # The process that sends the task away reads this, not the task.
            if "at_exec" in answer:
                answer = {"at_exec": self._name(answer["at_exec"], cli_args.task)}
            cli_args.env[VARIABLE] = json.dumps(answer)
            return
        local = self.environment.local
        created = self._created(answer, cli_args.task)
        cli_args.env.update(created["variables"])
        cli_args.env.update(local.variables())
        cli_args.env[VARIABLE] = json.dumps(created["env_id"])
        cli_args.env[PYTHON] = cli_args.entrypoint[0] = created["python"]

    def _created(self, answer: dict[str, Any], task: Any) -> Any:
        name = None if "env_id" in answer else self._name(answer["at_exec"], task)
        try:
            if name is None:
                return self.environment.local.create(reference(answer["env_id"])).result()
            return self.environment.call("create", name=name)
        except EnvironmentFailed as error:
            raise EnvironmentFailed(f"step `{self.step}`: {error.message}") from None

    def _name(self, text: str, task: Any) -> str:
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

    def _info(self, env_id: Any) -> Any:
        if not env_id:
            return None
        found = description(env_id) or self.environment.call("describe", env_id=env_id)
        return environment_info(found)

    def runtime_finished(self, exception: Any) -> None:
        self.environment.end_local_run()

    def task_pre_step(
        self,
        step_name: str,
        task_datastore: Any,
        metadata: Any,
        run_id: str,
        task_id: str,
        flow: Any,
        graph: Any,
        retry_count: int,
        max_user_code_retries: int,
        ubf_context: str,
        inputs: Any,
    ) -> None:
        from metaflow import current

        hold(os.environ.get("METAFLOW_EXTRACTED_ROOT", ""))
        env_id = json.loads(os.environ.get(VARIABLE) or '""')
        # Read when somebody asks: what a task looked up itself is not in its code package.
        type(current).environment_info = property(lambda _: self._info(env_id))
        if env_id:
            tags = [f"attempt_id:{retry_count}"]
            datum = MetaDatum(METADATA, json.dumps(env_id), METADATA, tags)
            metadata.register_metadata(run_id, step_name, task_id, [datum])


def _parameters(task: Any) -> dict[str, str]:
    """The parameters of a run, as the variables that Metaflow's schedulers give them as."""
    store = task._flow_datastore  # noqa: SLF001 - the flow itself has no values any more
    (found,) = store.get_task_datastores(run_id=task.run_id, steps=["_parameters"])
    names = [name for name, _ in task.flow._get_parameters() if name in found]  # noqa: SLF001
    return {f"{_PARAMETER}{name.upper().replace('-', '_')}": str(found[name]) for name in names}
