"""What needs what in an environment, and the ways through it."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Generic, TypeVar

from envid._pypi import normal_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envid.packages import Package

__all__ = [
    "Key",
    "Ways",
    "inverted",
    "nearest",
    "needs_of",
    "reached",
    "shortest_path",
    "top_level",
]

Key = tuple[str, str]
"""Kind and name of a package, which no other one of its environment has."""

_T = TypeVar("_T")


def needs_of(packages: Iterable[Package]) -> dict[Key, tuple[Key, ...]]:
    """What each package needs, in the order of `packages` and of their `depends`.

    A need is of the package's own kind, else of the other one: a PyPI package may need a conda
    package, whose name it has as PEP 503 normalises it. What is not there is left out.
    """
    there = {(package.kind, package.name): package for package in packages}
    conda = {normal_name(name): (kind, name) for kind, name in there if kind == "conda"}

    def need_of(package: Package, name: str) -> Key | None:
        own = (package.kind, name)
        if own in there:
            return own
        return conda.get(name) if package.kind == "pypi" else None

    return {
        key: tuple(
            dict.fromkeys(
                need
                for name in package.depends
                if (need := need_of(package, name)) is not None and need != key
            )
        )
        for key, package in there.items()
    }


def inverted(needs: Mapping[_T, Iterable[_T]]) -> dict[_T, tuple[_T, ...]]:
    """Who needs each, in the order of `needs`."""
    by_need: dict[_T, list[_T]] = {key: [] for key in needs}
    for key, needed in needs.items():
        for need in needed:
            by_need.setdefault(need, []).append(key)
    return {key: tuple(needing) for key, needing in by_need.items()}


def reached(needs: Mapping[_T, Iterable[_T]], roots: Iterable[_T]) -> set[_T]:
    """All that roots lead to, themselves included."""
    seen: set[_T] = set()
    ahead = [*roots]
    while ahead:
        if (here := ahead.pop()) not in seen:
            seen.add(here)
            ahead.extend(needs.get(here, ()))
    return seen


def top_level(needs: Mapping[_T, Iterable[_T]]) -> list[_T]:
    """Those that no other one needs, and one of each circle that is reached by none.

    They lead to all there is, and none of them to another.
    """
    needed = {need for key, others in needs.items() for need in others if need != key}
    top: list[_T] = []
    seen: set[_T] = set()
    # Those that nobody needs come first: what is left then is circles with no way into them.
    for key in sorted(needs, key=lambda key: key in needed):
        if key not in seen:
            below = reached(needs, [key])
            # A circle may lead to what was taken before it was known to be reached.
            top = [*(other for other in top if other not in below), key]
            seen |= below
    return top


def shortest_path(
    needs: Mapping[_T, Iterable[_T]], roots: Iterable[_T], goal: _T
) -> tuple[_T, ...]:
    """The shortest way from a root to the goal, both ends included.

    `needs` has what each needs; what it does not list needs nothing. Of ways that are as short,
    that of the earlier root and of the need that stands earlier is taken. Empty where no root
    leads to the goal.
    """
    waiting: deque[tuple[_T, ...]] = deque((root,) for root in roots)
    # Packages of conda may need each other in a circle.
    seen: set[_T] = set()
    while waiting:
        path = waiting.popleft()
        if path[-1] == goal:
            return path
        if path[-1] not in seen:
            seen.add(path[-1])
            waiting.extend((*path, need) for need in needs.get(path[-1], ()))
    return ()


def nearest(needs: Mapping[_T, Iterable[_T]], roots: Iterable[_T]) -> dict[_T, tuple[int, _T]]:
    """Of all that roots lead to, the number of steps from the nearest root, and that root.

    Of roots that are as near, it is the earlier one.
    """
    found: dict[_T, tuple[int, _T]] = {}
    waiting = deque((root, 0, root) for root in roots)
    while waiting:
        here, steps, root = waiting.popleft()
        if here not in found:
            found[here] = (steps, root)
            waiting.extend((need, steps + 1, root) for need in needs.get(here, ()))
    return found


class Ways(Generic[_T]):
    """All shortest ways to one goal. There may be more than anybody can list: `count` tells."""

    def __init__(self, needs: Mapping[_T, tuple[_T, ...]], goal: _T) -> None:
        self._needs = needs
        needing = inverted(needs)
        self._far: dict[_T, int] = {goal: 0}
        self._count: dict[_T, int] = defaultdict(int, {goal: 1})
        waiting = deque([goal])
        while waiting:
            here = waiting.popleft()
            # Each once: a need that is listed twice is not two ways.
            for key in dict.fromkeys(needing.get(here, ())):
                if key not in self._far:
                    self._far[key] = self._far[here] + 1
                    waiting.append(key)
                # Whoever is nearer was taken out before, with all of its ways.
                if self._far[key] == self._far[here] + 1:
                    self._count[key] += self._count[here]

    def length(self, start: _T) -> int | None:
        """The number of steps from `start`; None where it does not lead to the goal."""
        return self._far.get(start)

    def count(self, start: _T) -> int:
        """How many shortest ways there are from `start`."""
        return self._count.get(start, 0)

    def paths(self, start: _T) -> Iterator[tuple[_T, ...]]:
        """The shortest ways from `start`, both ends included, in the order of the needs."""
        ahead: list[tuple[_T, ...]] = [(start,)] if start in self._far else []
        while ahead:
            path = ahead.pop()
            left = self._far[path[-1]]
            if not left:
                yield path
                continue
            needs = dict.fromkeys(self._needs.get(path[-1], ()))
            nearer = [need for need in needs if self._far.get(need) == left - 1]
            # The last is taken out first, so that ways come in the order of the needs.
            ahead.extend((*path, need) for need in reversed(nearer))
