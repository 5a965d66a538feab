"""What mfenv's process does: it answers calls, or runs a command line, and ends with who asks it."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from importlib import import_module
from importlib.util import find_spec
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Callable, TypeVar

from metaflow_extensions.mfenv import encoding
from metaflow_extensions.mfenv.messages import (
    Answer,
    Ask,
    Call,
    CommandLine,
    Line,
    Opening,
    Reply,
    Surroundings,
)
from metaflow_extensions.mfenv.run_records import ASKED_BY_RUNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metaflow_extensions.mfenv.records import Question, Record, Say

__all__ = ["serve"]

# Where the function is that a question names. What is not asked for is not imported.
_MODULES = {
    "create": "engine",
    "describe": "engine",
    "flow_lock": "flow_lock",
    "flow_resolve": "flow_commands",
    "flow_show": "flow_commands",
    "outlive": "outlived",
    "parse": "engine",
    "prepare": "container",
    "resolve": "engine",
    "run_report": "run_report",
}
_M = TypeVar("_M")


def serve(incoming: int, outgoing: int, add_paths: Callable[[list[str]], None]) -> None:
    """Read an `Opening` from one pipe, and do what it and the messages after it say.

    `add_paths` has mfenv found where the opening says, if it is not installed here.
    """
    pipes = _Pipes(incoming, outgoing)
    try:
        opening = pipes.receive(Opening)
        if opening is None:
            return
        add_paths([] if find_spec("mfenv") else list(opening.paths))
        if opening.command:
            sys.exit(pipes.run(opening.command))
        pipes.serve()
    except encoding.NotUnderstood as error:
        _refuse(error)
        sys.exit(1)


class _Pipes:
    """The way to the process that started this one; it ends with it."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        for number in (incoming, outgoing):
            os.set_inheritable(number, False)  # else a program that we become would hold them
        self._incoming: IO[str] = open(incoming, encoding="utf-8")  # noqa: SIM115
        self._outgoing: IO[str] = open(outgoing, "w", encoding="utf-8")  # noqa: SIM115
        self._lock = threading.Lock()
        self._asked: dict[int, SimpleQueue[Reply]] = {}

    def receive(self, *kinds: type[_M]) -> _M | None:
        """The next message, which is one of these; None at the end of the other process."""
        line = self._incoming.readline()
        # A line without an end is what a killed process wrote of it.
        return encoding.read(line, *kinds) if line.endswith("\n") else None

    def send(self, message: Record) -> None:
        with self._lock:
            self._outgoing.write(encoding.write(message) + "\n")
            self._outgoing.flush()

    def ask(self, question: Question[object]) -> Reply:
        """What Metaflow's process answers to a question."""
        replies: SimpleQueue[Reply] = SimpleQueue()
        number = id(replies)
        # Before it is sent: the reply may be there at once.
        self._asked[number] = replies
        self.send(Ask(ask=number, function=question.function, arguments=question))
        return replies.get()

    def serve(self) -> None:
        """Do what messages say until there are no more, and end the process."""
        try:
            while (message := self.receive(Call, Reply)) is not None:
                if isinstance(message, Reply):
                    self._asked.pop(message.ask).put(message)
                elif isinstance(message, Call):
                    # Each by itself: one call may wait for what another one brings about.
                    threading.Thread(target=self._answer, args=[message], daemon=True).start()
        except encoding.NotUnderstood as error:
            _refuse(error)
        # What still works is wanted no more, and what is half done is nowhere to be seen.
        from metaflow_extensions.mfenv.outlived import clear

        clear()
        os._exit(1)

    def _answer(self, call: Call) -> None:
        def say(text: str) -> None:
            self.send(Line(call=call.call, say=_here(text)))

        try:
            self._take_over(call)
            question = encoding.read_data(_kind(call.function), call.arguments)
            result = _function(call.function)(question, say)
            answer = Answer(call=call.call, result=result)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits
            answer = Answer(call=call.call, error=_here(_words(error)))
        self.send(answer)

    def run(self, command: CommandLine) -> int:
        """Run a command line of `metaflow environment`, and return its exit status."""
        # A command asks questions, too, and ends with who asked for it.
        threading.Thread(target=self.serve, daemon=True).start()
        self._take_over(command)
        from metaflow_extensions.mfenv.commands import main

        return main(command.words)

    def _take_over(self, surroundings: Surroundings) -> None:
        """Work as if this were the process that asks, as it is by now."""
        if surroundings.directory != os.getcwd():  # noqa: PTH109
            os.chdir(surroundings.directory)
        _take_over_variables(surroundings.environ)
        from metaflow_extensions.mfenv.asking import connect

        connect(surroundings.facts, self.ask)


def _take_over_variables(environ: Mapping[str, str]) -> None:
    # All calls share them, as all threads of the process that asks do. Never cleared: what another
    # call starts meanwhile would run without PATH and HOME.
    os.environ.update(environ)
    for name in os.environ.keys() - environ.keys():
        os.environ.pop(name, None)


def _refuse(error: encoding.NotUnderstood) -> None:
    # Who has sent it cannot be answered, and will say no more than that this process has ended.
    sys.stderr.write(f"error: {error}\nhint: {error.hint}\n")


def _kind(function: str) -> type[Question[object]]:
    """The question that names a function."""
    if function in ASKED_BY_RUNS:
        return ASKED_BY_RUNS[function]
    from metaflow_extensions.mfenv.command_records import ANSWERED_BY_MFENV  # seldom asked

    return ANSWERED_BY_MFENV[function]


def _function(name: str) -> Callable[[Question[object], Say], object]:
    module = import_module(f"metaflow_extensions.mfenv.{_MODULES[name]}")
    function: Callable[[Question[object], Say], object] = getattr(module, name)
    return function


def _here(text: str) -> str:
    """A text with the commands of mfenv as users of Metaflow type them."""
    return text.replace("`mfenv ", "`metaflow environment ")


def _words(error: Exception) -> str:
    """An error as a line and a hint, as mfenv's own command has it."""
    if os.environ.get("MFENV_DEBUG"):
        traceback.print_exc()
    try:
        words = import_module("mfenv.wording").words
    except ImportError:  # mfenv is what cannot be imported
        return f"{type(error).__name__}: {error}"
    message, hint = words(error)
    return f"{message}\nhint: {hint}" if hint else message
