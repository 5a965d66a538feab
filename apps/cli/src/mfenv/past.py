"""What aliases were given to: when and by whom, as far as this machine knows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from envid.aliases import FullRef

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

NOBODY = FullRef("", "")
"""What an alias that was taken away is given to."""

__all__ = ["NOBODY", "Given", "give", "numbered", "take_away"]


class Given(NamedTuple):
    """A moment at which an alias was given to an environment, or, without `target`, taken away.

    `at` is a POSIX time, None where that was before anybody wrote it down; `by` is None where the
    store was only seen to say so.
    """

    at: int | None
    by: str | None
    target: FullRef | None


def numbered(meanings: Sequence[Given]) -> Iterator[tuple[Given, int | None]]:
    """Each with the number of later ones, as in `ALIAS~1`; the latest comes first.

    A name that was taken away last means nothing now: what it meant before is `ALIAS~1`.
    """
    back = 1 if meanings and not meanings[0].target else 0
    for given in meanings:
        yield given, back if given.target else None
        back += given.target is not None


def give(db: sqlite3.Connection, alias: str, target: FullRef, by: str | None) -> None:
    """Write down that an alias is given to an environment from now on."""
    sql = "insert into history (alias, given_at, given_by, req_id, full_id) values (?,?,?,?,?)"
    db.execute(sql, (alias, int(time.time()), by, *target))


def take_away(
    db: sqlite3.Connection, where: str, values: tuple[str, ...], by: str | None = None
) -> None:
    """Write down that the aliases are taken away which `where` says of the table `aliases`."""
    names = db.execute(f"select alias from aliases where {where}", values)  # noqa: S608 - constants
    for (alias,) in names.fetchall():
        give(db, alias, NOBODY, by)
