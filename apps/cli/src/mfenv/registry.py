"""The local registry: one SQLite database of what this user has resolved, named and created.

Rows are small and indexed, so that a look-up costs what it returns; a description is stored
whole, compressed, beside the columns that a listing shows. Every write is one transaction.
"""

from __future__ import annotations

import os
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from envid.aliases import FullRef
from envid.errors import EnvidError
from envid.ids import EnvId
from envid.resolved import ResolvedEnv
from mfenv import contents, past
from mfenv import rows as _rows
from mfenv._database import Database
from mfenv._tables import SCHEMAS
from mfenv.errors import DamagedRow
from mfenv.rows import EnvRow, PrefixRow, Remaining

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

__all__ = ["Registry"]

# A use is written down only where the last one was longer ago than this.
_USE_SECONDS = 600

# By `before` and `defaults_before`: what was used since the first stays. What was not used since
# the second goes, also where an alias or a default means it.
_UNUSED = (
    "where name is null and used_at<? and (used_at<? or not exists"
    " (select 1 from aliases a where a.req_id=p.req_id and a.full_id=p.full_id) and not exists"
    " (select 1 from defaults d where d.req_id=p.req_id and d.full_id=p.full_id"
    "   and d.platform=p.platform))"
)

PATHS = (os.sep, f"{os.curdir}{os.sep}", f"{os.pardir}{os.sep}", f"~{os.sep}")
"""How a text begins that is the path of a directory, and never the name of an environment."""


