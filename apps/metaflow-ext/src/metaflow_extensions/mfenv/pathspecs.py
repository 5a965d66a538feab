"""The environment that a step of an earlier run ran in, from the metadata of its tasks."""

from __future__ import annotations

from metaflow_extensions.mfenv import encoding
from metaflow_extensions.mfenv.records import EnvId

__all__ = ["METADATA", "env_of_step"]

METADATA = "conda_env_id"
"""The field of a task's metadata that holds `[req_id, full_id, platform]`."""

_STEP = 2  # slashes in `Flow/run/step`


def env_of_step(pathspec: str) -> EnvId:
    """The environment of `Flow/run/step`, or of one task.

    All namespaces are looked at. Raises `LookupError` if there is no such step, or if it ran in no
    environment.
    """
    from metaflow.client import Step, Task
    from metaflow.exception import MetaflowInvalidPathspec, MetaflowNotFound

    try:
        if pathspec.count("/") == _STEP:
            tasks = list(Step(pathspec, _namespace_check=False))
        else:
            tasks = [Task(pathspec, _namespace_check=False)]
    except (MetaflowInvalidPathspec, MetaflowNotFound):
        raise LookupError(f"there is no step `{pathspec}`") from None
    # Tasks of one step may differ: of a name that is looked up when they start, or by having failed
    # before they had an environment.
    for task in tasks:
        text = task.metadata_dict.get(METADATA)
        if text:
            return encoding.read(text, EnvId)
    raise LookupError(f"`{pathspec}` ran in no environment")
