"""Another choice of conda's, where PyPI packages do not go with the first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from resolvers._alternatives import Alternatives
from resolvers._joint import Search
from resolvers._moves_told import told
from resolvers._npconda import check_npconda
from resolvers._pypi_side import pypi_side
from resolvers._python_choice import bounded
from resolvers.conda_python import is_free_threaded
from resolvers.errors import REFUSALS, BuildFailed, NoSolution, UnknownPackage, UnsupportedRequest
from resolvers.pythons import minor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolvers._beside import Beside
    from resolvers._conda_question import Move
    from resolvers._conda_side import CondaSide
    from resolvers._conda_solve import Solved
    from resolvers._joint import Rounds
    from resolvers.errors import Refusal, ResolveError
    from resolvers.pythons import Python
    from resolvers.request import Resolution

__all__ = ["Moving"]


class RefusedAnswer(NamedTuple):
    """An answer of conda's that uv found nothing for, with what both sides had learned by then."""

    base: Mapping[str, Solved]
    sides: Mapping[str, CondaSide]
    error: Refusal


class Moving:
    """Tries conda's answers with one minor version of Python after another, and others beside.

    Where nothing was found, `clashing` is the newest of conda's answers that do not go with PyPI's packages, by
    platform, and `complete` says whether all was looked at that there is. `obstacle` is an error that
    was met with beside another choice, and is no reason to move a package.
    """

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds
        self.clashing: dict[str, Solved] = {}
        self.complete = True
        self.obstacle: ResolveError | None = None

    def resolve(
        self,
        beside: Beside,
        refused: Iterable[RefusedAnswer],
        base: Mapping[str, Solved],
        *,
        final: bool,
    ) -> dict[str, Resolution]:
        """On each platform the choice that moves the fewest packages; raises `ResolveError`.

        `refused` are answers with what uv said of them, so that it need not say it again.
        """
        # The very same objects: `tee` gives both searches what conda has answered once.
        earlier = next((answer for answer in refused if answer.base is base), None)
        sides = earlier.sides if earlier else beside.sides(base)
        resolutions: dict[str, Resolution] = {}
        for platform, side in sides.items():
            steps = _Steps(beside, platform, side.solved)
            error = earlier.error if earlier and _is_about(earlier.error, platform) else None
            if error is None:
                try:
                    resolutions[platform] = steps.beside(side, final=final)
                    continue
                except REFUSALS as other:
                    error = other
            where = f"for {platform}, " if len(sides) > 1 else ""
            resolutions[platform] = self._moved(steps, side, error, where)
        return resolutions

    def hint(self, error: Refusal) -> str:
        """The hint of an error with what may be done where not all was looked at."""
        if self.rounds.over:
            hint = (
                f"{self.rounds.tried} other choices of conda packages were tried; with a higher"
                " `joint_rounds` more are"
            )
        elif self.obstacle:
            hint = f"beside other conda packages, {self.obstacle}"
        else:
            hint = "not every other choice of conda packages could be tried"
        return "; ".join(filter(None, (error.hint, hint)))

    def _moved(self, steps: _Steps, base: CondaSide, error: Refusal, where: str) -> Resolution:
        beside, platform = steps.request, base.platform
        context = beside.context
        others = Alternatives(beside.alternatives(platform, base.solved), beside.names, context)
        with pypi_side(beside.spec, platform, steps.python(base.solved), context) as pypi:
            search = Search(base, steps, pypi, others, self.rounds)
            choice = search.run(error)
        if choice is None:
            self.complete = self.complete and search.complete
            self.obstacle = self.obstacle or search.obstacle
            # A conflict without a move has nothing to do with what conda chooses.
            if any(conflict.moves for conflict in search.conflicts):
                self.clashing.setdefault(platform, base.solved)
            elif isinstance(error, UnknownPackage) and not others.may_hold(error):
                raise error
            if isinstance(error, UnknownPackage):  # with another Python there may be such a package
                error = NoSolution(platform, error.reason, error.asked, error.hint)
            raise error
        notes = [f"{where}{note}" for note in told(base, choice, search.conflicts, context)]
        return replace(choice.resolution, notes=(*choice.resolution.notes, *notes))


def _is_about(error: Refusal, platform: str) -> bool:
    return not isinstance(error, BuildFailed) and error.platform == platform


@dataclass
class _Steps:
    """A search's steps for one platform, with the minor version of Python that `first` has."""

    request: Beside
    platform: str
    first: Solved
    pythons: dict[tuple[str, bool], Python] = field(default_factory=dict)

    def choose(self, moves: Sequence[Move]) -> CondaSide | None:
        """What need not move stays."""
        spec, context = self.request.spec, self.request.context
        context = replace(context, preferred={self.platform: self.first.packages})
        # With another minor version nearly all would move; that has a search of its own.
        spec = bounded(spec, f"=={minor(self.first.python)}.*")
        try:
            solved = self.request.solve([self.platform], spec, moves=moves, context=context)
            other = solved[self.platform]
            check_npconda(spec, self.platform, other.packages, context)
        except (NoSolution, UnsupportedRequest):
            return None
        return self.side(other)

    def side(self, solved: Solved) -> CondaSide:
        return self.request.sides({self.platform: solved})[self.platform]

    def python(self, solved: Solved) -> Python:
        key = solved.python, is_free_threaded(solved.packages)
        if key not in self.pythons:
            self.pythons[key] = self.request.pythons({self.platform: solved})[self.platform]
        return self.pythons[key]

    def beside(self, side: CondaSide, *, final: bool = True) -> Resolution:
        pythons = {self.platform: self.python(side.solved)}
        return self.request.settle({self.platform: side}, pythons, final=final)[self.platform]
