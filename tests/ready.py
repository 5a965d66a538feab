"""Commands in processes that need not start: each is a fork of one that has imported them.

Most of what a short command costs is the start of Python and its imports. `run` asks a server for a
process, which is started once by all tests of this process and has done both; a fork of it gets the
arguments, the environment, the directory and the streams of the command, and calls its `main`. That is
a process of its own, in which no command ran before, with signals, files and an exit status.
`run_flow` does so for flows, whose server has imported Metaflow: one for each Python, and for all
values of variables that Metaflow reads when it is imported.

What a start itself does is not seen so: variables that Python reads then (`possible` says which
commands these are not), what is imported when, which order sets have. Tests of that use
`Machine.start`, `Machine.spawn` and `Pad.python`, which start it.
"""

from __future__ import annotations

import atexit
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

__all__ = ["possible", "run", "run_flow", "serve"]

_LARGEST = 1 << 16  # more than a message may have goes another way
_START = "import sys; sys.path[0] = sys.argv[1]; import ready; ready.serve(*sys.argv[2:])"
_MOST = 6  # servers, each of which has its memory
_SURROUNDINGS = {"LANG": "C.UTF-8", "PATH": os.defpath}
_READ_BY_STARTS = ("GLIBC_", "LC_", "LD_", "MALLOC_", "OPENSSL_", "PYTHON")
_READ_BY_METAFLOW = ("AWS_", "KUBE", "METAFLOW_")
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
    return _run(_server(sys.executable, "mfenv"), words, environ, folder)


def run_flow(
    program: str, words: Sequence[str], environ: Mapping[str, str], folder: Path
) -> tuple[int, str, str]:
    """The same for a flow or another program of Metaflow's: its file and its arguments."""
    read = (*_SURROUNDINGS, "HOME", "TMPDIR")
    kept = {
        name: text
        for name, text in environ.items()
        if name in read or name.startswith(_READ_BY_METAFLOW)
    }
    return _run(_server(program, "metaflow", *kept.items()), words, environ, folder)


def _run(
    server: socket.socket, words: Sequence[str], environ: Mapping[str, str], folder: Path
) -> tuple[int, str, str]:
    asked = json.dumps([words, environ, str(folder)]).encode()
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(server, [asked], [theirs.fileno(), out_end, err_end])
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


class _Server:
    """A process that forks one for each request; it ends when it is closed."""

    def __init__(self, program: str, kind: str, environ: Mapping[str, str]) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [program, "-c", _START, str(Path(__file__).parent), str(theirs.fileno()), kind],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environ,
            )

    def close(self) -> None:
        self.socket.close()
        self._process.wait()


_looking = threading.Lock()
_servers: dict[object, _Server] = {}  # those that were used last at the end


def _server(program: str, kind: str, *environ: tuple[str, str]) -> socket.socket:
    key = (program, kind, *sorted(environ))
    with _looking:
        found = _servers.pop(key, None) or _Server(program, kind, dict(environ) or _SURROUNDINGS)
        _servers[key] = found
        if len(_servers) > _MOST:  # homes are many, and what is of one test is of no other
            _servers.pop(next(iter(_servers))).close()
    return found.socket


@atexit.register
def _close() -> None:
    for server in _servers.values():
        server.close()


def _import(kind: str) -> None:
    if kind == "metaflow":
        importlib.import_module(kind)  # and no more: its command line depends on the flow
        return
    for name in _OURS:
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            if not _NOT.match(module.name):
                importlib.import_module(module.name)
    for name in ("filelock", "uv"):  # what they import where they use it
        importlib.import_module(name)


def serve(descriptor: str, kind: str) -> None:
    """Be a server: fork a command for each request, and tell its id and its end."""
    sys.path[0] = sys.prefix  # nothing: the tests' own modules are for nobody
    _import(kind)
    gc.collect()
    gc.freeze()  # what is looked at again is copied in each fork
    control = socket.socket(fileno=int(descriptor))
    with control, selectors.DefaultSelector() as waiting:
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
                    pid = _fork(kind, data, out, err)
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


def _fork(kind: str, data: bytes, out: int, err: int) -> int:
    pid = os.fork()
    if not pid:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, 1 << 10)
        _command(kind, *json.loads(data))
    os.close(out)
    os.close(err)
    return pid


def _be_main(path: str) -> None:
    """Run a file in the main module, where Metaflow put names of its own when it was imported."""
    names = vars(sys.modules["__main__"])
    for name in ("ready", "sys"):
        del names[name]
    names["__file__"] = path
    exec(compile(Path(path).read_bytes(), path, "exec"), names)


def _command(kind: str, words: list[str], environ: dict[str, str], folder: str) -> NoReturn:
    """Be the command, as `bin/mfenv` is it, or a flow."""
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(folder)
    sys.argv = words
    sys.path[0] = str(Path(words[0]).absolute().parent)
    try:
        if kind == "metaflow":
            _be_main(words[0])
        else:
            from mfenv.__main__ import main

            main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else bool(ended.code)
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
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
