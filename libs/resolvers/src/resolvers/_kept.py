"""Small JSON documents that are kept from run to run, each in a file; what is damaged is not there."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Kept", "write_whole"]

T = TypeVar("T")


class Kept:
    """Documents in `folder`, of the same schema; a change of that forgets all of them."""

    def __init__(self, folder: Path, schema: int) -> None:
        self._folder, self._schema = folder, schema

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Hold the lock of a document, among all processes; it is gone when its holder is."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # A few shared locks do for all, and no file is left for each.
        with FileLock(self._folder / f"{name[:2]}.lock", thread_local=False):
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

    def keep(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a document."""
        self._folder.mkdir(parents=True, exist_ok=True)
        document = {"schema": self._schema, "content": content}
        write_whole(self._folder / f"{name}.json", json.dumps(document))


def write_whole(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file that other processes may read, or run, at any time."""
    # Renamed when complete; of several writers the last is as right as the first.
    descriptor, work = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
        Path(work).replace(path)
    finally:
        Path(work).unlink(missing_ok=True)
