"""Choosing versions so that as little as possible must be built."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from envid.platforms import host_platform
from resolvers._compile import compile_alone, compile_lock, compile_notes, compile_versions
from resolvers._lock import ChosenWheels
from resolvers._needed import own_notes
from resolvers._reasons import has_for_older_python
from resolvers.errors import NeedsBuild, NoSolution

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resolvers._compile import Locked
    from resolvers._lock import UvPackage
    from resolvers._question import UvQuestion
    from resolvers._uv import Uv

__all__ = ["choose"]


def choose(uv: Uv, question: UvQuestion) -> ChosenWheels:
    """What the engine of the context takes for a question; raises `ResolveError`."""
    if question.context.pypi_engine == "pip":
        # Of other engines, only the one that was chosen is ever loaded.
        from resolvers import _pip

        return _pip.choose(uv, question)
    locked, warnings = _solve(uv, question)
    notes = own_notes(question, locked)
    if notes is not None:
        return ChosenWheels(locked, notes, warnings)
    # A second question about the same packages: the lock file does not say who needs what.
    return ChosenWheels(locked, *compile_notes(uv, question, locked))


def _solve(uv: Uv, question: UvQuestion) -> Locked:
    """The packages of an environment; raises `ResolveError`.

    uv takes the newest versions, and an sdist is as good as a wheel to it. Where that leaves
    packages without a wheel for the target, other versions are tried for these alone: for all of
    them if the target is not this machine, else for those whose wheels are only too new for the
    target's floor. Only where that does not do, others may change, too, and for another machine
    pre-releases serve. What then is still without a wheel has to be built; raises `NeedsBuild` in
    place of all this if the question is not final, and an older Python has wheels of such a package.
    """
    answer = compile_lock(uv, question)
    locked = answer.packages
    lacking = [package for package in locked if _lacks_wheel(package, question)]
    if not lacking:
        return answer
    if not question.final:
        older = tuple(
            package.name for package in lacking if has_for_older_python(package, question)
        )
        if older:
            raise NeedsBuild(question.target.platform, older)
    newest = replace(question, target=question.target.newest)
    # The same versions without a floor: those that have a wheel then are only too new for it.
    offered = compile_versions(uv, newest, lacking)
    too_new = {package.name for package in offered if not _lacks_wheel(package, newest)}
    native = question.target.platform == host_platform()
    wanted = too_new if native else {package.name for package in lacking}
    pins = [
        f"{package.name}=={package.version}"
        for package in locked
        if package not in lacking and package.version
    ]
    # What uv takes where wheels must be had may be a pre-release, of which nobody wants to know as
    # long as there is another way.
    stable = question.stable(locked)
    return (
        _without_building(uv, stable, wanted, pins)
        or _without_building(uv, stable, too_new, ())
        or _without_building(uv, stable, _offered(uv, stable, wanted - too_new), ())
        or (None if native else _without_building(uv, question, wanted, pins))
        or answer
    )


def _offered(uv: Uv, question: UvQuestion, names: Iterable[str]) -> set[str]:
    """Those packages that have a wheel for the target in any version."""
    offered = set()
    for name in names:
        with suppress(NoSolution):
            compile_alone(uv, question, name)
            offered.add(name)
    return offered


def _lacks_wheel(package: UvPackage, question: UvQuestion) -> bool:
    if package.direct or question.is_there(package.name) or question.must_build(package.name):
        return False
    return question.wheel(package) is None


def _without_building(
    uv: Uv, question: UvQuestion, names: set[str], pins: Iterable[str]
) -> Locked | None:
    names = set(names)
    while names:
        stricter = replace(
            question,
            only_binary=tuple(sorted(names)),
            pins=(*question.pins, *pins),
        )
        try:
            return compile_lock(uv, stricter)
        except NoSolution as error:
            # Those that have no wheel in any version that may be taken are left to be built, so that
            # the others still get theirs.
            blamed = set(re.findall(r"([a-z0-9-]+)\S* ha(?:s|ve) no usable wheels", error.reason))
            names = names - blamed if names & blamed else set()
    return None
