from __future__ import annotations

import errno

import pytest

from pkgcache.errors import CacheError, WorkerCrashed
from pkgcache.lacking import lacking


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("cause: failed to create file `/a`: No space left on device (os error 28)", errno.ENOSPC),
        ("failed to create file `/a`: No space left on device", errno.ENOSPC),
        ("error: disk quota exceeded", errno.EDQUOT),
        ("failed to write (os error 122)", errno.EDQUOT),
        ("OSError: [Errno 12] Cannot allocate memory", errno.ENOMEM),
        ("memory allocation of 13 bytes failed\nskipping backtrace", errno.ENOMEM),
        ('panicked: Os { code: 24, kind: TooManyOpenFiles, message: "Too" }', errno.EMFILE),
        ("OS can't spawn worker thread: Resource temporarily (os error 11)", errno.EAGAIN),
        ("RuntimeError: can't start new thread", errno.EAGAIN),
        ("SystemError: error return without exception set", errno.ENOMEM),
        ("SystemError: <f> returned NULL without setting an exception", errno.ENOMEM),
        ("RuntimeError: can't allocate read lock", errno.ENOMEM),
        ("SystemError: bad argument to internal function", None),
        ("database or disk is full", errno.ENOSPC),
        ("copying exceptions/MemoryError.rst", None),
        ("No such file or directory (os error 2)", None),
        ("HTTP status client error (404 Not Found)", None),
    ],
)
def test_what_engines_and_libraries_say(said: str, number: int | None) -> None:
    assert lacking(said) == number
    assert lacking(RuntimeError(said)) == number
    assert lacking(WorkerCrashed("a:b", 1, log=said)) == number


def test_the_cause_of_an_error_decides() -> None:
    full = OSError(errno.EDQUOT, "too much")
    error = CacheError("/a", "too much")
    error.__cause__ = full
    assert lacking(error) == errno.EDQUOT
    assert lacking(CacheError("/a", "too much")) is None
    assert lacking(MemoryError()) == errno.ENOMEM
    assert lacking(PermissionError(errno.EACCES, "permission denied")) is None


def test_an_error_that_was_raised_from_itself_has_one_cause() -> None:
    error = OSError("nonsense")
    error.__cause__ = error
    assert lacking(error) is None
    deep = OSError(errno.ENOSPC, "no")
    error.__cause__ = deep
    deep.__cause__ = error
    assert lacking(error) == errno.ENOSPC
