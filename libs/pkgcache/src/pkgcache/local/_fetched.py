"""What a fetch did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Where archives came from, and the bytes that were moved."""

    cached: int = 0
    from_store: int = 0
    downloaded: int = 0
    size: int = 0

    def __add__(self, other: Fetched) -> Fetched:
        return Fetched(
            cached=self.cached + other.cached,
            from_store=self.from_store + other.from_store,
            downloaded=self.downloaded + other.downloaded,
            size=self.size + other.size,
        )
