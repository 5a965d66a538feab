"""The program of the worker process; see `worker`. Until it is told a path, it has no packages.

The caller imports this module too, for the form of the messages, and has no use for asyncio.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import struct
import sys
import threading
import traceback
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    Handler = Callable[..., Awaitable[Any]]

_OWN = ("pkgcache", "resolvers")
_HEAD = struct.Struct(">Q")
# Seconds between looks at the log, the bytes of it that one reads, and the status with which
# programs in Rust end that panic.
_LOOK, _MOST, _PANICKED = 1.0, 1 << 20, 101
_NO_MEMORY = 1


def framed(message: Any) -> bytes:
    """A message as it goes through the pipe: the length of its JSON text, and the text."""
    data = json.dumps(message).encode()
    return _HEAD.pack(len(data)) + data


def receive(pipe: IO[bytes]) -> bytes | None:
    """The next message, None at the end of the pipe."""
    head = pipe.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    (size,) = _HEAD.unpack(head)
    data = pipe.read(size)
    return data if len(data) == size else None


def main() -> None:
    """Serve calls until the pipe ends."""
    # Until the first call has what it takes: what is imported stays, and to look for cycles in it
    # again and again takes a tenth of the time.
    gc.disable()
    # An engine in Rust that panics says so, and only then looks up where it was, for seconds in a
    # library as large as these: for so long its handler could not catch it.
    os.environ["RUST_BACKTRACE"] = "0"
    sys.unraisablehook = _unraisable
    requests = sys.stdin.buffer
    # Whatever an engine prints must not get between our messages: its standard output is the log.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    first = receive(requests)
    if first:
        import asyncio

        sys.path[:] = json.loads(first)["path"]
        asyncio.run(_serve(requests, answers))
    _end()


def _unraisable(dropped: sys.UnraisableHookArgs) -> None:
    """Say what came where nothing can be raised, and go no further without memory.

    A thread without memory for its first line is waited for by who started it, for ever.
    """
    sys.__unraisablehook__(dropped)
    if issubclass(dropped.exc_type, MemoryError):
        os._exit(_NO_MEMORY)


def _end() -> None:
    """End at once: what an interpreter does before its end is what may crash."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    lock = threading.Lock()
    running: set[asyncio.Task[None]] = set()
    over = 0

    def get_over() -> None:
        nonlocal over
        # Our standard error is a file (see `worker`): what stands in it by now is passed over from
        # now on.
        over = os.fstat(2).st_size

    def send(message: Any) -> None:
        with lock:
            answers.write(framed(message))
            answers.flush()

    def begin(request: dict[str, Any]) -> None:
        task = loop.create_task(_answer(request, send, get_over))
        running.add(task)
        task.add_done_callback(running.discard)

    def read() -> None:
        # A thread of its own, since it must see the end of our parent whatever the loop does.
        try:
            while message := receive(requests):
                loop.call_soon_threadsafe(begin, json.loads(message))
        except MemoryError:
            traceback.print_exc()
            os._exit(_NO_MEMORY)
        _end()

    threading.Thread(target=read, daemon=True).start()
    before = False
    while True:
        await asyncio.sleep(_LOOK)
        # A thread of an engine that panicked never gives what is waited for; unless a handler catches
        # it, which it does by the next look.
        panicked = bool(running) and b"panicked at" in os.pread(2, _MOST, over)
        if panicked and before:
            os._exit(_PANICKED)
        before = panicked


async def _answer(
    request: dict[str, Any], send: Callable[[Any], None], get_over: Callable[[], None]
) -> None:
    number = request["call"]

    def report(event: Any) -> None:
        if event is None:  # what panicked was caught, and the handler goes on without it
            get_over()
        else:
            send({"call": number, "event": event})

    try:
        handler = _handler(request["handler"])
        gc.freeze()
        gc.enable()
        result = await handler(report=report, **request["arguments"])
        send({"call": number, "result": result})
    except BaseException as error:  # noqa: BLE001 - the caller gets it, a panic of Rust's too
        failure = f"{type(error).__name__}: {error}"
        send({"call": number, "failure": failure, "log": traceback.format_exc()})


def _handler(name: str) -> Handler:
    module, _, function = name.partition(":")
    # A name comes through a pipe: only our own modules may be imported by it.
    if module.partition(".")[0] not in _OWN:
        raise ValueError(name)
    handler: Handler = getattr(importlib.import_module(module), function)
    return handler


if __name__ == "__main__":
    main()
