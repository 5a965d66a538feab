"""Writing one bzip2 stream on several threads, with the standard library alone.

Each thread compresses a block as a stream of its own. What is between the header and the end of
these streams is joined bit by bit, under the one checksum of the whole. One stream, since not every
reader of conda packages goes on behind the end of the first.
"""

from __future__ import annotations

import bz2
from collections import deque
from typing import TYPE_CHECKING

from pkgcache.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

_END = 0x177245385090  # in front of the checksum of a stream
_HEADER, _TRAILER = 32, 80  # bits
# A block of level 9 holds 899,981 bytes after runs were counted, which makes 5 bytes of 4 at worst.
_BLOCK = 719_900


class Bz2Writer:
    """Compresses what is written, and passes it on to `sink`, from the thread that writes.

    The bytes do not depend on the number of threads, nor on how the content was cut.
    """

    def __init__(self, sink: Callable[[bytes], object], threads: int) -> None:
        self._sink, self._threads = sink, threads
        self._pool = Threads(threads)
        self._gathered = bytearray()
        self._waiting: deque[Future[tuple[int, int]]] = deque()
        self._bits, self._count = 0, 0  # what does not fill a byte yet
        self._checksum = 0
        sink(b"BZh9")

    def write(self, data: bytes) -> None:
        self._gathered += data
        while len(self._gathered) >= _BLOCK:
            self._start(_BLOCK)

    def close(self) -> None:
        """Write the rest, and the end of the stream."""
        if self._gathered:
            self._start(len(self._gathered))
        while self._waiting:
            self._join()
        self._put(_END << 32 | self._checksum, _TRAILER)
        self._put(0, -self._count % 8)

    def abandon(self) -> None:
        """End the threads; also to be called after `close`."""
        self._pool.shutdown(cancel_futures=True)

    def _start(self, size: int) -> None:
        # The limit is on blocks in memory, before and after.
        if len(self._waiting) > self._threads:
            self._join()
        # A copy, since the buffer cannot shrink while somebody else looks at it.
        block = bytes(memoryview(self._gathered)[:size])
        del self._gathered[:size]
        self._waiting.append(self._pool.submit(_block, block))

    def _join(self) -> None:
        bits, count = self._waiting.popleft().result()
        checksum = bits >> count - _TRAILER & 0xFFFFFFFF
        # As bzip2 makes it: that of what came before, rotated by a bit, and that of the block.
        self._checksum = (self._checksum << 1 & 0xFFFFFFFF | self._checksum >> 31) ^ checksum
        self._put(bits, count)

    def _put(self, bits: int, count: int) -> None:
        # Streams end within a byte, so all that follows is moved by some bits.
        bits |= self._bits << count
        count += self._count
        self._count = count % 8
        self._bits = bits & (1 << self._count) - 1
        self._sink((bits >> self._count).to_bytes(count // 8, "big"))


def _block(data: bytes) -> tuple[int, int]:
    """The block with this content, as a number and its bits."""
    packed = bz2.compress(data, 9)
    bits = int.from_bytes(packed[_HEADER // 8 :], "big")
    count = 8 * len(packed) - _HEADER
    # The stream ends with its mark, a checksum, and up to seven bits to fill the byte.
    padding = next(shift for shift in range(8) if bits >> shift + 32 & (1 << 48) - 1 == _END)
    return bits >> padding + _TRAILER, count - padding - _TRAILER
