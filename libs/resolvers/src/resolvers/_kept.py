"""Small JSON documents that are kept from run to run, each in a file; what is damaged is not there."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Kept"]

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
        # Renamed when complete: other processes read it at any time, and the last writer is as right
        # as the first.
        descriptor, work = tempfile.mkstemp(dir=self._folder)
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump({"schema": self._schema, "content": content}, file)
            Path(work).replace(self._folder / f"{name}.json")
        finally:
            with suppress(FileNotFoundError):
                Path(work).unlink()
