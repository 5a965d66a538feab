"""Interpreters on this machine."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from resolvers._uv import Uv
from resolvers.errors import EngineFailed, PythonNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resolvers.request import ResolveContext

__all__ = ["Python", "find_python", "find_pythons", "minor", "stand_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """A CPython interpreter: where it is, and its full version such as `3.11.7`.

    A `free_threaded` Python takes other wheels (PEP 703). Where the one at `path` only stands in for
    that version, `own` is its own version, and `make`, if it is set, makes a Python of that minor
    version on this machine and returns where it is.
    """

    path: Path
    version: str
    own: str | None = None
    free_threaded: bool = False
    make: Callable[[], Path] | None = field(default=None, compare=False)

    @property
    def series(self) -> str:
        """The minor version, with a `t` if it is free-threaded: `3.11`, `3.13t`."""
        return f"{minor(self.version)}{'t' * self.free_threaded}"

    @property
    def is_near(self) -> bool:
        """Whether the interpreter at `path` is of the minor version and the kind that is meant."""
        return self.own is None or (
            minor(self.own) == minor(self.version) and not self.free_threaded
        )

    def to_build_with(self) -> Path:
        """An interpreter whose wheels fit the version; `PythonNotFound`, or what `make` raises."""
        if self.make:
            return self.make()
        if not self.is_near:
            raise PythonNotFound(f"=={self.series}.*", (str(self.own),))
        return self.path


def minor(version: str) -> str:
    """The minor version of a full version of Python: `3.11` of `3.11.7`."""
    return ".".join(version.split(".")[:2])


def find_python(specifier: str, context: ResolveContext) -> Python:
    """The newest CPython on this machine that satisfies a PEP 440 specifier.

    Raises `PythonNotFound`; see `find_pythons`.
    """
    return find_pythons(specifier, context)[0]


def find_pythons(specifier: str, context: ResolveContext) -> tuple[Python, ...]:
    """The CPythons on this machine that satisfy a PEP 440 specifier: the newest of each minor version.

    Looks where PATH leads, at the installations of pyenv and uv, and at the interpreter that runs
    us. Virtual environments and free-threaded builds are passed over; pre-releases count only if
    nothing else satisfies. That of the version that should stay comes first, then the newest.
    Raises `PythonNotFound`.
    """
    pythons = _interpreters(context)
    versions = [python.version for python in pythons]
    allowed = SpecifierSet(specifier)
    fitting = [*allowed.filter(versions)] or [*allowed.filter(versions, prereleases=True)]
    if not fitting:
        seen = sorted(set(versions), key=Version, reverse=True)
        raise PythonNotFound(specifier, tuple(seen))
    best: dict[str, str] = {}
    for version in sorted(fitting, key=Version, reverse=True):
        best.setdefault(minor(version), version)
    kept = best.get(minor(context.preferred_python))
    order = dict.fromkeys([*([kept] if kept else []), *best.values()])
    return tuple(
        next(python for python in pythons if python.version == version) for version in order
    )


def stand_in(version: str, context: ResolveContext) -> Python:
    """The interpreter on this machine that can best stand in for a version of Python.

    It is that version, else the newest of the same minor version, else the newest of all. Raises
    `PythonNotFound` where there is none.
    """
    pythons = _interpreters(context)
    if not pythons:
        raise PythonNotFound(f"=={version}", ())

    def rank(python: Python) -> tuple[bool, bool, Version]:
        return (
            python.version == version,
            minor(python.version) == minor(version),
            Version(python.version),
        )

    best = max(pythons, key=rank)
    return Python(path=best.path, version=version, own=best.version)


def _interpreters(context: ResolveContext) -> list[Python]:
    if find_spec("uv") is None:  # as where environments are created, and nothing is resolved
        # Where a virtual environment runs us, it is the Python below it.
        path = Path(getattr(sys, "_base_executable", sys.executable))
        return [Python(path=path, version=platform.python_version())]
    search = os.pathsep.join(str(folder) for folder in _directories())
    with Uv(context) as uv:
        done = uv.run(
            "uv python list",
            ("python", "list", "--only-installed", "--output-format", "json"),
            environment={"PATH": search},
            offline=True,
            keep=False,
        )
    listed = [] if done.returncode else json.loads(done.stdout)
    # Whatever else uv passes over, the Python that runs us does run.
    ours = ".".join(map(str, sys.version_info[:3]))
    if not any(entry["version"].startswith(ours) for entry in listed):
        said = done.stderr.strip().rpartition("cause: ")[2] or "it cannot list them"
        raise EngineFailed("uv", f"the interpreters of this machine: {said}", done.stderr)
    return [
        Python(path=Path(entry["path"]), version=entry["version"])
        for entry in listed
        if entry["implementation"] == "cpython" and entry["variant"] == "default"
    ]


def _directories() -> Iterator[Path]:
    for text in filter(None, os.environ.get("PATH", "").split(os.pathsep)):
        path = Path(text)
        # pyenv's shims start the wrong Python or none; what they stand for is added below.
        shims = path.name == "shims" and (path.parent / "versions").is_dir()
        if not shims and not (path.parent / "pyvenv.cfg").exists():
            yield path
    yield Path(sys.base_prefix) / "bin"
    # Path.home() fails for a user who has none, as in many containers.
    root = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))  # noqa: PTH111
    yield from sorted(root.glob("versions/*/bin"))
