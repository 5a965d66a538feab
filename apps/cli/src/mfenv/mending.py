"""Looking through the registry, and mending what can be mended: from the store, or by forgetting.

A row that cannot mean anything to anybody is deleted. An environment that the store has comes back
from there, and what is beside a good description is written anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envid.errors import EnvidError
from envid.ids import EnvId
from mfenv import rows as _rows
from mfenv.errors import RegistryError
from pkgcache.errors import PkgcacheError
from pkgcache.prefixes.prefix import read_marker
from pkgcache.share.digests import packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envid.resolved import ResolvedEnv
    from mfenv.registry import Registry

__all__ = ["Damage", "look_through"]

# The columns that name a row, and what it must be.
_TABLES: dict[str, tuple[tuple[str, ...], str, Callable[[Any], bool]]] = {
    "defaults": (("req_id", "platform"), "req_id, full_id, platform", _rows.is_env_id),
    "aliases": (("alias",), "req_id, full_id, alias", _rows.is_env_id),
    "history": (("number",), "req_id, full_id, given_at, given_by, number", _rows.is_given),
    "prefixes": (
        ("path",),
        "path, name, req_id, full_id, platform, used_at",
        _rows.is_prefix,
    ),
    "published": (
        ("req_id", "full_id", "platform", "store"),
        "req_id, full_id, platform",
        _rows.is_env_id,
    ),
}
_KEY = ("req_id", "full_id", "platform")


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What was wrong, and what was done about it; None where it stays."""

    problem: str
    mended: str | None


def look_through(
    registry: Registry, stored: Callable[[EnvId], ResolvedEnv | None], *, repair: bool
) -> list[Damage]:
    """What is wrong with the registry. `stored` gives what the store has.

    Raises `RegistryError` where it cannot be read at all.
    """
    broken = [row[0] for row in registry.all("pragma integrity_check", ()) if row[0] != "ok"]
    damages = [Damage(problem=problem, mended=None) for problem in broken]
    # What is written into a broken file may make it worse.
    repair = repair and not broken and not registry.read_only
    damages += _environments(registry, stored, repair=repair)
    for table, (key, columns, is_right) in _TABLES.items():
        for row in registry.all(f"select {columns} from {table}", ()):  # noqa: S608 - constants
            if not is_right(row):
                # A prefix says itself what it is; without its row, a collection would forget what
                # its user made.
                if table == "prefixes" and repair and _of_its_marker(registry, row):
                    damages.append(
                        Damage(problem=f"the row of `{row[0]}` is damaged", mended="put right")
                    )
                    continue
                named = tuple(
                    row[columns.split(", ").index(column)] for column in key if column in columns
                )
                problem = f"a row of `{table}` means nothing: {_shown(named)}"
                damages.append(Damage(problem=problem, mended="deleted" if repair else None))
        if repair:
            _delete(registry, table, columns, key, is_right)
    return damages


def _environments(
    registry: Registry, stored: Callable[[EnvId], ResolvedEnv | None], *, repair: bool
) -> Iterator[Damage]:
    columns = f"{', '.join(_KEY)}, env_type, python, packages, resolved_at, resolved_by, used_at"
    rows = registry.all(f"select {columns}, digests, built from environments", ())  # noqa: S608 - constants
    for row in rows:
        if not _rows.is_env_id(row):
            problem = f"a row of `environments` means nothing: {_shown(row[:3])}"
            yield Damage(problem=problem, mended="deleted" if repair else None)
            continue
        env_id = EnvId(*row[:3])
        try:
            env = registry.environment(env_id)
        except RegistryError as error:
            env, problem = _of_store(stored, env_id) if repair else None, str(error)
        else:
            if env is None or _agrees(row, env):
                continue
            problem = f"what is known of `{':'.join(env_id)}` is not what its description says"
        if repair and env:
            registry.add([env], default=False)
        yield Damage(problem=problem, mended="put right" if repair and env else None)
    if repair:
        _delete(registry, "environments", ", ".join(_KEY), _KEY, _rows.is_env_id)


def _of_its_marker(registry: Registry, row: Any) -> bool:
    """Write the row of a prefix anew by what the prefix says itself, if it does."""
    path, name = row[:2]
    env_id = read_marker(Path(path)) if _rows.is_path(path) else None
    if env_id is None:
        return False
    registry.add_prefix(Path(path), name if isinstance(name, str) else None, env_id)
    return True


def _agrees(row: Any, env: ResolvedEnv) -> bool:
    told = (env.env_type, env.python, len(env.packages), env.resolved_at, env.resolved_by)
    built = packed(package for package in env.packages if package.built_from)
    return (
        tuple(row[3:8]) == told
        and isinstance(row[8], int)
        and tuple(row[9:]) == (packed(env.packages), built)
    )


def _of_store(stored: Callable[[EnvId], ResolvedEnv | None], env_id: EnvId) -> ResolvedEnv | None:
    try:
        return stored(env_id)
    except (PkgcacheError, EnvidError):
        return None


def _delete(
    registry: Registry,
    table: str,
    columns: str,
    key: tuple[str, ...],
    is_right: Callable[[Any], bool],
) -> None:
    """Delete the rows that are not right; what is in their keys may be of any type."""
    # Not by `=`: SQLite compares a text, a blob and a number in ways of its own, and what is no
    # UTF-8 cannot be handed back as it is.
    hexed = ", ".join(f"hex({column}) || typeof({column})" for column in key)
    rows = registry.all(f"select {hexed}, {columns} from {table}", ())  # noqa: S608 - constants
    where = " and ".join(f"hex({column}) || typeof({column}) = ?" for column in key)
    wrong = [row[: len(key)] for row in rows if not is_right(row[len(key) :])]
    if wrong:
        with registry.write() as db:
            db.executemany(f"delete from {table} where {where}", wrong)  # noqa: S608 - constants


def _shown(values: tuple[Any, ...]) -> str:
    return ", ".join(ascii(value)[:80] for value in values)
