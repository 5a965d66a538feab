"""Numbers of bytes for people."""

from __future__ import annotations

__all__ = ["size_text"]

_KILO = 1000


def size_text(count: int) -> str:
    """A number of bytes as a person reads it: `1.5 MB`."""
    if count < _KILO:
        return f"{count} B"
    power = min(4, (len(str(count)) - 1) // 3)
    return f"{count / _KILO**power:.1f} {' kMGT'[power]}B"
