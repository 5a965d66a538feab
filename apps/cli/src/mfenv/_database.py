"""A SQLite database that several processes and threads of one user write to."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import threading
import zlib
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

from mfenv.errors import MfenvError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# First for a moment, so that a longer wait can be told, then as long as the largest write of
# another process may take.
_SHORT_WAIT_SECONDS, _WAIT_SECONDS = 2, 60
# Bytes; with less, SQLite has no room for the index of its log, which is 32 KiB, and a few pages.
_ROOM = 1 << 16
_MOVE = "move the file away; what is in the store can be fetched again"


class Database:
    """The database in the file `path`, which is made when it is not there.

    `schemas` are what each version of it adds to the one before: an older one is brought up.

    `note` is told what is waited for, and what had to be passed over.

    Every write is one transaction. Where nothing can be written, what is there is read. Raises
    `RegistryError` where it cannot be opened, read or written, and for one of a higher version.
    """

    schemas: tuple[str, ...]

    def __init__(self, path: Path, note: Callable[[str], None] = lambda _: None) -> None:
        self.path, self._note, self._noted = path, note, set[str]()
        self._connection: sqlite3.Connection | None = None
        self._refusal: RegistryError | None = None
        self.full = False
        # `write` holds it while its body runs, which may read through `first` and `all`.
        self._lock = threading.RLock()

    def _note_once(self, text: str) -> None:
        # Reading a damaged row again and again would say so each time.
        if text not in self._noted:
            self._noted.add(text)
            self._note(text)

    def close(self) -> None:
        with self._lock:
            if self._connection:
                self._connection.close()
            # All of it is found out anew by whoever goes on: `remove` closes a registry that had no
            # room.
            self._connection, self._refusal, self.full = None, None, False

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written, because of the directory or the file system."""
        with self._errors():
            self._open()
        return self._refusal is not None

    def check_writable(self, *, freeing: bool = False) -> None:
        """Raise why nothing can be written, before work is done that would have to be.

        What is `freeing` room goes on where that is why.
        """
        if self.read_only and self._refusal and not (self.full and freeing):
            raise self._refusal

    def first(self, sql: str, values: tuple[Any, ...]) -> Any:
        with self._errors():
            return self._open().execute(sql, values).fetchone()

    def all(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        with self._errors():
            return self._open().execute(sql, values).fetchall()

    @contextmanager
    def write(self, *, keep: bool = True) -> Iterator[sqlite3.Connection]:
        with self._errors(), ExitStack() as stack:
            db = self._open()
            if self._refusal:
                if keep:
                    raise self._refusal
                # A dry run is content with a copy.
                db = stack.enter_context(closing(_in_memory(db)))
            self._begin(db)
            try:
                yield db
            # An interruption, too: an open transaction would keep all other processes from writing.
            except BaseException:
                db.rollback()
                raise
            if keep:
                db.commit()
            else:
                db.rollback()

    def _begin(self, db: sqlite3.Connection) -> None:
        # Taking the lock at once cannot deadlock, as turning a read into a write can.
        db.execute(f"pragma busy_timeout={_SHORT_WAIT_SECONDS * 1000}")
        try:
            db.execute("begin immediate")
        except sqlite3.OperationalError as error:
            # SQLite says it in words alone: `sqlite_errorcode` is there from Python 3.11 on.
            if "locked" not in str(error):
                raise
            # Only now: nearly every write of another process is over in the moment before.
            self._note(f"waiting for another process that writes to `{self.path}`")
            db.execute(f"pragma busy_timeout={_WAIT_SECONDS * 1000}")
            db.execute("begin immediate")

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        # SQLite says of a directory no more than `unable to open database file`.
        if os.path.lexists(self.path) and not self.path.is_file():
            raise RegistryError(f"the registry `{self.path}` is not a file", _MOVE)
        # Asked beforehand: SQLite opens what it cannot write as well, and fails at the first write,
        # when the work is done.
        if reason := _unwritable(self.path):
            return self._refuse(reason)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            from resolvers.content import CACHE_SIGN

            # Where it lies in a project, it is none of its sources.
            (self.path.parent / CACHE_SIGN).touch()
        db = _opened(self.path)
        try:
            if self._version(db) < len(self.schemas):
                self._create(db)
        except BaseException as error:
            db.close()
            # Not even reading goes without room for what SQLite wants beside.
            if isinstance(error, sqlite3.OperationalError) and _is_full(self.path.parent):
                self.full = True
                return self._refuse(os.strerror(errno.ENOSPC).lower())
            raise
        return db

    def _refuse(self, reason: str) -> sqlite3.Connection:
        self._refusal = RegistryError(
            f"cannot write into `{self.path.parent}`: {reason}",
            "set MFENV_HOME to a directory that can be written",
        )
        # By which `wording` says what room there is.
        self._refusal.filename = str(self.path)
        return self._connect_read_only()

    def _connect_read_only(self) -> sqlite3.Connection:
        """What can be read where SQLite can make none of the files that it wants beside."""
        from urllib.parse import quote

        log, shared = (
            self.path.with_name(f"{self.path.name}-{ending}") for ending in ("wal", "shm")
        )
        url = f"file:{quote(os.fsencode(self.path))}"
        if not self.path.exists():
            db = _opened(":memory:")
        # The file is all there is; told that nobody writes, SQLite makes nothing beside it.
        elif not log.exists() or not log.stat().st_size:
            db = _opened(f"{url}?immutable=1")
        # Some of it is in the log, and the index that reading the log takes is there.
        elif shared.exists():
            db = _opened(f"{url}?mode=ro")
        else:
            import shutil
            import tempfile

            # No index, and none can be made here: so it is read where one can.
            with tempfile.TemporaryDirectory() as folder:
                for file in (self.path, log):
                    shutil.copyfile(file, f"{folder}/{file.name}")
                with closing(_opened(f"{folder}/{self.path.name}")) as there:
                    db = _in_memory(there)
        try:
            if missing := self.schemas[self._version(db) :]:
                # Of an older format, or nothing yet: as it would be if it could be brought up.
                with closing(db) as older:
                    db = _in_memory(older)
                db.executescript("".join(missing))
        except BaseException:
            db.close()
            raise
        return db

    def _version(self, db: sqlite3.Connection) -> int:
        version = int(db.execute("pragma user_version").fetchone()[0])
        # A lower one is brought up by who asks; 0 is that of a file that nobody made tables in.
        if version > len(self.schemas):
            raise RegistryError(
                f"the registry `{self.path}` was written by a newer mfenv (format {version})",
                "upgrade mfenv, or set MFENV_HOME to another directory",
            )
        return version

    def _create(self, db: sqlite3.Connection) -> None:
        # Turning WAL on does not wait for others that do the same, so they take turns here.
        from pkgcache.locks import hold

        with hold(self.path.with_name(f"{self.path.name}.lock")):
            # Somebody else may have made the tables while this process waited.
            if missing := self.schemas[self._version(db) :]:
                db.execute("pragma journal_mode=wal")
                # The version comes with the tables, or neither does.
                tables = "".join(missing)
                db.executescript(
                    f"begin immediate; {tables} pragma user_version={len(self.schemas)}; commit;"
                )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        # SQLite quotes what it cannot read, and Python cannot always decode that.
        except (sqlite3.DatabaseError, zlib.error, UnicodeDecodeError, OSError) as error:
            if isinstance(error, MfenvError):
                raise
            hint = (
                "check the space and the permissions of its directory and `ulimit -f`, or set"
                " MFENV_HOME"
            )
            # Python 3.10 then leaves its own error without a text.
            reason = str(error) or "SQLite's reason cannot be decoded"
            if re.search("malformed|not a database|decompress|decode|no such", reason):
                hint = _MOVE
            elif "locked" in reason:
                hint = "another process holds it; wait until that is done, or end it"
            failure = RegistryError(f"the registry `{self.path}` cannot be used: {reason}", hint)
            failure.filename = str(self.path)
            raise failure from None


def _opened(database: Path | str) -> sqlite3.Connection:
    # Transactions begin where `write` says, not where Python would have one begin; threads take
    # turns, by the lock of `_errors`.
    db = sqlite3.connect(
        database,
        timeout=_WAIT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=isinstance(database, str),
    )
    # Paths are bytes, and not in every locale can these be read as UTF-8.
    db.text_factory = os.fsdecode
    return db


def _in_memory(db: sqlite3.Connection) -> sqlite3.Connection:
    copy = _opened(":memory:")
    db.backup(copy)
    return copy


def _unwritable(path: Path) -> str | None:
    """Why neither the file `path` nor others beside it can be written or made."""
    # What is not there yet has to be made, in the first directory above it that is.
    there = next(folder for folder in path.parents if folder.exists())
    if _may_write(there) and (not path.exists() or _may_write(path)):
        return None
    only_read = os.statvfs(there).f_flag & os.ST_RDONLY
    return "read-only file system" if only_read else "permission denied"


def _is_full(folder: Path) -> bool:
    usage = os.statvfs(folder)
    return usage.f_bavail * usage.f_frsize < _ROOM or (usage.f_files > 0 and not usage.f_favail)


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=True)
