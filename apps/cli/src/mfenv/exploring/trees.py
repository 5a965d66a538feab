"""The packages of an environment as a tree, from what was asked for down, or from a package up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envid.graph import inverted, top_level

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envid.graph import Key
    from mfenv.exploring.graph import Graph

__all__ = ["TreeRow", "rows"]


class TreeRow(NamedTuple):
    """A line of a tree. `last` says of each level whether nothing follows on it.

    `repeated`: what is below stands elsewhere in the tree.
    """

    key: Key
    last: tuple[bool, ...]
    repeated: bool

    @property
    def depth(self) -> int:
        return len(self.last) - 1


def rows(
    graph: Graph, start: Sequence[Key] = (), *, invert: bool = False, depth: int | None = None
) -> Iterator[TreeRow]:
    """The tree below packages, or with `invert` of what needs them, at most `depth` levels of it.

    Without packages below what was asked for and what nothing of that leads to, or inverted, above
    what needs nothing. What a package leads to is there once, unless it was cut off by `depth`.
    """
    needs = inverted(graph.needs) if invert else graph.needs
    if not start:
        asked = [key for statement in graph.asked for key in statement.keys]
        start = top_level(needs) if invert else list(dict.fromkeys((*asked, *graph.others)))
    yield from _below(needs, start, depth)


def _below(
    needs: Mapping[Key, tuple[Key, ...]], start: Sequence[Key], depth: int | None
) -> Iterator[TreeRow]:
    # How many levels were shown below each: a package that was cut off is shown again with more.
    shown: dict[Key, float] = {}
    # Not by recursion: descriptions come from outside, and their chains may be long.
    ahead: list[tuple[Key, tuple[bool, ...]]] = [
        (key, (key == start[-1],)) for key in reversed(start)
    ]
    while ahead:
        key, last = ahead.pop()
        left = float("inf") if depth is None else depth - len(last) + 1
        below = needs.get(key, ())
        repeated = bool(below) and left > 0 and shown.get(key, 0) >= left
        yield TreeRow(key, last, repeated)
        if below and left > 0 and not repeated:
            shown[key] = left
            ahead.extend((need, (*last, need == below[-1])) for need in reversed(below))
