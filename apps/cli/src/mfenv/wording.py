"""Errors in words: a message, and a hint that says what to do.

Where the machine lacks something, that is said first: what, where, and how much there is of it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pkgcache.lacking import FULL, causes, lacking

__all__ = ["words"]

# With fewer inodes than that, these are what has run out, and not the bytes.
_FEW_FILES = 1000
_WORDS = {
    errno.EAGAIN: (
        "no more threads or processes can be started",
        "end some, or raise the limits: `ulimit -u`, `ulimit -v`, those of the container",
    ),
    errno.ENOMEM: (
        "there is not enough memory",
        "end something, or raise the limits: `ulimit -v`, that of the container",
    ),
    errno.EMFILE: ("too many open files", "raise the limit: `ulimit -n`"),
    errno.ENFILE: ("too many open files", "the whole machine has too many: end something"),
    errno.EFBIG: ("file too large", "raise the limit: `ulimit -f`"),
    errno.EROFS: ("read-only file system", "use a directory that can be written"),
}


def words(error: BaseException) -> tuple[str, str | None]:
    """The message and the hint for an error; only those that a user can cause have a hint."""
    if told := _of_the_machine(error):
        return told
    # The errors of all our libraries have one, and none of these need be imported to know them.
    if hasattr(error, "hint"):
        return str(error), error.hint
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):
        return "no directory for temporary files can be written", "set TMPDIR to one that can"
    if isinstance(error, OSError):
        name = f": `{error.filename}`" if error.filename else ""
        return f"{(error.strerror or str(error)).lower()}{name}", None
    hint = "this is a defect of mfenv; MFENV_DEBUG=1 shows where, for a report"
    return f"{type(error).__name__}: {error}", hint


def _of_the_machine(error: BaseException) -> tuple[str, str | None] | None:
    number = lacking(error)
    # Where a place cannot be written, an error may know a better hint.
    if number is None or (number == errno.EROFS and getattr(error, "hint", None)):
        return None
    hint: str | None
    if number in FULL:
        message, hint = os.strerror(number).lower(), _room(error, quota=number == errno.EDQUOT)
    else:
        message, hint = _WORDS[number]
    # An error of ours says what failed, and the machine what it lacks.
    return str(error) if hasattr(error, "hint") else message, hint


def _room(error: BaseException, *, quota: bool) -> str | None:
    place = _place(error)
    if place is None:
        return None
    # What could not be made is not there; what should hold it is.
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    usage = os.statvfs(there)
    room = f"{usage.f_bavail * usage.f_frsize / 1e6:.1f} MB"
    if usage.f_files and usage.f_favail < _FEW_FILES:
        room += f" and {usage.f_favail} files (inodes)"
    full = "your quota is used up" if quota else f"disk full: `{there}` has room for {room}"
    return f"{full}; make some, which `mfenv gc` may help with, or use another disk"


def _place(error: BaseException) -> Path | None:
    """Where it was that something could not be written, as far as that is known."""
    for cause in causes(error):
        for name in ("filename", "path", "store"):
            if isinstance(value := getattr(cause, name, None), (str, Path)):
                return Path(str(value).removeprefix("file://")).absolute()
    return None
