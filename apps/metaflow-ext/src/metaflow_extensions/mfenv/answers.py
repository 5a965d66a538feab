"""What mfenv's process may ask of Metaflow's: its configuration, and what its client finds."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Any, Callable

from metaflow_extensions.mfenv.pathspecs import env_of_step

__all__ = ["FUNCTIONS", "Refused", "gather"]

_TASK = 3  # slashes in `Flow/run/step/task`


class Refused(Exception):
    """What Metaflow has not, or does not take, in its own words."""

    hint = None  # it is the user's doing


def gather() -> dict[str, Any]:
    """Metaflow's configuration as far as environments depend on it, as JSON data."""
    from metaflow import metaflow_config as configuration
    from metaflow import metaflow_config_funcs as files
    from metaflow.plugins import DATASTORES

    from metaflow_extensions.mfenv.descriptions import descriptions

    around = descriptions()
    types = sorted(one.TYPE for one in DATASTORES)
    return {
        "configured": {**(files.METAFLOW_CONFIG or {}), **(files.METAFLOW_LOCAL_CONFIG or {})},
        "datastores": types,
        "default_datastore": configuration.DEFAULT_DATASTORE,
        "sysroots": {
            one: getattr(configuration, f"DATASTORE_SYSROOT_{one.upper()}", None) for one in types
        },
        "azure_endpoint": configuration.AZURE_STORAGE_BLOB_SERVICE_ENDPOINT,
        "s3_endpoint": configuration.S3_ENDPOINT_URL,
        "needs": {one: needs for one in types for needs in [_needs(one)] if needs is not None},
        # Of the task that this process is in, if it is in one.
        "around": {key: around[key] for key in ("store", "runtime") if key in around},
    }


def _needs(datastore: str) -> dict[str, str] | None:
    """The packages that Metaflow asks for, with their constraints."""
    from metaflow.exception import MetaflowException
    from metaflow.metaflow_config import get_pinned_conda_libs

    try:
        # It takes a version of Python, and makes nothing of it.
        found: dict[str, str] = get_pinned_conda_libs("3.10", datastore)
    except MetaflowException:  # it has environments with no such datastore
        return None
    return found


def _env_of_step(pathspec: str) -> list[str]:
    """The req_id, full_id and platform of the environment of `Flow/run/step`, or of one task.

    All namespaces are looked at.
    """
    try:
        return env_of_step(pathspec)
    except LookupError as error:
        raise Refused(str(error)) from None


def _use_metadata(text: str) -> None:
    """Look runs up there from now on."""
    from metaflow import metadata
    from metaflow.plugins import METADATA_PROVIDERS

    kind = text.partition("@")[0]
    known = sorted(one.TYPE for one in METADATA_PROVIDERS)
    if kind not in known:
        raise Refused(f"`{text}` is none of {', '.join(known)}")
    try:
        metadata(text)
    except ValueError as error:
        raise Refused(str(error)) from None


def _local_root() -> str | None:
    """Where the local datastore is, from the current directory."""
    from metaflow.plugins.datastores.local_storage import LocalStorage

    root: str | None
    root = LocalStorage.get_datastore_root_from_config(print, create_on_absent=False)
    return root


def _code_of_step(pathspec: str, folder: str) -> str | None:
    """Put the code that a step ran with into a folder.

    Where its task has no code package, that is the Metaflow here, if the task ran with it; else
    nothing is put there, and the version is returned, empty where it is unknown.
    """
    from metaflow.metaflow_version import get_version

    task = _task(pathspec)
    if task.code:
        options = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        task.code.tarball.extractall(folder, **options)  # noqa: S202 - Metaflow made it
        return None
    tags = [tag.partition(":") for tag in task.parent.parent.system_tags]
    version = next((text for kind, _, text in tags if kind == "metaflow_version"), "")
    if version != get_version():
        return version
    _copy_metaflow(folder)
    return None


def _task(pathspec: str) -> Any:
    from metaflow.client import Step, Task
    from metaflow.exception import MetaflowInvalidPathspec, MetaflowNotFound

    try:
        if pathspec.count("/") == _TASK:
            return Task(pathspec, _namespace_check=False)
        return Step(pathspec, _namespace_check=False).task
    except (MetaflowInvalidPathspec, MetaflowNotFound):
        raise Refused(f"there is no step `{pathspec}`") from None


def _copy_metaflow(folder: str) -> None:
    """Copy the Metaflow that runs, and its extensions."""
    import metaflow

    import metaflow_extensions

    ignore = shutil.ignore_patterns("__pycache__")
    source = str(Path(metaflow.__file__).parent)
    shutil.copytree(source, str(Path(folder, "metaflow")), ignore=ignore)
    for path in metaflow_extensions.__path__:
        place = str(Path(folder, "metaflow_extensions"))
        shutil.copytree(path, place, ignore=ignore, dirs_exist_ok=True)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "code_of_step": _code_of_step,
    "copy_metaflow": _copy_metaflow,
    "env_of_step": _env_of_step,
    "local_root": _local_root,
    "use_metadata": _use_metadata,
}
"""What may be asked, by name; arguments and results are JSON data. They raise `Refused`."""
