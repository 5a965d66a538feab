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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from envid.redaction import redact
from pkgcache.web.credentials import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Processes"]

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
_F_SETSIG = 10
# How often, in seconds, a program whose output is open is looked after.
_LOOK = 0.5


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
        started = time.monotonic()
        _log.debug("%s: %s", name, redact(" ".join(map(str, command))))
        with _leash() as leash:
            with self._lock:
                # Under the lock: `close` ends what runs by then, and nothing may be started after
                # it.
                self.pause(0)
                self._on_process(name)
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
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
            _tie(leash, child.pid)
            try:
                out, err = _said(child, name, text, limit)
            finally:
                with self._lock:
                    self._running.discard(child)
                if child.returncode is None:
                    _kill(child.pid)
                    child.wait()
                for stream in (child.stdin, child.stdout, child.stderr):
                    if stream:
                        with suppress(OSError):
                            stream.close()
        took = time.monotonic() - started
        _log.info("%s: ended with %d after %.3f s", name, child.returncode, took)
        _log.debug("%s", redact(err.rstrip()))
        return subprocess.CompletedProcess(command, child.returncode, out, err)


def _said(
    child: subprocess.Popen[str], name: str, text: str, limit: float | None
) -> tuple[str, str]:
    """What a program writes until it ends; raises `TimeoutError` if it does not within the limit.

    It may leave another one behind that keeps its output open, such as an agent for logins: that is
    not waited for.
    """
    end = None if limit is None else time.monotonic() + limit
    given: str | None = text
    while child.poll() is None:
        left = _LOOK if end is None else min(_LOOK, max(end - time.monotonic(), 0))
        try:
            return child.communicate(given, timeout=left)
        except subprocess.TimeoutExpired:
            given = None
            if end is not None and time.monotonic() >= end and child.poll() is None:
                raise TimeoutError(name) from None
    try:
        return child.communicate(given, timeout=_LOOK)
    except subprocess.TimeoutExpired as kept:
        # It holds bytes, whatever was asked for, and None for nothing.
        out, err = (
            part.decode("utf-8", "replace") if isinstance(part, bytes) else ""
            for part in (kept.stdout, kept.stderr)
        )
        return out, err


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
        fcntl.fcntl(leash, _F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(leash, fcntl.F_SETFL, fcntl.fcntl(leash, fcntl.F_GETFL) | os.O_ASYNC)
