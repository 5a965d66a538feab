"""The store: objects under keys, shared by a team.

A key is made of segments joined by `/`, such as `packages/ab/ab12.../numpy-2.1.0.whl`. A segment
is 1 to 255 of the characters `A-Za-z0-9._+!~%=@-`, the first of them not a dot; a key has at most
900 characters.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pkgcache.errors import InvalidKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pkgcache.progress import Task

__all__ = ["ObjectInfo", "Sink", "Store", "check_key"]

# A segment is a file name in a directory, where names with a dot in front are no objects; the
# services take 1,024 bytes for a key, the prefix of the store included.
_SEGMENT = re.compile(r"[A-Za-z0-9_+!~%=@-][A-Za-z0-9._+!~%=@-]{0,254}")
_KEY_LENGTH = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """An object of a store. `etag` changes whenever the object does; `modified` is a POSIX time."""

    key: str
    size: int
    etag: str
    modified: float


class Sink(Protocol):
    """Anything that takes bytes: an open file, a buffer, a hash in front of a file."""

    def write(self, data: bytes, /) -> object: ...


class Store(Protocol):
    """What every store can do. Safe to call from several threads and several processes.

    Every operation raises `StoreError` where the store cannot be reached or refuses, and
    `InvalidKey` for a text that is no key. An object is visible whole or not at all.
    """

    @property
    def url(self) -> str:
        """Where the store is, without credentials."""

    @property
    def endpoint(self) -> str:
        """The URL of the service that is asked; empty where none is."""
        return ""

    def login(self) -> str:
        """Where the credentials come from, by name; empty where none are needed.

        They may be looked for at this, and none is returned.
        """
        return ""

    def head(self, key: str) -> ObjectInfo | None:
        """The object's facts, None where there is none. One request."""

    def exists(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` that have an object. At most a request for each key, in parallel."""

    def get(self, key: str, sink: Sink, offset: int = 0) -> ObjectInfo:
        """Write the object to `sink` in pieces, from byte `offset` on. Raises `NotInStore`."""

    def read(self, key: str) -> bytes:
        """The whole of a small object. Raises `NotInStore`."""
        buffer = io.BytesIO()
        self.get(key, buffer)
        return buffer.getvalue()

    def put(
        self,
        key: str,
        source: bytes | Path,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        task: Task | None = None,
    ) -> ObjectInfo:
        """Store bytes, or the content of a file, under `key`, replacing what is there.

        With `if_absent` only where there is no object, with `if_match` only where the object has
        that etag; raises `Conflict` otherwise. Of several writers at once, one wins. `task` is
        told of the bytes as they go, and of those that go again as a negative number first.
        """

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects whose keys start with `prefix`, which may end within a segment, by key."""

    def delete(self, key: str) -> None:
        """Remove the object, if it is there."""


def check_key(key: str) -> str:
    """Return `key`; raises `InvalidKey` where it is none."""
    if len(key) > _KEY_LENGTH:
        raise InvalidKey(key, f"it has more than {_KEY_LENGTH} characters")
    for segment in key.split("/"):
        if not _SEGMENT.fullmatch(segment):
            raise InvalidKey(key, f"`{segment}` cannot be a part of a key")
    return key
