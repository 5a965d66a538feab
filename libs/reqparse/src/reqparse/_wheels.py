"""Which of the files of a package is taken on a target."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.tags import Tag

    from reqparse.locked import LockedArtifact

_Build = tuple[int, str]
_Rank = tuple[int, _Build]


def best(artifacts: Iterable[LockedArtifact], ranks: Mapping[Tag, int]) -> LockedArtifact | None:
    """The wheel with the best tag and, of those, the highest build; else what is no wheel."""
    wheels: list[tuple[_Rank, LockedArtifact]] = []
    others = []
    for artifact in artifacts:
        if not artifact.filename.endswith(".whl"):
            others.append(artifact)
        elif rank := _rank(artifact.filename, ranks):
            wheels.append((rank, artifact))
    if wheels:
        # Of equals `max` gives the first, as the lock has them.
        return max(wheels, key=lambda wheel: wheel[0])[1]
    return others[0] if others else None


def _rank(filename: str, ranks: Mapping[Tag, int]) -> _Rank | None:
    """The more, the better; None of a wheel that is not accepted, or named like none."""
    build, tags = _named(filename)
    accepted = [ranks[tag] for tag in tags if tag in ranks]
    return (-min(accepted), build) if accepted else None


@lru_cache(maxsize=1 << 15)  # each is asked for every target
def _named(filename: str) -> tuple[_Build, frozenset[Tag]]:
    """The build and the tags of a wheel; no tags of what is named like none."""
    try:
        _, _, build, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return (-1, ""), frozenset()
    return build or (-1, ""), tags
