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

__all__ = ["HeldPackage", "alike", "complete", "drop_unheld", "holders", "put"]

# How many published environments are compared with one that is to be, and how many may be asked for.
_RECENT, _ALIKE = 50, 3
# Packages: to ask for a description costs as much as to ask for one of them.
_WORTH = 3


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
    # With a break in front, so that a name is looked for where a line starts, in the first as well.
    lines = sorted(f"\n{line}" for line in _lines(env))
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


def _lines(env: ResolvedEnv) -> Iterator[str]:
    for package in env.packages:
        name, build = normal_name(package.name), package.build or ""
        yield f"{name}\t{package.kind}\t{package.name}\t{package.version}\t{build}"


def alike(database: Database, env: ResolvedEnv, store: str) -> list[EnvId]:
    """Environments that a store was known to have which share most packages with another.

    They are few, and of the newest, each with some packages that those before it lack.
    """
    rows = database.all(
        "select p.req_id, p.full_id, p.platform, c.packages from published p"
        " join environments e using (req_id, full_id, platform)"
        " join contents c on c.full_id=p.full_id and c.platform=p.platform"
        " where p.store=? and p.platform=? order by e.resolved_at desc limit ?",
        (store, env.platform, _RECENT),
    )
    held = [
        (EnvId(*env_id), {*packages.splitlines()})
        for *env_id, packages in rows
        if is_env_id(env_id) and tuple(env_id) != env.env_id and isinstance(packages, str)
    ]
    missing = {*_lines(env)}
    chosen: list[EnvId] = []
    while held and len(chosen) < _ALIKE:
        # The best at each step: the best of all sets would take trying all of them.
        env_id, packages = max(held, key=lambda pair: len(pair[1] & missing))
        if len(packages & missing) < _WORTH:
            break
        chosen.append(env_id)
        missing -= packages
    return chosen


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
    # What SQLite looks for is the longest part that stands there as it is; `pattern` decides.
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
            for match in pattern.finditer(packages):
                yield HeldPackage(EnvId(*env_id), *match[1].split("\t")[1:])
