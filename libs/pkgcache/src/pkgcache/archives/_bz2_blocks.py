"""The blocks of a bzip2 file, each as a stream of its own.

A compressed block ends where the next one begins, which a scan for the 48 bits in front of every
block finds. What only looks like them makes a block that cannot be decompressed.

Imported by processes that have nothing else to do, so it imports little.
"""

from __future__ import annotations

import bz2
import itertools
import os
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_START, _END = 0x314159265359, 0x177245385090  # the digits of pi and of its square root
_MARK, _CHECKSUM = 48, 32  # bits: of either, and of the checksum behind it
_TRAILER = _MARK + _CHECKSUM
_HEADERS = {b"BZh%d" % level for level in range(1, 10)}
_SCANNED = 1 << 20
_LARGEST_BLOCK = 16 << 20  # bits, compressed; a generous bound
_FIRST = 32  # bits: of the header of a stream, so where its first block begins
# For each place of a bit in a byte: the whole bytes of a mark that begins there.
_NEEDLES = tuple((_START >> (shift or 8) & (1 << 40) - 1).to_bytes(5, "big") for shift in range(8))


class NotUnderstood(Exception):
    """The scan does not make sense of the file: it is damaged, or only looks like it."""


class Block(NamedTuple):
    """Where a block lies, in bits, the header of its stream, and the checksum of its content.

    `last` is the checksum of the stream, if that ends with this block.
    """

    start: int
    stop: int
    header: bytes
    checksum: int
    last: int | None


def blocks(file: int) -> Iterator[Block]:
    """All blocks of the file with this descriptor; raises `NotUnderstood`."""
    size = 8 * os.fstat(file).st_size
    marks = _marks(file)
    start = next(marks, None)
    if start != _FIRST:
        raise NotUnderstood
    header = os.pread(file, 4, 0)
    for mark in itertools.chain(marks, (size,)):
        if mark - start > _LARGEST_BLOCK:
            raise NotUnderstood
        stop, last = _stop(file, mark, at_end=mark == size)
        checksum = _bits(file, start + _MARK, start + _TRAILER)
        yield Block(start, stop, header, checksum, last)
        if last is not None:
            header = os.pread(file, 4, mark // 8 - 4)
        start = mark


def stream(file: int, block: Block) -> tuple[bytes, int]:
    """A bzip2 stream with the content of the block, behind some bytes; and how many these are."""
    lead = _leads()[block.start % 8]
    at, end = divmod(block.stop, 8)
    data = bytearray(os.pread(file, at + bool(end) - block.start // 8, block.start // 8))
    # The last bits of the lead stand in front of the first ones, and those of the end behind.
    data[0] = data[0] & 0xFF >> block.start % 8 | lead.rest
    tail = data.pop() >> 8 - end if end else 0
    tail = ((tail << _MARK | _END) << _CHECKSUM | joined(lead.checksum, block.checksum)) << -end % 8
    data += tail.to_bytes(_TRAILER // 8 + bool(end), "big")
    return b"".join((block.header, lead.whole, data)), lead.size


def check(file: int, places: list[int]) -> None:
    """Raise `NotUnderstood` unless these, in bits, are where the parts of the file begin.

    These are its blocks, the ends of its streams, and in the end that of the file. The streams must
    be those of `bzip2 -9`: those of another level might have blocks that are too large for it.
    """
    checksum = 0
    header: int | None = 0  # where a stream must begin, if one must
    for place in places[:-1]:
        if header is not None:
            if place != header + _FIRST or os.pread(file, 4, header // 8) != b"BZh9":
                raise NotUnderstood
            header = None
        mark, own = divmod(_bits(file, place, place + _TRAILER), 1 << _CHECKSUM)
        if mark == _START:
            checksum = joined(checksum, own)
        elif mark == _END and own == checksum:
            checksum, header = 0, place + _TRAILER + -(place + _TRAILER) % 8
        else:
            raise NotUnderstood
    if not header or places[-1:] != [header] or header != 8 * os.fstat(file).st_size:
        raise NotUnderstood


def joined(whole: int, block: int) -> int:
    """The checksum of a stream with one more block."""
    return (whole << 1 & 0xFFFFFFFF | whole >> 31) ^ block


class _Lead(NamedTuple):
    """A block of next to nothing: its whole bytes and its last bits, which begin a byte."""

    size: int
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
        packed = bz2.compress(bytes(range(size)), 1)[4:]
        bits = int.from_bytes(packed, "big")
        padding = next(
            one for one in range(8) if bits >> one + _CHECKSUM & (1 << _MARK) - 1 == _END
        )
        at, end = divmod(8 * len(packed) - padding - _TRAILER, 8)
        if end not in found:
            rest = packed[at] & 0xFF00 >> end & 0xFF
            checksum = int.from_bytes(packed[6:10], "big")
            found[end] = _Lead(size, packed[:at], rest, checksum)
        if len(found) == 8:  # noqa: PLR2004  bits of a byte
            return tuple(found[one] for one in range(8))
    raise NotUnderstood


def _bits(file: int, start: int, stop: int) -> int:
    size, at = -(-stop // 8) - start // 8, start // 8
    data = os.pread(file, size, at)
    if len(data) != size:
        raise NotUnderstood
    return int.from_bytes(data, "big") >> -stop % 8 & (1 << stop - start) - 1


def _stop(file: int, mark: int, *, at_end: bool) -> tuple[int, int | None]:
    """Where the block in front of `mark` ends, and the checksum of its stream if that ends too."""
    end = mark if at_end else mark - _FIRST
    if at_end or (mark % 8 == 0 and os.pread(file, 4, end // 8) in _HEADERS):
        bits = _bits(file, end - _TRAILER - 8, end)
        for padding in range(8):
            if bits >> padding + _CHECKSUM & (1 << _MARK) - 1 == _END:
                return end - padding - _TRAILER, bits >> padding & 0xFFFFFFFF
    if at_end:
        raise NotUnderstood
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
