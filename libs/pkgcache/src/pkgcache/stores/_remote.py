"""What the stores of cloud services have in common: URLs, retries, pools, resumed reads."""

from __future__ import annotations

import io
import logging
import os
import secrets
import threading
import time
from abc import ABC, abstractmethod
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeVar
from urllib.parse import urlsplit

from pkgcache.errors import (
    Conflict,
    InvalidKey,
    NotInStore,
    PkgcacheError,
    StoreError,
)
from pkgcache.lazy import lazy
from pkgcache.stores._url import StoreUrl
from pkgcache.stores.store import ObjectInfo, Store, check_key
from pkgcache.threads import Threads
from pkgcache.web._pages import is_page
from pkgcache.web.patience import Patience, Tries, waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pkgcache.progress import Task
    from pkgcache.stores.store import Sink

_log = logging.getLogger(__name__)
# Threads of callers come on top of our own, so the pools of connections are larger than theirs.
HEADS, CONNECTIONS = 32, 128
CHUNK = 1 << 18
_PART_SIZE = 8 << 20

T = TypeVar("T")
Kind = Literal["absent", "conflict", "range", "denied", "failure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a service answered. `retry_after` is None where asking again is pointless."""

    reason: str
    kind: Kind = "failure"
    hint: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """When a put may write: `if_absent`, `if_match`, or always. `token` marks what it wrote."""

    if_absent: bool
    if_match: str | None
    token: str

    def __bool__(self) -> bool:
        return self.if_absent or self.if_match is not None


class RequestRefused(Exception):
    """A request that another attempt cannot help; `again` where it was not the first."""

    def __init__(self, failure: Failure, *, again: bool = False) -> None:
        super().__init__(failure, again)
        self.failure, self.again = failure, again


PAGE = Failure(
    reason="a web page came in place of an answer of the service",
    hint="check the endpoint and the network: a proxy or a login page answers in its place",
)
NONSENSE = Failure(reason="what answers is not the service that the store names", hint=PAGE.hint)
# What comes of answers that lack what the service's library, or ours, reads in them.
_NONSENSE = (AttributeError, KeyError, TypeError, ValueError)


class BrokenOff(Exception):
    """An answer ended before all of the object was there."""


@contextmanager
def closed_unless_taken(body: Any) -> Iterator[None]:
    """Close what an answer brings, and with it the connection, where the answer is refused."""
    try:
        yield
    except BaseException:
        body.close()
        raise


class RemoteStore(Store, ABC):
    """The `Store` protocol over a service's own requests, which subclasses make."""

    OPTIONS: frozenset[str]
    RIGHTS: Mapping[str, str]

    def __init__(
        self,
        url: str,
        *,
        patience: Patience | None = None,
        part_size: int = _PART_SIZE,
        page_size: int = 1000,
    ) -> None:
        self._patience = patience or Patience()
        self._at = StoreUrl.parse(url, self.OPTIONS)
        self._prefix = f"{self._at.path}/" if self._at.path else ""
        self._part_size, self._page_size = part_size, page_size
        self._lock, self._connection = threading.Lock(), None

    @property
    def url(self) -> str:
        return str(self._at)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    @property
    def endpoint(self) -> str:
        with self._refusals("find", ""):
            return self._call("find the endpoint", lambda: self._asked(self._client()))

    def login(self) -> str:
        with self._refusals("log in to", ""):
            return self._call("find credentials", lambda: self._whose(self._client()))

    def head(self, key: str) -> ObjectInfo | None:
        name = self._name(key)
        with self._refusals("look up", key):
            try:
                return self._call(f"look up {name}", lambda: self._head(key, name))[0]
            except RequestRefused as refused:
                if refused.failure.kind == "absent":
                    return None
                raise

    def exists(self, keys: Iterable[str]) -> set[str]:
        # All of them, before any is asked for.
        wanted = [check_key(key) for key in keys]
        return {info.key for info in self._heads.map(self.head, wanted) if info}

    def get(self, key: str, sink: Sink, offset: int = 0) -> ObjectInfo:
        name = self._name(key)
        seen: ObjectInfo | None = None
        position = offset

        def receive() -> ObjectInfo:
            nonlocal seen, position
            # An object that is replaced while it is read is refused by its etag, never mixed.
            with self._waiting():
                info, pieces = self._open(key, name, position, seen.etag if seen else None)
            seen = seen or info
            with closing(pieces):
                while True:
                    with self._waiting():
                        piece = next(pieces, None)
                    if piece is None:
                        break
                    # A captive portal answers everything with a page; the digest would say it
                    # later, and not why.
                    if not position and is_page(piece):
                        raise RequestRefused(PAGE)
                    sink.write(piece)
                    position += len(piece)
            # A library may take the end of a connection for that of the object.
            if position < seen.size:
                raise BrokenOff
            return seen

        with self._refusals("read", key):
            try:
                return self._call(f"read {name}", receive, lambda: position)
            except RequestRefused as refused:
                if refused.failure.kind != "range":
                    raise
        # Nothing is left to read from `offset` on.
        info = self.head(key)
        if info is None:
            raise NotInStore(key, self.url)
        return info

    def put(
        self,
        key: str,
        source: bytes | Path,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        task: Task | None = None,
    ) -> ObjectInfo:
        name = self._name(key)
        # Kept in the object's metadata, by which a put whose answer got lost knows its own object
        # again.
        token = secrets.token_hex(8)
        condition = Condition(if_absent=if_absent, if_match=if_match, token=token)
        with self._refusals("write", key, if_match=if_match is not None):
            if condition:
                # First: a service that ignores conditions would overwrite what another has written.
                self._require(condition)
            with _opened(source) as (file, size):
                try:
                    etag = self._send(name, file, size, condition, task)
                except RequestRefused as refused:
                    # An attempt whose answer got lost may have written the object itself.
                    if not refused.again or refused.failure.kind not in ("conflict", "absent"):
                        raise
                    info, writer = self._call(f"look up {name}", lambda: self._head(key, name))
                    if writer != token:
                        raise
                    etag = info.etag
        return ObjectInfo(key=key, size=size, etag=etag, modified=time.time())

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        page: Any = None
        while True:
            with self._refusals("list", prefix):
                names = self._prefix + prefix
                infos, page = self._call(f"list {names}", partial(self._page, names, page))
            # Names that are no keys were not written by this library.
            yield from (info for info in infos if _is_key(info.key))
            if page is None:
                return

    def delete(self, key: str) -> None:
        name = self._name(key)
        with self._refusals("delete", key):
            try:
                self._call(f"delete {name}", lambda: self._delete(name))
            except RequestRefused as refused:
                if refused.failure.kind != "absent":
                    raise

    # what a service does

    @abstractmethod
    def _connect(self) -> Any:
        """A client of the service's library, for all threads. Made when first needed."""

    @abstractmethod
    def _asked(self, client: Any) -> str:
        """The URL that a client asks."""

    @abstractmethod
    def _whose(self, client: Any) -> str:
        """Where the credentials of a client come from, by name."""

    @property
    @abstractmethod
    def _errors(self) -> tuple[type[Exception], ...]:
        """What the service's library raises."""

    @abstractmethod
    def _failure(self, error: Exception) -> Failure:
        """What such an error means."""

    @abstractmethod
    def _head(self, key: str, name: str) -> tuple[ObjectInfo, str | None]:
        """The object's facts, and the token of the put that wrote it."""

    @abstractmethod
    def _open(
        self, key: str, name: str, offset: int, etag: str | None
    ) -> tuple[ObjectInfo, Generator[bytes, None, None]]:
        """The object from `offset` on, if it still has that etag."""

    @abstractmethod
    def _put(self, name: str, body: BinaryIO, size: int, condition: Condition) -> str:
        """Write an object with a single request; returns its etag."""

    @abstractmethod
    def _send_parts(
        self, name: str, file: BinaryIO, size: int, condition: Condition, task: Task | None
    ) -> str:
        """Write a large object with several requests; returns its etag."""

    @abstractmethod
    def _page(self, prefix: str, page: Any) -> tuple[Sequence[ObjectInfo], Any]:
        """Some of the objects, and what the next are asked by, None after the last."""

    @abstractmethod
    def _delete(self, name: str) -> None: ...

    def _require(self, condition: Condition) -> None:
        """Raise `RequestRefused` where the service is known to ignore such a condition."""

    # what is common to all

    def _client(self) -> Any:
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection

    def _name(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _key(self, name: str) -> str:
        return name[len(self._prefix) :]

    @lazy
    def _heads(self) -> Threads:
        return Threads(HEADS, "store-heads")

    @property
    def _where(self) -> str:
        host = urlsplit(self._at.options.get("endpoint", "")).hostname
        return f"the store `{self._at.clean}`" + (f" at `{host}`" if host else "")

    def _waiting(self) -> AbstractContextManager[None]:
        return waiting(self._patience, self._where)

    def _call(
        self, what: str, request: Callable[[], T], position: Callable[[], int] | None = None
    ) -> T:
        """The answer to a request, which is sent again as long as that is worth it.

        What moved the `position` on was a good attempt, so counting starts anew after it; such a
        request tells itself of its waits.
        """
        tells, place = position is not None, position or (lambda: 0)
        tries, again, at = Tries(self._patience, self._where), False, place()
        while True:
            started = time.monotonic()
            try:
                with nullcontext() if tells else self._waiting():
                    answer = request()
            except BrokenOff:
                failure = Failure(reason="the connection broke off", retry_after=0)
            except self._errors as error:
                failure = self._failure(error)
            except PkgcacheError:  # of who takes the answer
                raise
            except _NONSENSE:
                _log.debug("%s: %s: makes no sense", self._at.clean, what, exc_info=True)
                failure = NONSENSE
            else:
                took = time.monotonic() - started
                _log.info("%s: %s: answered in %.3f s", self._at.clean, what, took)
                return answer
            _log.info("%s: %s: %s", self._at.clean, what, failure.reason)
            wait = tries.wait(failure.retry_after, moved=place() > at)
            if wait is None:
                raise RequestRefused(failure, again=again)
            at, again = place(), True
            time.sleep(wait)

    def _broken(self, error: Exception) -> Failure:
        """What a failed connection means."""
        from pkgcache.web._http import why_broken

        reason, hint = why_broken(error, self._patience.silence)
        return Failure(reason=reason, hint=hint, retry_after=0 if hint is None else None)

    @contextmanager
    def _refusals(self, operation: str, key: str, *, if_match: bool = False) -> Iterator[None]:
        try:
            yield
        except RequestRefused as refused:
            failure = refused.failure
        else:
            return
        # Where a condition names an etag, an object that is gone has changed as well.
        if operation == "write" and (
            failure.kind == "conflict" or (failure.kind == "absent" and if_match)
        ):
            raise Conflict(key, self.url) from None
        if operation == "read" and failure.kind == "absent":
            raise NotInStore(key, self.url) from None
        reason, hint = failure.reason, failure.hint
        if failure.kind == "conflict":
            reason = "it was replaced while it was read"
        elif failure.kind == "denied":
            hint = (
                f"grant {self.RIGHTS[operation]} on `{self._at.clean}` to who asks, who may also"
                " have to log in again"
            )
        retryable = failure.kind == "conflict" or failure.retry_after is not None
        raise StoreError(operation, key, self.url, reason, hint=hint, retryable=retryable) from None

    def _send(
        self, name: str, file: BinaryIO, size: int, condition: Condition, task: Task | None
    ) -> str:
        if size > self._part_size:
            return self._send_parts(name, file, size, condition, task)

        def send() -> str:
            file.seek(0)
            return self._put(name, file, size, condition)

        etag = self._call(f"write {name}", send)
        if task:
            task.advance(size)
        return etag


def answered(status: int, code: str | None, retry_after: str | None) -> Failure:
    """What a status means that has no meaning of its own for the service."""
    said = f"the service answered {status}" + (f" ({code})" if code else "")
    if status in _KINDS:
        kind, reason = _KINDS[status]
        return Failure(kind=kind, reason=reason or said)
    if status == 401:  # noqa: PLR2004
        return login_refused(code)
    if status in (408, 425, 429) or status >= 500:  # noqa: PLR2004
        from pkgcache.web._http import retry_after as seconds

        return Failure(reason=said, retry_after=seconds(retry_after))
    # A success that the library took for a failure is not the service's.
    if 200 <= status < 300:  # noqa: PLR2004
        return NONSENSE
    return Failure(reason=said, hint=PAGE.hint)


_KINDS: dict[int, tuple[Kind, str]] = {
    403: ("denied", "access is denied"),
    404: ("absent", "it is not there"),
    412: ("conflict", ""),
    416: ("range", ""),
}


def login_refused(code: str | None) -> Failure:
    said = f" ({code})" if code else ""
    return Failure(
        reason=f"the login was refused{said}",
        hint="check the credentials, whether they have expired, and the clock of this machine",
    )


def quiet(*loggers: str) -> None:
    """Keep records out of the log that show credentials, if nobody asked for them by name.

    Some libraries write requests with all their headers, and the answers of token services.
    """
    for name in loggers:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)


def _is_key(text: str) -> bool:
    try:
        check_key(text)
    except InvalidKey:
        return False
    return True


@contextmanager
def _opened(source: bytes | Path) -> Iterator[tuple[BinaryIO, int]]:
    if isinstance(source, bytes):
        yield io.BytesIO(source), len(source)
        return
    try:
        file = source.open("rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RequestRefused(Failure(reason=reason)) from None
    with file:
        yield file, os.fstat(file.fileno()).st_size
