"""Reading bzip2 on several processors, where `indexed_bzip2` is installed.

It is not to be trusted with the memory of this process nor with what a hostile file may do to it,
so it has a process of its own. Whatever that stumbles over is read again by `bz2`, which has the
last word, and is what reads everything where the library is not there.

Why no threads of our own, with a block for each: tried, they took half as much processor time again
as `bz2` alone, so a quarter less time on two idle processors at best, and more on busy ones, where
the library takes no more than `bz2`. `hatch run benchmark bzip2` measures what there is.
"""

from __future__ import annotations

import bz2
import fcntl
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from pkgcache.archives import _bz2_child

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_PIECE = 256 << 10
_PIPE = 1 << 20  # as much as a user may ask for: fewer turns of the two processes
_WORTH_A_PROCESS = 1 << 20
# Bytes, for the process and for each of its threads; half is for stacks that are hardly used.
_MEMORY, _MEMORY_OF_EACH = 40 << 20, 20 << 20
_LIMITS_MEMORY = sys.platform == "linux"  # others take the limit and do not keep it


class Bz2Unreadable(Exception):
    """The file is damaged, or not to be read in this way."""


def decompressed(archive: Path, threads: int) -> Generator[bytes, None, None]:
    """The content of a bzip2 file in pieces of at most 256 KiB, by this number of threads.

    Raises what `bz2` does: `EOFError`, or `OSError` without an errno. So is a file refused of which the
    library reads more than `bz2`, which passes over all that is behind a damaged stream.
    """
    given = 0
    if threads > 1:
        try:
            for piece in by_process(archive, threads):
                given += len(piece)
                yield piece
        except Bz2Unreadable:
            pass  # the library checked each block before it gave it; `bz2` judges the rest
        else:
            return
    yield from _behind(given, _by_bz2(archive))


def _behind(given: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What comes behind the bytes that were given already."""
    for piece in pieces:
        if given < len(piece):
            yield piece[given:]
        given = max(0, given - len(piece))
    if given:
        raise OSError("a stream of it is damaged")


def _by_bz2(archive: Path) -> Iterator[bytes]:
    with bz2.open(archive) as file:
        while piece := file.read(_PIECE):
            yield piece


def by_process(archive: Path, threads: int) -> Iterator[bytes]:
    """By `indexed_bzip2`; raises `Bz2Unreadable`, also where there is no use for it.

    It keeps some decompressed blocks of up to 46 MB, and cannot be told not to. Where it needs more
    memory than it does for any usual package, it is not what should read it.
    """
    engine = find_spec("indexed_bzip2") if _LIMITS_MEMORY else None
    if not engine or not engine.origin or archive.stat().st_size < _WORTH_A_PROCESS:
        raise Bz2Unreadable
    with archive.open("rb") as file:
        memory = _MEMORY + threads * _MEMORY_OF_EACH
        options = (file.fileno(), threads, memory, Path(engine.origin).parent)
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
            raise Bz2Unreadable from None
    with process:
        output = cast("IO[bytes]", process.stdout)
        with suppress(OSError, AttributeError):
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, _PIPE)
        try:
            while piece := output.read(_PIECE):
                yield piece
            # What came of a process that failed is checked by whoever reads it again.
            if process.wait():
                raise Bz2Unreadable
        finally:
            process.kill()
