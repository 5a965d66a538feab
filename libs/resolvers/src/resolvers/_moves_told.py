"""What was moved of conda's first choice, and why: notes for who reads the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from resolvers._question import plain_requirement
from resolvers._wheel_listings import WheelListings
from resolvers.errors import NoSolution
from resolvers.metadata import read_requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.requirements import Requirement

    from envid.spec import EnvSpec
    from resolvers._conda_side import CondaSide
    from resolvers._conflicts import MoveConflict
    from resolvers._joint import JointChoice
    from resolvers.request import Resolution, ResolveContext

__all__ = ["told"]

_SHOWN = 4


def told(
    base: CondaSide, choice: JointChoice, conflicts: Iterable[MoveConflict], context: ResolveContext
) -> tuple[str, ...]:
    """Which packages moved for PyPI's, with the reason, and which moved with them."""
    side = choice.side
    before, now = base.versions, side.versions
    asked = list(_asked(side, choice.resolution, context))
    moved = list(dict.fromkeys(move.package for move in choice.moves))
    notes = [
        f"{_change(name, before.get(name), now.get(name))}, because {why}"
        for name in moved
        if before.get(name) != now.get(name)
        # A requirement that the first choice does not meet says it best, else what uv said.
        and (why := _why(name, base, asked) or _spoken_of(name, conflicts))
    ]
    with_it = [
        _change(name, before.get(name), now.get(name))
        for name in sorted(before.keys() | now.keys())
        if name not in moved and before.get(name) != now.get(name)
    ]
    if with_it:
        more = f" and {len(with_it) - _SHOWN} more" if len(with_it) > _SHOWN else ""
        notes.append(f"with that, {', '.join(with_it[:_SHOWN])}{more}")
    return tuple(notes)


def _change(name: str, before: str | None, now: str | None) -> str:
    if before is None:
        return f"conda's {name} {now} in addition"
    if now is None:
        return f"no {name} from conda instead of {before}"
    return f"conda's {name} {now} instead of {before}"


def _why(package: str, base: CondaSide, asked: Iterable[tuple[str, Requirement]]) -> str | None:
    """Who needs another version than that which a package had at first."""
    had = {
        name: stub.own_version
        for name, stub in base.by_name.items()
        if stub.package.name == package
    }
    for who, requirement in asked:
        version = had.get(canonicalize_name(requirement.name))
        if version and not requirement.specifier.contains(version, prereleases=True):
            return f"{who} {requirement.name}{requirement.specifier}"
    return None


def _spoken_of(package: str, conflicts: Iterable[MoveConflict]) -> str:
    for conflict in conflicts:
        if any(move.package == package for move in conflict.moves):
            if isinstance(conflict.error, NoSolution) and conflict.error.asked:
                texts = " and ".join(f"`{text}`" for text, _ in conflict.error.asked)
                return f"{texts} could not hold beside it"
            return str(conflict.error).partition("\n")[0]
    return "PyPI packages do not go with it"


def _asked(
    side: CondaSide, resolution: Resolution, context: ResolveContext
) -> Iterator[tuple[str, Requirement]]:
    """All requirements that hold for the platform, with who has them."""
    spec: EnvSpec = side.spec
    for text in (*spec.for_platform(side.platform).get("pypi", ()), *spec.constraints):
        requirement = read_requirement(plain_requirement(text))
        if requirement and side.markers.hold(requirement):
            origin = context.origins.get(text)
            yield f"you ask{f' ({origin})' if origin else ''} for", requirement
    for name, metadata in side.known.items():
        for text in metadata.requires:
            requirement = read_requirement(text)
            if requirement and any(
                side.markers.belongs(requirement, extra) for extra in metadata.extras
            ):
                yield f"an extra of {name} needs", requirement
    packages = [package for package in resolution.packages if package.kind == "pypi"]
    facts = WheelListings((resolution,), context).facts(packages)
    for package in packages:
        known = facts.get(package.hashes.sha256 or "")
        for text in known.metadata.requires if known else ():
            requirement = read_requirement(text)
            if requirement and side.markers.hold(requirement):
                yield f"{package.name} {package.version} needs", requirement
