"""Why a package is in an environment: the shortest ways to it from what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envid.graph import Ways

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envid.graph import Key
    from mfenv.exploring.graph import AskedStatement, Graph

__all__ = ["Why", "whys"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A statement and its shortest ways to a package: `count` of them, of as many steps each."""

    statement: AskedStatement
    count: int
    paths: tuple[tuple[Key, ...], ...]


def whys(graph: Graph, goal: Key, limit: int) -> Iterator[Why]:
    """The statements that lead to a package, the nearest first, each with at most `limit` ways."""
    ways = Ways(graph.needs, goal)
    reasons = []
    for statement in graph.asked:
        starts = [key for key in statement.keys if ways.length(key) is not None]
        if starts:
            nearest = min(ways.length(key) or 0 for key in starts)
            reasons.append((nearest, statement, [k for k in starts if ways.length(k) == nearest]))
    for _, statement, starts in sorted(reasons, key=lambda reason: reason[0]):
        every = (path for key in starts for path in ways.paths(key))
        yield Why(
            statement=statement,
            count=sum(map(ways.count, starts)),
            paths=tuple(path for _, path in zip(range(limit), every, strict=False)),
        )
