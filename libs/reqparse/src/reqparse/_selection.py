"""What is wanted of a lock, and for what; what was selected; and what goes wrong meanwhile."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Literal

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from reqparse._evaluation import Evaluation, Undecided
from reqparse._file_names import is_named_so
from reqparse._reading import problem_of
from reqparse._wheels import best
from reqparse.errors import SelectionErrors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.tags import Tag

    from reqparse.errors import Problem
    from reqparse.locked import Lock, LockedArtifact, LockedPackage
    from reqparse.model import Origin, RequirementSet
    from reqparse.stated import PythonRequirement

# conda-lock and pixi compare the names of their categories and environments as they are written.
_NORMALISED = ("uv.lock", "pylock.toml", "poetry.lock")
_OLD_STAR = re.compile(r"((?:[<>]=?|~=)\s*\d+(?:\.\d+)*)\.\*")
_WORDS = {
    "environment": "environments",
    "platform": "names of platforms",
    "groups": "groups",
    "without_groups": "groups",
    "default_groups": "groups",
    "only_groups": "dependency groups",
    "extras": "extras",
    "packages": "workspace members",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What of a lock is wanted. A kind of lock that has no such thing refuses it by name."""

    environment: str | None = None
    """pixi's environment; None is its `default`."""
    platform: str | None = None
    """pixi's name of a platform, where an environment has several for one conda subdir."""
    groups: tuple[str, ...] = ()
    """Dependency groups, conda-lock's categories, Pipfile's `develop`; beside the default ones."""
    without_groups: tuple[str, ...] = ()
    """Groups that are not wanted, though they are default ones."""
    default_groups: bool = True
    """Whether the default groups are wanted."""
    only_groups: bool = False
    """Whether the groups alone are wanted, without what the project itself needs."""
    extras: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    """Members of uv's workspace; none means its root, or all where the root is no project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionTarget:
    """The machine and the Python that packages are selected for."""

    platform: str
    """The conda subdir."""
    python: str | None
    """The version of Python, full or minor; None where the lock itself has a Python."""
    markers: Mapping[str, str]
    """The environment that markers (PEP 508) are evaluated in, all of it."""
    ranks: Mapping[Tag, int]
    """The wheel tags that are accepted, each with its place: 0 is the best."""
    shown: str = ""
    """What problems call its Python, where one release stands for others; else its version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """A package of a lock on one target, and the one file of it that is taken there."""

    package: LockedPackage
    artifact: LockedArtifact
    """The best wheel; else the sdist, archive, repository or directory to build it from."""
    depends: tuple[str, ...] = ()
    """The names of those that it needs among the selected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPythons:
    """What a lock says of Python."""

    requires: tuple[str, ...] = ()
    """PEP 440 specifiers that all hold."""
    pinned: Mapping[str, tuple[LockedPackage, ...]] = field(default_factory=dict)
    """conda's `python`, and its `python_abi` if there is one, by platform, of a lock that has a
    Python among its packages; by `noarch` where the lock does not say for which platform it is."""


def normalised(lock: Lock, choice: Choice) -> Choice:
    """The choice with names as PEP 685 and PEP 735 have them in locks of PyPI's packages."""
    if lock.kind not in _NORMALISED:
        return choice

    def names(given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(canonicalize_name, given))

    return replace(
        choice,
        groups=names(choice.groups),
        without_groups=names(choice.without_groups),
        extras=names(choice.extras),
        packages=names(choice.packages),
    )


def wanted_groups(lock: Lock, choice: Choice) -> frozenset[str]:
    """The groups that a normalised choice means, the default ones of its projects among them."""
    default: Iterable[str] = lock.default_groups
    # Each member has default groups of its own, and those of members that were not chosen are not
    # meant.
    if choice.packages and lock.projects:
        chosen = [lock.projects[name] for name in choice.packages if name in lock.projects]
        default = {name for groups in chosen for name in groups.default}
    if choice.only_groups or not choice.default_groups:
        default = ()
    return frozenset((*default, *choice.groups)) - set(choice.without_groups)


def group_pythons(lock: Lock, choice: Choice) -> Iterator[tuple[str, PythonRequirement]]:
    """What the groups that a normalised choice means require of Python, each with its name."""
    wanted = wanted_groups(lock, choice)
    for name in choice.packages or ("", *lock.roots):
        if groups := lock.projects.get(name):
            yield from ((g, python) for g, python in groups.pythons.items() if g in wanted)


