"""Whether a universe has a solution, by trying everything; no engine is asked.

The law. Of conda, the packages are there that the request needs, itself or by way of others, one of
a name, and all that they depend on. What they hold is there at its own version, which nothing of
PyPI may take the place of; what such a distribution requires is conda's business, but for its
extras: who asks for one gets what that adds. Everything else that is required comes from PyPI, with
a wheel for that platform and Python. Constraints hold for all that is there. All platforms have one
minor version of Python, unless there is no such solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from .reading import (
    accepts,
    added,
    allows_python,
    asked,
    markers_of,
    matches,
    minor_of,
    name_of,
    pypi_name,
    runs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.requirements import Requirement

    from .model import Build, Held, Release, Universe

__all__ = [
    "Solution",
    "conda_choices",
    "first_choice",
    "is_apart",
    "is_solvable",
    "solutions",
]


@dataclass(frozen=True, slots=True)
class Solution:
    """Conda packages for a platform, and versions of PyPI packages beside them."""

    builds: tuple[Build, ...]
    pypi: Mapping[str, str]

    @property
    def python(self) -> str:
        return next(one.version for one in self.builds if one.name == "python")

    @property
    def minor(self) -> str:
        return minor_of(self.python)


def is_solvable(universe: Universe) -> bool:
    """Whether there is a solution for every platform."""
    return all(any(True for _ in solutions(universe, one)) for one in universe.platforms)


def is_apart(universe: Universe) -> bool:
    """Whether there are solutions, but none with the same minor version of Python everywhere."""
    minors = [{one.minor for one in solutions(universe, each)} for each in universe.platforms]
    return all(minors) and not set.intersection(*minors)


def first_choice(universe: Universe, platform: str) -> Solution | None:
    """What the newest conda packages are, each in turn, whatever PyPI says; with what fits then."""
    side = _Pypi(universe, platform)
    for builds in conda_choices(universe, platform):
        found = side.beside(builds)
        return None if found is None else Solution(builds, found)
    return None


def solutions(universe: Universe, platform: str) -> Iterator[Solution]:
    """Every choice of conda packages that has PyPI packages to it, with one choice of those."""
    side = _Pypi(universe, platform)
    for builds in conda_choices(universe, platform):
        found = side.beside(builds)
        if found is not None:
            yield Solution(builds, found)


def conda_choices(universe: Universe, platform: str) -> Iterator[tuple[Build, ...]]:
    """Every choice of conda packages, newer ones first, of Python before all others."""
    by_name: dict[str, list[Build]] = {}
    for one in universe.builds:
        here = bool({platform, "noarch"}.intersection(one.subdirs))
        if here and (one.name != "python" or allows_python(universe, one.version)):
            by_name.setdefault(one.name, []).append(one)
    for some in by_name.values():
        some.sort(key=lambda one: (Version(one.version), one.number, one.build), reverse=True)

    def extended(
        chosen: dict[str, Build], specs: Sequence[str], at: int
    ) -> Iterator[tuple[Build, ...]]:
        while at < len(specs) and name_of(specs[at]) in chosen:
            at += 1
        if at == len(specs):
            yield tuple(chosen.values())
            return
        name = name_of(specs[at])
        for one in by_name.get(name, ()):
            more = (*specs, *one.depends)
            there = {**chosen, name: one}
            if all(
                matches(spec, there[name_of(spec)].version)
                for spec in more
                if name_of(spec) in there
            ):
                yield from extended(there, more, at + 1)

    yield from extended({}, ("python", *universe.conda), 0)


class _Pypi:
    """The PyPI side of a universe on one platform."""

    def __init__(self, universe: Universe, platform: str) -> None:
        self._universe, self._platform = universe, platform
        self._known: dict[object, Mapping[str, str] | None] = {}
        self._releases: dict[str, list[Release]] = {}
        for one in universe.releases:
            self._releases.setdefault(one.name, []).append(one)
        for some in self._releases.values():
            some.sort(key=lambda one: Version(one.version), reverse=True)

    def beside(self, builds: Sequence[Build]) -> Mapping[str, str] | None:
        """PyPI packages that go with conda's, None if there are none."""
        python = next(one.version for one in builds if one.name == "python")
        held = {each.name: each for one in builds for each in one.holds}
        key = python, frozenset(held.values())
        if key not in self._known:
            self._known[key] = self._solved(python, held)
        return self._known[key]

    def _solved(self, python: str, held: Mapping[str, Held]) -> Mapping[str, str] | None:
        environment = markers_of(self._platform, python)
        limits = asked(self._universe.constraints, environment)
        todo = asked(self._universe.pypi, environment)
        if not all(
            accepts(one, held[pypi_name(one)].version) for one in limits if pypi_name(one) in held
        ):
            return None

        def candidates(name: str) -> Iterator[Release]:
            for one in self._releases.get(name, ()):
                limited = [limit for limit in limits if pypi_name(limit) == name]
                if all(accepts(limit, one.version) for limit in limited) and runs(
                    one, self._platform, python
                ):
                    yield one

        def search(
            todo: Sequence[Requirement],
            chosen: Mapping[str, Release],
            seen: frozenset[tuple[str, str]],
        ) -> Mapping[str, str] | None:
            if not todo:
                return {name: one.version for name, one in chosen.items()}
            one, name = todo[0], pypi_name(todo[0])
            there = held.get(name) or chosen.get(name)
            if there is None:
                tried = (search(todo, {**chosen, name: each}, seen) for each in candidates(name))
                return next((found for found in tried if found is not None), None)
            if not accepts(one, f"{there.version}+conda" if name in held else there.version):
                return None
            new = {(name, extra) for extra in ("", *one.extras)} - seen
            more = [
                each
                for _, extra in sorted(new)
                if extra or name not in held
                for each in added(there, extra, environment)
            ]
            return search((*todo[1:], *more), chosen, seen | new)

        return search(todo, {}, frozenset())
