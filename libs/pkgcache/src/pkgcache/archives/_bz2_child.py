"""What a process does that decompresses a bzip2 file with `indexed_bzip2`, and writes its content.

It is started as a file, with the descriptor of the archive, the number of threads, the bytes that
they may take, and the folder that `indexed_bzip2` is in. Its status tells in the end whether the
content is all that there should be. Imports little, since every package waits for it.
"""

from __future__ import annotations

import os
import resource
import sys

_PIECE = 1 << 20
_START, _END = 0x314159265359, 0x177245385090  # the digits of pi and of its square root
_HEADER, _MARK, _CHECKSUM = 32, 48, 32  # bits: of a stream, and of what each block begins with


def main() -> None:
    """Do it, or raise whatever is in the way."""
    file, threads, memory = map(int, sys.argv[1:4])
    # Before the library is loaded, which takes what it wants and cannot be told not to.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    sys.path += sys.argv[4:]
    import indexed_bzip2

    piece = memoryview(bytearray(_PIECE))
    with indexed_bzip2.open(file, parallelization=threads) as content:
        while size := content.readinto(piece):
            sys.stdout.buffer.write(piece[:size])
        places = sorted(content.block_offsets())
    sys.stdout.buffer.flush()
    # The library checks every block, and that another or an end comes next; nothing beyond.
    _check(file, places)
    # Nothing is left to clean up, so it shall not be tried.
    os._exit(0)


def _check(file: int, places: list[int]) -> None:
    """Raise `ValueError` unless these, in bits, are where the parts of the file begin.

    These are its blocks, the ends of its streams, and in the end that of the file. The streams must
    be those of `bzip2 -9`: those of another level might have blocks that are too large for it.
    """
    checksum = 0
    header: int | None = 0  # where a stream must begin, if there must be any
    for place in places[:-1]:
        if header is not None:
            if place != header + _HEADER or os.pread(file, 4, header // 8) != b"BZh9":
                raise ValueError(place)
            header = None
        mark, own = _mark(file, place)
        if mark == _START:
            # The checksum of a stream is made of those of its blocks, in their order.
            checksum = (checksum << 1 & 0xFFFFFFFF | checksum >> 31) ^ own
        elif mark == _END and own == checksum:
            # The next stream begins with a byte of its own.
            checksum, header = 0, place + _MARK + _CHECKSUM + -(place + _MARK + _CHECKSUM) % 8
        else:
            raise ValueError(place)
    if not header or places[-1:] != [header] or header != 8 * os.fstat(file).st_size:
        raise ValueError(places[-1:])


def _mark(file: int, place: int) -> tuple[int, int]:
    """The mark that stands at a place, in bits, and the checksum behind it."""
    stop = place + _MARK + _CHECKSUM
    size = -(-stop // 8) - place // 8
    data = os.pread(file, size, place // 8)
    if len(data) != size:
        raise ValueError(place)
    # Blocks begin anywhere in a byte: cut off what stands behind, and then what stands in front.
    bits = int.from_bytes(data, "big") >> -stop % 8 & (1 << stop - place) - 1
    return divmod(bits, 1 << _CHECKSUM)


if __name__ == "__main__":
    main()
