"""Child processes that end with us, whatever ends us."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from envid.redaction import redact
from pkgcache.web.credentials import without_secrets
from resolvers.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Processes", "Started"]

_log = logging.getLogger(__name__)

# What would change the outcome behind the back of the spec.
_LEAKS = re.compile(
    r"(UV|PIP|PYTHON|CONDA|MAMBA|VIRTUAL|RUST|CLICOLOR|GIT)_.*|PYTHON[A-Z]+"
    r"|FORCE_COLOR|MACOSX_DEPLOYMENT_TARGET|SOURCE_DATE_EPOCH"
)
# git's own configuration is how its users reach private repositories.
_KEPT = re.compile(r"GIT_(SSH.*|SSL.*|CONFIG.*|ASKPASS|PROXY.*|ALLOW_PROTOCOL)|SSH_AUTH_SOCK")
_SETTINGS = {
    "GIT_TERMINAL_PROMPT": "0",
    "NO_COLOR": "1",
    # The earliest moment that a zip file can hold: builds must not depend on the clock.
    "SOURCE_DATE_EPOCH": "315532800",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
}
_FOR_DEBUGGING = "DEBUG "
_LONGEST = 2**20
# How often, in seconds, a program whose output is open is looked after.
_LOOK = 0.5
# How much it may have written by then, in bytes: an answer of thousands of packages is some ten MB.
_MOST = 256 * 2**20


class Processes:
    """Runs programs, each in a process group of its own, and ends them all when it is closed."""

    def __init__(self, on_process: Callable[[str], None]) -> None:
        self._on_process = on_process
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def close(self) -> None:
        """End every process that still runs; start no other."""
        with self._lock:
            self._closed.set()
            for child in self._running:
                _kill(child.pid)

    def pause(self, seconds: float) -> None:
        """Wait; raises `CancelledError` if this is closed by then."""
        if self._closed.wait(seconds):
            raise CancelledError

    def run(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        text: str = "",
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        git: bool = False,
        pass_fds: tuple[int, ...] = (),
        limit: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end with `text` as its standard input.

        What still runs after `limit` seconds is ended, and raises `TimeoutError`. It gets no secret of ours, but what is configured for git, if it is `git` or will run it.
        Raises `CancelledError` once this is closed.
        """
        with self.start(
            name,
            command,
            environment=environment,
            directory=directory,
            git=git,
            pass_fds=pass_fds,
        ) as started:
            return started.result(text, limit=limit)

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        git: bool = False,
        pass_fds: tuple[int, ...] = (),
        logs: bool = False,
    ) -> Started:
        """Start a program as `run` does; what it `logs` can be followed then."""
        _log.debug("%s: %s", name, redact(" ".join(map(str, command))))
        with ExitStack() as stack:
            leash = stack.enter_context(_leash())
            log = stack.enter_context(closing(_Log())) if logs else None
            with self._lock:
                # Under the lock: `close` ends what runs by then, and nothing may be started after
                # it.
                self.pause(0)
                self._on_process(name)
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log.end if log else subprocess.PIPE,
                    encoding="utf-8",
                    errors="replace",
                    env=_environment(git=git) | dict(environment or {}),
                    cwd=directory,
                    # A session of its own, by which `_kill` finds all that it starts.
                    start_new_session=True,
                    # The child holds the read end: it has to outlive us for the kernel to see that
                    # we are gone.
                    pass_fds=(leash, *pass_fds),
                )
                self._running.add(child)
            stack.callback(self._end, child)
            _tie(leash, child.pid)
            if log:
                log.follow()
            return Started(name, child, log, stack.pop_all())

    def _end(self, child: subprocess.Popen[str]) -> None:
        with self._lock:
            self._running.discard(child)
        # Once it was waited for, its number may be that of another process, and of its group.
        if child.returncode is None:
            _kill(child.pid)
            child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream:
                with suppress(OSError):
                    stream.close()


