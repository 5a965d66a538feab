"""What a list of requirements in a file has, and the ways to change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reqparse import Requirement

__all__ = ["Listed", "Requirements"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A requirement of a list: `at` says where, to who made it, and `place` to a user."""

    requirement: Requirement
    at: int
    place: str


class Requirements(Protocol):
    """A list of requirements in a file; what changes it gives the text of the whole file.

    Changes raise `InvalidRequest` for what cannot be changed without more.
    """

    @property
    def listed(self) -> Sequence[Listed]: ...
    def append(self, text: str) -> str: ...
    def replace(self, entry: Listed, text: str) -> str: ...
    def remove(self, entry: Listed) -> str: ...
