"""A SQLite database that several processes and threads of one user write to."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mfenv.errors import MfenvError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WAIT_SECONDS = 60


class Database:
    """The database in the file `path`, which is made with `schema` when it is not there.

    Every write is one transaction. Raises `RegistryError` where it cannot be opened, read or
    written, and for one of a higher `version`.
    """

    version: int
    schema: str

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()

    def close(self) -> None:
        with self._lock:
            if self._connection:
                self._connection.close()
                self._connection = None

    def one(self, sql: str, values: tuple[Any, ...]) -> Any:
        with self._errors():
            return self._open().execute(sql, values).fetchone()

    def all(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        with self._errors():
            return self._open().execute(sql, values).fetchall()

    @contextmanager
    def write(self, *, keep: bool = True) -> Iterator[sqlite3.Connection]:
        with self._errors():
            db = self._open()
            # Taking the lock at once cannot deadlock, as turning a read into a write can.
            db.execute("begin immediate")
            try:
                yield db
            except BaseException:
                db.rollback()
                raise
            if keep:
                db.commit()
            else:
                db.rollback()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(
            self.path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        # Paths are bytes, and not in every locale can these be read as UTF-8.
        db.text_factory = os.fsdecode
        try:
            if self._version(db) == 0:
                self._create(db)
        except BaseException:
            db.close()
            raise
        return db

    def _version(self, db: sqlite3.Connection) -> int:
        version = int(db.execute("pragma user_version").fetchone()[0])
        if version > self.version:
            raise RegistryError(
                f"the registry `{self.path}` was written by a newer mfenv (format {version})",
                "upgrade mfenv, or set MFENV_HOME to another directory",
            )
        return version

    def _create(self, db: sqlite3.Connection) -> None:
        # Turning WAL on does not wait for others that do the same, so they take turns here.
        from filelock import FileLock

        with FileLock(f"{self.path}.lock"):
            if self._version(db) == 0:
                db.execute("pragma journal_mode=wal")
                db.executescript(
                    f"begin; {self.schema} pragma user_version={self.version}; commit;"
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
            corrupt = re.search("malformed|not a database|decompress|decode", str(error))
            raise RegistryError(
                f"the registry `{self.path}` cannot be used: {error}",
                "move the file away; what is in the store can be fetched again"
                if corrupt
                else "check the space and the permissions of its directory, or set MFENV_HOME",
            ) from None
