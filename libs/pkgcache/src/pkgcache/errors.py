"""The errors of pkgcache: bytes that are not what they should be, and places that cannot be used.

Every error is a `PkgcacheError`. `hint` says what to try, `retryable` whether doing the same again
may help. No message, attribute or repr holds a credential.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AliasTaken",
    "BadArchive",
    "CacheError",
    "Conflict",
    "DamagedObject",
    "DownloadError",
    "HashMismatch",
    "InvalidKey",
    "LayoutTooNew",
    "NotInCache",
    "NotInStore",
    "NotOurPrefix",
    "NotTransmutable",
    "PkgcacheError",
    "PrefixError",
    "PrefixExists",
    "StoreError",
    "TargetExists",
    "UnsupportedStore",
    "WorkerCrashed",
    "WorkerFailed",
]


class PkgcacheError(Exception):
    """Root of all errors of this library."""

    hint: str | None = None
    retryable: bool = False


class _SystemError(OSError, PkgcacheError):
    """One that is an `OSError` to whoever catches those, and whose facts are attributes.

    Of several arguments `OSError` takes the first two for `errno` and `strerror`, and the third for
    `filename`. So it gets one, the reason, and has none of the three.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args`, which are not what its `__init__` takes.
        return _remade, (type(self), self.args, self.__dict__)


def _remade(kind: type[_SystemError], args: tuple[str, ...], facts: dict[str, Any]) -> Any:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(facts)
    return error


class HashMismatch(ValueError, PkgcacheError):
    """Bytes are not the ones that were promised.

    `expected` and `actual` are texts such as `sha256:...` or `123 bytes`, `origin` says where the
    bytes came from.
    """

    hint = (
        "the file was changed after it was resolved, or on its way; if it is right, resolve again"
        " with `--force`"
    )

    def __init__(self, filename: str, expected: str, actual: str, origin: str) -> None:
        super().__init__(filename, expected, actual, origin)
        self.filename, self.expected, self.actual, self.origin = filename, expected, actual, origin

    def __str__(self) -> str:
        return f"`{self.filename}` from {self.origin} is {self.actual}, expected {self.expected}"


class DownloadError(_SystemError):
    """A URL could not be fetched.

    `status` is the HTTP status, where there was one. `retry_after` is None where another attempt
    is pointless, else the seconds that the server asked to wait, 0 if it did not. `slow` is a server
    that sent something, and too little of it.
    """

    def __init__(
        self,
        url: str,
        reason: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
        slow: bool = False,
    ) -> None:
        super().__init__(reason)
        self.url, self.reason, self.status, self.slow = url, reason, status, slow
        self.retry_after, self.retryable, self.hint = retry_after, retry_after is not None, hint

    def __str__(self) -> str:
        return f"cannot download `{self.url}`: {self.reason}"


class StoreError(_SystemError):
    """A store refused an operation, or cannot be reached."""

    def __init__(
        self,
        operation: str,
        key: str,
        store: str,
        reason: str,
        *,
        hint: str | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(reason)
        self.operation, self.key, self.store, self.reason = operation, key, store, reason
        self.hint, self.retryable = hint, retryable

    def __str__(self) -> str:
        return f"cannot {self.operation} `{self.key}` in the store `{self.store}`: {self.reason}"


class UnsupportedStore(ValueError, PkgcacheError):
    """A URL names no store that this installation can open. `url` has no login and no query."""

    def __init__(self, url: str, reason: str, hint: str | None = None) -> None:
        super().__init__(url, reason, hint)
        self.url, self.reason, self.hint = url, reason, hint

    def __str__(self) -> str:
        return f"`{self.url}` is not a store: {self.reason}"


class InvalidKey(ValueError, PkgcacheError):
    """A text is not the key of a store object."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key, self.reason = key, reason

    def __str__(self) -> str:
        return f"`{self.key}` is not a key: {self.reason}"


class NotInStore(LookupError, PkgcacheError):
    """A store has no object of that key."""

    def __init__(self, key: str, store: str) -> None:
        super().__init__(key, store)
        self.key, self.store = key, store

    def __str__(self) -> str:
        return f"`{self.key}` is not in the store `{self.store}`"


class Conflict(_SystemError):
    """A conditional put lost: the object exists, or changed since it was read."""

    def __init__(self, key: str, store: str) -> None:
        super().__init__("written by somebody else")
        self.key, self.store = key, store

    def __str__(self) -> str:
        return f"`{self.key}` in the store `{self.store}` was written by somebody else"


class DamagedObject(ValueError, PkgcacheError):
    """An object of the store does not have the content that its key promises."""

    def __init__(self, key: str, store: str, reason: str) -> None:
        super().__init__(key, store, reason)
        self.key, self.store, self.reason = key, store, reason
        self.hint = "delete the object from the store, then publish the environment again"

    def __str__(self) -> str:
        return f"`{self.key}` in the store `{self.store}` is damaged: {self.reason}"


class LayoutTooNew(ValueError, PkgcacheError):
    """A store was laid out by a newer version of this library."""

    hint = "upgrade pkgcache to use it"

    def __init__(self, store: str, found: int, known: int) -> None:
        super().__init__(store, found, known)
        self.store, self.found, self.known = store, found, known

    def __str__(self) -> str:
        return (
            f"the store `{self.store}` has layout {self.found},"
            f" and this version of pkgcache knows up to {self.known}"
        )


class AliasTaken(ValueError, PkgcacheError):
    """An immutable alias was given to another environment already.

    `holder` is that environment, as `REQ_ID:FULL_ID`.
    """

    def __init__(self, alias: str, holder: str) -> None:
        super().__init__(alias, holder)
        self.alias, self.holder = alias, holder
        self.hint = "choose another tag; only `latest`, `candidate` and `stable` can be moved"

    def __str__(self) -> str:
        return f"the alias `{self.alias}` is taken by `{self.holder}`"


class BadArchive(ValueError, PkgcacheError):
    """An archive is damaged, hostile, or not what its name says. `issues` lists what is wrong."""

    hint = "fetch or copy it again; if it stays so, report it to whoever made it"

    _SHOWN, _LONGEST = 3, 400

    def __init__(self, filename: str, issues: tuple[str, ...], hint: str = hint) -> None:
        super().__init__(filename, issues, hint)
        self.filename, self.issues, self.hint = filename, issues, hint

    def __str__(self) -> str:
        more = len(self.issues) - self._SHOWN
        # Names in a hostile archive may be a megabyte long.
        shown = "; ".join(
            issue if len(issue) <= self._LONGEST else f"{issue[:200]}...{issue[-100:]}"
            for issue in self.issues[: self._SHOWN]
        )
        return f"`{self.filename}` is refused: {shown}{f'; and {more} more' if more > 0 else ''}"


class NotTransmutable(ValueError, PkgcacheError):
    """A file, by its name, cannot be turned into the format that was asked for."""

    def __init__(self, filename: str, reason: str, hint: str | None = None) -> None:
        super().__init__(filename, reason, hint)
        self.filename, self.reason, self.hint = filename, reason, hint

    def __str__(self) -> str:
        return f"`{self.filename}` cannot be transmuted: {self.reason}"


class TargetExists(FileExistsError, PkgcacheError):
    """Something lies where a file should be written."""

    hint = "choose another folder, or replace it with `--force`"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"`{self.path}` exists already"


class CacheError(_SystemError):
    """The local cache cannot be used or written."""

    def __init__(self, path: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.path, self.reason, self.hint = path, reason, hint

    def __str__(self) -> str:
        return f"cannot use the package cache at `{self.path}`: {self.reason}"


class NotInCache(LookupError, PkgcacheError):
    """An artifact is not in the local cache, or was dropped from it because it was damaged."""

    retryable = True

    def __init__(self, filename: str, hint: str = "fetch it again") -> None:
        super().__init__(filename, hint)
        self.filename, self.hint = filename, hint

    def __str__(self) -> str:
        return f"`{self.filename}` is not in the package cache"


class PrefixError(_SystemError):
    """A prefix cannot be created or removed."""

    def __init__(self, path: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.path, self.reason, self.hint = path, reason, hint

    def __str__(self) -> str:
        return f"`{self.path}`: {self.reason}"


class PrefixExists(PrefixError):
    """Something lies where a prefix should be created."""

    def __init__(self, path: str, hint: str | None = None) -> None:
        again = "choose another place, or make it again with `--force` if it is an environment"
        super().__init__(path, "exists already", hint=hint or again)


class NotOurPrefix(PrefixError):
    """A directory is not an environment that this library made, so it is not touched."""

    def __init__(self, path: str, reason: str = "has no environment marker") -> None:
        super().__init__(path, f"is not deleted: it {reason}")
        self.hint = "delete it by hand if it is not needed"


class WorkerCrashed(RuntimeError, PkgcacheError):
    """The worker process ended before it answered. `log` ends with what it wrote."""

    retryable = True

    def __init__(self, handler: str, status: int, log: str = "") -> None:
        super().__init__(handler, status, log)
        self.handler, self.status, self.log = handler, status, log
        self.hint = "try again; if it happens again, please report it"

    def __str__(self) -> str:
        how = f"by signal {-self.status}" if self.status < 0 else f"with status {self.status}"
        return f"the process that runs `{self.handler}` ended {how}"


class WorkerFailed(RuntimeError, PkgcacheError):
    """A handler in the worker process raised an error. `log` is its traceback."""

    def __init__(self, handler: str, reason: str, log: str = "") -> None:
        super().__init__(handler, reason, log)
        self.handler, self.reason, self.log = handler, reason, log

    def __str__(self) -> str:
        return f"`{self.handler}` failed: {self.reason}"
