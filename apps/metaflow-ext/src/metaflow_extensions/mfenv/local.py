"""A run on this machine: the environments of its tasks, and Metaflow's code for them to import."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from metaflow_extensions.mfenv import encoding, releases
from metaflow_extensions.mfenv.bridge import OUTSIDE, outside

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from metaflow.package import MetaflowPackage

    from metaflow_extensions.mfenv.run_records import Interpreter

__all__ = ["LocalRun"]

_EXTENSIONS = "metaflow_extensions"
_ADDED = "_added"
_TRAMPOLINES = "_escape_trampolines"
# Tasks run beside them, and each has many threads of its own: with two cores, two are slower.
_AT_ONCE = max(1, min(4, (os.cpu_count() or 1) // 2))


class LocalRun:
    """What all local tasks of a run share. Environments are created while the run starts.

    `create` creates the environment that a text names; `package` is the run's code package, and
    `folder` is where its code is laid out.
    """

    def __init__(
        self, create: Callable[[str], Interpreter], package: MetaflowPackage, folder: Path
    ) -> None:
        self._create, self._package, self._folder = create, package, folder
        # A thread of its own for the code, so that no environment waits for it, nor it for one.
        self._creating, self._laying = ThreadPoolExecutor(_AT_ONCE), ThreadPoolExecutor(1)
        self._created: dict[str, Future[Interpreter]] = {}
        self._code = self._laying.submit(self._lay_out)

    def create(self, name: str) -> Future[Interpreter]:
        """Begin to create the environment that a text names, once."""
        if name not in self._created:
            first = next(iter(self._created.values()), None)
            self._created[name] = self._creating.submit(self._create_after, first, name)
        return self._created[name]

    def _create_after(self, first: Future[Interpreter] | None, name: str) -> Interpreter:
        # What the first step waits for has the machine to itself.
        if first:
            wait([first])
        return self._create(name)

    def variables(self) -> dict[str, str]:
        """What makes Metaflow, its extensions and the flow's own code importable in a task."""
        return dict(self._code.result())

    def close(self) -> None:
        for pending in self._created.values():
            pending.cancel()  # a run that fails, or takes another branch, needs no more of them
        self._creating.shutdown()
        self._laying.shutdown()

    def _lay_out(self) -> dict[str, str]:
        root, package = self._folder, self._package
        variables = releases.task_variables(package, str(root))
        _link_code(Path(variables["PYTHONPATH"]))
        releases.lay_out(package, str(root))
        trampolines = root / _TRAMPOLINES
        trampolines.mkdir()
        from metaflow.plugins import env_escape

        env_escape.generate_trampolines(str(trampolines))
        # The flow's own modules are where they are; a link for each could be thousands.
        own = Path(sys.argv[0]).absolute().parent
        added = releases.added_modules(package, root / _ADDED)
        path = os.pathsep.join(map(str, [variables["PYTHONPATH"], own, *added, trampolines]))
        return {
            **variables,
            "PYTHONPATH": path,
            # As in a container: what a user has installed for all Pythons is not of the
            # environment.
            "PYTHONNOUSERSITE": "1",
            OUTSIDE: encoding.write(outside()),
            "METAFLOW_ENV_ESCAPE_PY": env_escape.ENV_ESCAPE_PY,
            "METAFLOW_ENV_ESCAPE_PATHS": env_escape.ENV_ESCAPE_PATHS,
            "METAFLOW_ENV_ESCAPE_PICKLE_VERSION": env_escape.ENV_ESCAPE_PICKLE_VERSION,
        }


def _link_code(folder: Path) -> None:
    """Link whole packages, so that their compiled files are found beside them in every run.

    What is linked file by file, as the code package does it, is compiled again by every run.
    """
    import metaflow
    from metaflow.extension_support import package_mfext_all

    extensions = folder / _EXTENSIONS
    extensions.mkdir(parents=True)
    (folder / "metaflow").symlink_to(Path(metaflow.__file__).resolve().parent)
    places: dict[str, set[Path]] = {}
    for path, name in package_mfext_all():
        _, first, *rest = Path(name).parts
        # What lies directly in the folder of extensions belongs to no single one.
        if rest:
            places.setdefault(first, set()).add(Path(path).resolve().parents[len(rest) - 1])
    for name, folders in places.items():
        # One that lies in several places cannot be linked as a whole: its files come with the code
        # package.
        if len(folders) == 1:
            (extensions / name).symlink_to(folders.pop())
