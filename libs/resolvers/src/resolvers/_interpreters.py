"""The interpreters of this machine, as few of them started as will do.

What an executable is called says its minor version; its full version and its kind only it can say,
and starting all that a machine has takes seconds. So uv is asked about those of one minor version
alone, and about each by the path at which it will be used: uv keeps what it is told there for as long
as the file stays the same, so that resolving with it starts it no second time. So long the version of
what is a program is kept here as well, and uv not started for it. The one that runs us is asked nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pkgcache.lazy import lazy
from resolvers._kept import Kept
from resolvers._uv import Uv
from resolvers.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from resolvers.request import ResolveContext

__all__ = ["CPython", "Interpreters"]

_SCHEMA = 1
_NAME = re.compile(r"python(3(?:\.(?P<minor>\d+))?)?")
# Of what is called `python` or `python3`: which it is, is known once it was started.
_UNKNOWN = -1
# Whether what runs us is a CPython without flags in its name, such as `t` and `d`.
_IS_PLAIN = platform.python_implementation() == "CPython" and not sys.abiflags


class CPython(NamedTuple):
    """A CPython with its full version."""

    path: Path
    version: str


class Interpreters:
    """Those where PATH leads, of pyenv and of uv, and the one that runs us.

    Virtual environments, free-threaded builds and what is not CPython are passed over.
    """

    def __init__(self, context: ResolveContext) -> None:
        self._context = context
        self._kept = Kept(context.cache_dir / "pythons", _SCHEMA)

    @lazy
    def _paths(self) -> dict[int, list[Path]]:
        """Executables by the minor version in their name, each once, in the order of the search."""
        paths: dict[int, list[Path]] = {}
        seen: set[Path] = set()
        for path in _executables():
            try:
                real = path.resolve(strict=True)
            except (OSError, RuntimeError):  # it leads nowhere, or in a circle
                continue
            # A `python` may be Python 2, as on older systems: that is known without starting it.
            if real not in seen and not real.name.startswith("python2"):
                seen.add(real)
                match = _NAME.fullmatch(path.name), _NAME.fullmatch(real.name)
                minors = (int(name["minor"]) for name in match if name and name["minor"])
                paths.setdefault(next(minors, _UNKNOWN), []).append(path)
        return paths

    @lazy
    def _unnamed(self) -> list[CPython]:
        """Those that do not say their minor version in their name."""
        return self._listed(self._paths.get(_UNKNOWN, ()))

    @property
    def named(self) -> list[int]:
        """The minor versions that executables have in their names, the newest first; none starts."""
        return sorted(self._paths.keys() - {_UNKNOWN}, reverse=True)

    @property
    def minors(self) -> list[int]:
        """The minor versions of Python 3 that there may be, the newest first."""
        if find_spec("uv") is None:
            return [sys.version_info.minor]
        named = self._paths.keys() - {_UNKNOWN}
        return sorted(
            named | {_minor(interpreter.version) for interpreter in self._unnamed}, reverse=True
        )

    def of(self, minor: int) -> list[CPython]:
        """Those of a minor version; raises `EngineFailed`."""
        if find_spec("uv") is None:  # as where environments are created, and nothing is resolved
            return [CPython(path=_ours(), version=platform.python_version())]
        some = [*self._listed(self._paths.get(minor, ())), *self._unnamed]
        return [interpreter for interpreter in some if _minor(interpreter.version) == minor]

    def known(self, minor: int) -> list[CPython]:
        """Those of a minor version in their name of which no process is needed to know them."""
        known = map(self._known, self._paths.get(minor, ()))
        return [
            interpreter
            for interpreter in known
            if interpreter and _minor(interpreter.version) == minor
        ]

    def _listed(self, paths: Iterable[Path]) -> list[CPython]:
        interpreters: list[CPython] = []
        for path in paths:
            known = self._known(path)
            interpreters += [known] if known else self._asked(path)
        return interpreters

    def _known(self, path: Path) -> CPython | None:
        if _IS_PLAIN and path.resolve() == _ours().resolve():
            return CPython(path=path, version=platform.python_version())
        version = self._kept.load(_name(path), lambda content: _version(content, path))
        return CPython(path=path, version=version) if version else None

    def _asked(self, path: Path) -> Iterator[CPython]:
        with Uv(self._context) as uv:
            done = uv.run(
                "uv python list",
                (
                    *("python", "list", path, "--only-installed", "--no-managed-python"),
                    *("--output-format", "json"),
                ),
                offline=True,
                # Interpreters are looked for also where nothing can be written.
                keep=False,
            )
        if done.returncode:  # it is 0 where the interpreter does not answer, or is none
            said = done.stderr.strip().rpartition("cause: ")[2] or "it cannot list them"
            raise EngineFailed("uv", f"the interpreters of this machine: {said}", done.stderr)
        for entry in json.loads(done.stdout):
            if entry["implementation"] == "cpython" and entry["variant"] == "default":
                with suppress(OSError):  # where nothing can be written, it is asked again
                    if _is_program(path):
                        content = {"version": entry["version"], "state": _state(path)}
                        self._kept.keep(_name(path), content)
                yield CPython(path=path, version=entry["version"])


def _name(path: Path) -> str:
    return hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()


def _is_program(path: Path) -> bool:
    """Whether it is an interpreter itself.

    What version managers put in its place, a script or a program of their own, starts another one in
    another directory, and is the same file there.
    """
    real = path.resolve()
    with real.open("rb") as file:
        return bool(_NAME.fullmatch(real.name)) and file.read(2) != b"#!"


def _state(path: Path) -> list[int | str]:
    """What changes when an executable does, or what a link to it leads to."""
    status = path.stat()
    times = status.st_mtime_ns, status.st_ctime_ns
    return [str(path.resolve()), status.st_dev, status.st_ino, status.st_size, *times]


def _version(content: Mapping[str, Any], path: Path) -> str:
    """The version that was kept of an executable, empty where it is another one by now."""
    return str(content["version"]) if content["state"] == _state(path) else ""


def _ours() -> Path:
    """The interpreter that runs us; where a virtual environment does, the one below it."""
    return Path(getattr(sys, "_base_executable", sys.executable))


def _minor(version: str) -> int:
    return int(version.split(".")[1])


def _executables() -> Iterator[Path]:
    for folder in _folders():
        try:
            names = os.listdir(folder)  # noqa: PTH208 - of very many, few become paths
            python = [name for name in names if name[:6] == "python" and _NAME.fullmatch(name)]
            paths = [folder / name for name in python]
        except OSError:
            continue
        # `python3.11` before `python3`, which most often is the same.
        for path in sorted(paths, key=lambda path: (-len(path.name), path.name)):
            if path.is_file() and os.access(path, os.X_OK):
                yield path


def _folders() -> Iterator[Path]:
    for text in filter(None, os.environ.get("PATH", "").split(os.pathsep)):
        path = Path(text)
        # pyenv's shims start the wrong Python or none; what they stand for is added below.
        shims = path.name == "shims" and (path.parent / "versions").is_dir()
        if not shims and not (path.parent / "pyvenv.cfg").exists():
            yield path.absolute()
    yield Path(sys.base_prefix) / "bin"
    # Path.home() fails for a user who has none, as in many containers.
    root = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))  # noqa: PTH111
    yield from sorted(root.glob("versions/*/bin"))
    data = Path(os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"))  # noqa: PTH111
    yield from sorted((data / "uv" / "python").glob("cpython-*/bin"))
