"""The ids of a resolved environment, on one platform and on all of its platforms."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["EnvId", "is_id"]

_ID = re.compile(r"[0-9a-f]{40}")


def is_id(text: str) -> bool:
    """Whether `text` has the form of a `req_id` or a `full_id`: 40 lower-case hex digits."""
    return _ID.fullmatch(text) is not None


class FullRef(NamedTuple):
    """Exactly one resolved environment, on all of its platforms; its place is `envid.aliases`."""

    req_id: str
    full_id: str

    def __str__(self) -> str:
        return f"{self.req_id}:{self.full_id}"


class EnvId(NamedTuple):
    """What was asked, what was found, and for which platform."""

    req_id: str
    full_id: str
    platform: str

    def __str__(self) -> str:
        return f"{self.req_id}:{self.full_id}@{self.platform}"

    @property
    def ref(self) -> FullRef:
        """The environment, whatever the platform."""
        return FullRef(self.req_id, self.full_id)
