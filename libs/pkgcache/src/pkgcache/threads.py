"""Pools of threads on machines that have few to give."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor

__all__ = ["Threads"]


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
