"""The packages of locks that list them by platform: conda-lock's, pixi's and `@EXPLICIT`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from reqparse._locked import is_conda_archive

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reqparse._selection import Selection
    from reqparse.locked import LockedEdge, LockedPackage

_SUBDIR = re.compile(r"(?:linux|osx|win|emscripten|wasi|freebsd|zos)-[a-z0-9]+")


def packages(selection: Selection) -> dict[LockedPackage, tuple[str, ...]]:
    """What is to be installed, each with the names of what it needs."""
    choose = {"pixi.lock": _of_environment, "conda-lock.yml": _of_categories}
    listed = choose.get(selection.lock.kind, _of_list)(selection)
    selection.check()
    chosen: dict[tuple[str, str], LockedPackage] = {}
    for package in listed:
        other = chosen.setdefault((package.category, package.name), package)
        if other is not package and not _is_same(other, package):
            text = f"both {other.version} and {package.version} of `{package.name}` are listed"
            selection.problem(package.origin, text, "lock again")
        if package.category == "conda" and not _is_built(package):
            text = f"`{package.name}` is to be built from source, so its content is not exact"
            selection.problem(package.origin, text, "publish it to a channel and lock again")
        if others := set(subdirs(package)) - {selection.target.platform}:
            text = f"`{package.name}` is for {others.pop()}, not for {selection.target.platform}"
            selection.problem(package.origin, text, "lock again")
    _check_python(selection, chosen.get(("conda", "python")))
    return {package: _needs(selection, package, chosen) for package in chosen.values()}


def _of_environment(selection: Selection) -> list[LockedPackage]:
    """The packages of one of pixi's environments."""
    selection.has("environment", "platform")
    name = selection.choice.environment or "default"
    selection.offered("environment", [name])
    platforms = selection.lock.environments.get(name)
    platform = _platform(selection, platforms, name) if platforms is not None else None
    return [
        p for p in selection.locked.packages if name in p.groups and platform in (p.platforms or ())
    ]


def _platform(selection: Selection, platforms: Collection[str], environment: str) -> str | None:
    """The platform of an environment that is for the target; several are a problem, too."""
    target, subdirs = selection.target.platform, selection.lock.subdirs
    fitting = [p for p in platforms if subdirs.get(p, p) == target]
    chosen = selection.choice.platform or target
    if chosen in fitting or (len(fitting) == 1 and selection.choice.platform is None):
        return chosen if chosen in fitting else fitting[0]
    what, origin = f"the environment `{environment}`", selection.lock.origin
    if selection.choice.platform and fitting:
        text = f"{what} has no platform `{chosen}` for {target}"
        selection.problem(origin, text, f"it has {', '.join(fitting)}")
    elif fitting:
        text = f"{what} has several platforms for {target}: {', '.join(fitting)}"
        selection.problem(origin, text, "choose one of them by its name")
    else:
        _check_platform(selection, [subdirs.get(p, p) for p in platforms], what)
    return None


def _of_categories(selection: Selection) -> list[LockedPackage]:
    """The packages of some of conda-lock's categories; what has none is always meant."""
    selection.has("groups", "without_groups", "default_groups", "only_groups")
    groups, platform = selection.groups(), selection.target.platform
    _check_platform(selection, selection.locked.platforms, "the lock")
    selection.check()
    listed = [p for p in selection.locked.packages if platform in (p.platforms or ())]
    if not listed:
        # conda-lock writes none without Python or anything else: the rest of the file was lost.
        text = f"the lock has no packages for {platform}, which it names"
        selection.problem(selection.lock.origin, text, "lock again")
    return [p for p in listed if not p.groups or groups.intersection(p.groups)]


def _is_same(package: LockedPackage, other: LockedPackage) -> bool:
    """Whether two entries are one package in two categories, each of which conda-lock writes."""
    return package.groups != other.groups and replace(other, groups=package.groups) == package


def _of_list(selection: Selection) -> list[LockedPackage]:
    """All packages of an explicit list, which is for one platform."""
    selection.has()
    listed = list(selection.locked.packages)
    platforms = {s for p in listed for s in p.platforms or subdirs(p)}
    if platforms:
        _check_platform(selection, sorted(platforms), "the list")
    return listed


def subdirs(package: LockedPackage) -> tuple[str, ...]:
    """The platform in the address of a conda package; none of what is for all of them."""
    for artifact in package.artifacts if package.category == "conda" else ():
        parts = (artifact.url or artifact.path or "").split("/")
        subdir = parts[-2] if len(parts) > 1 else ""
        if _SUBDIR.fullmatch(subdir):
            return (subdir,)
    return ()


def _check_platform(selection: Selection, platforms: Collection[str], what: str) -> None:
    if selection.target.platform not in platforms:
        text = f"{what} is not for {selection.target.platform}"
        known = ", ".join(platforms)
        selection.problem(selection.lock.origin, text, f"it is for {known}" if known else None)


def _check_python(selection: Selection, python: LockedPackage | None) -> None:
    """The Python that is locked is the one that everything else must be for."""
    asked = selection.target.python
    if python is None or python.version is None:
        return
    # By parts: 3.1 is not 3.11.
    if asked and f"{python.version}.".partition(f"{asked}.")[0]:
        text = f"the lock has Python {python.version}, not {asked}"
        selection.problem(python.origin, text, "a lock with a Python of its own decides it")
    # Not the target's, which may name a minor release alone: what PyPI packages require is asked of
    # this one.
    selection.python = selection.shown = python.version


def _is_built(package: LockedPackage) -> bool:
    return all(is_conda_archive(a.url or a.path or "") for a in package.artifacts)


def _needs(
    selection: Selection,
    package: LockedPackage,
    chosen: Mapping[tuple[str, str], LockedPackage],
) -> tuple[str, ...]:
    needs: set[str] = set()
    for edge in package.dependencies:
        # What PyPI's need may come from conda, under a name that only that package knows.
        kinds = ("conda",) if package.category == "conda" else ("pypi", "conda")
        if any((kind, edge.name) in chosen for kind in kinds):
            needs.add(edge.name)
        elif package.category == "conda" and not _may_lack(edge):
            text = f"`{package.name}` needs `{edge}`, which is not among the packages"
            selection.problem(package.origin, text, "lock again")
    return tuple(sorted(needs))


def _may_lack(edge: LockedEdge) -> bool:
    """Whether an edge leads to a property of the system, or holds on a condition."""
    return edge.name.startswith("__") or "when=" in edge.specifier or "; if" in edge.specifier
