"""Requirements that are all exact, as `pip-compile` and `uv pip compile` write them, as a lock."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from reqparse._reading import problem_of
from reqparse.errors import SelectionErrors
from reqparse.locked import Lock, LockedArtifact, LockedPackage
from reqparse.model import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reqparse._selection import Selection
    from reqparse.errors import Problem
    from reqparse.model import Requirement, RequirementSet

_EXACT = re.compile(r"===?\s*([^\s*,;]+)")
# A branch or a tag, or a short commit, may be another one tomorrow.
_COMMIT = re.compile(r"@[0-9a-f]{40}(?:#|$)")
_FRAGMENT = re.compile(r"[#&](sha256|sha384|sha512)=([0-9a-fA-F]+)")


def as_lock(said: RequirementSet) -> RequirementSet:
    """The same with a package for each requirement; raises `SelectionErrors` for all that is open.

    A version is enough: hashes that are not there are none of the artifact's.
    """
    problems: list[Problem] = []
    packages = []
    for requirement in said.requirements:
        open_ = _open(requirement)
        if open_:
            problems.append(problem_of(requirement.origin, *open_))
        else:
            packages.append(_package(requirement))
    if problems:
        raise SelectionErrors(tuple(problems))
    origin = next((r.origin for r in said.requirements), Origin())
    lock = Lock(
        kind="requirements.txt",
        overridden=said.compiled.overridden if said.compiled else (),
        origin=Origin(file=origin.file),
    )
    return replace(said, requirements=(), packages=tuple(packages), lock=lock)


def packages(selection: Selection) -> dict[LockedPackage, tuple[str, ...]]:
    """Those whose marker holds. Nothing is said of what needs what."""
    selection.has()
    selection.check_target()
    chosen: dict[str, LockedPackage] = {}
    for package in selection.locked.packages:
        if not selection.holds(package.marker, package.origin):
            continue
        if other := selection.once(chosen, package):
            text = f"`{package.name}` is pinned twice, here and at {other.origin}"
            selection.problem(package.origin, text, "lock again")
    for constraint in selection.locked.constraints:
        if selection.holds(constraint.marker, constraint.origin):
            _constrain(selection, constraint, chosen)
    return dict.fromkeys(chosen.values(), ())


def _constrain(
    selection: Selection, constraint: Requirement, chosen: Mapping[str, LockedPackage]
) -> None:
    """Refuse a pin that a constraint forbids, as pip does."""
    package = chosen.get(canonicalize_name(constraint.name or ""))
    if package is None:
        return
    if constraint.url or constraint.path:
        places = {place for a in package.artifacts for place in (a.url, a.path)}
        fits = bool({constraint.url, constraint.path} - {None} & places)
    else:
        version = package.version or ""
        fits = not version or SpecifierSet(constraint.specifier).contains(version, prereleases=True)
    if not fits:
        text = (
            f"`{package.name}` is pinned otherwise than the constraint `{constraint.text}` has it"
        )
        selection.problem(package.origin, f"{text} ({constraint.origin})", "lock again")


def _open(requirement: Requirement) -> tuple[str, str] | None:
    """What of a requirement is not exact, and what to do."""
    text = requirement.original or requirement.text
    if requirement.category != "pypi":
        return f"`{text}` is not of PyPI", "give a lock file that has the exact build"
    if not _name(requirement):
        named = "name it: `NAME @ URL`"
        hint = f"{named}, or leave it out, as `uv export --no-emit-local` does"
        return f"nothing says what `{text}` is", hint if requirement.path else named
    # What is local has no hash; its own content is what is built or installed.
    if requirement.path:
        return None
    hint = "compile the file again, or resolve it with `-r`"
    reason = _loose(requirement)
    return (f"`{text}` {reason}", hint) if reason else None


def _loose(requirement: Requirement) -> str | None:
    """Why a requirement may mean another file tomorrow."""
    if requirement.url:
        exact = _COMMIT.search(requirement.url) if requirement.url.startswith("git+") else None
        return None if exact or _hashes(requirement) else "has neither a hash nor a commit"
    return None if _EXACT.fullmatch(requirement.specifier) else "is not pinned to one version"


def _name(requirement: Requirement) -> str | None:
    if requirement.name:
        return requirement.name
    place = (requirement.path or requirement.url or "").partition("#")[0]
    try:
        return parse_wheel_filename(place.rpartition("/")[2])[0]
    except InvalidWheelFilename:
        return None


def _hashes(requirement: Requirement) -> tuple[str, ...]:
    inside = (f"{kind}:{text.lower()}" for kind, text in _FRAGMENT.findall(requirement.url or ""))
    return tuple(dict.fromkeys((*requirement.hashes, *inside)))


def _package(requirement: Requirement) -> LockedPackage:
    exact = _EXACT.fullmatch(requirement.specifier)
    return LockedPackage(
        category="pypi",
        name=canonicalize_name(_name(requirement) or ""),
        version=exact[1] if exact else None,
        artifacts=tuple(_artifacts(requirement)),
        marker=requirement.marker,
        extras=requirement.extras,
        editable=requirement.editable,
        origin=requirement.origin,
    )


def _artifacts(requirement: Requirement) -> Iterator[LockedArtifact]:
    hashes = _hashes(requirement)
    yield LockedArtifact(
        url=requirement.url if not requirement.path else None,
        path=requirement.path,
        hashes=hashes,
        secret=requirement.secret if requirement.url else None,
    )
