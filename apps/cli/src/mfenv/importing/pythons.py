"""Which Python a lock is imported for, where it does not have one among its packages.

The choice depends on the lock and on what is asked for, not on what there is today or on this
machine: the same lock is to have the same id everywhere.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from envid.requirements import normalize_python
from mfenv.errors import Contradiction, InvalidRequest
from mfenv.python_statements import PythonStatement, check_together

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from packaging.specifiers import SpecifierSet

    from mfenv.importing.locks import ForeignLock
    from mfenv.request import Request
    from mfenv.settings import Settings

__all__ = ["WantedPython", "candidates", "in_words", "wanted_python"]

# Of releases, when this was written; a lock for newer ones alone is selected for those. A higher
# number would give locks that say nothing another Python, and so another id.
_NEWEST = 14
# Locks for older ones say so: by what they require, or by their wheels.
_OLDEST = 8
_MINORS, _PATCHES = range(40), range(40)
# As pyenv and uv write it: no other implementation, and no free-threaded build.
_PINNED = re.compile(r"(?:cpython[@-])?(3(?:\.\d+){1,2}(?:(?:a|b|rc)\d+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPython:
    """What is asked of Python: `asked` by whom it is imported, `required` by the locks.

    `made_for` is what locks were compiled for, else what they require.
    """

    asked: str
    place: str
    required: str
    made_for: str = ""

    @property
    def specifier(self) -> str:
        return normalize_python(",".join(filter(None, (self.asked, self.required))))


def wanted_python(
    request: Request, settings: Settings, locks: Sequence[ForeignLock]
) -> WantedPython:
    """What `--python` says, else the lock, else a `.python-version` beside it, else the settings.

    What is behind the first that says anything is not read: it may well contradict that. Raises `envid.errors.InvalidSpec` for what is no version.
    """
    from reqparse.selecting import pythons

    required = {text for lock in locks for text in pythons(lock.said, lock.choice).requires}
    stated = chain(
        [(request.python or "", "--python")],
        ((lock.compiled_for, lock.shown) for lock in locks),
        (_beside(lock) for lock in locks),
        [(settings.python, settings.origins.get("python", "the default"))],
    )
    required_by_all = ",".join(sorted(filter(None, required)))
    compiled = next(filter(None, (lock.compiled_for for lock in locks)), "")
    asked, place = next(((text, place) for text, place in stated if text), ("", ""))
    return WantedPython(
        asked=normalize_python(asked) if asked else "",
        place=place,
        required=required_by_all,
        made_for=normalize_python(compiled or required_by_all),
    )


def _beside(lock: ForeignLock) -> tuple[str, str]:
    """The version in a `.python-version` beside a lock for PyPI packages, and where it stands."""
    if isinstance(lock.file, str):  # from a URL
        return "", ""
    path = Path(lock.file).absolute().parent / ".python-version"
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return "", ""
    text = next((line.strip() for line in lines if line.strip() and line[0] != "#"), "")
    match = _PINNED.fullmatch(text)
    if not match:
        raise InvalidRequest(
            f"{path}: `{text}` is not a version of Python that can be had here",
            "write it like `3.12`, or say it with `--python`",
        )
    _check_project(path, match[1])
    return match[1], str(path)


def _check_project(path: Path, version: str) -> None:
    """Raise `Contradiction` where the project beside a `.python-version` forbids that version."""
    from reqparse import ParseErrors, parse_file

    project = path.with_name("pyproject.toml")
    if not project.is_file():
        return
    with suppress(ParseErrors):  # which is said where the project counts
        for stated in parse_file(project).python:
            statements = [
                PythonStatement.make(version, str(path)),
                PythonStatement.make(stated.specifier, str(stated.origin)),
            ]
            check_together(statements)


def candidates(wanted: WantedPython, *, first: Sequence[str] = ()) -> Iterator[str]:
    """Full versions of Python to select for, one of each minor version, the newest first.

    Of a minor version the newest patch release that is allowed stands for all. The minor versions
    `first` come before the others, in their order. Raises `Contradiction` where no release is
    allowed.
    """
    from packaging.specifiers import SpecifierSet

    allowed = SpecifierSet(wanted.specifier)
    minors = list(range(_NEWEST, _OLDEST - 1, -1))
    limits = SpecifierSet(wanted.specifier if wanted.asked else wanted.required)
    possible = [m for m in _MINORS if _newest(limits, m)]
    if possible and not set(possible) & set(minors):
        minors = possible[::-1]  # newer, or older, than what is thought of here
    order = {name: place for place, name in enumerate(first)}
    minors = sorted(minors, key=lambda minor: order.get(f"3.{minor}", len(order)))
    none = True
    for minor in minors:
        if version := _newest(allowed, minor):
            none = False
            yield version
    if none:
        by = f"{wanted.place} asks for Python `{wanted.asked}`, and " if wanted.asked else ""
        raise Contradiction(
            f"{by}the lock requires Python `{wanted.required}`: no release is both"
            if by
            else f"no Python satisfies what the lock requires: `{wanted.required}`",
            "ask for a Python that the lock is for, with `--python`",
        )


def in_words(version: str) -> str:
    """How messages call a candidate: by its minor version, if it stands for all of that."""
    minor, _, patch = version.rpartition(".")
    return minor if patch == str(_PATCHES[-1]) else version


def _newest(allowed: SpecifierSet, minor: int) -> str:
    """The newest release of a minor version that is allowed; empty for none."""
    named = _named(allowed, minor)
    releases = (f"3.{minor}.{patch}" for patch in reversed(_PATCHES))
    return next((v for v in (*named, *releases) if allowed.contains(v, prereleases=True)), "")


def _named(allowed: SpecifierSet, minor: int) -> Iterable[str]:
    """Exact versions that are named, which may be pre-releases."""
    return [
        clause.version
        for clause in allowed
        if clause.operator == "==" and re.match(rf"3\.{minor}\.\d[^*]*$", clause.version)
    ]
