"""Where statements were made, as the description of an environment says it to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envid.resolved import ResolvedEnv
    from envid.spec import EnvSpec

__all__ = ["Places", "Stated", "placed_on"]

Places = Mapping[str, Mapping[str, str]]
"""Places by the text of a statement, by its category."""


class Stated(NamedTuple):
    """A statement of a spec, in its normal spelling: on which platforms, None for all, and where."""

    category: str
    text: str
    place: str
    platforms: tuple[str, ...] | None


def placed_on(
    spec: EnvSpec,
    platforms: Sequence[str],
    stated: Iterable[Stated],
    earlier: Sequence[ResolvedEnv] = (),
) -> dict[str, dict[str, dict[str, str]]]:
    """The places of the statements of a spec, by platform, category and text.

    What is stated more than once has all its places; what is not stated but was in `earlier`
    environments, those that these say.
    """
    stated = tuple(stated)
    return {platform: _on(spec, platform, stated, earlier) for platform in platforms}


def _on(
    spec: EnvSpec, platform: str, stated: tuple[Stated, ...], earlier: Sequence[ResolvedEnv]
) -> dict[str, dict[str, str]]:
    places_of: dict[tuple[str, str], dict[str, None]] = {}
    for statement in stated:
        if statement.platforms is None or platform in statement.platforms:
            places_of.setdefault((statement.category, statement.text), {})[
                _for_everybody(statement.place)
            ] = None
    # That of the same platform first: a text may stand in several lines, for one platform each.
    for env in sorted(earlier, key=lambda env: env.platform != platform):
        for category, places in env.origins.items():
            for text, place in places.items():
                places_of.setdefault((category, text), {place: None})
    return {
        category: {
            text: ", ".join(places_of[category, text])
            for text in texts
            if (category, text) in places_of
        }
        for category, texts in spec.statements(platform).items()
    }


def _for_everybody(place: str) -> str:
    """A place without the directory of an absolute path, which is that of one machine."""
    return place.rpartition("/")[2] if place.startswith(("/", "file:")) else place
