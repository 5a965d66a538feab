"""Work that is done at the same time, and not waited for longer than it may take."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["together"]

_T = TypeVar("_T")


def together(
    jobs: Sequence[Callable[[], _T]],
    seconds: float,
    done: Callable[[], object] = lambda: None,
) -> list[_T | None]:
    """The results in the order of the jobs, None for those that are not there after so long.

    A job must raise nothing. One that hangs keeps nobody from ending: its thread goes with the
    process. `done` is called after each.
    """
    results: list[_T | None] = [None] * len(jobs)

    def work(number: int) -> None:
        results[number] = jobs[number]()
        done()

    threads = []
    for number in range(len(jobs)):
        thread = threading.Thread(target=work, args=(number,), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads are to be had
            work(number)
        else:
            threads.append(thread)
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return list(results)
