"""Reading bzip2 on several processors.

With the standard library, threads decompress each block as a stream of its own. `indexed_bzip2` is
faster, where it is installed, but not to be trusted with the memory of this process nor with what
a hostile file may do to it, so it has a process of its own. Whatever these stumble over is read
again by `bz2`, which has the last word.
"""

from __future__ import annotations

import bz2
import fcntl
import subprocess
import sys
from collections import deque
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from pkgcache.archives import _bz2_child
from pkgcache.archives._bz2_blocks import NotUnderstood, blocks, joined, stream
from pkgcache.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from concurrent.futures import Future

    from pkgcache.archives._bz2_blocks import Block

_PIECE, _MOST_AHEAD = 256 << 10, 4 << 20
_PIPE = 1 << 20
_WORTH_A_PROCESS = 1 << 20
# Bytes, for the process and for each of its threads; half is for stacks that are hardly used.
_MEMORY, _MEMORY_OF_EACH = 40 << 20, 20 << 20
_LIMITS_MEMORY = sys.platform == "linux"  # others take the limit and do not keep it


def decompressed(archive: Path, threads: int) -> Generator[bytes, None, None]:
    """The content of a bzip2 file in pieces of at most 256 KiB, by this number of threads.

    Raises what `bz2` does: `EOFError`, or `OSError` without an errno.
    """
    given = 0
    for way in (by_process, by_threads) if threads > 1 else ():
        try:
            for piece in _behind(given, way(archive, threads)):
                given += len(piece)
                yield piece
        except NotUnderstood:
            continue
        return
    yield from _behind(given, _by_bz2(archive))


def _behind(given: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What comes behind the bytes that were given already."""
    for piece in pieces:
        if given < len(piece):
            yield piece[given:]
        given = max(0, given - len(piece))


def _by_bz2(archive: Path) -> Iterator[bytes]:
    with bz2.open(archive) as file:
        while piece := file.read(_PIECE):
            yield piece


def by_process(archive: Path, threads: int) -> Iterator[bytes]:
    """By `indexed_bzip2`; raises `NotUnderstood`, also where there is no use for it.

    It keeps some decompressed blocks of up to 46 MB, and cannot be told not to. Where it needs more
    memory than it does for any usual package, it is not the one to read it.
    """
    engine = find_spec("indexed_bzip2") if _LIMITS_MEMORY else None
    if not engine or not engine.origin or archive.stat().st_size < _WORTH_A_PROCESS:
        raise NotUnderstood
    folders = [Path(one).parent for one in (engine.origin, Path(__file__).parents[1])]
    with archive.open("rb") as file:
        memory = _MEMORY + threads * _MEMORY_OF_EACH
        options = (file.fileno(), threads, memory, *folders)
        try:
            process = subprocess.Popen(
                # Isolated, and without site-packages, which starts in half the time.
                [sys.executable, "-I", "-S", _bz2_child.__file__, *map(str, options)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(file.fileno(),),
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for us to handle
            )
        except OSError:
            raise NotUnderstood from None
    with process:
        output = cast("IO[bytes]", process.stdout)
        with suppress(OSError, AttributeError):
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, _PIPE)
        try:
            while piece := output.read(_PIECE):
                yield piece
            if process.wait():
                raise NotUnderstood
        finally:
            process.kill()


class _Decoded(NamedTuple):
    first: bytes
    rest: bz2.BZ2Decompressor


def by_threads(archive: Path, threads: int) -> Iterator[bytes]:
    """By `bz2`, each block as a stream of its own; raises `NotUnderstood`."""
    pool = Threads(threads)
    try:
        with archive.open("rb") as file:
            checksum = 0
            for block, decoded in _ahead(pool, file.fileno(), threads + 1):
                yield from _content(decoded)
                checksum = joined(checksum, block.checksum)
                if block.last is not None:
                    if block.last != checksum:
                        raise NotUnderstood
                    checksum = 0
    finally:
        pool.shutdown(cancel_futures=True)


def _ahead(pool: Threads, file: int, count: int) -> Iterator[tuple[Block, _Decoded]]:
    """The blocks in their order, each being worked on before its turn."""
    waiting: deque[tuple[Block, Future[_Decoded]]] = deque()
    for block in blocks(file):
        waiting.append((block, pool.submit(_decode, file, block)))
        if len(waiting) > count:
            first, decoding = waiting.popleft()
            yield first, decoding.result()
    for first, decoding in waiting:
        yield first, decoding.result()


def _decode(file: int, block: Block) -> _Decoded:
    data, lead = stream(file, block)
    engine = bz2.BZ2Decompressor()
    try:
        return _Decoded(engine.decompress(data, _MOST_AHEAD)[lead:], engine)
    except OSError:
        raise NotUnderstood from None


def _content(decoded: _Decoded) -> Iterator[bytes]:
    """All bytes of a block, which may be 46 MB: it counts the length of runs."""
    yield decoded.first
    rest = decoded.rest
    while not rest.eof:
        try:
            piece = rest.decompress(b"", _PIECE)
        except OSError:
            raise NotUnderstood from None
        if not piece and not rest.eof:
            raise NotUnderstood
        yield piece