class Started:
    """A program that runs; it ends with the `with` block at the latest."""

    def __init__(
        self, name: str, child: subprocess.Popen[str], log: _Log | None, stack: ExitStack
    ) -> None:
        self._name, self._child, self._log, self._stack = name, child, log, stack
        self._since, self._told = time.monotonic(), False

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, if it still runs."""
        self._stack.close()

    def end_with(self, stack: ExitStack) -> None:
        """Close what it needs when it has ended."""
        # Of a stack the last is closed first.
        own, self._stack = self._stack, stack
        stack.push(own)

    def tell(self, text: str) -> None:
        """Give it all of its standard input, before its result is asked for; once."""
        stdin, self._told = self._child.stdin, True
        if stdin:
            with suppress(BrokenPipeError):
                stdin.write(text)
            with suppress(BrokenPipeError):
                stdin.close()
            self._child.stdin = None

    def result(
        self,
        text: str = "",
        *,
        limit: float | None = None,
        on_log: Callable[[str], None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """What it said when it ended; see `Processes.run`. It is given `text`, unless it was told.

        `on_log` is given the lines for debugging that it writes, as it writes them; they are not
        among what it said.
        """
        name, child = self._name, self._child
        if self._log and on_log:
            self._log.tell(on_log)
        out, err = _said(child, name, "" if self._told else text, limit, self._log)
        took = time.monotonic() - self._since
        _log.info("%s: ended with %d after %.3f s", name, child.returncode, took)
        _log.debug("%s", redact(err.rstrip()))
        return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def _said(
    child: subprocess.Popen[str],
    name: str,
    text: str,
    limit: float | None,
    log: _Log | None,
) -> tuple[str, str]:
    """What a program writes until it ends; raises `TimeoutError` if it does not within the limit.

    Nor does it write without end: that is `EngineFailed`.

    It may leave another one behind that keeps its output open, such as an agent for logins: that is
    not waited for.
    """
    end = None if limit is None else time.monotonic() + limit
    given: str | None = text
    while child.poll() is None:
        left = _LOOK if end is None else min(_LOOK, max(end - time.monotonic(), 0))
        try:
            out, err = child.communicate(given, timeout=left)
            return out, log.rest() if log else err
        except subprocess.TimeoutExpired as so_far:
            # Only the first call may have it: a later one refuses any text.
            given = None
            parts = len(so_far.stdout or b""), len(so_far.stderr or b""), log.size if log else 0
            if sum(parts) > _MOST:
                reason = f"it has written more than {_MOST // 2**20} MB, and goes on"
                engine = name.partition(" ")[0]
                raise EngineFailed(
                    engine, reason, hint=f"see what `{engine}` says by itself"
                ) from None
            if end is not None and time.monotonic() >= end and child.poll() is None:
                raise TimeoutError(name) from None
    try:
        out, err = child.communicate(given, timeout=_LOOK)
    except subprocess.TimeoutExpired as kept:
        # It holds bytes, whatever was asked for, and None for nothing.
        out, err = (
            part.decode("utf-8", "replace") if isinstance(part, bytes) else ""
            for part in (kept.stdout, kept.stderr)
        )
    return out, log.rest() if log else err


class _Log(threading.Thread):
    """Reads what a program writes to standard error while it runs: its log, line by line."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._read, self.end = os.pipe()
        self._on_line: Callable[[str], None] | None = None
        self._early, self._rest = list[str](), list[str]()
        self._telling = threading.Lock()
        self._followed = False
        self.size = 0

    def follow(self) -> None:
        """Begin, once the program has the other end."""
        self.start()
        self._followed = True
        # The program has its own: with this one open, `run` would never come to the end.
        os.close(self.end)

    def tell(self, on_line: Callable[[str], None]) -> None:
        """Give the lines of the log to `on_line`, also those that were written so far."""
        with self._telling:
            # Under the lock: what comes meanwhile comes after these.
            for line in self._early:
                on_line(line)
            self._early.clear()
            self._on_line = on_line

    def run(self) -> None:
        with os.fdopen(self._read, encoding="utf-8", errors="replace") as lines:
            # In pieces, since a line that does not end would fill the memory.
            for line in iter(partial(lines.readline, _LONGEST), ""):
                self.size += len(line)
                if line.startswith(_FOR_DEBUGGING):
                    self._tell(line.rstrip())
                elif self.size <= _MOST:
                    self._rest.append(line)

    def _tell(self, line: str) -> None:
        with self._telling:
            if self._on_line:
                self._on_line(line)
            else:
                self._early.append(line)

    def rest(self) -> str:
        """What it wrote beside its log; what it left behind and writes on is not waited for."""
        self.join(_LOOK)
        return "".join(self._rest)

    def close(self) -> None:
        if not self._followed:
            os.close(self.end)
            os.close(self._read)


def _kill(session: int) -> None:
    """End the processes of a session, whose leader may be gone."""
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)
    # Build tools such as ninja run each of their jobs in a group of its own.
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            # The name of the program, in brackets, may hold anything; after it come the state, the
            # parent, the group and the session. See proc(5).
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session:
                os.kill(int(entry.parent.name), signal.SIGKILL)


def _environment(*, git: bool) -> dict[str, str]:
    public = without_secrets(os.environ)
    kept = {name: value for name, value in public.items() if not _LEAKS.fullmatch(name)}
    of_git = os.environ if git else public
    kept |= {name: value for name, value in of_git.items() if _KEPT.fullmatch(name)}
    return kept | _SETTINGS


@contextmanager
def _leash() -> Iterator[int]:
    """The read end of a pipe whose write end only we hold: it closes when we end."""
    read, write = os.pipe()
    try:
        yield read
    finally:
        os.close(read)
        os.close(write)


def _tie(leash: int, group: int) -> None:
    """Have the kernel kill the process group once the leash's other end is closed.

    PR_SET_PDEATHSIG would need code between fork and exec, which threads make unsafe, and would
    spare the build backends that a child starts. See fcntl(2), F_SETOWN.
    """
    if sys.platform == "linux":
        fcntl.fcntl(leash, fcntl.F_SETOWN, -group)
        fcntl.fcntl(leash, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(leash, fcntl.F_SETFL, fcntl.fcntl(leash, fcntl.F_GETFL) | os.O_ASYNC)
