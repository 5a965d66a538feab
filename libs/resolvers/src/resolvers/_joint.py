"""The search for conda packages beside which all PyPI requirements hold, for one platform.

Conda chooses; uv says whether its requirements can hold beside that. Where they cannot, uv is asked
which of conda's packages are why, and for which of their versions it would be the same: a conflict.
In any solution one of these packages is another one than those, so each is tried in turn, and what
moves the fewest of the packages first chosen comes first. Packages that the known conflicts will yet
move count as well: without that, of several conflicts each combination of moves would be tried. No
choice comes twice, since each is looked at only if it is in no known conflict, so that the search
ends: it has found the solution, or knows that there is none, or has had its rounds.
"""

from __future__ import annotations

import heapq
import logging
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, Protocol

from resolvers._conflicts import find_conflict
from resolvers.errors import REFUSALS, ResolveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resolvers._alternatives import Alternatives
    from resolvers._conda_question import Move
    from resolvers._conda_side import CondaSide
    from resolvers._conflicts import MoveConflict
    from resolvers._pypi_side import PypiSide
    from resolvers.errors import Refusal
    from resolvers.request import Resolution

__all__ = ["JointChoice", "Rounds", "Search", "Steps"]

_log = logging.getLogger(__name__)


@dataclass
class Rounds:
    """How many choices of conda's may be tried beside the first ones, over all Pythons."""

    most: int
    tried: int = 0

    @property
    def over(self) -> bool:
        """Whether no other may be tried."""
        return self.tried >= self.most


class JointChoice(NamedTuple):
    """A choice of conda's, how it was asked for, and what goes with it."""

    side: CondaSide
    moves: tuple[Move, ...]
    resolution: Resolution


class Steps(Protocol):
    """What a search does with a choice of conda's."""

    def choose(self, moves: Sequence[Move]) -> CondaSide | None:
        """What conda chooses with these moves, None if it cannot."""

    def beside(self, side: CondaSide) -> Resolution:
        """That choice and PyPI's packages; raises `ResolveError`."""


@dataclass(order=True)
class _Node:
    """A choice to look at, or to go on from; with it at `least` so many packages are moved.

    It is in `unmet` of the known conflicts.
    """

    least: int
    unmet: int
    # Decides between equals, so that the same request goes the same way each time.
    number: int
    moves: tuple[Move, ...] = field(compare=False)
    side: CondaSide = field(compare=False)


class Search:
    """Looks for the choice that moves the fewest packages of the first one, `base`.

    After `run`, `conflicts` are those that were met with, and `complete` says whether all was looked
    at that there is. `obstacle` is the first error that was met with beside conflicts.
    """

    def __init__(
        self,
        base: CondaSide,
        steps: Steps,
        pypi: PypiSide,
        alternatives: Alternatives,
        rounds: Rounds,
    ) -> None:
        self._base, self._steps, self._pypi = base, steps, pypi
        self._others, self._rounds = alternatives, rounds
        self.conflicts: list[MoveConflict] = []
        self.complete = True
        self.obstacle: ResolveError | None = None

    def run(self, error: Refusal) -> JointChoice | None:
        """A choice beside which PyPI's requirements hold, after the first one was refused."""
        numbers = count()
        seen: set[frozenset[Move]] = set()
        waiting = [self._node(next(numbers), (), self._base)]
        # Of the first choice, which need not be tried again.
        refused: Refusal | None = error
        while waiting:
            node = heapq.heappop(waiting)
            # More conflicts may be known by now.
            if node < (again := self._node(node.number, node.moves, node.side)):
                heapq.heappush(waiting, again)
                continue
            # In a known conflict uv would refuse it too, so that it is not asked.
            conflict = next(iter(self._unmet(node.side)), None)
            if conflict is None:
                if refused is None:
                    if self._rounds.over:
                        self.complete = False
                        return None
                    answer = self._beside(node)
                    if isinstance(answer, JointChoice):
                        return answer
                    refused = answer
                if refused:
                    conflict = find_conflict(node.side, refused, self._pypi, self._others)
                refused = None
                # No move is known that would help: another could, so that not all was looked at.
                if conflict is None:
                    self.complete = False
                    continue
                self.conflicts.append(conflict)
            for move in conflict.moves:
                moves = (*node.moves, move)
                # The same moves in another order are the same question.
                if frozenset(moves) not in seen:
                    seen.add(frozenset(moves))
                    side = self._steps.choose(moves)
                    if side:
                        heapq.heappush(waiting, self._node(next(numbers), moves, side))
        return None

    def _beside(self, node: _Node) -> JointChoice | Refusal | None:
        """What goes with a choice, or why nothing does; None for a reason that no move is known for."""
        self._rounds.tried += 1
        moves = ", ".join(move.spec for move in node.moves)
        _log.info("round %d: conda's choice with %s", self._rounds.tried, moves)
        try:
            return JointChoice(node.side, node.moves, self._steps.beside(node.side))
        except REFUSALS as error:
            return error
        except ResolveError as error:
            if error.retryable:  # the sources fail, not the choice
                raise
            self.obstacle = self.obstacle or error
            return None

    def _node(self, number: int, moves: tuple[Move, ...], side: CondaSide) -> _Node:
        unmet = self._unmet(side)
        least = max(self._cost(side), self._least(moves, unmet))
        return _Node(least, len(unmet), number, moves, side)

    def _unmet(self, side: CondaSide) -> list[MoveConflict]:
        versions = side.versions
        return [conflict for conflict in self.conflicts if not conflict.is_met(versions)]

    def _cost(self, side: CondaSide) -> int:
        before, now = self._base.versions, side.versions
        moved = sum(now.get(name) != version for name, version in before.items())
        return moved + len(now.keys() - before.keys())

    def _least(self, moves: Sequence[Move], unmet: Iterable[MoveConflict]) -> int:
        """How many packages are moved, whatever conda chooses, by some moves and by these conflicts."""
        before = self._base.versions
        moved = {move.package for move in moves if not move.holds(before)}
        count = len(moved)
        for conflict in unmet:
            packages = {move.package for move in conflict.moves}
            if not conflict.is_met(before) and moved.isdisjoint(packages):
                moved |= packages  # one of these is moved, and counts once
                count += 1
        return count
