"""Objects that are sent in parts, several at a time, and appear when the last part is there."""

from __future__ import annotations

import io
import os
from abc import abstractmethod
from concurrent.futures import wait
from contextlib import suppress
from typing import TYPE_CHECKING

from pkgcache.lazy import lazy
from pkgcache.stores._remote import Failure, RemoteStore, RequestRefused
from pkgcache.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from pkgcache.progress import Task
    from pkgcache.stores._remote import Condition

_PARTS, _MOST_PARTS = 8, 10_000


class PartedStore(RemoteStore):
    """A store whose service takes the parts of a large object in any order."""

    @abstractmethod
    def _begin(self, name: str, condition: Condition) -> str:
        """Start an upload in parts."""

    @abstractmethod
    def _part(self, name: str, upload: str, number: int, data: bytes) -> str:
        """Send a part, counted from 0; returns what `_finish` needs of it."""

    @abstractmethod
    def _finish(self, name: str, upload: str, parts: Sequence[str], condition: Condition) -> str:
        """Make an object of the parts; returns its etag."""

    def _abandon(self, name: str, upload: str) -> None:
        """Throw the parts away, where the service does not do so by itself."""

    @lazy
    def _parts(self) -> Threads:
        return Threads(_PARTS, "store-parts")

    def _send_parts(
        self, name: str, file: BinaryIO, size: int, condition: Condition, task: Task | None
    ) -> str:
        # S3 takes 10,000 parts at most, so those of a very large object are larger.
        step = max(self._part_size, -(-size // _MOST_PARTS))
        upload = self._call(f"begin {name}", lambda: self._begin(name, condition))

        def send(number: int) -> str:
            data = _piece(file, number * step, step)
            # Parts are read as they are sent; the store promises the content that was there when it
            # was asked.
            if len(data) != min(step, size - number * step):
                raise RequestRefused(Failure(reason="the file changed while it was sent"))
            part = f"write part {number} of {name}"
            sent = self._call(part, lambda: self._part(name, upload, number, data))
            if task:
                task.advance(len(data))
            return sent

        running = [self._parts.submit(send, number) for number in range(-(-size // step))]
        try:
            parts = [future.result() for future in running]
            return self._call(f"end {name}", lambda: self._finish(name, upload, parts, condition))
        except BaseException:
            for future in running:
                future.cancel()
            # What is still being sent would be kept, and paid for, after the upload was given up.
            wait(running)
            # What went wrong first is what is told.
            with suppress(RequestRefused):
                self._call(f"give up {name}", lambda: self._abandon(name, upload))
            raise


def _piece(file: BinaryIO, start: int, size: int) -> bytes:
    if isinstance(file, io.BytesIO):
        return bytes(file.getbuffer()[start : start + size])
    # Of a place, not of a position, which several threads would move at once.
    return os.pread(file.fileno(), size, start)
