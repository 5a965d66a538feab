"""What aliases were given to: when and by whom, as far as this machine knows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from envid.aliases import FullRef
from mfenv.rows import is_target

if TYPE_CHECKING:
    import sqlite3

    from mfenv._database import Database

_NOBODY = FullRef("", "")

__all__ = ["Given", "give", "meanings", "take_away"]


class Given(NamedTuple):
    """A moment at which an alias was given to an environment, or, without `target`, taken away.

    `at` is a POSIX time, None where that was before anybody wrote it down; `by` is None where the
    store was only seen to say so.
    """

    at: int | None
    by: str | None
    target: FullRef | None


def give(db: sqlite3.Connection, alias: str, target: FullRef, by: str | None) -> None:
    """Write down that an alias is given to an environment from now on."""
    sql = "insert into history (alias, given_at, given_by, req_id, full_id) values (?,?,?,?,?)"
    db.execute(sql, (alias, int(time.time()), by, *target))


def take_away(db: sqlite3.Connection, where: str, values: tuple[str, ...]) -> None:
    """Write down that the aliases are taken away which `where` says of the table `aliases`."""
    names = db.execute(f"select alias from aliases where {where}", values)  # noqa: S608 - constants
    for (alias,) in names.fetchall():
        give(db, alias, _NOBODY, None)


def meanings(database: Database, alias: str) -> list[Given]:
    """What an alias was given to, the latest first."""
    sql = (
        "select given_at, given_by, req_id, full_id from history where alias=? order by number desc"
    )
    return [
        Given(at, by, None if tuple(target) == _NOBODY else FullRef(*target))
        for at, by, *target in database.all(sql, (alias,))
        if _is_given(at, by, target)
    ]


def _is_given(at: object, by: object, target: list[object]) -> bool:
    """Whether a row holds what it must, whoever wrote it."""
    return (
        (at is None or isinstance(at, int))
        and (by is None or isinstance(by, str))
        and (tuple(target) == _NOBODY or is_target(target))
    )
