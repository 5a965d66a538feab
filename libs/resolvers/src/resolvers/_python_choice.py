"""Which Python is taken where a spec leaves several open: the newest that solves.

Which minor versions there are, only a channel or this machine knows, so they are tried, the newest
first. One for which something would have to be built gives way to an older one that has wheels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from envid.requirements import normalize_python
from resolvers.errors import (
    BuildFailed,
    NeedsBuild,
    NeedsPlatform,
    NoMatchingFile,
    NoSolution,
    UnknownPackage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from envid.spec import EnvSpec
    from resolvers._conda_solve import Solved
    from resolvers.errors import ResolveError
    from resolvers.request import ResolveContext

    Minor = tuple[int, ...]
    Solve = Callable[[EnvSpec], Mapping[str, Solved]]

__all__ = ["conda_answers", "first_that_solves", "open_minors"]

T_co = TypeVar("T_co", covariant=True)

_TRIES = 8
_BUILDS = 3
_MINORS, _PATCHES = range(40, -1, -1), range(40)


class Attempt(Protocol[T_co]):
    """Resolves with one Python; unless it is `final`, `NeedsBuild` comes before any build."""

    def __call__(self, *, final: bool) -> T_co: ...


@cache
def open_minors(specifier: str) -> tuple[int, ...]:
    """The minor versions of Python 3 that a specifier allows, the newest first."""
    allowed = SpecifierSet(specifier)
    for clause in allowed:
        major, _, rest = clause.version.partition(".")
        if clause.operator == "==" and major == "3" and rest[:1].isdigit():
            return (int(rest.removesuffix(".*").partition(".")[0]),)  # also that of a pre-release
    return tuple(
        minor for minor in _MINORS if any(f"3.{minor}.{patch}" in allowed for patch in _PATCHES)
    )


def first_that_solves(attempts: Iterable[tuple[str, Attempt[T_co]]], *, only: bool) -> T_co:
    """What the first attempt gives that needs no build for its Python alone, else the first at all.

    Takes the attempts with the Pythons that they are for, the newest first, or the `only` one.
    Raises what the newest one did.
    """
    failed: list[ResolveError] = []
    waiting: list[Attempt[T_co]] = []
    tried = []
    for python, attempt in islice(attempts, _TRIES):
        tried.append(python)
        try:
            return attempt(final=only)
        except NeedsBuild as error:
            failed.append(error)
            waiting.append(attempt)
        except (BuildFailed, NoSolution, NoMatchingFile) as error:
            failed.append(error)
        if only or isinstance(failed[-1], UnknownPackage):
            raise failed[-1]
        if sum(isinstance(one, BuildFailed) for one in failed) == _BUILDS:
            break
    for attempt in waiting[:_BUILDS]:
        try:
            return attempt(final=True)
        except (BuildFailed, NeedsPlatform, NoSolution, NoMatchingFile) as error:
            failed = [error, *(one for one in failed if not isinstance(one, NeedsBuild))]
    if len(tried) > 1:
        others = f"no other of Python {', '.join(tried[1:])} serves"
        failed[0].hint = "; ".join(filter(None, (failed[0].hint, others)))
    raise failed[0]


def conda_answers(
    spec: EnvSpec, solve: Solve, context: ResolveContext
) -> Iterator[Mapping[str, Solved]]:
    """What conda answers with one minor version of Python after another, the newest first.

    All platforms have the same one, unless what is asked of them forbids it. Where the Python of an
    earlier answer should stay, that answer comes first. Raises what solving for any Python raises.
    """
    answer = solve(spec)
    if len(open_minors(spec.python)) <= 1:
        yield answer
        return
    kept = [one for found in context.preferred.values() for one in found if one.name == "python"]
    given: set[Minor] = set()
    if kept and {one.version for one in kept} == {one.python for one in answer.values()}:
        yield answer
        given = _minors(answer)
    below = spec
    while True:
        answer = _newest(below, answer, solve)
        if not _minors(answer) <= given:
            yield answer
        below = _bounded(spec, "<{}.{}".format(*min(_minors(answer))))
        try:
            answer = solve(below)
        except NoSolution:
            return


def _newest(spec: EnvSpec, answer: Mapping[str, Solved], solve: Solve) -> Mapping[str, Solved]:
    """The answer with the newest Python, the same on all platforms.

    A solver prefers new versions of what it thinks of first, and that need not be Python.
    """
    answer = _released(spec, answer, solve)
    while True:
        major, minor = max(_minors(answer))
        newer = _bounded(spec, f">={major}.{minor + 1}")
        if not open_minors(newer.python):
            break
        try:
            found = solve(newer)
        except NoSolution:
            break
        if any(Version(one.python).is_prerelease for one in found.values()):
            break
        answer = found
    (major, lowest), (_, highest) = min(_minors(answer)), max(_minors(answer))
    if lowest == highest:
        return answer
    for minor in range(highest, lowest - 1, -1):
        try:
            return solve(_bounded(spec, f"=={major}.{minor}.*"))
        except NoSolution:
            continue
    return answer


def _released(spec: EnvSpec, answer: Mapping[str, Solved], solve: Solve) -> Mapping[str, Solved]:
    """The answer without a pre-release of Python, if there is one."""
    early = [one.python for one in answer.values() if Version(one.python).is_prerelease]
    if not early or SpecifierSet(spec.python).prereleases:
        return answer
    release = min(map(Version, early)).release
    try:
        return solve(_bounded(spec, f"<{'.'.join(map(str, release))}a0"))
    except NoSolution:
        return answer


def _bounded(spec: EnvSpec, bound: str) -> EnvSpec:
    return replace(spec, python=normalize_python(",".join(filter(None, (spec.python, bound)))))


def _minors(answer: Mapping[str, Solved]) -> set[Minor]:
    return {Version(one.python).release[:2] for one in answer.values()}
