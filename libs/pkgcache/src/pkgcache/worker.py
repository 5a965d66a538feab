"""A process of ours for an engine that can take its process down with it.

py-rattler may crash the interpreter that it was loaded into after its work is done. So it is only
ever loaded into a worker: a child that is started by the first call, serves any number of calls at
once, and ends without the cleaning up that crashes. What it does after its answer is nobody's
business; if it ends before, the call raises `WorkerCrashed`, and the next call starts another.

A handler is an `async def` of a package of ours, named `module:function`, which takes its
arguments, JSON data all of them, by keyword, and `report`, which takes JSON data to send back on
the way, or None where it has caught a panic of its engine, which is else the end of the process. What it returns is JSON data as well.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from pkgcache import _worker_main
from pkgcache._forking import Forked, is_alone
from pkgcache.errors import WorkerCrashed, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Worker"]

_log = logging.getLogger(__name__)
# The seconds that an idle process has to end by itself, and the bytes of its log that an error has.
_PATIENCE = 5.0
_LOG = 4096


def _ignore(_: Any) -> None:
    pass


class Worker:
    """Calls handlers in a process of their own. Safe to use from several threads.

    A context manager; at its end the process ends, and with it the calls that still run. It ends
    with this process too, however that ends. `on_process` is told when it starts.

    It is a new interpreter; where the program `may_fork`, and has a single thread by then, a copy of
    this process, which is ready in half the time. To a program that is not ours as a whole a copy is
    nothing: it holds on to what it has open, and libraries may not bear it.
    """

    def __init__(
        self, on_process: Callable[[str], None] = _ignore, *, may_fork: bool = False
    ) -> None:
        self._on_process, self._may_fork = on_process, may_fork
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(
        self, handler: str, *, on_event: Callable[[Any], None] = _ignore, **arguments: Any
    ) -> Any:
        """Run a handler and return what it returns.

        `on_event` gets what it reports on the way, from another thread. Raises `WorkerFailed` if
        the handler raises, `WorkerCrashed` if its process ends before it answers, and
        `MemoryError` where there is none left for the answer.
        """
        started = time.monotonic()
        with self._lock:
            call = self._there().start(handler, arguments, on_event)
        try:
            return call.result()
        finally:
            _log.info("worker: %s took %.3f s", handler, time.monotonic() - started)

    def prepare(self, handler: str) -> None:
        """Start the process, if none runs, and have it run a handler for which nobody waits.

        So it is ready by the time of the first call. What goes wrong, that call will tell.
        """
        with self._lock, suppress(OSError):
            if self._child is None or self._child.ended:
                self._there().start(handler, {}, _ignore)

    def _there(self) -> _Child:
        if self._child is None or self._child.ended:
            self._on_process("worker")
            self._child = _Child(copied=self._may_fork and is_alone())
        return self._child

    def let_go(self) -> None:
        """Have the process end, if no call runs, and do not wait for it; another call starts another.

        It takes milliseconds to give back what it has, in which its last caller can go on.
        """
        with self._lock:
            if self._child:
                self._child.let_go()

    def close(self) -> None:
        """End the process; another call would start another."""
        with self._lock:
            child, self._child = self._child, None
        if child:
            child.end()


@dataclass(frozen=True, slots=True)
class _Call:
    handler: str
    on_event: Callable[[Any], None]
    future: Future[Any] = field(default_factory=Future)


class _Child:
    def __init__(self, *, copied: bool) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the thread below
        self._process = Forked(self._log) if copied else _started(self._log)
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)
        self._calls: dict[int, _Call] = {}
        self._count = 0
        self._lock = threading.Lock()
        self.ended = False
        # A daemon: a program that ends without `close` must not wait for its worker.
        self._reader = threading.Thread(target=self._read, daemon=True)
        try:
            self._reader.start()
        except RuntimeError as error:
            self._process.kill()
            self._process.wait()
            for file in (self._requests, self._answers, self._log):
                file.close()
            raise BlockingIOError(errno.EAGAIN, "no thread can be started") from error
        paths = [path for path in map(os.path.abspath, sys.path) if Path(path).exists()]
        # It is isolated, so that whoever starts it, not the folder it is started in, says what it
        # imports.
        self._send({"path": paths})

    def start(
        self, handler: str, arguments: dict[str, Any], on_event: Callable[[Any], None]
    ) -> Future[Any]:
        call = _Call(handler, on_event)
        with self._lock:
            self._count += 1
            number = self._count
            self._calls[number] = call
        self._send({"call": number, "handler": handler, "arguments": arguments})
        # It may have ended before this call was noted down, and then nobody else gives it up.
        if self.ended:
            self._give_up()
        return call.future

    def let_go(self) -> None:
        with self._lock:
            if not self._calls:
                self.ended = True
                with suppress(OSError):
                    self._requests.close()

    def end(self) -> None:
        with self._lock:
            busy = bool(self._calls)
        # Idle, it ends by itself once its pipe is closed.
        if busy:
            self._process.kill()
        with suppress(OSError):
            self._requests.close()
        # It waits for the process, and is told of its end at once, where `Popen.wait` with a limit
        # looks now and then.
        self._reader.join(_PATIENCE)
        self._process.kill()
        self._reader.join()

    def _send(self, message: Any) -> None:
        # If it has ended, the reader sees it, and tells whoever waits.
        with suppress(OSError, ValueError), self._lock:
            self._requests.write(_worker_main.framed(message))
            self._requests.flush()

    def _read(self) -> None:
        with self._answers, self._log:
            without_memory = None
            try:
                while message := _worker_main.receive(self._answers):
                    self._take(json.loads(message))
            except MemoryError as error:
                without_memory = error
                self._process.kill()
            self._process.wait()
            self.ended = True
            with suppress(OSError), self._lock:
                self._requests.close()
            self._give_up(without_memory)

    def _take(self, message: dict[str, Any]) -> None:
        with self._lock:
            call = self._calls.get(message["call"])
            if "event" not in message:
                del self._calls[message["call"]]
        if call is None:
            return  # what is reported of a call that is over
        if "event" in message:
            call.on_event(message["event"])
        elif "failure" in message:
            call.future.set_exception(
                WorkerFailed(call.handler, message["failure"], message["log"])
            )
        else:
            call.future.set_result(message["result"])

    def _give_up(self, error: MemoryError | None = None) -> None:
        """Tell all who wait that it has ended, or the error of ours for which it had to."""
        with self._lock:
            calls, self._calls = list(self._calls.values()), {}
        for call in calls:
            call.future.set_exception(
                error or WorkerCrashed(call.handler, self._process.wait(), _tail(self._log))
            )


def _started(log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # Isolated, so that neither the current directory nor the folder of the program is searched.
        [sys.executable, "-I", _worker_main.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        # Ctrl-C is for us to handle; the worker ends when we do.
        start_new_session=True,
    )


def _tail(log: IO[bytes]) -> str:
    if log.closed:
        return ""
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - _LOG))
    return log.read().decode(errors="replace").strip()
