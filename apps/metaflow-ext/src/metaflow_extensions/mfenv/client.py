"""Metaflow's client, told where the environments of tasks are described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

if TYPE_CHECKING:
    from metaflow.client import Task as ClientTask

__all__ = ["extend_client"]


def extend_client() -> None:
    """Let `Task.environment_info` know tasks without a code package, as those of local runs are.

    Metaflow itself asks an environment only where a code package says which one it was.
    """
    from metaflow.client.core import Task

    usual = Task.environment_info

    def environment_info(task: ClientTask) -> Mapping[str, object] | None:
        from metaflow_extensions.mfenv.conda_environment import CondaEnvironment

        info = CondaEnvironment.get_client_info(task.path_components[0], task.metadata_dict)
        return info or usual.__get__(task)

    Task.environment_info = property(environment_info, doc=usual.__doc__)
