"""What files say beside requirements: of Python, of places to look, and of how to choose.

Records as those in `reqparse.model`, apart from them, since many a request says nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reqparse.origins import Origin, Secret

__all__ = ["PythonRequirement", "Setting", "SettingName", "SourceKind", "StatedSource"]

SourceKind = Literal["index", "extra-index", "find-links", "channel"]
SettingName = Literal["channel-priority", "exclude-newer", "index-strategy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonRequirement:
    """A statement of the Python version, as a PEP 440 specifier; empty means any."""

    specifier: str
    marker: str | None = None
    platforms: tuple[str, ...] | None = None
    origin: Origin = field(default=Origin(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedSource:
    """A place to look for packages: an index, a find-links page or directory, a conda channel."""

    kind: SourceKind
    url: str
    """Without credentials; of a channel its name or URL."""
    name: str | None = None
    explicit: bool = False
    """It serves only the requirements whose `channel` names it."""
    path: str | None = None
    """The absolute path of local find-links."""
    platforms: tuple[str, ...] | None = None
    origin: Origin = field(default=Origin(), compare=False)
    secret: Secret | None = field(default=None, compare=False, repr=False)

    @property
    def secret_url(self) -> str:
        """The address with its credentials; for downloads, never for display."""
        return self.secret.value if self.secret else self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A statement of how packages are to be chosen, in the words of the field's tools."""

    name: SettingName
    value: str
    """`strict`, `flexible` or `disabled`; an RFC 3339 moment or a date; a strategy of uv."""
    origin: Origin = field(default=Origin(), compare=False)
