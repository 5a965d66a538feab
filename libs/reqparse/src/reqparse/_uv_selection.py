"""The packages of a uv.lock on a target: a walk along its edges, from what it was made for."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reqparse._selection import Selection
    from reqparse.locked import LockedEdge, LockedPackage

_EXTRAS = re.compile(r"\bextra\s*[!=]=\s*['\"]([^'\"]*)")
_Place = tuple[int, str | None]  # a package by its place in the lock, and one of its extras


def packages(selection: Selection) -> dict[LockedPackage, tuple[str, ...]]:
    """What is to be installed, each with the names of what it needs."""
    selection.has("groups", "without_groups", "default_groups", "only_groups", "extras", "packages")
    selection.offered("extra", selection.choice.extras)
    selection.offered("member", selection.choice.packages)
    groups = selection.groups()
    lock = selection.lock
    if selection.locked.packages and not (lock.roots or lock.edges):
        text = "nothing says which of its packages the lock was made for"
        selection.problem(lock.origin, text, "lock again in the directory of the project")
    selection.check()
    walk = _Walk(selection, groups)
    walk.settle()
    selection.check_target()
    walk.check_conflicts()
    return walk.result()


class _Walk:
    def __init__(self, selection: Selection, groups: frozenset[str]) -> None:
        self._selection, self._groups = selection, groups
        self._packages = selection.locked.packages
        self._by_name: dict[str, list[int]] = {}
        for place, package in enumerate(self._packages):
            self._by_name.setdefault(package.name, []).append(place)
        self._named = frozenset(chain.from_iterable(selection.lock.conflicts))
        self._active = frozenset(self._asked() & self._named)
        self._reached: dict[_Place, None] = {}
        self._needs: dict[int, dict[int, None]] = {}

    def settle(self) -> None:
        """Follow the edges that hold, from the roots on.

        Markers may ask which of the extras that conflict are active, and which are is found by
        following markers: the walk is repeated until it finds what it started from.
        """
        # Where what is active only grows, it is stable after as many rounds; where it goes in a
        # circle, no number would do.
        for _ in range(len(self._named) + 2):
            before = self._active
            # Problems of a round that did not settle are of a world that is not meant.
            self._selection.start_over()
            self._active = frozenset(self._walk() & self._named)
            if self._active == before:
                return
        text = "which of the extras that exclude each other are meant does not settle"
        self._selection.problem(self._selection.lock.origin, text, "choose among them")

    def _walk(self) -> set[str]:
        """Everything that is reached; the extras that are active then."""
        self._reached, self._needs = {}, {}
        queue = [at for root in self._roots() for at in self._start(root)]
        if not self._selection.choice.packages:  # they are the workspace's own
            queue.extend(self._follow(self._selection.lock.edges, None))
        active = self._asked()
        while queue:
            at = queue.pop()
            if at in self._reached:
                continue
            self._reached[at] = None
            place, extra = at
            package = self._packages[place]
            kind = "extra" if extra else "project"
            active.add(_name(kind, package.name, extra))
            # Groups are of the roots alone, see `_start`.
            edges = (e for e in package.dependencies if e.extra == extra and e.group is None)
            queue.extend(self._follow(edges, place))
        return active

    def _roots(self) -> Iterator[int]:
        for name in self._selection.choice.packages or self._selection.lock.roots:
            yield from self._by_name.get(name, ())

    def _asked(self) -> set[str]:
        """What of the roots is active because it was chosen, as uv's markers name it."""
        choice, names = self._selection.choice, {self._packages[p].name for p in self._roots()}
        active = {_name("group", name, group) for name in names for group in self._groups}
        if not choice.only_groups:
            active |= {_name("project", name, None) for name in names}
            active |= {_name("extra", name, extra) for name in names for extra in choice.extras}
        return active

    def _start(self, place: int) -> Iterator[_Place]:
        if not self._selection.choice.only_groups:
            yield place, None
            edges = self._packages[place].dependencies
            offered = {edge.extra for edge in edges}
            yield from ((place, e) for e in self._selection.choice.extras if e in offered)
        edges = self._packages[place].dependencies
        yield from self._follow((e for e in edges if e.group in self._groups), place)

    def _follow(self, edges: Iterable[LockedEdge], owner: int | None) -> Iterator[_Place]:
        for edge in edges:
            # A group of the workspace belongs to no package.
            if owner is None and edge.group is not None and edge.group not in self._groups:
                continue
            if not self._holds(edge):
                continue
            place = self._meant(edge)
            if place is None:
                continue
            if owner is not None:
                self._needs.setdefault(owner, {})[place] = None
            yield place, None
            yield from ((place, extra) for extra in edge.extras)

    def _holds(self, edge: LockedEdge) -> bool:
        """Whether the marker of an edge holds; one on an extra without a conflict is a problem."""
        asked = set(_EXTRAS.findall(edge.marker)) if edge.marker and "extra" in edge.marker else ()
        for name in sorted(set(asked) - self._named):
            text = f"the marker of `{edge}` asks for `{name}`, which `conflicts` does not name"
            self._selection.problem(edge.origin, text, "lock again with uv")
        return self._selection.holds(edge.marker, edge.origin, extras=self._active)

    def _meant(self, edge: LockedEdge) -> int | None:
        """The one package that an edge leads to; none or several are a problem."""
        places = self._by_name.get(edge.name, [])
        told = [p for p in places if _is(self._packages[p], edge)]
        # Several versions of a package lie apart by their `resolution-markers`.
        if len(told) > 1:
            told = [p for p in told if self._selection.holds(self._packages[p].marker, edge.origin)]
        if len(told) == 1:
            return told[0]
        if told:
            versions = ", ".join(str(self._packages[p].version) for p in told)
            text = f"`{edge}` may be any of {edge.name} {versions}"
        else:
            text = f"`{edge}` is not among the packages"
        self._selection.problem(edge.origin, text, "lock again with uv")
        return None

    def check_conflicts(self) -> None:
        """Refuse a choice of what excludes each other; the versions that both need say no more."""
        for members in self._selection.lock.conflicts:
            if len(both := [name for name in members if name in self._active]) > 1:
                text = f"{' and '.join(map(_in_words, both))} exclude each other"
                self._selection.problem(self._selection.lock.origin, text, "choose one of them")
                self._selection.check()

    def result(self) -> dict[LockedPackage, tuple[str, ...]]:
        roots = set(self._selection.choice.packages or self._selection.lock.roots)
        places = sorted({place for place, _ in self._reached})
        installed = {
            place: self._packages[place]
            for place in places
            if not self._packages[place].virtual and self._packages[place].name not in roots
        }
        self._check_versions(installed.values())
        return {
            package: tuple(
                sorted(
                    {self._packages[p].name for p in self._needs.get(place, ()) if p in installed}
                )
            )
            for place, package in installed.items()
        }

    def _check_versions(self, installed: Iterable[LockedPackage]) -> None:
        versions: dict[str, LockedPackage] = {}
        for package in installed:
            other = versions.setdefault(package.name, package)
            if other is not package:
                self._selection.both(other, package, "their markers hold both")


def _is(package: LockedPackage, edge: LockedEdge) -> bool:
    """Whether a package is what an edge says of it."""
    addresses = {package.source} | {a.path or a.url for a in package.artifacts}
    # One name may come from two places, such as an index and a repository, for different markers.
    if edge.source is not None and edge.source not in addresses:
        return False
    if not edge.specifier or package.version is None:
        return True
    try:
        return SpecifierSet(edge.specifier).contains(package.version, prereleases=True)
    except ValueError:  # what is no version is the same text, or another one
        return edge.specifier == f"=={package.version}"


def _name(kind: str, package: str, what: str | None) -> str:
    """An extra, a group or a project as the markers of uv name it."""
    return f"{kind}-{len(package)}-{package}" + (f"-{what}" if what else "")


def _in_words(name: str) -> str:
    kind, length, rest = name.split("-", 2)
    package, what = rest[: int(length)], rest[int(length) + 1 :]
    return f"the {kind} `{what or package}`" + (f" of `{package}`" if what else "")
