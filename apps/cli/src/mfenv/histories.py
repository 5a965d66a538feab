"""What an alias meant, and what changed from one meaning to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from envid.aliases import FullRef, PairRef, PrefixRef, ReqRef, parse_alias, parse_ref
from envid.ids import EnvId
from mfenv import past
from mfenv.changes import changes
from mfenv.errors import DamagedRow, InvalidRequest, UnknownEnvironment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envid.resolved import ResolvedEnv
    from mfenv.changes import Change
    from mfenv.finding import Finder
    from mfenv.registry import Registry

__all__ = ["Meaning", "history"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What an alias was given to; without `target` it was taken away.

    `back` is the number of later meanings, as in `ALIAS~1`. `at` is a POSIX time, None where that
    was not written down, and `by` is None where it was only seen in the store. `changes` are those
    from the meaning before, by platform; None where there is none, or either is not known here.
    """

    target: FullRef | None
    back: int | None
    at: int | None
    by: str | None
    changes: Mapping[str, tuple[Change, ...]] | None = None


def history(registry: Registry, finder: Finder, name: str) -> tuple[Meaning, ...]:
    """See `Environments.history`."""
    if isinstance(parse_ref(name), PrefixRef | PairRef | ReqRef | FullRef):
        raise InvalidRequest(
            f"`{name}` is an id, which always means the same; only an alias has a history",
            f"`mfenv show {name}` lists the aliases of an environment",
        )
    alias = parse_alias(name)
    try:
        finder.target(str(alias))
    except UnknownEnvironment:
        if not registry.meanings(str(alias)):
            raise
    meanings = [
        Meaning(target=given.target, back=back, at=given.at, by=given.by)
        for given, back in past.numbered(registry.meanings(str(alias)))
    ]
    # The one before may be further down: what was taken away was nothing in between.
    before: FullRef | None = None
    for number in reversed(range(len(meanings))):
        if target := meanings[number].target:
            meanings[number] = replace(meanings[number], changes=_changes(registry, before, target))
            before = target
    return tuple(meanings)


def _changes(
    registry: Registry, before: FullRef | None, after: FullRef
) -> Mapping[str, tuple[Change, ...]] | None:
    then, now = (_known(registry, target) if target else () for target in (before, after))
    return changes(then, now) or None if then and now else None


def _known(registry: Registry, target: FullRef) -> tuple[ResolvedEnv, ...]:
    try:
        envs = (
            registry.environment(EnvId(*target, platform))
            for platform in registry.platforms(target)
        )
        return tuple(env for env in envs if env)
    except DamagedRow:
        return ()
