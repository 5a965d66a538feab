"""Comparing what two texts name: environments, what aliases were, and files."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from envid.aliases import DEFAULT_TAG
from envid.resolved import ResolvedEnv
from mfenv.errors import Ambiguous, InvalidRequest, IsLock
from mfenv.exploring.comparing import Compared, compare, compare_asked
from mfenv.exploring.sides import NamedSide, Side, pairs, part
from mfenv.lockfile.refusing import is_own

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mfenv.answering import Answers
    from mfenv.finding import Finder
    from mfenv.request import Prepared

__all__ = ["Comparison", "Comparisons"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What differs on each platform that was compared; `notes` say, a line each, what was not."""

    compared: tuple[Compared, ...]
    notes: tuple[str, ...] = ()

    @property
    def differ(self) -> bool:
        return any(pair.differ for pair in self.compared)


class Comparisons:
    """Compares; what is known here or in the store is read, and nothing is resolved.

    `aliases` gives what an alias is given to here, if it is.
    """

    def __init__(self, finder: Finder, answers: Answers, aliases: Callable[[str], object]) -> None:
        self._finder, self._answers, self._is_alias = finder, answers, aliases

    def platforms(self, name: str, platforms: Sequence[str]) -> Comparison:
        """Two platforms of one environment; its own, if it has no more than two."""
        platforms = platforms or [env.platform for env in self._finder.find(name)]
        if len(set(platforms)) != 2:  # noqa: PLR2004 - two sides
            raise InvalidRequest(
                "one environment is compared with itself on two platforms,"
                f" and not on {', '.join(platforms)}",
                "name both with `--platform`, or another environment",
            )
        before, after = self._finder.find(name, platforms)
        return Comparison(compared=(compare(before, after),))

    def of(
        self, before: str, after: str, platforms: Sequence[str], environment: str | None
    ) -> Comparison:
        """See `Environments.compare`."""
        first, second = part(before), part(after)
        if environment and not any(
            side.is_file and is_own(_path(side)) for side in (first, second)
        ):
            raise InvalidRequest(
                f"`{environment}` would be an environment of an mfenv.lock, and there is none here",
                "leave out `--environment`",
            )
        # A file may be for any platform: it is read for those of the other side.
        if first.is_file:
            other = self._side(second, platforms, environment)
            return _compared(self._side(first, _of(other, platforms), environment), other)
        own = self._side(first, platforms, environment)
        wanted = _of(own, platforms) if second.is_file else platforms
        return _compared(own, self._side(second, wanted, environment))

    def _side(self, named: NamedSide, platforms: Sequence[str], environment: str | None) -> Side:
        if not named.is_file:
            wanted = (named.platform,) if named.platform else platforms
            return Side(name=named.name, envs=self._finder.find(named.name, wanted))
        path = _path(named)
        if self._is_alias(f"{named.name}:{DEFAULT_TAG}"):
            raise Ambiguous(
                f"`{named.name}` is a file here, and an alias",
                f"write `./{named.name}` or `{named.name}:{DEFAULT_TAG}`",
            )
        if isinstance(path, Path) and is_own(path):
            from mfenv.locking import locked

            envs = locked(path, environment, ())
            there = [env for env in envs if not platforms or env.platform in platforms]
            return Side(name=named.name, envs=tuple(there or envs))
        return self._of_file(named.name, path, platforms)

    def _of_file(self, name: str, file: Path | str, platforms: Sequence[str]) -> Side:
        from mfenv.importing.locks import is_compiled
        from mfenv.request import Request
        from reqparse import ParseErrors

        request = Request(files=(file,), platforms=tuple(platforms))
        try:
            prepared, envs = self._answers.known(request)
        except IsLock:
            request = request._replace(files=(), locks=(file,))
            prepared, envs = self._answers.known(request)
        compiled = not envs and not request.locks and is_compiled(file)
        if compiled:
            # What was imported says which files there are; such a file names versions alone.
            as_lock = request._replace(files=(), locks=(file,))
            with suppress(InvalidRequest, ParseErrors):  # a lock for another machine, say
                _, envs = self._answers.known(as_lock)
            request = as_lock if envs else request
        if envs:
            return Side(name=name, envs=envs, lock=bool(request.locks))
        if prepared.pins:
            return _of_lock(name, prepared)
        note = f"what `{name}` asks for is not resolved, so that only this is compared"
        if compiled:
            note = (
                f"`{name}` is compiled, and its versions are compared as what is asked for;"
                f" `mfenv import {name}` makes it known, package by package"
            )
        return Side(name=name, asked=prepared.spec, places=prepared.places, notes=(note,))


def _path(named: NamedSide) -> Path | str:
    """Where a file is; a URL is a text."""
    return named.name if "://" in named.name else Path(named.name).expanduser()


def _of(side: Side, platforms: Sequence[str]) -> Sequence[str]:
    return platforms or [env.platform for env in side.envs] or [*side.places]


def _of_lock(name: str, prepared: Prepared) -> Side:
    """What a lock of another tool says to be there, as far as it says it itself."""
    chosen = {
        # A description must have one. What a lock does not say is not compared: see `_comparable`.
        platform: (pins.python or "3.0", pins.packages)
        for platform, pins in prepared.pins.items()
    }
    envs = ResolvedEnv.co_resolve(prepared.spec, chosen, resolved_by=name)
    left = sorted({source.name for pins in prepared.pins.values() for source in pins.sources})
    notes = [f"`{name}` does not say which file it is of: {', '.join(left)}"] if left else []
    return Side(name=name, envs=envs, lock=True, unsaid=frozenset(left), notes=tuple(notes))


def _compared(before: Side, after: Side) -> Comparison:
    notes = (*before.notes, *after.notes)
    if before.asked and after.asked:
        raise InvalidRequest(
            f"neither `{before.name}` nor `{after.name}` is resolved",
            "compare them with another tool, or `mfenv resolve` them",
        )
    if side := next((side for side in (before, after) if side.asked), None):
        other = after if side is before else before
        compared = [
            compare_asked(env, side.asked, side.places.get(env.platform, {}), after=side is after)
            for env in other.envs
            if side.asked
        ]
        return Comparison(compared=tuple(compared), notes=notes)
    both, more = pairs(before, after)
    lock = before.lock or after.lock
    compared = [compare(*_comparable(before, after, *pair), with_asked=not lock) for pair in both]
    return Comparison(compared=tuple(compared), notes=(*notes, *more))


def _comparable(
    before: Side, after: Side, then: ResolvedEnv, now: ResolvedEnv
) -> tuple[ResolvedEnv, ResolvedEnv]:
    """Two environments without what a lock on either side does not say."""
    if not before.lock and not after.lock:
        return then, now
    unsaid = before.unsaid | after.unsaid
    locks = [env for side, env in ((before, then), (after, now)) if side.lock]
    kinds = [{package.kind for package in env.packages} for env in locks]

    def said(env: ResolvedEnv) -> ResolvedEnv:
        packages = tuple(
            package
            for package in env.packages
            if package.name not in unsaid and all(package.kind in own for own in kinds)
        )
        # A lock of PyPI packages alone is for whatever Python there is.
        return replace(env, packages=packages, python=then.python)

    return said(then), said(now)
