"""What was built for a lock and asks for more than the lock has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from resolvers._markers import Markers
from resolvers._wheel_listings import WheelListings
from resolvers.metadata import read_requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolvers.request import Resolution, ResolveContext

__all__ = ["with_gaps"]


def with_gaps(resolution: Resolution, platform: str, context: ResolveContext) -> Resolution:
    """The resolution, with a note on each package that a built one requires and that is not there.

    It is no error: uv's overrides and exclusions may mean it so, and only its lock knows them.
    """
    notes = tuple(_gaps(resolution, platform, context))
    return replace(resolution, notes=(*resolution.notes, *notes)) if notes else resolution


def _gaps(resolution: Resolution, platform: str, context: ResolveContext) -> Iterator[str]:
    built = [package for package in resolution.packages if package.built_from]
    if not built:
        return
    facts = WheelListings([resolution], context).facts(built)
    markers = Markers(platform, resolution.python)
    there = {canonicalize_name(package.name) for package in resolution.packages}
    for package in built:
        own = facts.get(package.hashes.sha256 or "")
        for text in own.metadata.requires if own else ():
            requirement = read_requirement(text)
            if requirement is None or not markers.hold(requirement):
                continue
            if canonicalize_name(requirement.name) not in there:
                yield (
                    f"`{package.name}` {package.version} was built as it is now, and requires"
                    f" `{text}`: the lock has no `{requirement.name}`"
                )
