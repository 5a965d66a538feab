"""The way from Metaflow's process to mfenv, which runs in a process of its own: see `isolated`.

What a flow imports, or has beside it, must not decide what mfenv imports, nor the other way round.
And a task runs in an environment that holds what the user asked for and no mfenv: from there it is
reached in the Python outside, by which the outermost run was started.

Messages are records, one in a line, as `encoding` writes them. To mfenv go an `Opening`, then every
`Call`, and a `Reply` for each `Ask`; from there come for a call each `Line` to say, and at last its
`Answer`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, TypeVar

from metaflow_extensions.mfenv import encoding
from metaflow_extensions.mfenv.failures import EnvironmentFailed
from metaflow_extensions.mfenv.folders import shown
from metaflow_extensions.mfenv.messages import (
    Answer,
    Ask,
    Call,
    CommandLine,
    Line,
    Opening,
    Outside,
    Refused,
    Reply,
    Surroundings,
)

if TYPE_CHECKING:
    from metaflow_extensions.mfenv.records import Question, Record, Say

__all__ = ["OUTSIDE", "call", "outside", "run_command"]

OUTSIDE = "_METAFLOW_MFENV_OUTSIDE"
"""The variable by which a task knows the Python outside: what `outside` returns, as text."""

_LIBRARIES = "LD_LIBRARY_PATH"
_A = TypeVar("_A")


def call(question: Question[_A], say: Say) -> _A:
    """What mfenv answers to a question.

    Raises `EnvironmentFailed`. Safe to use from several threads.
    """
    try:
        answer = _process().call(question, lambda text: say(shown(text)))
        if answer.error is not None:
            raise EnvironmentFailed(shown(answer.error))
        return encoding.answer(question, answer.result)
    except encoding.NotUnderstood as error:
        raise _failed(error) from None


def _failed(error: encoding.NotUnderstood) -> EnvironmentFailed:
    return EnvironmentFailed(f"{error}\nhint: {error.hint}")


def run_command(words: list[str]) -> int:
    """Run `metaflow environment` with these arguments, and return its exit status."""
    process = _Process(words)
    # Ctrl-C goes to both, and is for the command to answer; what else ends us is meant for it.
    # Only once the other runs: what is ignored here, it would ignore as well (execve(2)).
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: process.process.send_signal(number))
    process.read()
    if process.failure:
        raise process.failure
    status = process.process.wait()
    # As a shell says that a signal ended a program.
    return 128 - status if status < 0 else status


def outside() -> Outside:
    """What runs mfenv; raises `EnvironmentFailed` if another release said so and is not read."""
    text = os.environ.get(OUTSIDE)
    if text:
        try:
            return encoding.read(text, Outside)
        except encoding.NotUnderstood as error:
            raise _failed(error) from None
    return Outside(
        python=sys.executable,
        program=str(Path(__file__).resolve().with_name("isolated.py")),
        # Only where installers put packages: a directory of modules is the user's, and decides
        # nothing in mfenv.
        paths=tuple(str(Path(path).absolute()) for path in sys.path if _has_distributions(path)),
    )


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
        self.failure: EnvironmentFailed | None = None
        self._lock = threading.Lock()
        self._calls: dict[int, SimpleQueue[Line | Answer | None]] = {}
        where = outside()
        # Not the standard streams, which belong to the commands that are run.
        theirs, requests = os.pipe()
        answers, ours = os.pipe()
        apart = words is None
        try:
            self.process = subprocess.Popen(
                [where.python, *_flags(), where.program, str(theirs), str(ours)],
                pass_fds=(theirs, ours),
                env=_environ(),
                # Ctrl-C is for us to handle, and the standard output is for data.
                start_new_session=apart,
                stdin=subprocess.DEVNULL if apart else None,
                stdout=2 if apart else None,
            )
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise EnvironmentFailed(f"`{where.python}` cannot run mfenv: {reason}") from None
        finally:
            # Else this process would hold the other's ends itself, and never see that it ended.
            os.close(theirs)
            os.close(ours)
        self._requests: IO[str] = os.fdopen(requests, "w", encoding="utf-8")
        self._answers: IO[str] = os.fdopen(answers, encoding="utf-8")
        command = None
        if words is not None:
            command = CommandLine(**vars(_surroundings()), words=tuple(words))
        self._send(Opening(paths=where.paths, command=command))
        if apart:
            threading.Thread(target=self.read, daemon=True).start()

    def call(self, question: Question[_A], say: Say) -> Answer:
        """Ask mfenv, and wait for the answer; what comes before it goes to `say`."""
        answers: SimpleQueue[Line | Answer | None] = SimpleQueue()
        # No two calls that wait have the same, since both queues live.
        number = id(answers)
        self._calls[number] = answers
        self._send(
            Call(
                **vars(_surroundings()),
                call=number,
                function=question.function,
                arguments=question,
            )
        )
        # `read` has told those that it knew of, and this one may have come after that.
        if self.ended:
            answers.put(None)
        while True:
            message = answers.get()
            if message is None:
                status = self.process.wait()
                raise self.failure or EnvironmentFailed(
                    f"the process of mfenv ended with status {status}"
                )
            if isinstance(message, Answer):
                del self._calls[number]
                return message
            say(message.say)

    def read(self) -> None:
        """Take what comes, until the process ends."""
        try:
            for line in self._answers:
                if not line.endswith("\n"):  # it ended while it wrote
                    break
                message = encoding.read(line, Line, Answer, Ask)
                if isinstance(message, Ask):
                    self._send(_reply(message))
                elif isinstance(message, (Line, Answer)) and message.call in self._calls:
                    self._calls[message.call].put(message)
        except encoding.NotUnderstood as error:
            self.failure = _failed(error)
            self._requests.close()  # by which it ends
        self.ended = True
        # A copy: other threads may just be adding their calls.
        for answers in list(self._calls.values()):
            answers.put(None)

    def _send(self, message: Record) -> None:
        line = f"{encoding.write(message)}\n"
        # If it has ended, `read` sees it, and tells whoever waits.
        with suppress(OSError, ValueError), self._lock:
            self._requests.write(line)
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


def _surroundings() -> Surroundings:
    from metaflow_extensions.mfenv.answers import gather

    # Not pathlib's, which has no absolute path where the directory was deleted.
    return Surroundings(environ=_environ(), directory=os.path.abspath("."), facts=gather())  # noqa: PTH100


def _environ() -> dict[str, str]:
    """The variables of this process, without what only the Python of a task needs."""
    environ = dict(os.environ)
    # In a task it leads to the libraries of the environment, which the Python outside must not
    # load.
    if f"MF_ORIG_{_LIBRARIES}" in environ:
        environ[_LIBRARIES] = environ.pop(f"MF_ORIG_{_LIBRARIES}")
    return environ


def _reply(ask: Ask) -> Reply:
    from metaflow.exception import MetaflowException

    from metaflow_extensions.mfenv import answers
    from metaflow_extensions.mfenv.command_records import ANSWERED_BY_METAFLOW

    try:
        question = encoding.read_data(ANSWERED_BY_METAFLOW[ask.function], ask.arguments)
        return Reply(ask=ask.ask, result=answers.answer(question))
    except Refused as error:
        return Reply(ask=ask.ask, refused=str(error))
    except MetaflowException as error:
        return Reply(ask=ask.ask, refused=" ".join(str(error).split()).rstrip("."))
    except Exception as error:  # noqa: BLE001 - somebody waits for an answer
        return Reply(ask=ask.ask, refused=f"{type(error).__name__}: {error}")
