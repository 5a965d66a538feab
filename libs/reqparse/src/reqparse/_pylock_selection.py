"""The packages of a pylock.toml on a target, as PEP 751 selects them: by their markers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reqparse._selection import Selection
    from reqparse.locked import LockedPackage


def packages(selection: Selection) -> dict[LockedPackage, tuple[str, ...]]:
    """What is to be installed, each with the names of what it needs."""
    selection.has("groups", "without_groups", "default_groups", "extras")
    selection.offered("extra", selection.choice.extras)
    groups = selection.groups()
    selection.check()
    selection.check_target()
    extras = frozenset(selection.choice.extras)
    chosen: dict[str, LockedPackage] = {}
    for package in selection.locked.packages:
        if not selection.holds(package.marker, package.origin, extras=extras, groups=groups):
            continue
        if (other := chosen.setdefault(package.name, package)) is not package:
            selection.both(other, package, "PEP 751 allows one")
    return {
        package: tuple(sorted({e.name for e in package.dependencies if e.name in chosen}))
        for package in chosen.values()
    }
