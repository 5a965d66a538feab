"""Environment markers (PEP 508) as a target platform and its Python see them, wherever we run."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.markers import Marker

from resolvers.targets import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.requirements import Requirement

__all__ = ["Markers"]


class Markers:
    """The markers of a platform and the full version of its Python."""

    def __init__(self, platform: str, python: str) -> None:
        environment = Target.make(platform).markers(python)
        # The same few markers stand behind most requirements.
        self._holds = lru_cache(maxsize=None)(lambda text, extra: _holds(text, environment, extra))

    def hold(self, requirement: Requirement, extra: str = "") -> bool:
        """Whether a requirement counts where `extra` is asked for, or none."""
        return requirement.marker is None or self._holds(str(requirement.marker), extra)

    def belongs(self, requirement: Requirement, extra: str) -> bool:
        """Whether a requirement counts because `extra` is asked for, and not without it."""
        return self.hold(requirement, extra) and not self.hold(requirement)


def _holds(text: str, environment: Mapping[str, str], extra: str) -> bool:
    try:
        return Marker(text).evaluate({**environment, "extra": extra})
    except ValueError:  # it compares what cannot be compared, which never holds
        return False
