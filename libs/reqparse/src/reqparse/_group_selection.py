"""The packages of locks that list them with groups and markers: poetry's and pipenv's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reqparse._selection import Selection
    from reqparse.locked import LockedEdge, LockedPackage


def packages(selection: Selection) -> dict[LockedPackage, tuple[str, ...]]:
    """What is to be installed, each with the names of what it needs."""
    pipenv = selection.lock.kind == "Pipfile.lock"
    listed = _of_categories(selection) if pipenv else _of_poetry(selection)
    selection.check()
    selection.check_target()
    chosen = _each_once(selection, listed)
    return {
        package: tuple(sorted({e.name for e in package.dependencies if e.name in chosen}))
        for package in chosen.values()
    }


def _holding(
    selection: Selection,
    listed: Iterable[LockedPackage],
    extras: frozenset[str] = frozenset(),
    groups: frozenset[str] = frozenset(),
) -> list[LockedPackage]:
    return [
        package
        for package in listed
        if selection.holds(package.marker, package.origin, extras=extras, groups=groups)
    ]


def _each_once(selection: Selection, listed: Iterable[LockedPackage]) -> dict[str, LockedPackage]:
    """The packages by name; one that several categories list alike is one."""
    chosen: dict[str, LockedPackage] = {}
    for package in listed:
        if other := selection.once(chosen, package):
            selection.both(other, package, "lock again")
    return chosen


def _of_categories(selection: Selection) -> list[LockedPackage]:
    """The default category of a Pipfile.lock, and those that were chosen beside it."""
    selection.has("groups", "only_groups")
    wanted = selection.groups()
    if not selection.choice.only_groups:
        wanted |= {"default"}
    listed = [p for p in selection.locked.packages if wanted.intersection(p.groups)]
    holding = _holding(selection, listed)
    # Only of what holds here: what pipenv locked on one system may be without a version on another.
    for package in holding:
        if not package.artifacts:
            text = f"`{package.name}` has no exact version in the lock"
            selection.problem(package.origin, text, "lock again on a machine that needs it")
    return holding


def _of_poetry(selection: Selection) -> list[LockedPackage]:
    selection.has("groups", "without_groups", "default_groups", "only_groups", "extras")
    selection.offered("extra", selection.choice.extras)
    groups, extras = selection.groups(), frozenset(selection.choice.extras)
    listed = [p for p in selection.locked.packages if not p.groups or groups.intersection(p.groups)]
    if selection.lock.by_edges:
        return _needed(selection, _holding(selection, listed))
    return _holding(selection, listed, extras, groups)


def _needed(selection: Selection, listed: list[LockedPackage]) -> list[LockedPackage]:
    """What an older poetry.lock means, which does not say what the project asks for itself.

    A package that others need is left out if none of those that are left needs it on the target.
    """
    admitted = [p for p in listed if not p.requires_python or selection.admits(p.requires_python)]
    # One of the same name for another Python stands in for it; a package that no entry admits
    # stays, to be refused by name.
    names = {p.name for p in admitted}
    listed = admitted + [p for p in listed if p.name not in names]
    left = [p for p in listed if not p.optional]
    asked_for = {edge.name for p in left for edge in p.dependencies}
    # To leave one out may leave out who needed it alone; each round has fewer, so that it ends.
    while True:
        needed = {edge.name for p in left for edge in p.dependencies if _holds(selection, edge)}
        fewer = [p for p in left if p.name in needed or p.name not in asked_for]
        if len(fewer) == len(left):
            return [*left, *_of_extras(selection, [p for p in listed if p.optional])]
        left = fewer


def _of_extras(selection: Selection, optional: list[LockedPackage]) -> list[LockedPackage]:
    """The optional packages of the chosen extras, and those that they need."""
    chosen: list[LockedPackage] = []
    extras = selection.choice.extras
    queue = [(e.name, frozenset(e.extras)) for e in selection.lock.edges if e.extra in extras]
    seen = set()
    while queue:
        name, asked = at = queue.pop()
        if at in seen:
            continue
        seen.add(at)
        for package in (p for p in optional if p.name == name):
            chosen.append(package)
            queue += [
                (edge.name, frozenset(edge.extras))
                for edge in package.dependencies
                if edge.extra is None or edge.extra in asked
                if _holds(selection, edge)
            ]
    return chosen


def _holds(selection: Selection, edge: LockedEdge) -> bool:
    """Whether an edge holds on the target; for an extra it has that in its marker, too."""
    extras = frozenset({edge.extra} if edge.extra else ())
    return selection.holds(edge.marker, edge.origin, extras=extras)
