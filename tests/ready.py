"""Commands in processes that need not start: each is a fork of one that has imported them.

Most of what a short command costs is the start of Python and its imports. `run` asks a server for a
process, which is started once by all tests of this process and has done both; a fork of it gets the
arguments, the environment, the directory and the streams of the command, and calls its `main`. That is
a process of its own, in which no command ran before, with signals, files and an exit status.

What a start itself does is not seen so: variables that Python reads then (`possible` says which
commands these are not), what is imported when, which order sets have. Tests of that use
`Machine.start` and `Machine.spawn`, which start it.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["possible", "run"]

_LARGEST = 1 << 16  # more than a message may have goes another way
_SURROUNDINGS = {"LANG": "C.UTF-8", "PATH": os.defpath}
_READ_BY_STARTS = ("GLIBC_", "LC_", "LD_", "MALLOC_", "OPENSSL_", "PYTHON")
_OURS = ("envid", "reqparse", "pkgcache", "resolvers", "mfenv")
# The modules of py-rattler, which has threads and runs in a worker, and those of tests.
_NOT = re.compile(r"resolvers\._conda_|.*\btesting\b")


def possible(words: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether a command may run so: nothing in its environment changes how Python starts."""
    return (
        environ.get("LANG") == _SURROUNDINGS["LANG"]
        and not any(name.startswith(_READ_BY_STARTS) for name in environ)
        and len(json.dumps([words, environ])) < _LARGEST
    )


def run(words: Sequence[str], environ: Mapping[str, str], folder: Path) -> tuple[int, str, str]:
    """Run a command to its end: its exit status as `subprocess` has it, its output, its errors."""
    asked = json.dumps([words, environ, str(folder)]).encode()
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(_server(), [asked], [theirs.fileno(), out_end, err_end])
    os.close(out_end)
    os.close(err_end)
    with ours.makefile() as told, ours, os.fdopen(out) as said, os.fdopen(err) as wrote:
        pid = int(told.readline())
        with ThreadPoolExecutor(2) as readers:
            try:
                texts = [readers.submit(file.read) for file in (said, wrote)]
                status = int(told.readline())
                return status, texts[0].result(), texts[1].result()
            except BaseException:
                os.kill(pid, signal.SIGKILL)
                raise


@functools.cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=_SURROUNDINGS,
        )
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(control: socket.socket) -> None:
    """Fork a command for each request, and tell its id and its end."""
    for name in _OURS:
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            if not _NOT.match(module.name):
                importlib.import_module(module.name)
    for name in ("filelock", "uv"):  # what they import where they use it
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what is looked at again is copied in each fork
    with selectors.DefaultSelector() as waiting:
        waiting.register(control, selectors.EVENT_READ)
        while waiting.get_map():
            for key, _ in waiting.select():
                if key.data:
                    waiting.unregister(key.fd)
                    _tell_end(key.fd, *key.data)
                    continue
                data, handles, *_ = socket.recv_fds(control, 2 * _LARGEST, 3)
                if data:
                    connection, out, err = handles
                    pid = _fork(data, out, err)
                    os.write(connection, b"%d\n" % pid)
                    handle = os.pidfd_open(pid)
                    waiting.register(handle, selectors.EVENT_READ, (pid, connection))
                else:
                    waiting.unregister(control)


def _tell_end(handle: int, pid: int, connection: int) -> None:
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):
        os.write(connection, b"%d\n" % os.waitstatus_to_exitcode(status))
    os.close(connection)
    os.close(handle)


def _fork(data: bytes, out: int, err: int) -> int:
    pid = os.fork()
    if not pid:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, 1 << 10)
        _command(*json.loads(data))
    os.close(out)
    os.close(err)
    return pid


def _command(words: list[str], environ: dict[str, str], folder: str) -> NoReturn:
    """Be the command, as `bin/mfenv` is it."""
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(folder)
    sys.argv = words
    sys.path[0] = str(Path(words[0]).parent)
    from mfenv.__main__ import main

    try:
        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else bool(ended.code)
    except BaseException:  # noqa: BLE001 - as Python says what nobody caught
        traceback.print_exc()
        status = 1
    # What Python does at its end, but for taking apart what ends with the process anyway: to do so
    # in a fork copies all of it.
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are left
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError:
        status = 120
    os._exit(status)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        _serve(requests)
