"""What packages environments hold, as the registry finds them by name, and how large they are.

A row hangs on nothing but its key: a `full_id` is computed from the packages of its platforms. It is
written with the description, and, for one that an older mfenv wrote, when it is first asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envid.ids import EnvId
from envid.requirements import normal_name
from mfenv.errors import DamagedRow
from mfenv.rows import is_env_id

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from envid.resolved import ResolvedEnv
    from mfenv._database import Database

__all__ = ["HeldPackage", "complete", "drop_unheld", "holders", "put"]


class HeldPackage(NamedTuple):
    """A package of an environment."""

    env_id: EnvId
    kind: str
    name: str
    version: str
    build: str


def put(db: sqlite3.Connection, env: ResolvedEnv) -> None:
    """Write down what an environment holds."""
    sizes = [package.size for package in env.packages]
    lines = sorted(
        f"\n{normal_name(p.name)}\t{p.kind}\t{p.name}\t{p.version}\t{p.build or ''}"
        for p in env.packages
    )
    db.execute(
        "insert or replace into contents values (?,?,?,?,?)",
        (
            env.full_id,
            env.platform,
            sum(size for size in sizes if size is not None),
            sizes.count(None),
            f"{''.join(lines)}\n",
        ),
    )


def drop_unheld(db: sqlite3.Connection, full_ids: Iterable[str]) -> None:
    """Delete what no environment holds any more, of those that were forgotten."""
    db.executemany(
        "delete from contents where full_id=? and not exists (select 1 from environments e"
        " where e.full_id=contents.full_id and e.platform=contents.platform)",
        [(full_id,) for full_id in full_ids],
    )


def complete(registry: Database, read: Callable[[EnvId], ResolvedEnv | None]) -> int:
    """Write down what environments hold that an older mfenv recorded; `read` reads one.

    Gives how many are left out: what cannot be read, or all where nothing can be written.
    """
    rows = registry.all(
        "select req_id, full_id, platform from environments e where not exists"
        " (select 1 from contents c where c.full_id=e.full_id and c.platform=e.platform)",
        (),
    )
    left = len(rows)
    if registry.read_only or not rows:
        return left
    with registry.write() as db:
        for row in rows:
            try:
                if env := read(EnvId(*row)):
                    put(db, env)
                    left -= 1
            except DamagedRow:
                continue
    return left


def holders(database: Database, name: str) -> Iterator[HeldPackage]:
    """The packages of a name (as PEP 503 has it; `*` for any letters), the newest environments first."""
    plain = max(name.split("*"), key=len)
    sign = f"\n{name}\t" if plain == name else plain
    rows = database.all(
        "select e.req_id, e.full_id, e.platform, c.packages from contents c"
        " join environments e on e.full_id=c.full_id and e.platform=c.platform"
        " where instr(c.packages, ?) order by e.resolved_at desc, e.req_id, e.full_id, e.platform",
        (sign,),
    )
    letters = r"[^\t\n]*".join(map(re.escape, name.split("*")))
    pattern = re.compile(rf"\n{letters}((?:\t[^\t\n]*){{4}})(?=\n)")
    for *env_id, packages in rows:
        if is_env_id(env_id) and isinstance(packages, str):
            for found in pattern.finditer(packages):
                yield HeldPackage(EnvId(*env_id), *found[1].split("\t")[1:])
