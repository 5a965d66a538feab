"""What a process does that decompresses a bzip2 file with `indexed_bzip2`, and writes its content.

It is started as a file, with the descriptor of the archive, the number of threads, the bytes that
they may take, and the folders that `indexed_bzip2` and `pkgcache` are in. Its status tells in the
end whether the content is all that there should be.
"""

from __future__ import annotations

import os
import resource
import sys

_PIECE = 1 << 20


def main() -> None:
    """Do it, or raise whatever is in the way."""
    file, threads, memory = map(int, sys.argv[1:4])
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
    from pkgcache.archives._bz2_blocks import check

    check(file, places)
    # Nothing is left to clean up, so it shall not be tried.
    os._exit(0)


if __name__ == "__main__":
    main()
