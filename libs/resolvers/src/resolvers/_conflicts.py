"""Why uv refuses a choice of conda's: which packages it comes of, and which versions of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from resolvers._conda_question import Move
from resolvers._mixed_diagnosis import named
from resolvers.errors import BuildFailed, NoExtra, NoSolution

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from resolvers._alternatives import Alternatives, Ladder
    from resolvers._conda_side import CondaSide
    from resolvers._pypi_side import PypiSide
    from resolvers._stubs import Stub
    from resolvers.errors import Refusal

__all__ = ["MoveConflict", "find_conflict"]

# A bound on Python that tells the releases of one minor version apart.
_RELEASE = re.compile(r"Python[^;\n]*?[<>=!~]=? *3\.\d+\.\d")


class MoveConflict(NamedTuple):
    """In each solution one of the `moves` is made; `error` is how uv refused a choice without any."""

    moves: tuple[Move, ...]
    error: Refusal

    def is_met(self, versions: Mapping[str, str]) -> bool:
        """Whether one of the moves is made where these versions were chosen, by package."""
        return any(move.holds(versions) for move in self.moves)


def find_conflict(
    side: CondaSide, error: Refusal, pypi: PypiSide, others: Alternatives
) -> MoveConflict | None:
    """The conflict that a choice of conda's is in, which uv refused; None if it is in none.

    What uv says names packages, and these are asked about first; it is not relied on.
    """
    if isinstance(error, NoExtra):
        # Which extras other versions have is known when they are chosen.
        package = side.provider(error.name).package
        return MoveConflict((Move(package=package.name, versions=(package.version,)),), error)
    if isinstance(error, BuildFailed):
        pypi.leave_out(error)
    # The words of uv itself: in the error that was made of them, names are replaced by conda's.
    said = error.__cause__ if isinstance(error.__cause__, NoSolution) else error
    words = named(said) if isinstance(said, NoSolution) else set[str]()
    moves = _Analysis(side, pypi, others, words).moves()
    if moves is None:
        return None
    if isinstance(said, NoSolution) and _RELEASE.search(said.reason):
        moves = [*moves, *_other_releases(side, pypi, others)]
    return MoveConflict(tuple(dict.fromkeys(moves)), error)


class _Analysis:
    """Asks uv what it would do if of some distributions there were other versions, or none.

    `pins` are those that were chosen, `absent` those that were not. What is neither held nor loose
    may be whatever conda could choose, or PyPI has.
    """

    def __init__(
        self, side: CondaSide, pypi: PypiSide, others: Alternatives, words: Iterable[str]
    ) -> None:
        self._side, self._pypi, self._others = side, pypi, others
        self._pins = side.by_name
        self._ladders = {name: others.ladder(side, name) for name in self._pins}
        self._absent = others.absent(side, words)
        self._core = {name for name in words if name in self._pins}

    def moves(self) -> list[Move] | None:
        """One of these is made in each solution; None if uv takes the choice as it is."""
        brought = self._find_core()
        if brought is None:
            return None
        self._make_smallest()
        moves = list(self._widened())
        for stubs in brought.values():
            moves += self._others.ways_to(self._side, stubs)
        return moves

    def _find_core(self) -> dict[str, list[Stub]] | None:
        """Add to the core until nothing helps but to change something in it, or to bring others.

        What uv changes in an answer may be by chance, since it likes what is new. So what it has
        changed becomes loose first: then uv keeps it as long as it can.
        """
        loose: set[str] = set()
        brought: dict[str, list[Stub]] = {}
        while True:
            chosen = self._choose({name: [self._pins[name]] for name in self._core}, loose)
            if chosen is None:
                return brought
            moved = {
                name
                for name, pin in self._pins.items()
                # What uv does not take at all has not moved.
                if name not in self._core and chosen.get(name, pin.version) != pin.version
            }
            if moved - loose:
                loose |= moved
            elif moved:
                self._core |= moved
                loose -= moved
            else:
                more = {
                    name: stubs
                    for name, stubs in self._absent.items()
                    if chosen.get(name) in {stub.version for stub in stubs}
                }
                if not more:
                    return None
                brought |= more
                for name in more:
                    del self._absent[name]

    def _make_smallest(self) -> None:
        # What can be left out while uv still finds nothing has no part in the conflict.
        for name in sorted(self._core):
            rest = self._core - {name}
            if rest and self._choose({other: [self._pins[other]] for other in rest}) is None:
                self._core = rest

    def _widened(self) -> Iterator[Move]:
        """For each package the versions around the chosen one that are as bad as that."""
        held = {name: [self._pins[name]] for name in sorted(self._core)}
        for name, (pin,) in list(held.items()):
            ladder = self._ladders[name]
            versions = [version for version, _ in ladder]
            if pin.package.version in versions and not _is_early(pin):
                # From the chosen one outwards, older and newer by themselves: behind the first that
                # goes there may be others that do, and those are left to be chosen.
                at = versions.index(pin.package.version)
                held[name] += self._as_bad(name, ladder[at + 1 :], held)
                held[name] += self._as_bad(name, ladder[:at][::-1], held)
            bad = {stub.version for stub in held[name]}
            excluded = {version for version, stub in ladder if stub and stub.version in bad}
            # The chosen one is bad, also where the ladder lacks it.
            excluded.add(pin.package.version)
            yield Move(package=pin.package.name, versions=tuple(sorted(excluded)))

    def _as_bad(self, name: str, ladder: Ladder, held: Mapping[str, Sequence[Stub]]) -> list[Stub]:
        """The nearest versions, given in this order, with which uv takes nothing either."""
        block = [stub for _, stub in ladder if stub and not _is_early(stub)]
        while block:
            chosen = self._choose({**held, name: block})
            if chosen is None:
                break
            block = block[: [stub.version for stub in block].index(chosen[name])]
        return block

    def _choose(
        self, held: Mapping[str, Sequence[Stub]], loose: Iterable[str] = ()
    ) -> dict[str, str] | None:
        loose = {name: self._all(name) for name in loose}
        offered = [
            stub
            for name in self._pins.keys() - held.keys() - loose.keys()
            for stub in self._all(name)
        ]
        offered += [stub for stubs in self._absent.values() for stub in stubs]
        return self._pypi.choose(held, loose, offered)

    def _all(self, name: str) -> list[Stub]:
        """The stubs of a distribution, the chosen one first."""
        pin = self._pins[name]
        others = (stub for _, stub in self._ladders[name] if stub)
        return [pin, *(stub for stub in others if stub.version != pin.version)]


def _is_early(stub: Stub) -> bool:
    """Whether uv takes it only where the request itself asks for it."""
    return Version(stub.own_version).is_prerelease


def _other_releases(side: CondaSide, pypi: PypiSide, others: Alternatives) -> list[Move]:
    """The move to another release of Python, where uv would take the choice with one."""
    chosen = Version(side.solved.python)
    held = {name: [stub] for name, stub in side.by_name.items()}
    # No other release may help either: then there is no use in forbidding this one.
    as_bad, good = [side.solved.python], False
    for text in others.versions("python"):
        version = Version(text)
        if version.release[:2] == chosen.release[:2] and version != chosen:
            if pypi.for_python(text).choose(held) is None:
                as_bad.append(text)
            else:
                good = True
    return [Move(package="python", versions=tuple(sorted(as_bad)))] if good else []
