"""Which directories the running processes use, as far as the kernel tells this user."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["in_use"]

_PROC = Path("/proc")


def in_use(prefixes: Iterable[Path]) -> set[Path]:
    """Those of `prefixes` that a process was started from, or has in its environment.

    Where there is no `/proc`, as on macOS, nothing is known to be in use.
    """
    wanted = {prefix: os.fsencode(prefix) for prefix in prefixes}
    used: set[Path] = set()
    for process in _PROC.iterdir() if wanted and _PROC.is_dir() else ():
        if process.name.isdecimal():
            words = _words(process)
            used.update(prefix for prefix, path in wanted.items() if _names(words, path))
    return used


def _words(process: Path) -> bytes:
    """The program, the command line and the variables of a process, ended by NUL each."""
    words = b""
    with suppress(OSError):  # ended, or another user's
        # This first: of a process of somebody else it is all that may be read.
        words = (process / "cmdline").read_bytes()
        words += (process / "environ").read_bytes()
        words += os.fsencode((process / "exe").readlink()) + b"\0"
    return words


def _names(words: bytes, path: bytes) -> bool:
    at = words.find(path)
    while at >= 0:
        end = at + len(path)
        # Not a longer path that begins the same.
        if words[end : end + 1] in (b"/", b"\0", b":"):
            return True
        at = words.find(path, end)
    return False
