"""Small JSON documents that are kept from run to run, each in a file; what is damaged is not there."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pkgcache.locks import hold
from pkgcache.whole_files import whole_file, write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["Kept", "write_whole"]

T = TypeVar("T")

_OWN = 0o600


class Kept:
    """Documents in `folder`, of the same schema; a change of that forgets all of them."""

    def __init__(self, folder: Path, schema: int) -> None:
        self._folder, self._schema = folder, schema

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Hold the lock of a document, among all processes; it is gone when its holder is."""
        # Some shared locks do for all, and no file is left for each. They are many, so that hardly
        # anybody waits for who is busy with another document.
        with hold(self._folder / f"{name[:3]}.lock"):
            yield

    def load(self, name: str, read: Callable[[Any], T]) -> T | None:
        """What `read` makes of the document of that name, None where there is none that it can."""
        try:
            path = self._folder / f"{name}.json"
            if not path.is_file():  # a pipe would be waited for
                return None
            document = json.loads(path.read_bytes())
            return read(document["content"]) if document["schema"] == self._schema else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def keep(self, name: str, content: Mapping[str, Any] | str) -> None:
        """Write a document."""
        text = json.dumps({"schema": self._schema, "content": content})
        path = self._folder / f"{name}.json"
        try:
            write_whole(path, text)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)


def write_whole(path: Path, text: str, *, mode: int = _OWN) -> None:
    """Write a file that other processes may read, or run, at any time.

    Raises `FileNotFoundError` where there is no such folder.
    """
    # Of several writers the last is as right as the first. There may be very many of these files,
    # each written beside other threads, and every call waits for its turn.
    with whole_file(path, mode, synced=False) as descriptor:
        if mode != _OWN:
            os.fchmod(descriptor, mode)  # whatever the umask is
        write_all(descriptor, text.encode())
