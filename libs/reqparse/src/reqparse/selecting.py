"""What a lock file means on one target: the exact packages, and of each the file to take.

Nothing is resolved: a package is selected because the lock says so, and a lock that does not suffice
is refused with everything that it lacks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from reqparse._conda_selection import subdirs
from reqparse._listed import as_lock
from reqparse._selection import (
    Choice,
    LockPythons,
    Selected,
    Selection,
    SelectionTarget,
    group_pythons,
    normalised,
)
from reqparse.errors import Problem, SelectionErrors
from reqparse.model import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqparse.locked import Lock, LockedPackage
    from reqparse.model import RequirementSet

__all__ = ["Choice", "LockPythons", "Selected", "SelectionTarget", "as_lock", "pythons", "select"]

_SELECTORS = {
    "uv.lock": "_uv_selection",
    "pylock.toml": "_pylock_selection",
    "conda-lock.yml": "_conda_selection",
    "pixi.lock": "_conda_selection",
    "explicit": "_conda_selection",
    "poetry.lock": "_group_selection",
    "Pipfile.lock": "_group_selection",
    "requirements.txt": "_listed",
}


def select(
    locked: RequirementSet,
    target: SelectionTarget,
    choice: Choice = Choice(),  # noqa: B008 - frozen
) -> tuple[Selected, ...]:
    """The packages of a lock on one target, sorted by category and name, each with its file.

    `locked` is what `parse_file` gives of a lock file, or `as_lock`. A package may be known by its
    version and hashes alone: then its artifact has neither a URL nor a path and, of a poetry.lock,
    the name of the file. The projects that a uv.lock was made for are
    not among the result, and nothing virtual is. Markers are evaluated as PEP 508 and PEP 751
    say, wheels chosen by `target.ranks` alone. Versions are taken as locked and not checked again
    against what packages ask of each other.

    Raises `SelectionErrors` with every problem: a target, a group, an extra or an environment that
    the lock does not have, an edge without a package, a package without a file for the target;
    and ValueError for a target whose `markers` are not all there.
    """
    lock = _lock(locked)
    selection = Selection(locked, lock, target, choice)
    # By name, so that a single kind of lock is loaded.
    module = import_module(f"reqparse.{_SELECTORS[lock.kind]}")
    packages: Callable[[Selection], dict[LockedPackage, tuple[str, ...]]] = module.packages
    chosen = packages(selection)
    selected = []
    for package, depends in chosen.items():
        artifact = selection.artifact(package)
        if artifact is not None:
            selected.append(Selected(package=package, artifact=artifact, depends=depends))
    selection.check()
    return tuple(sorted(selected, key=lambda s: (s.package.category, s.package.name)))


def pythons(locked: RequirementSet, choice: Choice = Choice()) -> LockPythons:  # noqa: B008 - frozen
    """What a lock says of Python: what it requires, and which Python is among its packages.

    Of the choice the environment and its platform count, and uv's groups, which may be for fewer
    Pythons than the lock. Raises `SelectionErrors` for what is no lock.
    """
    lock = _lock(locked)
    environment = choice.environment or "default"
    of_groups = [python for _, python in group_pythons(lock, normalised(lock, choice))]
    pinned: dict[str, list[LockedPackage]] = {}
    for package in locked.packages:
        if package.category != "conda" or package.name not in ("python", "python_abi"):
            continue
        if not lock.environments or environment in package.groups:
            for platform in package.platforms or subdirs(package) or ("noarch",):
                if choice.platform in (None, platform):
                    pinned.setdefault(lock.subdirs.get(platform, platform), []).append(package)
    return LockPythons(
        requires=tuple(dict.fromkeys(python.specifier for python in (*locked.python, *of_groups))),
        pinned={
            platform: tuple(sorted(packages, key=lambda package: package.name))
            for platform, packages in sorted(pinned.items())
            if any(package.name == "python" and package.version for package in packages)
        },
    )


def _lock(locked: RequirementSet) -> Lock:
    if locked.lock is None:
        hint = "give a lock file, or resolve what the file asks for"
        origin = next((r.origin for r in locked.requirements), Origin())
        raise SelectionErrors(
            (Problem(origin=origin, message="this is no lock: nothing exact is in it", hint=hint),)
        )
    return locked.lock
