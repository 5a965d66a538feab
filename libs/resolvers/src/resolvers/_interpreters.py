"""The interpreters of this machine, as few of them started as will do.

What an executable is called says its minor version; its full version and its kind only it can say,
and starting all that a machine has takes seconds. So uv is shown those of one minor version at a
time. It keeps what it is told by them for as long as their files stay the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pkgcache.lazy import lazy
from resolvers._uv import Uv
from resolvers.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from resolvers.request import ResolveContext

__all__ = ["CPython", "Interpreters"]

_NAME = re.compile(r"python(3(?:\.(?P<minor>\d+))?)?")
_UNKNOWN = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class CPython:
    """A CPython with its full version."""

    path: Path
    version: str


class Interpreters:
    """Those where PATH leads, of pyenv and of uv, and the one that runs us.

    Virtual environments, free-threaded builds and what is not CPython are passed over.
    """

    def __init__(self, context: ResolveContext) -> None:
        self._context = context

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
            if real not in seen:
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

    def _listed(self, paths: Sequence[Path]) -> list[CPython]:
        if not paths:
            return []
        with ExitStack() as stack:
            links = self._links(paths, stack)
            uv = stack.enter_context(Uv(self._context))
            done = uv.run(
                "uv python list",
                (
                    *("python", "list", "--only-installed", "--no-managed-python"),
                    *("--output-format", "json"),
                ),
                environment={"PATH": os.pathsep.join(str(link.parent) for link in links)},
                offline=True,
                # Interpreters are looked for also where nothing can be written.
                keep=False,
            )
            listed = [] if done.returncode else json.loads(done.stdout)
            interpreters = [
                CPython(path=path, version=entry["version"])
                for link, path in links.items()
                for entry in listed
                if Path(entry["path"]).absolute() == link  # uv shortens what is below here
                and entry["implementation"] == "cpython"
                and entry["variant"] == "default"
            ]
        # Whatever else uv passes over, the Python that runs us does run.
        if not listed and _ours().resolve() in {path.resolve() for path in paths}:
            said = done.stderr.strip().rpartition("cause: ")[2] or "it cannot list them"
            raise EngineFailed("uv", f"the interpreters of this machine: {said}", done.stderr)
        return interpreters

    def _links(self, paths: Iterable[Path], stack: ExitStack) -> dict[Path, Path]:
        """A folder for each executable, with a link to it alone: uv looks at whole folders."""
        root = self._context.cache_dir.absolute() / "pythons"
        # With a colon it would be two directories where uv looks.
        if os.pathsep not in str(root):
            with suppress(OSError):  # nothing can be kept there
                root.mkdir(parents=True, exist_ok=True)
                return dict(_linked(root, paths))
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return dict(_linked(root, paths))


def _ours() -> Path:
    """The interpreter that runs us; where a virtual environment does, the one below it."""
    return Path(getattr(sys, "_base_executable", sys.executable))


def _minor(version: str) -> int:
    return int(version.split(".")[1])


def _linked(root: Path, paths: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    for path in paths:
        folder = root / hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        link = folder / path.name
        if not os.path.lexists(link):
            with suppress(FileExistsError):  # another process was as quick
                link.symlink_to(path)
        yield link, path


def _executables() -> Iterator[Path]:
    for folder in _folders():
        try:
            paths = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
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
