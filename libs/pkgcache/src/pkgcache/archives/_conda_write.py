"""Writing conda packages of both formats, from the blocks of their tar streams.

The bytes depend on what is written alone: not on the clock, the machine or the number of threads.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from typing import TYPE_CHECKING, BinaryIO, Protocol

import zstandard

from pkgcache.archives._bz2_write import Bz2Writer

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20
_IN_MEMORY = 8 << 20
_SMALL = 128 << 10
_JOB = 4 << 20
_RECORD = 10_240  # a tar ends with zeros, up to a multiple of this (POSIX)
_END = 2 * 512

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_FINISH = struct.Struct("<4s4H2LH")
_FINISH64 = struct.Struct("<4sQ2H2L4QL4sQL")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_PLAIN, _WIDE = 20, 45  # versions of the zip format
_UNIX, _MODE = 3 << 8, 0o100644 << 16
_MIDNIGHT, _FIRST_DAY = 0, 1 << 5 | 1  # 1980-01-01, the first that a zip knows


class PackageWriter(Protocol):
    """Takes the blocks of a package in the order of its members."""

    def write(self, data: bytes, *, is_info: bool) -> None:
        """Add to the stream of `info/` or to that of all else."""

    def close(self) -> None:
        """Write what is left."""

    def abandon(self) -> None:
        """Let go of everything but the file; to be called in the end, whatever happened."""


class TarBz2Writer:
    """One tar in one bzip2 stream; `info/` must be written first."""

    def __init__(self, file: BinaryIO, threads: int) -> None:
        self._packed, self._size = Bz2Writer(file.write, threads), 0

    def write(self, data: bytes, *, is_info: bool) -> None:  # noqa: ARG002  (Protocol)
        self._size += len(data)
        self._packed.write(data)

    def close(self) -> None:
        self._packed.write(_ending(self._size))
        self._packed.close()

    def abandon(self) -> None:
        self._packed.abandon()


class CondaWriter:
    """A `.conda` (CEP 27): `metadata.json`, the package, and last `info/`, all stored."""

    def __init__(
        self, file: BinaryIO, stem: str, *, level: int, threads: int, wide: bool, folder: Path
    ) -> None:
        self._stem, self._level, self._threads = stem, level, threads
        self._zip = _StoredZip(file)
        self._zip.begin("metadata.json", wide=False)
        self._zip.write(b'{"conda_pkg_format_version": 2}')
        self._zip.end()
        # The package is written as it comes, at once; `info/` is small and can wait. At the end of
        # the file it can also be had by a single request for a range.
        self._zip.begin(f"pkg-{stem}.tar.zst", wide=wide)
        self._gathered, self._size = bytearray(), 0
        self._packed = _compressor(level, threads).compressobj()
        # In the target's folder, where there is room for a package, as there may not be in `/tmp`.
        self._info = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(folder))  # noqa: SIM115
        self._wide = wide

    def write(self, data: bytes, *, is_info: bool) -> None:
        if is_info:
            self._info.write(data)
            return
        self._size += len(data)
        # Calls cost more than a copy of few bytes, and less than that of many.
        large = len(data) >= _SMALL
        if not large:
            self._gathered += data
        if large or len(self._gathered) >= _SMALL:
            self._zip.write(self._packed.compress(self._gathered))
            self._gathered.clear()
        if large:
            self._zip.write(self._packed.compress(data))

    def close(self) -> None:
        self._gathered += _ending(self._size)
        self._zip.write(self._packed.compress(self._gathered))
        self._zip.write(self._packed.flush())
        self._zip.end()
        self._zip.begin(f"info-{self._stem}.tar.zst", wide=self._wide)
        size = self._info.tell()
        ending = _ending(size)
        # The size goes into the frame, so that readers know how much to allocate.
        packed = _compressor(self._level, self._threads).compressobj(size + len(ending))
        self._info.seek(0)
        while piece := self._info.read(_CHUNK):
            self._zip.write(packed.compress(piece))
        self._zip.write(packed.compress(ending) + packed.flush())
        self._zip.end()
        self._zip.close()

    def abandon(self) -> None:
        self._info.close()


def _ending(size: int) -> bytes:
    return bytes(_END + -(size + _END) % _RECORD)


def _compressor(level: int, threads: int) -> zstandard.ZstdCompressor:
    # With one worker the output is that of several; with none it is another. The size of their
    # jobs decides how much memory they take, and by default it grows to 32 MiB.
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, threads=threads, job_size=_JOB
    )
    return zstandard.ZstdCompressor(compression_params=parameters)


class _StoredZip:
    """A zip written member by member into a file that can seek, without descriptors."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._central = file, b""
        self._count = 0

    def begin(self, name: str, *, wide: bool) -> None:
        """Start a member; only a `wide` member may get larger than 4 GiB."""
        self._name, self._wide = name.encode(), wide
        # Sizes and checksum are put right by `end`: without a descriptor behind, every reader can
        # stream.
        self._offset, self._size, self._crc = self._file.tell(), 0, 0
        self._file.write(self._header())

    def write(self, data: bytes) -> None:
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)
        self._file.write(data)

    def end(self) -> None:
        behind = self._file.tell()
        self._file.seek(self._offset)
        self._file.write(self._header())
        self._file.seek(behind)
        (size, packed, offset), extra = _widened(self._size, self._size, self._offset)
        version = _WIDE if extra or self._wide else _PLAIN
        self._central += _CENTRAL.pack(
            *(b"PK\1\2", _UNIX | version, version, 0, 0, _MIDNIGHT, _FIRST_DAY, self._crc),
            *(packed, size, len(self._name), len(extra), 0, 0, 0, _MODE, offset),
        )
        self._central += self._name + extra
        self._count += 1

    def close(self) -> None:
        start, size = self._file.tell(), len(self._central)
        self._file.write(self._central)
        if start >= _FULL32:
            self._file.write(
                _FINISH64.pack(
                    *(b"PK\6\6", 44, _UNIX | _WIDE, _WIDE, 0, 0, self._count, self._count),
                    *(size, start, 0, b"PK\6\7", start + size, 1),
                )
            )
        at = min(start, _FULL32)
        self._file.write(_FINISH.pack(b"PK\5\6", 0, 0, self._count, self._count, size, at, 0))

    def _header(self) -> bytes:
        sizes, extra = _widened(self._size, self._size, always=self._wide)
        if extra and not self._wide:
            raise ValueError("a member of 4 GiB was not announced")
        version = _WIDE if self._wide else _PLAIN
        fields = (b"PK\3\4", version, 0, 0, _MIDNIGHT, _FIRST_DAY, self._crc)
        return _LOCAL.pack(*fields, *sizes, len(self._name), len(extra)) + self._name + extra


def _widened(*values: int, always: bool = False) -> tuple[list[int], bytes]:
    """The 32-bit fields for these values, and the extra field with those that do not fit."""
    large = [value for value in values if always or value >= _FULL32]
    extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    return [_FULL32 if always or value >= _FULL32 else value for value in values], extra
