"""The rows of the registry: what they are, and what they must hold, whoever wrote them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from envid.ids import is_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envid.ids import EnvId

_WIDTH = 8  # of a digest, as `pkgcache.share.digests` packs it


class EnvRow(NamedTuple):
    """A resolved environment as a listing shows it.

    `size` is that of its packages in bytes, without the `unsized` whose size is not known; None
    where it was not counted. `used_at` is a POSIX time.
    """

    env_id: EnvId
    env_type: str
    python: str
    packages: int
    resolved_at: str
    resolved_by: str
    is_default: bool
    aliases: tuple[str, ...]
    prefixes: tuple[str, ...]
    used_at: int
    size: int | None
    unsized: int


class PrefixRow(NamedTuple):
    """A prefix that was created on this machine; `used_at` is a POSIX time."""

    path: str
    name: str | None
    env_id: EnvId
    used_at: int


class Remaining(NamedTuple):
    """What is left after a collection: the digests of packages, as `pkgcache.share.digests` packs them.

    `only_copies` are those of wheels that were built here and are in no store.
    """

    forgotten: tuple[EnvId, ...]
    digests: tuple[bytes, ...]
    only_copies: tuple[bytes, ...]


def is_target(row: Sequence[Any]) -> bool:
    """Whether it begins with a `req_id` and a `full_id`."""
    return all(isinstance(value, str) and is_id(value) for value in row[:2])


def is_env_id(row: Sequence[Any]) -> bool:
    """Whether it begins with an `EnvId`."""
    return is_target(row) and isinstance(row[2], str)


def is_environment(row: Sequence[Any]) -> bool:
    """Whether it begins as an `EnvRow` does, up to who resolved it."""
    return (
        is_env_id(row)
        and all(isinstance(value, str) for value in (*row[3:5], *row[6:8]))
        and isinstance(row[5], int)
    )


def is_listed(row: Sequence[Any]) -> bool:
    """Whether it is an environment as a listing has it, with numbers at its end."""
    return is_environment(row) and all(
        value is None or isinstance(value, int) for value in row[11:]
    )


def is_given(row: Sequence[Any]) -> bool:
    """Whether it is what an alias was given to, or nothing, when, and by whom."""
    *target, at, by = row[:4]
    return (
        (target == ["", ""] or is_target(target))
        and (at is None or isinstance(at, int))
        and (by is None or isinstance(by, str))
    )


def is_packed(blob: object) -> bool:
    """Whether it can be digests."""
    return isinstance(blob, bytes) and len(blob) % _WIDTH == 0


def is_prefix(row: Sequence[Any]) -> bool:
    """Whether it is a path, a name or None, an `EnvId`, and a time."""
    path, name, *env_id, used_at = row
    return (
        is_path(path)
        and (name is None or isinstance(name, str))
        and is_env_id(env_id)
        and isinstance(used_at, int)
    )


def is_path(value: object) -> bool:
    """Whether it can be the path of a prefix."""
    return isinstance(value, str) and os.path.isabs(value) and "\0" not in value  # noqa: PTH117
