"""Reading a file of any known kind, and a requirement by itself."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from envid.redaction import redact
from reqparse._flaw import Flaw
from reqparse.errors import ParseErrors, UnknownKind
from reqparse.model import Category, Origin, Requirement, RequirementSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["KINDS", "kind_of", "parse_file", "parse_requirement"]

# By name, so that a reader's libraries are imported for its own kind alone.
_READERS = {
    "requirements.txt": "requirements_txt:read",
    "environment.yml": "environment_yml:read",
    "pyproject.toml": "pyproject:read",
    "pixi.toml": "pyproject:read_pixi",
    "script": "pyproject:read_script",
    "pylock.toml": "pylock:read",
    "conda-lock.yml": "conda_lock:read",
    "pixi.lock": "pixi_lock:read",
    "uv.lock": "uv_lock:read",
    "poetry.lock": "poetry_lock:read",
    "Pipfile.lock": "pipfile_lock:read",
    "explicit": "explicit:read",
}

_NAMES = (
    *("pyproject.toml", "pixi.toml", "pylock.toml", "conda-lock.yml", "pixi.lock", "uv.lock"),
    "poetry.lock",
)
_ENDINGS = {
    "pipfile.lock": "Pipfile.lock",
    ".py": "script",
    ".py.lock": "uv.lock",  # beside a script, and so is the next
    ".pixi.lock": "pixi.lock",
    "mojoproject.toml": "pixi.toml",  # pixi's manifest under another name
}
_SIGNS = {
    "explicit": (rb"@EXPLICIT\s*$",),
    "pylock.toml": (rb"lock-version\s*=", rb"created-by\s*="),
    "uv.lock": (rb"version = \d", rb"\[\[package\]\]", rb"source = \{ "),
    "poetry.lock": (rb"\[\[package\]\]", rb"python-versions\s*=", rb"\[metadata\]"),
    "Pipfile.lock": (rb"\{", rb"\s*\"_meta\"\s*:", rb"\s*\"default\"\s*:"),
    "pixi.toml": (rb"\[workspace\]", rb"channels\s*="),
    "pixi.lock": (rb"version: \d", rb"environments:", rb"packages:"),
    "conda-lock.yml": (rb"version: \d", rb"package:\s*$"),
}

_CONFLICT = rb"(?ms)^<{7} (?=.*^={7}\r?$.*^>{7} )"

KINDS = tuple(_READERS)
"""What a file can be; see the README for how a kind is told by name and content."""


def parse_file(
    path: str | Path,
    *,
    kind: str | None = None,
    data: bytes | None = None,
    env: Mapping[str, str] | None = None,
    fetch: Callable[[str], bytes] | None = None,
    groups: Sequence[str] = (),
    extras: Sequence[str] = (),
) -> RequirementSet:
    """Read a requirement or lock file and the files it includes.

    `kind` is one of `KINDS`, or None to tell by name and content. `data` is read in place of what
    the file has, such as what is to be written there. `env` gives the variables for
    `${NAME}` in requirements files (default: the process environment). `fetch` gets http(s)
    URLs that `-r` and `-c` name; it raises OSError when it cannot. `groups` and `extras` are the
    dependency groups and optional dependencies to include.

    Raises ParseErrors with every problem of the files, and UnknownKind.
    """
    if kind is not None and kind not in KINDS:
        raise UnknownKind(kind, KINDS)
    from reqparse._reading import Reading

    reading = Reading(
        env=os.environ if env is None else env, fetch=fetch, groups=groups, extras=extras
    )
    with reading.guard(Origin(file=redact(str(path)))):
        if data is None:
            _check_no_pipe(str(path))
            data = reading.load(str(path), included=False)
        kind = kind or kind_of(str(path), data)
        if kind != "script":  # whose texts may show such lines
            _check_merged(data)
        module, _, function = _READERS[kind].partition(":")
        getattr(import_module(f"reqparse.{module}"), function)(reading, str(path), data)
    return reading.result()


def _check_no_pipe(path: str) -> None:
    """Raise Flaw for a pipe that has the name of a project's file, and may never have a writer.

    Those of a shell have names that say nothing, and are read.
    """
    named = path.replace("\\", "/").rpartition("/")[2].lower() in (*_NAMES, "pipfile.lock")
    with suppress(OSError, ValueError):  # which is said when it is read
        if named and stat.S_ISFIFO(os.stat(path).st_mode):  # noqa: PTH116 - paths stay strings
            raise Flaw("this is a pipe, and no file", "make the file again")


def _check_merged(data: bytes) -> None:
    """Raise Flaw where git has left both sides of a merge."""
    start = re.search(_CONFLICT, data)
    if start:
        hint = "take one of its sides, or make the file again"
        line = data.count(b"\n", 0, start.start()) + 1
        raise Flaw("here is a conflict of a merge, as git leaves it", hint, line)


def kind_of(name: str, data: bytes) -> str:
    """Tell what a file is by its name and, where that does not say, by its content."""
    name = name.replace("\\", "/").rpartition("/")[2].lower()
    if name in _NAMES:
        return name
    for ending, kind in _ENDINGS.items():
        if name.endswith(ending):
            return kind
    if name.endswith(".toml"):
        return "pylock.toml" if name.startswith("pylock.") else _told(data, "pyproject.toml")
    yaml = name.endswith((".yml", ".yaml"))
    return _told(data, "environment.yml" if yaml else "requirements.txt")


def _told(data: bytes, otherwise: str) -> str:
    """The first kind of which every sign is in the content."""
    # Lines at their start, all of them: a single one may stand in a file of another kind.
    for kind, signs in _SIGNS.items():
        if all(re.search(rb"(?m)^" + sign, data) for sign in signs):
            return kind
    return otherwise


def parse_requirement(
    text: str,
    *,
    category: Category = "pypi",
    origin: Origin = Origin(),  # noqa: B008 - frozen
) -> Requirement:
    """Read a requirement, as from a command line; relative paths start at the working directory.

    Raises ParseErrors.
    """
    try:
        if category == "pypi":
            from reqparse._pypi import pypi_requirement

            requirement = pypi_requirement(text, base=os.getcwd())  # noqa: PTH109 - paths stay strings
        elif category == "sys":
            from reqparse._conda import sys_requirement

            requirement = sys_requirement(text)
        else:
            from reqparse._conda import conda_requirement

            requirement = conda_requirement(text, base=os.getcwd())  # noqa: PTH109 - as above
    except Flaw as flaw:
        from reqparse._reading import problem_of

        raise ParseErrors((problem_of(origin, flaw.message, flaw.hint),)) from None
    return replace(requirement, category=category, origin=origin, original=redact(text))
