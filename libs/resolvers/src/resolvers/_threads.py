"""How many threads Rust's pools may start in this process."""

from __future__ import annotations

import _thread
import errno
import os
import time
from functools import cache

from pkgcache.lacking import running_threads

__all__ = ["check_threads"]

# Of each pool one, what each of these starts for files and names, and those who watch the servers.
_LEAST = 6
_MOMENT = 0.01


@cache
def check_threads() -> None:
    """Have the pools start fewer threads than usual where not so many can be started.

    Where they cannot start a thread of each kind, they do not say so, and wait for ever: raises
    `BlockingIOError` instead.
    """
    # tokio and rayon each start a thread for each processor.
    usual = 2 * (os.cpu_count() or 1) + _LEAST
    startable = _startable(usual)
    if startable < _LEAST:
        raise BlockingIOError(errno.EAGAIN, "no more threads can be started")
    if startable < usual:
        os.environ.update(TOKIO_WORKER_THREADS="1", RAYON_NUM_THREADS="1")


def _startable(most: int) -> int:
    before = running_threads() or 0
    # Each runs no code in Python: that would take memory which may not be there either, and
    # `threading.Thread.start` waits for ever for a thread that ends before its first line.
    started = []
    try:
        for _ in range(most):
            waits = _thread.allocate_lock()
            waits.acquire()
            _thread.start_new_thread(waits.acquire, ())
            started.append(waits)
    except (RuntimeError, MemoryError):
        pass
    finally:
        for waits in started:
            waits.release()
    # The system sees the end of a thread a little later, and counts it until then.
    until = time.monotonic() + _MOMENT
    while ((now := running_threads()) is None or now > before) and time.monotonic() < until:
        time.sleep(_MOMENT / 100)
    return len(started)
