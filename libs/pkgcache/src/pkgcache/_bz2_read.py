"""Reading bzip2 on several threads, with the standard library alone.

A compressed block ends where the next one begins, which a scan for the 48 bits in front of every
block finds. Each is decompressed as a stream of its own, which checks its checksum; that of the
whole stream is checked here. Whatever the scan does not understand (bits that only look like the
start of a block, what is damaged) is read again by `bz2`, which has the last word.
"""

from __future__ import annotations

import bz2
import itertools
import os
import re
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from concurrent.futures import Future
    from pathlib import Path

_START, _END = 0x314159265359, 0x177245385090  # the digits of pi and of its square root
# bits: of either, of either with its checksum, and of bytes that hold that wherever it begins
_MARK, _TRAILER, _HEAD = 48, 80, 88
_HEADER = re.compile(rb"BZh[1-9]")
_SCANNED = 1 << 20
_LARGEST_BLOCK = 16 << 20  # bits, compressed; a generous bound
_FIRST = 32  # bits: of the header of a stream, so where its first block begins
_PIECE, _MOST_AHEAD = 1 << 20, 4 << 20
# For each place of a bit in a byte: the whole bytes of a mark that begins there.
_NEEDLES = tuple((_START >> (shift or 8) & (1 << 40) - 1).to_bytes(5, "big") for shift in range(8))


class _NotUnderstood(Exception):
    pass


class _Span(NamedTuple):
    """Where a block lies, in bits; `last` is the checksum of the stream that ends with it."""

    start: int
    stop: int
    level: bytes
    last: int | None


class _Block(NamedTuple):
    first: bytes
    rest: bz2.BZ2Decompressor
    checksum: int
    last: int | None


def decompressed(archive: Path, threads: int) -> Generator[bytes, None, None]:
    """The content of a bzip2 file in pieces of at most 1 MiB.

    Raises what `bz2` does: `EOFError`, or `OSError` without an errno.
    """
    given = 0
    if threads > 1:
        try:
            for piece in _in_parallel(archive, threads):
                given += len(piece)
                yield piece
        except _NotUnderstood:
            pass
        else:
            return
    with bz2.open(archive) as file:
        while given:
            given -= len(file.read(min(given, _PIECE))) or given
        while piece := file.read(_PIECE):
            yield piece


def _in_parallel(archive: Path, threads: int) -> Iterator[bytes]:
    pool = ThreadPoolExecutor(threads)
    try:
        with archive.open("rb") as file:
            checksum = 0
            for block in _ahead(pool, file.fileno(), threads):
                yield from _content(block)
                checksum = _joined(checksum, block.checksum)
                if block.last is not None:
                    if block.last != checksum:
                        raise _NotUnderstood
                    checksum = 0
    finally:
        pool.shutdown(cancel_futures=True)


def _ahead(pool: ThreadPoolExecutor, file: int, threads: int) -> Iterator[_Block]:
    """The blocks in their order, each being worked on before its turn."""
    waiting: deque[Future[_Block]] = deque()
    for span in _spans(file):
        waiting.append(pool.submit(_decode, file, span))
        if len(waiting) > threads + 1:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _content(block: _Block) -> Iterator[bytes]:
    """All bytes of a block, which may be 46 MB: it counts the length of runs."""
    yield block.first
    rest = block.rest
    while not rest.eof:
        try:
            piece = rest.decompress(b"", _PIECE)
        except OSError:
            raise _NotUnderstood from None
        if not piece and not rest.eof:
            raise _NotUnderstood
        yield piece


