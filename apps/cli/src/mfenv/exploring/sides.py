"""What is compared: an environment on its platforms, of here, of the store, or of a lock file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envid.platforms import PLATFORMS
from mfenv.errors import Ambiguous, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envid.resolved import ResolvedEnv
    from envid.spec import EnvSpec

__all__ = ["NamedSide", "Side", "pairs", "part"]

_FILES = (".txt", ".in", ".yml", ".yaml", ".toml", ".lock", ".py", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a comparison: what it was called, and what it is on each platform.

    Of a file whose answer is not known, `asked` is its spec alone, and `places` where that is
    stated, by platform, category and text. What a `lock` of another tool asks for is what it has;
    of what is `unsaid`, it has no more than the name and the version.
    """

    name: str
    envs: tuple[ResolvedEnv, ...] = ()
    asked: EnvSpec | None = None
    places: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    lock: bool = False
    unsaid: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


class NamedSide(NamedTuple):
    """What a text names: an environment, its platform if one is said, or a file."""

    name: str
    platform: str | None
    is_file: bool


def part(text: str) -> NamedSide:
    """Read `ENV`, `ENV@PLATFORM` or `FILE`.

    A file is what begins as a path or a URL does, and what is there and ends as one. Raises
    `InvalidRequest` for a platform that is none.
    """
    if text.startswith(("/", "./", "../", "~")) or "://" in text:
        return NamedSide(text, None, is_file=True)
    if text.endswith(_FILES) and Path(text).is_file():
        return NamedSide(text, None, is_file=True)
    name, at, platform = text.rpartition("@")
    if at and platform not in PLATFORMS:
        raise InvalidRequest(
            f"`{platform}` behind the `@` is no platform", f"known: {', '.join(PLATFORMS)}"
        )
    return NamedSide(name, platform, is_file=False) if at else NamedSide(text, None, is_file=False)


def pairs(
    before: Side, after: Side
) -> tuple[list[tuple[ResolvedEnv, ResolvedEnv]], tuple[str, ...]]:
    """The environments to compare, and notes on the platforms that only one side has.

    Those of one platform; one of each side whatever its platform, where there are no more.
    """
    if len(before.envs) == len(after.envs) == 1:
        return [(before.envs[0], after.envs[0])], ()
    then = {env.platform: env for env in before.envs}
    now = {env.platform: env for env in after.envs}
    notes = [
        f"only `{side.name}` is for {', '.join(alone)}"
        for side, own, other in ((before, then, now), (after, now, then))
        if (alone := sorted(own.keys() - other))
    ]
    common = [platform for platform in then if platform in now]
    if not common:
        raise Ambiguous(
            f"`{before.name}` and `{after.name}` have no platform in common",
            "name one of each, such as `ENV@linux-64`",
        )
    return [(then[platform], now[platform]) for platform in common], tuple(notes)
