"""A user name and a password, apart from `credentials`: most requests have neither."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Login"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user name and a password or token; its repr shows neither. `source` says whence it is."""

    user: str = field(repr=False)
    password: str = field(repr=False)
    source: str = field(default="the settings", compare=False)
