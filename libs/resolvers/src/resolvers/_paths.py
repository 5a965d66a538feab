"""Ways from one package to another along what each needs."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["shortest_path"]


def shortest_path(
    needs: Mapping[str, Iterable[str]], roots: Iterable[str], goal: str
) -> tuple[str, ...]:
    """The shortest way from a root to the goal: names, both ends included.

    `needs` has the names that each package needs; what it does not list needs nothing. Of ways that
    are as short, that of the earlier root and of the need that stands earlier is taken. Empty where
    no root leads to the goal.
    """
    waiting: deque[tuple[str, ...]] = deque((root,) for root in roots)
    # Packages of conda may need each other in a circle.
    seen: set[str] = set()
    while waiting:
        path = waiting.popleft()
        if path[-1] == goal:
            return path
        if path[-1] not in seen:
            seen.add(path[-1])
            waiting.extend((*path, need) for need in needs.get(path[-1], ()))
    return ()
