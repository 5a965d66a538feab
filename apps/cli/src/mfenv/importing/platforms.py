"""The platforms that a lock of PyPI's packages is for, which it says by markers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envid.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["allowed_by_markers", "named_by_markers"]

_MACHINE = "platform_machine"


def named_by_markers(markers: Iterable[str]) -> tuple[str, ...]:
    """The platforms that markers name, of which a lock says that one must hold.

    Empty where any of them leaves the processor open: it tells systems that a lock is not for, and
    not that it has files for each machine of the others.
    """
    texts = tuple(markers)
    return allowed_by_markers(texts) if all(_MACHINE in text for text in texts) else ()


def allowed_by_markers(markers: Iterable[str]) -> tuple[str, ...]:
    """The platforms on which one of some markers holds, whatever the Python; empty for no markers."""
    from packaging.markers import Marker

    from resolvers.targets import Target

    parsed = [Marker(text) for text in markers]
    # Which Python it is for, the lock says elsewhere, or other markers than these do.
    versions = [f"3.{minor}.0" for minor in range(8, 20)]
    return tuple(
        platform
        for platform in PLATFORMS
        if any(
            marker.evaluate(dict(Target.make(platform).markers(version)))
            for marker in parsed
            for version in versions
        )
    )
