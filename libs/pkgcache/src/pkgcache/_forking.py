"""A copy of this process that serves calls: it is there sooner than a new interpreter.

It has imported already what this one has, which is half of what a solver needs before it can be
asked. It is as much a process of its own as any: it can crash, and end as it likes.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import IO, NoReturn

from pkgcache.lacking import running_threads

_FAILED = 70  # EX_SOFTWARE of sysexits.h


def is_alone() -> bool:
    """Whether this process has a single thread, of Python's or of a library's.

    A lock that another of them holds at this moment would be held in a copy for ever.
    """
    # Elsewhere libraries of the system itself may not be used in a copy (macOS), or it is not known.
    return sys.platform == "linux" and running_threads() == 1


class Forked:
    """What `subprocess.Popen` is to a new program, as far as a worker needs it.

    Only to be made where `is_alone` says so, and descriptors 0 to 2 are open. Raises `OSError`.
    """

    def __init__(self, log: IO[bytes]) -> None:
        # The copy needs it first of all, and we for our locks: so it is imported once for both.
        import asyncio  # noqa: F401

        pipes = [*os.pipe(), *os.pipe()]
        theirs, requests, answers, their_answers = pipes
        # Ctrl-C is answered by us alone. Until the copy has a session of its own it waits, or it
        # would be answered twice.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._pid = os.fork()
            if not self._pid:
                _serve(theirs, their_answers, log.fileno())
        except OSError:
            for descriptor in pipes:
                os.close(descriptor)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(theirs)
        os.close(their_answers)
        self.stdin, self.stdout = os.fdopen(requests, "wb"), os.fdopen(answers, "rb")
        self.returncode: int | None = None

    def wait(self) -> int:
        """Wait for its end, and return what `Popen` would."""
        if self.returncode is None:
            status = 0  # as there, where another part of the program has waited for it
            with suppress(ChildProcessError):
                status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
            self.returncode = status
        return self.returncode

    def kill(self) -> None:
        """End it."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


def _serve(requests: int, answers: int, log: int) -> NoReturn:
    """Be the worker. Nothing of what called us may go on here: not even by an error."""
    try:
        # Inside, as all that may fail.
        import logging

        from pkgcache import _worker_main

        os.setsid()
        for number, descriptor in enumerate((requests, answers, log)):
            os.dup2(descriptor, number)
        # Of everything else there are two now: our end of its pipes, which would keep it from seeing
        # the end of us, and locks, which would stay held after us.
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  names are enough
            with suppress(OSError):  # that of the list itself
                if int(name) > 2:  # noqa: PLR2004 - standard error's
                    os.close(int(name))
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        # Kept, since they may hold what we have yet to write, which they do once they are dropped.
        _old = sys.stdin, sys.stdout, sys.stderr
        sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
        sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
        logging.disable(logging.INFO)  # which is for whoever listens to us
        _worker_main.main()
    except BaseException:  # noqa: BLE001 - it is in the log of whoever waits
        import traceback

        traceback.print_exc()
    finally:
        os._exit(_FAILED)
