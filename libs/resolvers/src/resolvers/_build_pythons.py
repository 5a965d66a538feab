"""Interpreters from conda, made on this machine when wheels must be built for them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from envid.platforms import host_platform
from resolvers.conda_python import is_free_threaded
from resolvers.pythons import minor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from envid.packages import Package
    from resolvers._conda_solve import Solved
    from resolvers.pythons import Python

__all__ = ["BuildPythons"]


class BuildPythons:
    """An interpreter for each minor version, with nothing but what it needs beside it.

    `base` is what was solved, by platform; where it has no such Python for this machine, `solve`
    is called with the Python that is wanted. `make` makes the environment.
    """

    def __init__(
        self,
        base: Mapping[str, Solved],
        solve: Callable[[Python], Solved],
        make: Callable[[tuple[Package, ...]], Path],
    ) -> None:
        self._base, self._solve, self._make = base, solve, make
        self._lock = threading.Lock()
        self._paths: dict[str, Path] = {}

    def path(self, python: Python) -> Path:
        """The interpreter of a Python's kind; raises `ResolveError` where none can be chosen."""
        # Several builds may want it at once, and it shall be made once.
        with self._lock:
            if python.series not in self._paths:
                # What was chosen for this machine serves, and needs no other solve.
                here = self._base.get(host_platform())
                if not here or _series(here) != python.series:
                    here = self._solve(python)
                self._paths[python.series] = self._make(_python_alone(here.packages))
            return self._paths[python.series]


def _series(solved: Solved) -> str:
    return f"{minor(solved.python)}{'t' * is_free_threaded(solved.packages)}"


def _python_alone(packages: tuple[Package, ...]) -> tuple[Package, ...]:
    """Python, and what it depends on."""
    by_name = {package.name: package for package in packages}
    needed: set[str] = set()
    waiting = ["python"]
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in needed:
            needed.add(name)
            waiting.extend(by_name[name].depends)
    return tuple(package for package in packages if package.name in needed)