def _decode(file: int, span: _Span) -> _Block:
    lead = _leads()[span.start % 8]
    at, end = divmod(span.stop, 8)
    data = bytearray(os.pread(file, at + bool(end) - span.start // 8, span.start // 8))
    head = int.from_bytes(data[: _HEAD // 8], "big")
    checksum = head >> (_HEAD - _TRAILER - span.start % 8) & 0xFFFFFFFF
    of_both = _joined(lead.checksum, checksum)
    # The last bits of the lead stand in front of the first ones, and those of the end behind.
    data[0] = data[0] & 0xFF >> span.start % 8 | lead.rest
    tail = data.pop() >> 8 - end if end else 0
    tail = ((tail << _MARK | _END) << 32 | of_both) << -end % 8
    data += tail.to_bytes(_TRAILER // 8 + bool(end), "big")
    engine = bz2.BZ2Decompressor()
    try:
        first = engine.decompress(b"".join((span.level, lead.whole, data)), _MOST_AHEAD)
    except OSError:
        raise _NotUnderstood from None
    return _Block(first[len(lead.content) :], engine, checksum, span.last)


class _Lead(NamedTuple):
    """A block of next to nothing: its whole bytes and its last bits, which begin a byte."""

    content: bytes
    whole: bytes
    rest: int
    checksum: int


@cache
def _leads() -> tuple[_Lead, ...]:
    """Blocks that end at each place in a byte.

    Behind the one that ends where another block begins, that needs not be moved by some bits, which
    would take a tenth of the time that decompressing it does.
    """
    found: dict[int, _Lead] = {}
    for size in range(1, 256):
        content = bytes(range(size))
        packed = bz2.compress(content, 1)[4:]
        bits = int.from_bytes(packed, "big")
        padding = next(one for one in range(8) if bits >> one + 32 & (1 << _MARK) - 1 == _END)
        at, end = divmod(8 * len(packed) - padding - _TRAILER, 8)
        if end not in found:
            rest = packed[at] & 0xFF00 >> end & 0xFF
            checksum = int.from_bytes(packed[6:10], "big")
            found[end] = _Lead(content, packed[:at], rest, checksum)
        if len(found) == 8:  # noqa: PLR2004  bits of a byte
            return tuple(found[one] for one in range(8))
    raise _NotUnderstood


def _joined(whole: int, block: int) -> int:
    """The checksum of a stream with one more block."""
    return (whole << 1 & 0xFFFFFFFF | whole >> 31) ^ block


def _bits(file: int, start: int, stop: int) -> int:
    size, at = -(-stop // 8) - start // 8, start // 8
    data = os.pread(file, size, at)
    if len(data) != size:
        raise _NotUnderstood
    return int.from_bytes(data, "big") >> -stop % 8 & (1 << stop - start) - 1


def _spans(file: int) -> Iterator[_Span]:
    size = 8 * os.fstat(file).st_size
    marks = _marks(file)
    start = next(marks, None)
    if start != _FIRST:
        raise _NotUnderstood
    level = os.pread(file, 4, 0)
    for mark in itertools.chain(marks, (size,)):
        if mark - start > _LARGEST_BLOCK:
            raise _NotUnderstood
        stop, last = _stop(file, mark, at_end=mark == size)
        yield _Span(start, stop, level, last)
        if last is not None:
            level = os.pread(file, 4, mark // 8 - 4)
        start = mark


def _stop(file: int, mark: int, *, at_end: bool) -> tuple[int, int | None]:
    """Where the block in front of `mark` ends, and the checksum of its stream if that ends too."""
    end = mark if at_end else mark - _FIRST
    if at_end or (mark % 8 == 0 and _HEADER.fullmatch(os.pread(file, 4, end // 8))):
        bits = _bits(file, end - _TRAILER - 8, end)
        for padding in range(8):
            if bits >> padding + 32 & (1 << _MARK) - 1 == _END:
                return end - padding - _TRAILER, bits >> padding & 0xFFFFFFFF
    if at_end:
        raise _NotUnderstood
    return mark, None


def _marks(file: int) -> Iterator[int]:
    """Where blocks begin, in bits."""
    at = 0
    while data := os.pread(file, _SCANNED, at):
        found = []
        for shift, needle in enumerate(_NEEDLES):
            place = data.find(needle)
            while place >= 0:
                found.append(8 * (at + place - bool(shift)) + shift)
                place = data.find(needle, place + 1)
        yield from (one for one in sorted(found) if _bits(file, one, one + _MARK) == _START)
        if len(data) < len(_NEEDLES[0]):
            break
        at += len(data) - len(_NEEDLES[0]) + 1
