"""What is done when the whole of Metaflow is there."""

from __future__ import annotations

from typing import Mapping as _Mapping

from metaflow import Runner as FlowAPI
from metaflow.client.core import Task as _Task

from metaflow_extensions.mfenv.__about__ import __version__
from metaflow_extensions.mfenv.of_both import resolved_lock, resolved_req, resolved_uv

__all__ = [
    "FlowAPI",
    "__mf_extensions__",
    "__version__",
    "resolved_lock",
    "resolved_req",
    "resolved_uv",
]

__mf_extensions__ = "mfenv"

_usual = _Task.environment_info


def _environment_info(task: _Task) -> _Mapping[str, object] | None:
    from metaflow_extensions.mfenv.conda_environment import CondaEnvironment

    info = CondaEnvironment.get_client_info(task.path_components[0], task.metadata_dict)
    return info or _usual.__get__(task)


# Metaflow asks an environment only where a code package says which, and tasks of local runs have none.
_Task.environment_info = property(_environment_info, doc=_usual.__doc__)
