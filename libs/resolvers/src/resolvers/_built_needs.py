"""What was built for a lock, and needs something that the lock does not have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from resolvers._markers import Markers
from resolvers._wheel_listings import WheelListings
from resolvers.errors import RequirementsUnmet
from resolvers.metadata import read_requirement
from resolvers.names import PypiNames

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from packaging.requirements import Requirement

    from envid.packages import Package
    from resolvers.request import Resolution, ResolveContext

__all__ = ["with_built_checked"]


def with_built_checked(
    resolution: Resolution,
    platform: str,
    context: ResolveContext,
    *,
    overridden: Collection[str],
    restated: Collection[str],
    conda: bool,
) -> Resolution:
    """The resolution, with a note on each requirement of a built wheel that is meant to be unmet.

    `overridden` and `restated` are those of the lock, as in `pinned.Pins`. Beside packages of a lock
    for `conda` any requirement may be met by what nobody here knows the contents of, and is noted.
    Raises `RequirementsUnmet` with all others.
    """
    problems, notes = [], []
    for package, requirement, text in _unmet(resolution, platform, context, conda=conda):
        line = f"`{package.name}` {package.version} was built as it is now, and requires {text}"
        meant = {"*", canonicalize_name(requirement.name)} & {*overridden}
        if meant or package.name in restated:
            notes.append(f"{line}; the lock means it so, by what it overrides or excludes")
        elif conda:
            notes.append(f"{line}, unless a package of conda brings it")
        else:
            problems.append(line)
    if problems:
        raise RequirementsUnmet(platform, tuple(problems))
    return replace(resolution, notes=(*resolution.notes, *notes)) if notes else resolution


def _unmet(
    resolution: Resolution, platform: str, context: ResolveContext, *, conda: bool
) -> Iterator[tuple[Package, Requirement, str]]:
    """The requirements of built wheels that nothing there meets, each with what is said of it."""
    built = [package for package in resolution.packages if package.built_from]
    if not built:
        return
    facts = WheelListings([resolution], context).facts(built)
    markers, there = Markers(platform, resolution.python), _there(resolution, conda=conda)
    for package in built:
        own = facts.get(package.hashes.sha256 or "")
        for text in own.metadata.requires if own else ():
            requirement = read_requirement(text)
            if requirement is None or not markers.hold(requirement):
                continue
            name = canonicalize_name(requirement.name)
            if name not in there:
                yield package, requirement, f"`{text}`: the lock has no `{name}`"
            # Of what conda may call otherwise, no version is known that could be compared.
            # Whether a pre-release is wanted was the lock's to say: it is there.
            elif (version := there[name]) and not requirement.specifier.contains(
                version, prereleases=True
            ):
                yield package, requirement, f"`{text}`: the lock has `{name}` {version}"


def _there(resolution: Resolution, *, conda: bool) -> dict[str, str]:
    """The version of each package by its PyPI name; empty for what conda may call otherwise."""
    names = PypiNames()
    there: dict[str, str] = {}
    for package in resolution.packages:
        if package.kind == "conda":
            guess = names.guess(package, None) if conda else None
            there |= dict.fromkeys((*(guess.doubtful if guess else ()), package.name), "")
            there |= dict.fromkeys(guess.plain if guess else (), package.version)
    return there | {p.name: p.version for p in resolution.packages if p.kind == "pypi"}