class Selection:
    """A lock, a target and a choice, and every problem that there is with the three."""

    def __init__(
        self, locked: RequirementSet, lock: Lock, target: SelectionTarget, choice: Choice
    ) -> None:
        self.locked, self.lock, self.target = locked, lock, target
        self.choice = normalised(lock, choice)
        self._evaluation: Evaluation | None = None
        self.python = target.markers.get("python_full_version", "")
        """The version of Python that everything is for."""
        self.shown = target.shown or self.python
        """What problems call it."""
        self._problems: dict[Problem, None] = {}

    def problem(self, origin: Origin, message: str, hint: str | None = None) -> None:
        self._problems.setdefault(problem_of(origin, message, hint))

    def both(self, other: LockedPackage, package: LockedPackage, hint: str) -> None:
        """Refuse two packages of one name."""
        text = f"both {other.version} and {package.version} of `{package.name}` are selected"
        self.problem(package.origin, text, hint)

    def once(
        self, chosen: dict[str, LockedPackage], package: LockedPackage
    ) -> LockedPackage | None:
        """Keep a package by its name, with the extras of all its entries; gives another one there."""
        other = chosen.setdefault(package.name, package)
        if (other.version, other.artifacts) != (package.version, package.artifacts):
            return other
        extras = tuple(sorted({*other.extras, *package.extras}))
        chosen[package.name] = replace(other, extras=extras)
        return None

    def start_over(self) -> None:
        """Forget every problem."""
        self._problems = {}

    def check(self) -> None:
        """Raise `SelectionErrors` if there was any problem so far."""
        if self._problems:
            raise SelectionErrors(tuple(self._problems))

    def has(self, *names: str) -> None:
        """Refuse what was chosen of things that this kind of lock does not have."""
        # A choice that says nothing is right for every kind, whatever its fields are by default.
        nothing = Choice()
        for name in (attribute.name for attribute in fields(Choice)):
            if name not in names and getattr(self.choice, name) != getattr(nothing, name):
                text = f"{self.lock.kind} has no {_WORDS[name]} to choose from"
                self.problem(self.lock.origin, text, "leave that choice out")

    def offered(
        self, what: Literal["group", "extra", "environment", "member"], names: Iterable[str]
    ) -> None:
        """Refuse names that the lock does not have."""
        lists: dict[str, Iterable[str]] = {
            "group": self.lock.groups,
            "extra": self.lock.extras,
            "environment": self.lock.environments,
            "member": self.lock.members or self.lock.roots,
        }
        known = list(lists[what])
        for name in names:
            if name not in known:
                hint = f"it has {', '.join(known)}" if known else "it has none"
                self.problem(self.lock.origin, f"the lock has no {what} `{name}`", hint)

    def groups(self) -> frozenset[str]:
        """The groups that are wanted, the default ones among them."""
        choice = self.choice
        self.offered("group", (*choice.groups, *choice.without_groups))
        return wanted_groups(self.lock, choice)

    def holds(
        self,
        marker: str | None,
        origin: Origin,
        *,
        extras: frozenset[str] = frozenset(),
        groups: frozenset[str] = frozenset(),
    ) -> bool:
        """Whether a marker holds on the target; one that nobody can tell is a problem."""
        if marker is None:
            return True
        # Only where a marker is met: locks of conda packages have none, and their targets need no
        # markers.
        if self._evaluation is None:
            self._evaluation = Evaluation(self.target.markers)
        try:
            return self._evaluation.holds(marker, extras, groups)
        except Undecided as undecided:
            text = f"whether `{marker}` holds on {self.target.platform} cannot be told"
            self.problem(origin, text, str(undecided))
            return False

    def check_target(self) -> None:
        """Refuse a target that the lock was not made for, by its markers or its Python."""
        markers = self.lock.supported
        if markers and not any(self.holds(m, self.lock.origin) for m in markers):
            text = f"the lock is not for {self.target.platform} with Python {self.shown}"
            self.problem(self.lock.origin, text, f"it is for {' or '.join(markers)}")
        for python in self.locked.python:
            if not self.admits(python.specifier):
                text = f"the lock is for Python {python.specifier}, not {self.shown}"
                self.problem(python.origin, text, "choose another Python")
        for group, python in group_pythons(self.lock, self.choice):
            if not self.admits(python.specifier):
                text = f"the group `{group}` is for Python {python.specifier}, not {self.shown}"
                self.problem(python.origin, text, "choose another Python, or leave the group out")

    def admits(self, specifier: str) -> bool:
        """Whether a `Requires-Python` admits the target's. Raises ValueError for no specifier."""
        # `>=3.6.*`, which was in use before PEP 440 had been enforced, means `>=3.6`.
        text = _OLD_STAR.sub(r"\1", specifier)
        # The Python is given: whether it is a pre-release is not for a package to say.
        return SpecifierSet(text).contains(self.python, prereleases=True)

    def artifact(self, package: LockedPackage) -> LockedArtifact | None:
        """The file of a package for the target; none is a problem."""
        name = " ".join(filter(None, (package.name, package.version)))
        required = package.requires_python
        try:
            if required and not self.admits(required):
                text = f"`{name}` is for Python {required}, not {self.shown}"
                self.problem(package.origin, text)
        except ValueError:
            text = f"`{name}` is for Python `{required}`, which is not a version specifier"
            self.problem(package.origin, text)
        # Also where the Python is wrong: all that is wrong with a lock is told at once.
        chosen = best(package.artifacts, self.target.ranks)
        if chosen is None:
            files = ", ".join(a.filename for a in package.artifacts) or "nothing"
            text = f"`{name}` has no file for {self.target.platform} and Python {self.shown}"
            self.problem(package.origin, text, f"it has {files}")
        # After a merge, a version may stand beside the files of another one.
        elif not is_named_so(package, chosen):
            self.problem(package.origin, f"`{chosen.filename}` is not {name}", "lock again")
        return chosen
