"""Interpreters on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pkgcache.lazy import lazy
from resolvers._interpreters import Interpreters
from resolvers._python_choice import open_minors
from resolvers.errors import PythonNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    from resolvers._interpreters import CPython
    from resolvers.request import ResolveContext

__all__ = ["Python", "Pythons", "find_python", "minor", "named_pythons", "stand_in"]

_SERIES, _RELEASE = re.compile(r"==(3\.\d+)\.\*"), re.compile(r"3\.\d+\.\d+")


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


def named_pythons(context: ResolveContext) -> tuple[str, ...]:
    """The minor versions of this machine's Pythons by their names alone, the newest first.

    None is started for it, so that it costs no process.
    """
    return tuple(f"3.{number}" for number in Interpreters(context).named)


def find_python(specifier: str, context: ResolveContext) -> Python:
    """The newest CPython on this machine that satisfies a PEP 440 specifier.

    Raises `PythonNotFound`; see `Pythons`.
    """
    return next(iter(Pythons(specifier, context)))


class Pythons:
    """The CPythons on this machine that satisfy a PEP 440 specifier: the newest of each minor version.

    Looks where PATH leads, at the installations of pyenv and uv, and at the interpreter that runs
    us. Virtual environments and free-threaded builds are passed over; pre-releases count only if
    nothing else satisfies. That of the version that should stay comes first, then the newest. None
    is started before it is its turn. Raises `PythonNotFound` in place of the first.
    """

    def __init__(self, specifier: str, context: ResolveContext) -> None:
        self._specifier = specifier
        self._interpreters = Interpreters(context)
        self._kept = minor(context.preferred_python)

    @lazy
    def _allowed(self) -> SpecifierSet:
        from packaging.specifiers import SpecifierSet

        return SpecifierSet(self._specifier)

    def _allows(self, version: str) -> bool:
        series = _SERIES.fullmatch(self._specifier)
        # As most requests have it, which need nothing of `packaging` then.
        if series and _RELEASE.fullmatch(version):
            return minor(version) == series[1]
        return self._allowed.contains(version, prereleases=True)

    @lazy
    def _minors(self) -> list[int]:
        return self._in_order(self._interpreters.minors)

    def _in_order(self, minors: Iterable[int]) -> list[int]:
        possible = set(open_minors(self._specifier))
        return sorted(
            (number for number in minors if number in possible),
            key=lambda number: (f"3.{number}" != self._kept, -number),
        )

    @property
    def only(self) -> bool:
        """Whether there is no more than one minor version to choose from."""
        return len(self._minors) <= 1

    @property
    def likely(self) -> Python | None:
        """The first, as far as it is known without starting any; None where that says nothing."""
        for number in self._in_order(self._interpreters.named):
            newest = self._newest(self._interpreters.known(number))
            if newest and not _is_early(newest.version):
                return Python(path=newest.path, version=newest.version)
        return None

    def __iter__(self) -> Iterator[Python]:
        early: list[CPython] = []
        none = True
        for number in self._minors:
            newest = self._newest(self._interpreters.of(number))
            if newest and _is_early(newest.version) and not self._allowed.prereleases:
                early.append(newest)
            elif newest:
                none = False
                yield Python(path=newest.path, version=newest.version)
        if none:
            yield from (
                Python(path=interpreter.path, version=interpreter.version) for interpreter in early
            )
        if none and not early:
            # All that there are, also those that were out of the question from the start.
            every = (self._interpreters.of(number) for number in self._interpreters.minors)
            seen = {interpreter.version for some in every for interpreter in some}
            raise PythonNotFound(self._specifier, tuple(sorted(seen, key=_version, reverse=True)))

    def _newest(self, interpreters: Iterable[CPython]) -> CPython | None:
        """The newest that satisfies, a release before any pre-release."""
        fitting = [interpreter for interpreter in interpreters if self._allows(interpreter.version)]
        plain = all(_RELEASE.fullmatch(interpreter.version) for interpreter in fitting)
        return max(fitting, key=_numbers if plain else _rank, default=None)


def _numbers(interpreter: CPython) -> tuple[int, ...]:
    return tuple(map(int, interpreter.version.split(".")))


def _rank(interpreter: CPython) -> tuple[bool, Version]:
    version = _version(interpreter.version)
    return not version.is_prerelease, version


def _is_early(version: str) -> bool:
    """Whether a version of Python is a pre-release."""
    return not _RELEASE.fullmatch(version) and _version(version).is_prerelease


def _version(text: str) -> Version:
    from packaging.version import Version

    return Version(text)


def stand_in(version: str, context: ResolveContext) -> Python:
    """The interpreter on this machine that can best stand in for a version of Python.

    It is that version, else the newest of the same minor version, else the newest of all. Raises
    `PythonNotFound` where there is none.
    """
    interpreters = Interpreters(context)
    minors = sorted(
        interpreters.minors, key=lambda number: (f"3.{number}" != minor(version), -number)
    )
    for number in minors:
        best = max(
            interpreters.of(number),
            key=lambda interpreter: (interpreter.version == version, _rank(interpreter)),
            default=None,
        )
        if best:
            return Python(path=best.path, version=version, own=best.version)
    raise PythonNotFound(f"=={version}", ())
