"""The way from Metaflow's process to mfenv, which runs in a process of its own: see `isolated`.

What a flow imports, or has beside it, must not decide what mfenv imports, nor the other way round.
And a task runs in an environment that holds what the user asked for and no mfenv: from there it is
reached in the Python outside, by which the outermost run was started.

Messages are JSON documents, one in a line. The first has `paths`, to find mfenv in if it is not
installed in that Python, and for a command line its `words`. A call has `call`, its number,
`function` and `arguments`. Both have what to work under: `environ`, `directory` and `facts`, see
`answers.gather`. What comes back for a call are texts to `say`, and at last its `result` or the
`error`. On the way, `ask` may ask for a `function` of `answers`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Callable, Dict

from metaflow.exception import MetaflowException

from metaflow_extensions.mfenv.encoding import encode

__all__ = ["OUTSIDE", "EnvironmentFailed", "call", "outside", "run_command"]

OUTSIDE = "_METAFLOW_MFENV_OUTSIDE"
"""The variable by which a task knows the Python outside: what `outside` returns, as JSON."""

_LIBRARIES = "LD_LIBRARY_PATH"
_Message = Dict[str, Any]


class EnvironmentFailed(MetaflowException):
    """What mfenv refused or could not do, in its own words."""

    headline = "Environment error"


def call(function: str, say: Callable[[str], None], **arguments: Any) -> Any:
    """Call a function that `isolated` knows, and return its answer, which is JSON data.

    `say` gets a line at a time of how the work goes. Raises `EnvironmentFailed`. Safe to use from
    several threads.
    """
    answer = _process().call({"function": function, "arguments": encode(arguments)}, say)
    if "error" in answer:
        raise EnvironmentFailed(answer["error"])
    return answer["result"]


def run_command(words: list[str]) -> int:
    """Run `metaflow environment` with these arguments, and return its exit status."""
    process = _Process(words)
    # Ctrl-C goes to both, and is for the command to answer; what else ends us is meant for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: process.process.send_signal(number))
    process.read()
    status = process.process.wait()
    return 128 - status if status < 0 else status


def outside() -> dict[str, Any]:
    """What runs mfenv: its `python`, the `program`, and the `paths` to find mfenv in."""
    told = os.environ.get(OUTSIDE)
    if told:
        found: dict[str, Any] = json.loads(told)
        return found
    return {
        "python": sys.executable,
        "program": str(Path(__file__).resolve().with_name("isolated.py")),
        "paths": [str(Path(path).absolute()) for path in sys.path if _has_distributions(path)],
    }


def _has_distributions(path: str) -> bool:
    """Whether it is where installers put packages, and not where somebody has modules."""
    try:
        with os.scandir(path or ".") as entries:
            return any(entry.name.endswith(".dist-info") for entry in entries)
    except OSError:
        return False


class _Process:
    """mfenv's process, for a command line or to be called; it ends with this one, at the latest."""

    def __init__(self, words: list[str] | None = None) -> None:
        self.owner, self.ended = os.getpid(), False
        self._lock = threading.Lock()
        self._calls: dict[int, SimpleQueue[_Message | None]] = {}
        where = outside()
        theirs, requests = os.pipe()
        answers, ours = os.pipe()
        # Ctrl-C is for us to handle, and the standard output is for data.
        apart: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": 2}
        try:
            self.process = subprocess.Popen(
                [where["python"], *_flags(), where["program"], str(theirs), str(ours)],
                pass_fds=(theirs, ours),
                env=_environ(),
                start_new_session=words is None,
                **(apart if words is None else {}),
            )
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise EnvironmentFailed(f"`{where['python']}` cannot run mfenv: {reason}") from None
        finally:
            os.close(theirs)
            os.close(ours)
        self._requests: IO[str] = os.fdopen(requests, "w", encoding="utf-8")
        self._answers: IO[str] = os.fdopen(answers, encoding="utf-8")
        first: _Message = {"paths": where["paths"]}
        self._send(first if words is None else {**first, "words": words, **_surroundings()})
        if words is None:
            threading.Thread(target=self.read, daemon=True).start()

    def call(self, message: _Message, say: Callable[[str], None]) -> _Message:
        answers: SimpleQueue[_Message | None] = SimpleQueue()
        number = id(answers)
        self._calls[number] = answers
        self._send({"call": number, **message, **_surroundings()})
        if self.ended:
            answers.put(None)
        while True:
            answer = answers.get()
            if answer is None:
                status = self.process.wait()
                raise EnvironmentFailed(f"the process of mfenv ended with status {status}")
            if "say" not in answer:
                del self._calls[number]
                return answer
            say(answer["say"])

    def read(self) -> None:
        """Take what comes, until the process ends."""
        for line in self._answers:
            message = json.loads(line)
            if "ask" in message:
                self._send({"ask": message["ask"], **_answer(message)})
            elif message["call"] in self._calls:
                self._calls[message["call"]].put(message)
        self.ended = True
        for answers in list(self._calls.values()):
            answers.put(None)

    def _send(self, message: _Message) -> None:
        # If it has ended, `read` sees it, and tells whoever waits.
        with suppress(OSError), self._lock:
            self._requests.write(json.dumps(message) + "\n")
            self._requests.flush()


_running: list[_Process] = []
_starting = threading.Lock()


def _process() -> _Process:
    """The process of this one, which a fork does not share."""
    with _starting:
        if not _running or _running[0].ended or _running[0].owner != os.getpid():
            _running[:] = [_Process()]
        return _running[0]


def _flags() -> list[str]:
    """Isolated, and otherwise as this interpreter was started."""
    flags = ["-I"]
    if sys.flags.no_site:
        flags.append("-S")
    if sys.dont_write_bytecode:
        flags.append("-B")
    if sys.flags.utf8_mode:
        flags += ["-X", "utf8"]
    return flags


def _surroundings() -> dict[str, Any]:
    from metaflow_extensions.mfenv.answers import gather

    return {"environ": _environ(), "directory": os.path.abspath("."), "facts": gather()}  # noqa: PTH100


def _environ() -> dict[str, str]:
    """The variables of this process, without what only the Python of a task needs."""
    found = dict(os.environ)
    if f"MF_ORIG_{_LIBRARIES}" in found:
        found[_LIBRARIES] = found.pop(f"MF_ORIG_{_LIBRARIES}")
    return found


def _answer(message: _Message) -> _Message:
    from metaflow_extensions.mfenv.answers import FUNCTIONS, Refused

    try:
        return {"result": FUNCTIONS[message["function"]](**message["arguments"])}
    except Refused as error:
        return {"refused": str(error)}
    except MetaflowException as error:
        return {"refused": " ".join(str(error).split()).rstrip(".")}
    except Exception as error:  # noqa: BLE001 - somebody waits for an answer
        return {"refused": f"{type(error).__name__}: {error}"}
