"""Conda packages in their other format, several at once."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from mfenv.settings import package_limits, transmute_memory
from pkgcache.archives.transmute import threads_for, transmute
from pkgcache.progress import NoProgress
from pkgcache.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mfenv.settings import Settings
    from pkgcache.archives.transmute import TransmutedFile
    from pkgcache.progress import Progress, Task, Unit

__all__ = ["transmute_all"]


def transmute_all(
    files: Sequence[Path],
    settings: Settings,
    *,
    to: str | None,
    folder: Path | None,
    force: bool,
    progress: Progress | None,
) -> tuple[list[tuple[Path, TransmutedFile]], list[BaseException]]:
    """What became of each file that could be transmuted, and why others could not.

    It is written to `folder`, or beside each. `to` and `force` are those of
    `pkgcache.archives.transmute.transmute`, as are the errors.
    """
    memory, level = transmute_memory(settings), settings.transmute_level
    threads = threads_for(memory, level=level)
    # Several files share the threads that fit into the memory, or one has them all.
    at_once = min(len(files), threads)
    stopped = threading.Event()
    work = partial(
        transmute,
        to=to,
        level=level,
        threads=threads // at_once,
        memory=memory,
        limits=package_limits(settings),
        force=force,
        progress=_Stopping(progress, stopped),
    )
    return _all(files, lambda file: work(file, folder or file.parent), at_once, stopped)


def _all(
    files: Sequence[Path],
    work: Callable[[Path], TransmutedFile],
    at_once: int,
    stopped: threading.Event,
) -> tuple[list[tuple[Path, TransmutedFile]], list[BaseException]]:
    """Do all that can be done, some at a time."""
    with Threads(at_once) as pool:
        futures = [pool.submit(work, file) for file in files]
        try:
            errors = [error for future in futures if (error := future.exception())]
        except BaseException:  # an interruption, which only this thread gets
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    pairs = zip(files, futures, strict=True)
    return [(file, future.result()) for file, future in pairs if not future.exception()], errors


class _Stopping:
    """A progress that ends the work that it follows once it is `stopped`."""

    def __init__(self, progress: Progress | None, stopped: threading.Event) -> None:
        self._progress, self._stopped = progress or NoProgress(), stopped

    def start(self, label: str, total: int | None, unit: Unit) -> Task:
        return _StoppingTask(self._progress.start(label, total, unit), self._stopped)

    def note(self, text: str) -> None:
        self._progress.note(text)


class _StoppingTask:
    def __init__(self, task: Task, stopped: threading.Event) -> None:
        self._task, self._stopped = task, stopped

    def advance(self, amount: int = 1) -> None:
        if self._stopped.is_set():
            # In a thread that works, where no signal ever arrives.
            raise KeyboardInterrupt
        self._task.advance(amount)

    def done(self) -> None:
        self._task.done()
