"""The tar of an environment, in which nothing depends on when and by whom it is written."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from datetime import datetime, timezone
from typing import TYPE_CHECKING, BinaryIO, cast

from pkgcache._files import open_cached
from pkgcache.errors import NotInCache

if TYPE_CHECKING:
    from pkgcache.prefixes._gathering import Gathered
    from pkgcache.progress import Task

__all__ = ["DAY", "MOMENT", "EnvTar"]

# What is made has no time of its own; tar complains of 1970.
DAY = datetime(1980, 1, 1, tzinfo=timezone.utc)
MOMENT = int(DAY.timestamp())
_CHUNK = 1 << 20


class EnvTar:
    """A tar that is written, with the digests of its files."""

    def __init__(self, stream: BinaryIO, task: Task) -> None:
        self._stream, self._task = stream, task
        self._written = 0
        self.digests: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.size = 0

    def add(self, path: str, gathered: Gathered, *, timed: bool = False) -> None:
        if gathered.link:
            self._header(path, tarfile.SYMTYPE, 0o777, link=gathered.link)
            self.links[path] = gathered.link
            return
        mtime, executable, size = MOMENT, gathered.executable, len(gathered.content)
        file = cast("BinaryIO", io.BytesIO(gathered.content))
        if gathered.source:
            file = open_cached(gathered.source)
            status = os.fstat(file.fileno())
            executable, size = bool(status.st_mode & 0o100), status.st_size
            # Compiled Python files hold the time of the source that they are valid for.
            mtime = int(status.st_mtime) if timed else MOMENT
        digest = hashlib.sha256()
        with file:
            mode = 0o755 if executable else 0o644
            self._header(path, tarfile.REGTYPE, mode, mtime=mtime, size=size)
            left = size
            while left and (piece := file.read(min(left, _CHUNK))):
                digest.update(piece)
                self._write(piece)
                self._task.advance(len(piece))
                left -= len(piece)
        if left:
            raise NotInCache(path, "it was changed meanwhile: fetch it again")
        self._write(bytes(-size % tarfile.BLOCKSIZE))
        self.digests[path] = digest.hexdigest()
        self.size += size

    def add_folder(self, path: str) -> None:
        self._header(path, tarfile.DIRTYPE, 0o755)

    def close(self) -> None:
        self._write(bytes(2 * tarfile.BLOCKSIZE))
        self._write(bytes(-self._written % tarfile.RECORDSIZE))

    def _header(
        self,
        path: str,
        kind: bytes,
        mode: int,
        *,
        mtime: int = MOMENT,
        size: int = 0,
        link: str = "",
    ) -> None:
        member = tarfile.TarInfo(path)
        member.type, member.mode, member.mtime = kind, mode, mtime
        member.size, member.linkname = size, link
        self._write(member.tobuf(tarfile.PAX_FORMAT))

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._written += len(data)
