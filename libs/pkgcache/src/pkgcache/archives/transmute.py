"""Transmuting conda packages: `.tar.bz2` into `.conda` and back, with the same members.

Nothing is extracted. The blocks of every member go from one format into the other as they are,
while the package is checked as it is when it is unpacked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkgcache._new_files import new_file, sha256_of
from pkgcache.archives._conda_unpack import CondaWalk
from pkgcache.archives._conda_write import CondaWriter, TarBz2Writer
from pkgcache.archives._tar import BadTar
from pkgcache.archives.records import DEFAULT_LIMITS
from pkgcache.errors import NotTransmutable, TargetExists
from pkgcache.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pkgcache.archives._conda_write import PackageWriter
    from pkgcache.archives._tar import TarMember, TarReader
    from pkgcache.archives.records import PackageLimits
    from pkgcache.progress import Progress, Task

__all__ = ["DEFAULT_MEMORY", "FORMATS", "LEVELS", "TransmutedFile", "threads_for", "transmute"]

FORMATS = ("conda", "tar.bz2")
"""The formats of conda packages, as their file names end."""

LEVELS = range(1, 20)
"""The zstd levels whose windows every reader accepts: 8 MiB at most."""

DEFAULT_MEMORY = 100 << 20
"""Bytes that the work may take, beyond those of the interpreter."""

_BLOCK, _CHUNK = 512, 1 << 20
# MiB: for each thread, and for all of them together.
_MEMORY_BY_LEVEL = ((8, 16), (12, 36), (15, 80), (19, 100))
_MEMORY_OF_BZIP2 = 10
_MEMORY_OF_ALL = 40
_LARGE = 512 << 20  # what comes from a smaller package cannot need 64-bit sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class TransmutedFile:
    """A package in its new format: `sha256` in hex and `size` in bytes are those of the archive."""

    path: Path
    sha256: str
    size: int


def transmute(
    source: Path,
    folder: Path,
    *,
    to: str | None = None,
    level: int = 3,
    threads: int | None = None,
    memory: int = DEFAULT_MEMORY,
    limits: PackageLimits = DEFAULT_LIMITS,
    force: bool = False,
    progress: Progress | None = None,
) -> TransmutedFile:
    """Write the package `source` into `folder` in the format `to`, by default the other.

    `level` is that of zstd (1 to 19); bzip2 always has its highest. `threads` is the number of
    processors to use, all by default, less where `memory` (bytes) does not suffice. The same
    package and level give the same bytes, whatever these are. An existing file is replaced only by
    `force`, and then at once.

    Raises `ValueError` for another level, `BadArchive` for what `conda_packages.unpack` refuses, `NotTransmutable` where the name
    or `to` is not that of a format or they are the same, `TargetExists`, and `OSError` where a file
    cannot be read or written. Nothing is left then.
    """
    if level not in LEVELS:
        raise ValueError(f"the level {level} is not one from {LEVELS[0]} to {LEVELS[-1]}")
    stem, to = _target(source, to)
    target = folder / f"{stem}.{to}"
    if os.path.lexists(target) and not force:
        raise TargetExists(str(target))
    count = threads_for(memory, level=level, to=to)
    count = min(threads, count) if threads else count
    task = (progress or NoProgress()).start(source.name, None, "bytes")
    try:
        with new_file(target) as file:
            writer: PackageWriter
            if to == "conda":
                # Before the sizes are known: the header of a zip member that was not announced as
                # large has no room for them.
                wide = source.stat().st_size > _LARGE
                writer = CondaWriter(
                    file, stem, level=level, threads=count, wide=wide, folder=folder
                )
            else:
                writer = TarBz2Writer(file, count)
            try:
                _Transmuting(source, limits, writer, count, task).run()
                writer.close()
            finally:
                writer.abandon()
            digest = sha256_of(file)
    finally:
        task.done()
    return TransmutedFile(path=target, sha256=digest, size=target.stat().st_size)


def _target(source: Path, to: str | None) -> tuple[str, str]:
    # As it was given: of some paths, such as `.`, the last part names nothing.
    name = str(source)
    own = next((form for form in FORMATS if source.name.endswith(f".{form}")), None)
    if source.is_dir():
        raise NotTransmutable(name, "it is a directory", "name the packages in it")
    if not own:
        endings = " or ".join(f"`.{form}`" for form in FORMATS)
        raise NotTransmutable(
            name, "its name is not that of a conda package", f"name a file that ends with {endings}"
        )
    to = to or next(form for form in FORMATS if form != own)
    if to not in FORMATS:
        raise NotTransmutable(name, f"`{to}` is not a format: there are `conda` and `tar.bz2`")
    if to == own:
        raise NotTransmutable(name, f"it is a `.{to}` already", "ask for the other format")
    return source.name.removesuffix(f".{own}"), to


def threads_for(memory: int, *, level: int = 3, to: str = "conda") -> int:
    """As many threads as there are processors, or as these bytes are enough for, but never none.

    As measured: from level 13 on, a single thread takes more than the default.
    """
    each = next(most for last, most in _MEMORY_BY_LEVEL if level <= last)
    if to != "conda":
        each = _MEMORY_OF_BZIP2
    return max(1, min(_processors(), ((memory >> 20) - _MEMORY_OF_ALL) // each))


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Transmuting(CondaWalk):
    def __init__(
        self, archive: Path, limits: PackageLimits, writer: PackageWriter, threads: int, task: Task
    ) -> None:
        super().__init__(archive, limits)
        self._writer, self._threads, self._task = writer, threads, task
        self._info_files: set[str] = set()
        self._unsaid = 0

    def _content(self, member: TarMember, reader: TarReader, *, is_info: bool) -> Iterator[bytes]:
        if is_info:
            self._check_info(member)
        write = self._writer.write
        # The blocks as they are, not as a writer of tar would make them of what was understood.
        write(reader.header, is_info=is_info)
        for piece in reader.content():
            write(piece, is_info=is_info)
            yield piece
        if padding := -member.size % _BLOCK:
            write(bytes(padding), is_info=is_info)
        self._unsaid += member.size
        if self._unsaid >= _CHUNK:
            self._task.advance(self._unsaid)
            self._unsaid = 0

    def _check_info(self, member: TarMember) -> None:
        # In a `.conda` the two parts are archives of their own.
        link = member.link.removeprefix("./")
        if member.kind == "hardlink" and link not in self._info_files:
            raise BadTar(f"has the hard link `{member.name}` to {link!r}, no file of info/ before")
        self._info_files.add(member.name)