class Registry(Database):
    """The registry in the file `path`, which is made when it is not there.

    Safe to use from several threads and processes. Raises `RegistryError` where the database
    cannot be opened, read or written. What only remembers (uses, and what a store has) is left out
    where nothing can be written.
    """

    schemas = SCHEMAS

    # environments

    def add(self, envs: Iterable[ResolvedEnv], *, default: bool) -> None:
        """Record environments, and make them the defaults of their requests if so asked."""
        from pkgcache.share.digests import packed

        # With its default or not at all: a default never names what is not there.
        with self.write() as db:
            for env in envs:
                db.execute(
                    "insert or replace into environments values (?,?,?,?,?,?,?,?,?,?,?,?)",
                    (
                        *env.env_id,
                        env.env_type,
                        env.python,
                        len(env.packages),
                        env.resolved_at,
                        env.resolved_by,
                        _now(),
                        packed(env.packages),
                        # Nobody else may have these; `collect` keeps them until a store does.
                        packed(package for package in env.packages if package.built_from),
                        # At the lowest level: a tenth larger, in half the time, while somebody
                        # waits.
                        zlib.compress(env.to_json().encode(), 1),
                    ),
                )
                contents.put(db, env)
                if default:
                    db.execute(
                        "insert or replace into defaults values (?,?,?)",
                        (env.req_id, env.platform, env.full_id),
                    )

    def description(self, env_id: EnvId) -> bytes | None:
        """The description of an environment as JSON, or None if it is not known here."""
        row = self.first(
            "select description from environments where req_id=? and full_id=? and platform=?",
            env_id,
        )
        try:
            return zlib.decompress(row[0]) if row else None
        except (zlib.error, TypeError):
            raise _damaged(env_id, "it cannot be decompressed") from None

    def knows(self, env_id: EnvId) -> bool:
        """Whether an environment is known here, and whole."""
        try:
            return self.environment(env_id) is not None
        except DamagedRow:
            return False

    def environment(self, env_id: EnvId) -> ResolvedEnv | None:
        """An environment, or None if it is not known here. Raises `DamagedRow`."""
        text = self.description(env_id)
        if text is None:
            return None
        try:
            env = ResolvedEnv.from_json(text)
        except (EnvidError, RecursionError) as error:
            raise _damaged(env_id, str(error)) from None
        # Ids are over the content, so this finds columns that were mixed up, too.
        if env.env_id != env_id:
            raise _damaged(env_id, "it is that of another environment")
        return env

    def defaults(self, req_id: str) -> dict[str, str]:
        """The `full_id` of the default environment of a request, by platform."""
        return dict(self.all("select platform, full_id from defaults where req_id=?", (req_id,)))

    def platforms(self, ref: FullRef) -> list[str]:
        """The platforms for which one resolved environment is known here."""
        sql = "select platform from environments where req_id=? and full_id=? order by 1"
        return [row[0] for row in self.all(sql, ref)]

    def candidates(self, digits: str, full_digits: str | None = None) -> list[FullRef]:
        """The environments of which either id starts with `digits`.

        With `full_digits` those whose `req_id` starts with `digits`, and their `full_id` with these.
        """
        # A range, unlike `like`, is served by the indexes.
        # `g` lies behind all hex digits.
        bounds = (digits, digits + "g")
        sql = (
            "select distinct req_id, full_id from environments where req_id >= ? and req_id < ?"
            " union select distinct req_id, full_id from environments"
            " where full_id >= ? and full_id < ?"
        )
        values = (*bounds, *bounds)
        if full_digits is not None:
            sql = (
                "select distinct req_id, full_id from environments"
                " where req_id >= ? and req_id < ? and full_id >= ? and full_id < ?"
            )
            values = (*bounds, full_digits, full_digits + "g")
        return [FullRef(*row) for row in self._sound(sql, values, _rows.is_target)]

    def rows(self, limit: int | None = None) -> Iterator[EnvRow]:
        """The known environments, newest first."""
        sql = (
            # Names by queries inside: joins would give a row for each pair of such names.
            "select e.req_id, e.full_id, e.platform, env_type, python, e.packages, resolved_at,"
            " resolved_by, d.full_id is not null,"
            " (select group_concat(alias, char(0)) from aliases a"
            "   where a.req_id = e.req_id and a.full_id = e.full_id),"
            " (select group_concat(coalesce(name, path), char(0)) from prefixes p"
            "   where p.req_id = e.req_id and p.full_id = e.full_id and p.platform = e.platform),"
            " (select max(p.used_at) from prefixes p"
            "   where p.req_id = e.req_id and p.full_id = e.full_id and p.platform = e.platform),"
            " e.used_at, c.size, c.unsized"
            " from environments e left join defaults d"
            "  on d.req_id = e.req_id and d.platform = e.platform and d.full_id = e.full_id"
            " left join contents c on c.full_id = e.full_id and c.platform = e.platform"
            " order by resolved_at desc, e.req_id, e.full_id, e.platform limit ?"
        )
        # To SQLite, -1 is no limit.
        for row in self._sound(sql, (-1 if limit is None else limit,), _rows.is_listed):
            yield EnvRow(
                env_id=EnvId(*row[:3]),
                env_type=row[3],
                python=row[4],
                packages=row[5],
                resolved_at=row[6],
                resolved_by=row[7],
                is_default=bool(row[8]),
                aliases=_together(row[9]),
                prefixes=_together(row[10]),
                used_at=max(row[11] or 0, row[12] or 0),
                size=row[13],
                unsized=row[14] or 0,
            )

    def forget(self, ref: FullRef) -> None:
        """Remove an environment with its defaults and aliases; the store keeps what it has."""
        with self.write() as db:
            # Prefixes keep their rows: they are on the disk, and `remove` deletes each with its
            # own.
            past.take_away(db, "req_id=? and full_id=?", ref)
            for table in ("environments", "defaults", "aliases", "published"):
                db.execute(
                    f"delete from {table} where req_id=? and full_id=?",  # noqa: S608 - constants
                    ref,
                )
            contents.drop_unheld(db, [ref.full_id])

    def use(self, envs: Iterable[ResolvedEnv]) -> None:
        """Say that environments are used, which keeps garbage collection away from them.

        What was collected since it was read is recorded again.
        """
        if self.read_only:
            return
        condition = "where req_id=? and full_id=? and platform=?"
        sql = f"select used_at from environments {condition}"  # noqa: S608 - constants
        for env in envs:
            # Read without a transaction: nearly always nothing is to be written, and nobody has to
            # be waited for.
            row = self.first(sql, env.env_id)
            if row is None:
                self.add([env], default=False)
            # What is no number is damage, and is written anew.
            elif not isinstance(row[0], int) or row[0] < _now() - _USE_SECONDS:
                with self.write() as db:
                    db.execute(
                        f"update environments set used_at=? {condition}",  # noqa: S608 - constants
                        (_now(), *env.env_id),
                    )

    def collect(
        self,
        *,
        before: float,
        defaults_before: float,
        without: Iterable[Path] = (),
        dry_run: bool = False,
    ) -> Remaining:
        """Forget the environments that nothing refers to, and the prefixes `without`.

        What refers to an environment: an alias, a prefix, and a default, if the environment was
        used since `defaults_before`. What was used since `before`, a POSIX time as well, stays.
        """
        sql = (
            "select req_id, full_id, platform from environments e where used_at<?"
            " and not exists (select 1 from aliases a"
            "   where a.req_id=e.req_id and a.full_id=e.full_id)"
            " and not exists (select 1 from prefixes p"
            "   where p.req_id=e.req_id and p.full_id=e.full_id)"
            " and not (used_at>=? and exists (select 1 from defaults d where d.req_id=e.req_id"
            "   and d.platform=e.platform and d.full_id=e.full_id))"
        )
        # A dry run does all of it, and takes it back.
        with self.write(keep=not dry_run) as db:
            # First, so that what only they refer to is forgotten with them.
            for path in without:
                db.execute("delete from prefixes where path=cast(? as text)", (os.fsencode(path),))
            rows = db.execute(sql, (before, defaults_before)).fetchall()
            # What is damaged stays for `verify`, which says so before it deletes it.
            forgotten = [EnvId(*row) for row in rows if _rows.is_env_id(row)]
            # What has an alias is not among them.
            for table in ("environments", "defaults", "published"):
                db.executemany(
                    f"delete from {table} where req_id=? and full_id=? and platform=?",  # noqa: S608 - constants
                    forgotten,
                )
            contents.drop_unheld(db, {env_id.full_id for env_id in forgotten})
            sql = "select req_id, full_id, platform, digests from environments"
            # Where digests are damaged, the packages can be fetched again.
            digests = list(self._right(db.execute(sql), lambda row: _rows.is_packed(row[3])))
            built = db.execute(
                "select built from environments e where length(built) > 0 and not exists"
                " (select 1 from published p where p.req_id=e.req_id and p.full_id=e.full_id"
                "   and p.platform=e.platform)"
            ).fetchall()
        return Remaining(
            forgotten=tuple(forgotten),
            digests=tuple(row[3] for row in digests),
            only_copies=tuple(row[0] for row in built if _rows.is_packed(row[0])),
        )

    def holding(self, digests: Iterable[str]) -> Iterator[EnvId]:
        """The environments that hold any of these packages."""
        from pkgcache.share.digests import DigestSet, pack

        wanted = DigestSet([pack(digests)])
        sql = "select req_id, full_id, platform, digests from environments"
        for *env_id, blob in self.all(sql, ()):
            if _rows.is_env_id(env_id) and _rows.is_packed(blob) and wanted.meets(blob):
                yield EnvId(*env_id)

    # aliases

    def alias(self, alias: str) -> FullRef | None:
        """The environment that an alias is given to here."""
        sql = "select req_id, full_id from aliases where alias=?"
        return self._target(sql, (alias,))

    def _target(self, sql: str, values: tuple[str, ...]) -> FullRef | None:
        return next((FullRef(*row) for row in self._sound(sql, values, _rows.is_target)), None)

    def alias_in(self, store: str, alias: str) -> FullRef | None:
        """The environment that an alias was last seen to be given to in a store."""
        sql = "select req_id, full_id from aliases where alias=? and store=?"
        return self._target(sql, (alias, store))

    def set_alias(
        self, alias: str, target: FullRef, *, mutable: bool, store: str = "", by: str | None = None
    ) -> FullRef | None:
        """Give an alias to an environment; `store` is the URL of a store known to say the same.

        `by` is who gives it, None where it is only seen to be given.

        An immutable alias that is held by another environment stays there, and its holder is
        returned; None means that it is done.
        """
        # What says nothing new needs no writing.
        if self.read_only and self.alias(alias) == target:
            return None
        with self.write() as db:
            # Looked at and written under one lock: of two processes, one sees what the other did.
            cursor = db.execute("select req_id, full_id from aliases where alias=?", (alias,))
            held: tuple[str, str] | None = cursor.fetchone()
            # A holder that is damaged holds nothing: it would keep the name from everybody for
            # ever.
            if held and not mutable and held != target and _rows.is_target(held):
                return FullRef(*held)
            # Also for the store alone, by which `alias_in` knows later what was seen where.
            if held != target or store:
                row = (alias, *target, store)
                db.execute("insert or replace into aliases values (?,?,?,?)", row)
            if held != target:
                past.give(db, alias, target, by)
        return None

    def aliases(self) -> list[tuple[str, FullRef]]:
        """All aliases, by name, and what they are given to."""
        sql = "select req_id, full_id, alias from aliases order by alias"
        return [(row[2], FullRef(*row[:2])) for row in self._sound(sql, (), _rows.is_target)]

    def aliases_of(self, ref: FullRef) -> list[str]:
        sql = "select alias from aliases where req_id=? and full_id=? order by 1"
        return [row[0] for row in self.all(sql, ref)]

    def names_of(self, ref: FullRef) -> list[str]:
        """The aliases of an environment, and the names of its prefixes."""
        named = (row.name for row in self.prefixes_of(ref) if row.name)
        return [*self.aliases_of(ref), *named]

    def meanings(self, alias: str) -> list[past.Given]:
        """What an alias was given to, the latest first."""
        columns = "req_id, full_id, given_at, given_by"
        sql = f"select {columns} from history where alias=? order by number desc"  # noqa: S608 - constants
        return [
            past.Given(at, by, FullRef(req_id, full_id) if req_id else None)
            for req_id, full_id, at, by in self._sound(sql, (alias,), _rows.is_given)
        ]

    def remove_alias(self, alias: str, by: str | None = None) -> bool:
        """Take a name away; whether it was known here."""
        with self.write() as db:
            past.take_away(db, "alias=?", (alias,), by)
            return db.execute("delete from aliases where alias=?", (alias,)).rowcount > 0

    def names(self, start: str = "") -> list[str]:
        """The aliases and names of prefixes that start so, for completion in a shell."""
        sql = (
            "select alias from aliases where alias >= cast(? as text) and alias < cast(? as text)"
            " union select name from prefixes"
            " where name >= cast(? as text) and name < cast(? as text)"
        )
        first = os.fsencode(start)
        # No UTF-8 text holds this byte, so all that starts so lies before it.
        bounds = (first, first + b"\xff")
        return [row[0] for row in self.all(sql, (*bounds, *bounds))]

    # prefixes

    def add_prefix(self, path: Path, name: str | None, env_id: EnvId) -> None:
        """Record a created prefix; a name moves to it from a prefix that had it before."""
        with self.write() as db:
            # Paths go in as bytes that are cast: Python writes no text that is not UTF-8.
            # Without a name nothing is found by this: in SQL no `null` equals another.
            db.execute("update prefixes set name=null where name=?", (name,))
            db.execute(
                "insert or replace into prefixes values (cast(? as text),?,?,?,?,?)",
                (os.fsencode(path), name, *env_id, _now()),
            )

    def remove_prefix(self, path: Path) -> None:
        with self.write() as db:
            db.execute("delete from prefixes where path=cast(? as text)", (os.fsencode(path),))

    def prefix_named(self, name: str) -> PrefixRow | None:
        return next(self._prefixes("where name=cast(? as text)", (os.fsencode(name),)), None)

    def prefix_meant(self, text: str) -> PrefixRow | None:
        """The prefix of that name, or the one in the directory of a path that says it is one."""
        if text.startswith(PATHS):
            # Not by pathlib, which fails for a user who has no home.
            return self.prefix_at(Path(os.path.abspath(os.path.expanduser(text))))  # noqa: PTH100, PTH111
        return self.prefix_named(text)

    def prefix_at(self, path: Path) -> PrefixRow | None:
        return next(self._prefixes("where path=cast(? as text)", (os.fsencode(path),)), None)

    def prefixes_of(self, ref: FullRef) -> list[PrefixRow]:
        return list(self._prefixes("where req_id=? and full_id=? order by path", ref))

    def prefixes(self) -> list[PrefixRow]:
        return list(self._prefixes("order by path", ()))

    def use_prefix(self, path: Path) -> bool:
        """Say that a prefix is used, as `use` does; whether it is known."""
        row = self.prefix_at(path)
        if row and row.used_at < _now() - _USE_SECONDS and not self.read_only:
            with self.write() as db:
                sql = "update prefixes set used_at=? where path=cast(? as text)"
                return db.execute(sql, (_now(), os.fsencode(path))).rowcount > 0
        return row is not None

    def adopt_prefix(self, path: Path, env_id: EnvId, used_at: float) -> None:
        """Record a prefix that was found on the disk, unless it is known."""
        with self.write() as db:
            db.execute(
                # Its creator may write it down at this moment, and knows its name.
                "insert or ignore into prefixes values (cast(? as text),null,?,?,?,?)",
                (os.fsencode(path), *env_id, int(used_at)),
            )

    def unused_prefixes(self, *, before: float, defaults_before: float) -> list[PrefixRow]:
        """The prefixes without a name whose environment has no alias and is no default.

        Of the others those that were not used since `defaults_before`. What was used since
        `before`, a POSIX time as well, is not among them.
        """
        return list(self._prefixes(_UNUSED, (before, defaults_before)))

    def drop_unused(self, path: Path, *, before: float, defaults_before: float) -> bool:
        """Forget a prefix if it is still unused; whether it was."""
        # Asked and done by one statement: a use that was written down meanwhile keeps it.
        sql = f"delete from prefixes as p {_UNUSED} and path=cast(? as text)"  # noqa: S608 - constants
        with self.write() as db:
            cursor = db.execute(sql, (before, defaults_before, os.fsencode(path)))
            return cursor.rowcount > 0

    def _prefixes(self, where: str, values: tuple[str | bytes | float, ...]) -> Iterator[PrefixRow]:
        sql = f"select path, name, req_id, full_id, platform, used_at from prefixes p {where}"  # noqa: S608 - constants
        for path, name, req_id, full_id, platform, at in self._sound(sql, values, _rows.is_prefix):
            yield PrefixRow(
                path=path, name=name, env_id=EnvId(req_id, full_id, platform), used_at=at
            )

    # stores

    def set_published(self, store: str, env_ids: Iterable[EnvId]) -> None:
        """Remember that a store holds these environments completely."""
        if self.read_only:
            return
        with self.write() as db:
            db.executemany(
                "insert or ignore into published values (?,?,?,?)",
                [(*env_id, store) for env_id in env_ids],
            )

    def named_in(self, store: str) -> dict[str, tuple[str, bytes]]:
        """What the objects of a store name, as `pkgcache.share.sweeping` remembers it."""
        rows = self.all("select key, etag, names from named where store=?", (store,))
        return {key: (etag, names) for key, etag, names in rows}

    def set_named_in(self, store: str, named: Mapping[str, tuple[str, bytes]]) -> None:
        if self.read_only:
            return
        with self.write() as db:
            # All of them anew, so that objects which are gone from the store leave this, too.
            db.execute("delete from named where store=?", (store,))
            rows = ((store, key, etag, names) for key, (etag, names) in named.items())
            db.executemany("insert into named values (?,?,?,?)", rows)

    def is_published(self, store: str, env_id: EnvId) -> bool:
        sql = "select 1 from published where req_id=? and full_id=? and platform=? and store=?"
        return self.first(sql, (*env_id, store)) is not None

    def _sound(
        self, sql: str, values: tuple[Any, ...], is_right: Callable[[Any], bool]
    ) -> Iterator[Any]:
        """The rows that are right; the others are passed over, and it is said."""
        return self._right(self.all(sql, values), is_right)

    def _right(self, rows: Iterable[Any], is_right: Callable[[Any], bool]) -> Iterator[Any]:
        for row in rows:
            if is_right(row):
                yield row
            else:
                self._note_once(
                    "a row of the registry is damaged, and passed over:"
                    f" {ascii(row[:3])[:200]}; see `mfenv cache verify`"
                )


def _damaged(env_id: EnvId, reason: str) -> DamagedRow:
    return DamagedRow(
        f"the description of `{env_id.ref}` for {env_id.platform} in the"
        f" registry is damaged: {reason}",
        "`mfenv cache verify` takes it from the store, if that has it; `mfenv rm --force` forgets"
        " it, and it can be resolved again",
    )


def _together(texts: str | None) -> tuple[str, ...]:
    """What `rows` gathers of a row, with the one sign between that neither paths nor names hold."""
    return tuple(sorted(filter(None, (texts or "").split("\0"))))


def _now() -> int:
    return int(time.time())
