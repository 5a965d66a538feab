"""Pools of threads on machines that have few to give."""

from __future__ import annotations

import errno
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Threads", "call_all"]

_T = TypeVar("_T")


class Threads(ThreadPoolExecutor):
    """Goes on with the threads that it has where no more can be started.

    Raises `BlockingIOError`, as for processes, where there is none at all.
    """

    def _adjust_thread_count(self) -> None:
        try:
            # The one place where the pool starts a thread. The work is queued by then, so that a
            # thread that runs already comes to it.
            super()._adjust_thread_count()
        except RuntimeError as error:
            if not self._threads:
                raise BlockingIOError(errno.EAGAIN, "no thread can be started") from error


def call_all(functions: Iterable[Callable[[], _T]], threads: int) -> list[_T]:
    """Call functions, at most `threads` of them at once, and give their results in their order.

    After one failed no other is begun, and what it raised is raised when those have ended that
    were running.
    """
    failures: list[BaseException] = []

    def begin(function: Callable[[], _T]) -> _T:
        if failures:
            raise CancelledError
        try:
            return function()
        except BaseException as error:
            failures.append(error)
            raise

    with Threads(threads) as pool:
        futures = [pool.submit(begin, function) for function in functions]
        wait(futures, return_when=FIRST_EXCEPTION)
        for error in failures:
            pool.shutdown(wait=False, cancel_futures=True)
            raise error
        return [future.result() for future in futures]
