"""The programs of a machine that may choose packages in the place of our engines."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resolvers.request import ResolveContext

__all__ = ["find_engine", "there"]

_NAMES = ("micromamba", "mamba", "conda", "pip", "conda-lock")


def find_engine(name: str, context: ResolveContext) -> str:
    """What a program is: its name, version and path. It is started once, to say its version.

    Raises `EngineFailed` where it is missing or too old, or where conda-lock has nothing to run,
    and `UnsupportedRequest` for a path of none of the conda family.
    """
    from resolvers._conda_tools import LEAST, SETTING, kind_of
    from resolvers._pip import LEAST as LEAST_PIP
    from resolvers._pip import SETTING as PIP_SETTING
    from resolvers._processes import Processes
    from resolvers._programs import find_program
    from resolvers.conda_lock import CONDA_LOCK_SETTING, LEAST_CONDA_LOCK, family

    processes = Processes(context.on_process)
    try:
        if name == "pip":
            found = find_program(name, LEAST_PIP, PIP_SETTING, processes)
        elif name == "conda-lock":
            found = find_program(name, LEAST_CONDA_LOCK, CONDA_LOCK_SETTING, processes)
            other = find_program(*family(context), processes)
            return (
                f"{found.name} {found.version}, `{found.path}`, over {other.name} {other.version}"
            )
        else:
            found = find_program(name, LEAST[kind_of(name)], SETTING, processes)
        return f"{found.name} {found.version}, `{found.path}`"
    finally:
        processes.close()


def there() -> tuple[str, ...]:
    """Those that are on PATH, by their names; nothing of any is loaded or started."""
    return tuple(name for name in _NAMES if shutil.which(name))
