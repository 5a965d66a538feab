"""Our engine for conda packages, and the programs of a machine that may choose in its place."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pkgcache.worker import Worker
    from resolvers.request import ResolveContext

__all__ = ["find_engine", "pip_logins", "prepare", "there"]

_NAMES = ("micromamba", "mamba", "conda", "pip", "conda-lock")


def prepare(worker: Worker) -> None:
    """Start py-rattler in its process, for a question that is about to be asked."""
    worker.prepare("resolvers._conda_engine:ready")


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
            program = find_program(name, LEAST_PIP, PIP_SETTING, processes)
        elif name == "conda-lock":
            program = find_program(name, LEAST_CONDA_LOCK, CONDA_LOCK_SETTING, processes)
            other = find_program(*family(context), processes)
            return f"{program.name} {program.version}, `{program.path}`, over {other.name} {other.version}"
        else:
            program = find_program(name, LEAST[kind_of(name)], SETTING, processes)
        return f"{program.name} {program.version}, `{program.path}`"
    finally:
        processes.close()


def pip_logins() -> tuple[str, ...]:
    """The URLs with logins that the pip on PATH is configured with: they may be shown to nobody.

    None where it cannot be asked. It is started for it.
    """
    from resolvers._pip import LEAST, SETTING
    from resolvers._pip_configuration import configuration
    from resolvers._processes import Processes
    from resolvers._programs import find_program
    from resolvers.errors import EngineFailed

    processes = Processes(lambda _: None)
    try:
        pip = find_program("pip", LEAST, SETTING, processes).path
        values = [value for _, value in configuration(pip, processes)]
    except (EngineFailed, OSError, TimeoutError):
        return ()
    finally:
        processes.close()
    words = [word for value in values for word in value.split()]
    return tuple(word for word in words if "://" in word and "@" in word)


def there() -> tuple[str, ...]:
    """Those that are on PATH, by their names; nothing of any is loaded or started."""
    return tuple(name for name in _NAMES if shutil.which(name))
