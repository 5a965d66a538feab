"""What mfenv's process may ask of Metaflow's: its configuration, and what its client finds."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from metaflow_extensions.mfenv.messages import Around, Facts, Refused
from metaflow_extensions.mfenv.pathspecs import env_of_step

if TYPE_CHECKING:
    from metaflow.client import Task

    from metaflow_extensions.mfenv.command_records import (
        CodeOfStep,
        CopyMetaflow,
        EnvOfStep,
        LocalRoot,
        UseMetadata,
    )
    from metaflow_extensions.mfenv.records import EnvId, Question

__all__ = ["answer", "gather"]

_A = TypeVar("_A")

_TASK = 3  # slashes in `Flow/run/step/task`


def answer(question: Question[_A]) -> _A:
    """What Metaflow says to one of the questions that it answers; raises `Refused`."""
    result: _A = _FUNCTIONS[question.function](question)
    return result


def gather() -> Facts:
    """Metaflow's configuration as far as environments depend on it."""
    from metaflow import metaflow_config as configuration
    from metaflow import metaflow_config_funcs as files
    from metaflow.plugins import DATASTORES

    from metaflow_extensions.mfenv.descriptions import descriptions

    package = descriptions()
    types = sorted(datastore.TYPE for datastore in DATASTORES)
    needs = {name: _needs(name) for name in types}
    return Facts(
        # The local file last, which has the last word.
        configured={**(files.METAFLOW_CONFIG or {}), **(files.METAFLOW_LOCAL_CONFIG or {})},
        datastores=types,
        default_datastore=configuration.DEFAULT_DATASTORE,
        sysroots={
            name: getattr(configuration, f"DATASTORE_SYSROOT_{name.upper()}", None)
            for name in types
        },
        azure_endpoint=configuration.AZURE_STORAGE_BLOB_SERVICE_ENDPOINT,
        s3_endpoint=configuration.S3_ENDPOINT_URL,
        needs={name: pins for name, pins in needs.items() if pins is not None},
        around=Around(store=package.store, runtime=package.runtime) if package else Around(),
    )


def _needs(datastore: str) -> dict[str, str] | None:
    """The packages that Metaflow asks for, with their constraints."""
    from metaflow.exception import MetaflowException
    from metaflow.metaflow_config import get_pinned_conda_libs

    try:
        # It takes a version of Python, and makes nothing of it.
        pins: dict[str, str] = get_pinned_conda_libs("3.10", datastore)
    except MetaflowException:  # it has environments with no such datastore
        return None
    return pins


def _env_of_step(asked: EnvOfStep) -> EnvId:
    try:
        return env_of_step(asked.pathspec)
    except LookupError as error:
        raise Refused(str(error)) from None


def _use_metadata(asked: UseMetadata) -> None:
    from metaflow import metadata
    from metaflow.plugins import METADATA_PROVIDERS

    kind = asked.text.partition("@")[0]
    known = sorted(provider.TYPE for provider in METADATA_PROVIDERS)
    # Asked before: of an unknown one Metaflow prints a line, and goes on with the one that it has.
    if kind not in known:
        raise Refused(f"`{asked.text}` is none of {', '.join(known)}")
    try:
        metadata(asked.text)
    except ValueError as error:
        raise Refused(str(error)) from None


def _local_root(_: LocalRoot) -> str | None:
    from metaflow.plugins.datastores.local_storage import LocalStorage

    root: str | None
    root = LocalStorage.get_datastore_root_from_config(print, create_on_absent=False)
    return root


def _code_of_step(asked: CodeOfStep) -> str | None:
    """Put the code that a step ran with into a folder.

    Where its task has no code package, that is the Metaflow here, if the task ran with it; else
    nothing is put there, and the version is returned, empty where it is unknown.
    """
    from metaflow.metaflow_version import get_version

    task = _task(asked.pathspec)
    if task.code:
        # Only newer Pythons have it; without a filter, 3.12 and 3.13 warn.
        options = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        task.code.tarball.extractall(asked.folder, **options)  # noqa: S202 - Metaflow made it
        return None
    tags = [tag.partition(":") for tag in task.parent.parent.system_tags]
    version = next((text for kind, _, text in tags if kind == "metaflow_version"), "")
    if version != get_version():
        return version
    _copy_into(asked.folder)
    return None


def _task(pathspec: str) -> Task:
    from metaflow.client import Step, Task
    from metaflow.exception import MetaflowInvalidPathspec, MetaflowNotFound

    try:
        if pathspec.count("/") == _TASK:
            return Task(pathspec, _namespace_check=False)
        return Step(pathspec, _namespace_check=False).task
    except (MetaflowInvalidPathspec, MetaflowNotFound):
        raise Refused(f"there is no step `{pathspec}`") from None


def _copy_metaflow(asked: CopyMetaflow) -> None:
    _copy_into(asked.folder)


def _copy_into(folder: str) -> None:
    """Copy the Metaflow that runs, and its extensions."""
    import metaflow

    import metaflow_extensions

    ignore = shutil.ignore_patterns("__pycache__")
    source = str(Path(metaflow.__file__).parent)
    shutil.copytree(source, str(Path(folder, "metaflow")), ignore=ignore)
    for path in metaflow_extensions.__path__:
        place = str(Path(folder, "metaflow_extensions"))
        shutil.copytree(path, place, ignore=ignore, dirs_exist_ok=True)


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "code_of_step": _code_of_step,
    "copy_metaflow": _copy_metaflow,
    "env_of_step": _env_of_step,
    "local_root": _local_root,
    "use_metadata": _use_metadata,
}
