"""Which Python is taken where a spec leaves several open: the newest that solves.

Which minor versions there are, only a channel or this machine knows, so they are tried, the newest
first. A Python for which something would have to be built gives way to an older that has wheels.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

from envid.requirements import normalize_python
from resolvers.errors import (
    BuildFailed,
    EngineFailed,
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

__all__ = ["bounded", "conda_answers", "first_that_solves", "open_minors"]

T_co = TypeVar("T_co", covariant=True)

# So many Pythons are tried at most, and so many builds: each costs a solve, a build much more.
_TRIES = 8
_BUILDS = 3
# A stated release, or series of releases.
_STATED = re.compile(r"==3\.(\d+)(?:\.[^,]*)?")
# A specifier does not say what it allows, only whether: all that there may be is tried.
_MINORS, _PATCHES = range(40, -1, -1), range(40)


class Attempt(Protocol[T_co]):
    """Resolves with a certain Python; unless it is `final`, `NeedsBuild` comes before any build."""

    def __call__(self, *, final: bool) -> T_co: ...


# Each specifier is asked about again and again, and every time that is 1640 versions to try.
@cache
def open_minors(specifier: str) -> tuple[int, ...]:
    """The minor versions of Python 3 that a specifier allows, the newest first."""
    # As most requests have it, which need nothing of `packaging` then.
    if stated := _STATED.fullmatch(specifier):
        return (int(stated[1]),)
    from packaging.specifiers import SpecifierSet

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
    Raises what the newest did.
    """
    failed: list[ResolveError] = []
    waiting: list[Attempt[T_co]] = []
    tried, broken = [], ""
    for python, attempt in islice(attempts, _TRIES):
        tried.append(python)
        try:
            return attempt(final=only)
        except NeedsBuild as error:
            failed.append(error)
            waiting.append(attempt)
        except (BuildFailed, NoSolution, NoMatchingFile) as error:
            failed.append(error)
        except EngineFailed as error:
            # It may not run under older Pythons at all, which tells nothing of those before.
            if not failed:
                raise
            tried.pop()
            broken = f"with Python {python}, {error}"
            break
        # What no source has, it has for no other Python.
        if only or isinstance(failed[-1], UnknownPackage):
            raise failed[-1]
        if sum(isinstance(failure, BuildFailed) for failure in failed) == _BUILDS:
            break
    # No Python does without a build: then the newest for which it succeeds.
    for attempt in waiting[:_BUILDS]:
        try:
            return attempt(final=True)
        except (BuildFailed, NeedsPlatform, NoSolution, NoMatchingFile) as error:
            failed = [
                error,
                *(earlier for earlier in failed if not isinstance(earlier, NeedsBuild)),
            ]
    others = f"no other of Python {', '.join(tried[1:])} serves"
    # Two searches may have gone through the same Pythons, and met with the same error.
    if len(tried) > 1 and others not in (failed[0].hint or ""):
        failed[0].hint = "; ".join(filter(None, (failed[0].hint, others)))
    if broken:
        failed[0].hint = "; ".join(filter(None, (failed[0].hint, broken)))
    raise failed[0]


def conda_answers(
    spec: EnvSpec, solve: Solve, context: ResolveContext
) -> Iterator[Mapping[str, Solved]]:
    """What conda answers with each minor version of Python, the newest first.

    All platforms have the same, unless what is asked of them forbids it. Where the Python of an
    earlier answer should stay, that answer comes first. Raises what solving for any Python raises.
    """
    answer = solve(spec)
    if len(open_minors(spec.python)) <= 1:
        yield answer
        return
    kept = [
        package
        for packages in context.preferred.values()
        for package in packages
        if package.name == "python"
    ]
    given: set[Minor] = set()
    if kept and {package.version for package in kept} == {
        solved.python for solved in answer.values()
    }:
        yield answer
        given = _minors(answer)
    # Each round asks for what is older than all of the answer before.
    below = spec
    while True:
        answer = _newest(below, answer, solve)
        if not _minors(answer) <= given:
            yield answer
        below = bounded(spec, "<{}.{}".format(*min(_minors(answer))))
        try:
            answer = solve(below)
        except NoSolution:
            return


def _newest(spec: EnvSpec, answer: Mapping[str, Solved], solve: Solve) -> Mapping[str, Solved]:
    """The answer with the newest Python, the same on all platforms.

    A solver prefers new versions of what it thinks of first, and that need not be Python.
    """
    from packaging.version import Version

    answer = _released(spec, answer, solve)
    while True:
        major, minor = max(_minors(answer))
        newer = bounded(spec, f">={major}.{minor + 1}")
        if not open_minors(newer.python):
            break
        try:
            better = solve(newer)
        except NoSolution:
            break
        # Only what is not released yet would be newer.
        if any(Version(solved.python).is_prerelease for solved in better.values()):
            break
        answer = better
    (major, lowest), (_, highest) = min(_minors(answer)), max(_minors(answer))
    if lowest == highest:
        return answer
    for minor in range(highest, lowest - 1, -1):
        try:
            return solve(bounded(spec, f"=={major}.{minor}.*"))
        except NoSolution:
            continue
    return answer


def _released(spec: EnvSpec, answer: Mapping[str, Solved], solve: Solve) -> Mapping[str, Solved]:
    """The answer without a pre-release of Python, where it can be had."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    early = [solved.python for solved in answer.values() if Version(solved.python).is_prerelease]
    if not early or SpecifierSet(spec.python).prereleases:
        return answer
    release = min(map(Version, early)).release
    try:
        return solve(bounded(spec, f"<{'.'.join(map(str, release))}a0"))
    except NoSolution:
        return answer


def bounded(spec: EnvSpec, bound: str) -> EnvSpec:
    """The spec with another bound on Python."""
    return replace(spec, python=normalize_python(",".join(filter(None, (spec.python, bound)))))


def _minors(answer: Mapping[str, Solved]) -> set[Minor]:
    from packaging.version import Version

    return {Version(solved.python).release[:2] for solved in answer.values()}
