"""Stores for tests, which count their requests: in memory, and far away."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pkgcache.errors import Conflict, NotInStore
from pkgcache.stores.store import ObjectInfo, Store, check_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pkgcache.progress import Task
    from pkgcache.stores.store import Sink

_PIECE = 1 << 16
_PAGE = 1000
_HEADS = 32


class StoreRequest(NamedTuple):
    """A request that a store for tests answered: `head`, `get`, `put`, `list` or `delete`."""

    operation: str
    key: str


class MemoryStore(Store):
    """A store in memory. `requests` lists what it was asked, as a remote store would count it."""

    def __init__(self, url: str = "memory://store") -> None:
        self._url = url
        self.requests: list[StoreRequest] = []
        self._lock = threading.Lock()
        self._objects: dict[str, tuple[bytes, ObjectInfo]] = {}
        self._written = 0

    @property
    def url(self) -> str:
        return self._url

    def head(self, key: str) -> ObjectInfo | None:
        with self._request("head", key):
            entry = self._objects.get(key)
        return entry and entry[1]

    def exists(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if self.head(key)}

    def get(self, key: str, sink: Sink, offset: int = 0) -> ObjectInfo:
        with self._request("get", key):
            entry = self._objects.get(key)
        if not entry:
            raise NotInStore(key, self.url)
        data, info = entry
        sink.write(data[offset:])
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
        data = source.read_bytes() if isinstance(source, Path) else source
        with self._request("put", key):
            entry = self._objects.get(key)
            lost = if_absent and entry
            stale = if_match is not None and (not entry or entry[1].etag != if_match)
            if lost or stale:
                raise Conflict(key, self.url)
            self._written += 1
            info = ObjectInfo(
                key=key, size=len(data), etag=str(self._written), modified=time.time()
            )
            self._objects[key] = data, info
        if task:
            task.advance(len(data))
        return info

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with self._request("list", prefix, check=False):
            keys = sorted(key for key in self._objects if key.startswith(prefix))
            yield from [self._objects[key][1] for key in keys]

    def delete(self, key: str) -> None:
        with self._request("delete", key):
            self._objects.pop(key, None)

    def _request(self, operation: str, key: str, *, check: bool = True) -> threading.Lock:
        if check:
            check_key(key)
        self.requests.append(StoreRequest(operation, key))
        return self._lock


class SlowStore(Store):
    """A store as far away as a real one: each request waits, and all share one line.

    `latency` is in seconds per request, `bandwidth` in bytes per second, for all threads together.
    `requests` lists what was asked, a page of a listing being 1000 objects. The time is real.
    """

    def __init__(self, store: Store, *, latency: float = 0.0, bandwidth: float = math.inf) -> None:
        self._store, self._latency, self._bandwidth = store, latency, bandwidth
        self.requests: list[StoreRequest] = []
        self._lock = threading.Lock()
        self._free = 0.0

    @property
    def url(self) -> str:
        return self._store.url

    def head(self, key: str) -> ObjectInfo | None:
        self._ask("head", key)
        return self._store.head(key)

    def exists(self, keys: Iterable[str]) -> set[str]:
        with ThreadPoolExecutor(_HEADS) as pool:
            infos = pool.map(self.head, keys)
            return {info.key for info in infos if info}

    def get(self, key: str, sink: Sink, offset: int = 0) -> ObjectInfo:
        self._ask("get", key)
        return self._store.get(key, _SlowSink(sink, self._move), offset)

    def put(
        self,
        key: str,
        source: bytes | Path,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        task: Task | None = None,
    ) -> ObjectInfo:
        self._ask("put", key)
        self._move(len(source) if isinstance(source, bytes) else source.stat().st_size)
        return self._store.put(key, source, if_absent=if_absent, if_match=if_match, task=task)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._ask("list", prefix)
        for number, info in enumerate(self._store.list(prefix)):
            if number and number % _PAGE == 0:
                self._ask("list", prefix)
            yield info

    def delete(self, key: str) -> None:
        self._ask("delete", key)
        self._store.delete(key)

    def _ask(self, operation: str, key: str) -> None:
        self.requests.append(StoreRequest(operation, key))
        time.sleep(self._latency)

    def _move(self, size: int) -> None:
        with self._lock:
            self._free = max(self._free, time.monotonic()) + size / self._bandwidth
            # The line is shared: what others have begun to send goes first.
            until = self._free
        time.sleep(max(0.0, until - time.monotonic()))


class _SlowSink:
    def __init__(self, sink: Sink, move: Callable[[int], None]) -> None:
        self._sink, self._move = sink, move

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            self._move(len(piece))
            self._sink.write(piece)
