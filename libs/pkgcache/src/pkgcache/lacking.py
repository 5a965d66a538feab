"""What a machine lacks, told from what failed: space, memory, open files, threads and processes."""

from __future__ import annotations

import errno
import os
import re

__all__ = ["FULL", "causes", "lacking", "running_threads"]

FULL = (errno.ENOSPC, errno.EDQUOT)
"""There is no space, or there are no inodes; or the user's quota is used up."""

_LACKING = (
    *FULL,
    *(errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.EROFS),
)
# As the standard libraries of Rust and Python write it.
_NUMBER = r"\(os error (\d+)\)|\[Errno (\d+)\]|\bOs \{ code: (\d+)"
_LAST = 4096
_WORDS = {
    # The words of the C library, as programs in other languages print them.
    **{re.escape(os.strerror(number)): number for number in _LACKING},
    "database or disk is full": errno.ENOSPC,
    "can't start new thread|can't spawn worker thread|Could not detect either glibc": errno.EAGAIN,
    r"memory allocation of \d+ bytes failed|^\w*MemoryError(?::|$)|map segment from shared": errno.ENOMEM,
    # What CPython says where it had no memory left to make the exception, or a lock, of.
    r"\bSystemError: .*(?:without exception set|without setting an exc)|can't allocate \w* ?lock": errno.ENOMEM,
}


def lacking(failure: BaseException | str) -> int | None:
    """The `errno` of what was not to be had, by an error and its causes, or by what was said."""
    if isinstance(failure, str):
        numbers = (int(next(filter(None, groups))) for groups in re.findall(_NUMBER, failure))
        words = (
            number
            for text, number in _WORDS.items()
            if re.search(text, failure, re.IGNORECASE | re.MULTILINE)
        )
        return next((number for number in (*numbers, *words) if number in _LACKING), None)
    # The first cause is nearest to the system; those above it may only quote it.
    for error in reversed(causes(failure)):
        if isinstance(error, OSError) and error.errno in _LACKING:
            return error.errno
        log = getattr(error, "log", "")[-_LAST:]
        if number := lacking(f"{type(error).__name__}: {error}\n{log}"):
            return number
    return None


def causes(error: BaseException) -> list[BaseException]:
    """An error and what it was raised from, each once: an error may have been raised from itself."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__
    return chain


def running_threads() -> int | None:
    """The threads of this process, Python's and others', as the system counts them.

    None where it does not say.
    """
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208  names are enough
    except OSError:
        return None
