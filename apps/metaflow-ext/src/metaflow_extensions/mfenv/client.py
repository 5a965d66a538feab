"""Metaflow's client, told where the environments of tasks are described."""

from __future__ import annotations

from typing import Any

__all__ = ["extend_client"]


def extend_client() -> None:
    """Let `Task.environment_info` know tasks without a code package, as those of local runs are.

    Metaflow itself asks an environment only where a code package says which one it was.
    """
    from metaflow.client.core import Task

    usual = Task.environment_info

    def environment_info(self: Any) -> dict[str, Any] | None:
        from metaflow_extensions.mfenv.environment import CondaEnvironment

        found: dict[str, Any] | None = CondaEnvironment.get_client_info(
            self.path_components[0], self.metadata_dict
        )
        return found or usual.__get__(self)

    Task.environment_info = property(environment_info, doc=usual.__doc__)
