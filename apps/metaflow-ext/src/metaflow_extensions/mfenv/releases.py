"""Which releases of Metaflow this extension runs with, and what differs between them."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING

from metaflow_extensions.mfenv.__about__ import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from metaflow import FlowSpec
    from metaflow.decorators import FlowDecorator
    from metaflow.package import MetaflowPackage

__all__ = ["OLDEST", "added_modules", "check", "inherited", "lay_out", "task_variables"]

OLDEST = (2, 16, 8)
"""The oldest release: those before it had no code packages that a task can find its files in."""

_MOMENT = 0.001  # seconds

# Where metaflow-netflixext has its environments, by its old and its new name.
_RIVALS = ("netflixext/plugins/conda/", "nflx/plugins/conda/")


def check() -> None:
    """End the process, with one line, where this extension cannot be what it is asked for."""
    version = _version()
    numbers = tuple(int(text) for text in re.findall(r"\d+", version)[: len(OLDEST)])
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        sys.exit(
            f"error: metaflow-mfenv {__version__} needs Metaflow {oldest} or newer, and this is"
            f" {version}: run `pip install --upgrade metaflow`"
        )
    from metaflow.extension_support import package_mfext_all_descriptions

    for package in package_mfext_all_descriptions().values():
        if any(path.startswith(_RIVALS) for path in package["files"]):
            sys.exit(
                "error: metaflow-netflixext and metaflow-mfenv are both installed, and each brings"
                " `@conda`, `@pypi` and their environments: run `pip uninstall metaflow-netflixext`,"
                " or `pip uninstall metaflow-mfenv`"
            )


def _version() -> str:
    try:
        from metaflow.version import metaflow_version
    except ImportError:  # of 2022 and 2023
        from importlib.metadata import version

        return version("metaflow")
    return str(metaflow_version)


def task_variables(package: MetaflowPackage, root: str) -> dict[str, str]:
    """What a task needs to find a code package that is laid out in `root`."""
    variables = package.get_post_extract_env_vars(package.package_metadata, root)
    # With a colon behind its name, a variable is to be replaced and not to be added to.
    return {name.rstrip(":"): text for name, text in variables.items()}


def lay_out(package: MetaflowPackage, root: str) -> None:
    """Lay out in `root` all of a code package but what lies beside the flow, also unfinished ones.

    Raises why Metaflow could not make it.
    """
    from metaflow.packaging_sys import ContentType  # which releases that are refused have not

    # A thread of Metaflow's gathers the files of a package in a moment, and then compresses them
    # for a tenth of a second, which is for other machines: no task on this one waits for that.
    # Nothing else tells when they are gathered; a release that has other names makes us wait for all.
    making = getattr(package, "_create_thread", None)
    while making and making.is_alive() and not hasattr(package, "_cached_user_members"):
        time.sleep(_MOMENT)
    content = ContentType.ALL_CONTENT.value & ~ContentType.USER_CONTENT.value
    package.extract_into(root, content, timeout=0 if making and making.is_alive() else None)


def added_modules(package: MetaflowPackage, folder: Path) -> list[Path]:
    """Link what decorators put beside the flow, and return where it is; 2.19 has such files."""
    paths: dict[str, str] = getattr(package, "_user_content_from_addl", {})
    for name, path in paths.items():
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    return [folder] if paths else []


def inherited(flow: FlowSpec, name: str) -> list[FlowDecorator]:
    """The decorators of the flows that a flow inherits from, where `flow` has others of the name.

    Before 2.19 these are among the flow's own.
    """
    levels = getattr(flow._flow_state, "inherited_data", {})  # noqa: SLF001 - no other way
    return [
        decorator
        for kind, decorators in levels.items()
        if kind.name == "FLOW_DECORATORS"
        for decorator in reversed(decorators.get(name, []))
    ]
