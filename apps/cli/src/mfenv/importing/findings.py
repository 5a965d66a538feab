"""What is found where a lock is compared with its source."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["StaleFinding"]


class StaleFinding(NamedTuple):
    """A line for a user: in what a lock is behind its source or, if not `known`, may be."""

    text: str
    known: bool = True

    @classmethod
    def untold(cls, lock: object, source: object, why: object) -> StaleFinding:
        """What nobody can tell, and why."""
        return cls(f"whether `{lock}` is behind `{source}` cannot be told: {why}", known=False)
