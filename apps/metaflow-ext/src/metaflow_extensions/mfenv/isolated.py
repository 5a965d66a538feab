"""The program of the process that mfenv runs in, apart from the one that asks it.

`python -I isolated.py IN OUT` reads messages from one pipe and writes them to the other, a JSON
document in each line: see `bridge`. As the interpreter is isolated, neither what lies beside a flow
or on PYTHONPATH nor what a flow imports decides what is imported here, and none of this is in its
way. The extension itself is the one that this file is part of, wherever that is; on other machines,
what is in `metaflow_extensions.mfextmeta_mfenv.APART` comes with mfenv.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import traceback
from importlib.util import find_spec
from queue import SimpleQueue
from types import ModuleType
from typing import IO, Any, Dict

__all__ = ["add_paths"]

_PACKAGE = "metaflow_extensions"
_FUNCTIONS = {
    "create": "engine",
    "describe": "engine",
    "flow_resolve": "flow_commands",
    "flow_show": "flow_commands",
    "parse": "engine",
    "outlive": "folders",
    "prepare": "container",
    "resolve": "engine",
}
_Message = Dict[str, Any]


def add_paths(paths: list[str]) -> None:
    """Have modules found in these directories too, before those that are installed here."""
    installed = (
        place
        for place, path in enumerate(sys.path)
        if os.path.basename(path) in ("site-packages", "dist-packages")  # noqa: PTH119
    )
    place = next(installed, len(sys.path))
    sys.path[place:place] = [path for path in paths if path not in sys.path]
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    extensions = [os.path.join(path, _PACKAGE) for path in sys.path]  # noqa: PTH118
    package = sys.modules.setdefault(_PACKAGE, ModuleType(_PACKAGE))
    package.__path__ = [own, *extensions]


class _Pipes:
    """The way to the process that started this one; it ends with it."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        for number in (incoming, outgoing):
            os.set_inheritable(number, False)  # else a program that we become would hold them
        self._incoming: IO[str] = open(incoming, encoding="utf-8")  # noqa: SIM115
        self._outgoing: IO[str] = open(outgoing, "w", encoding="utf-8")  # noqa: SIM115
        self._lock = threading.Lock()
        self._asked: dict[int, SimpleQueue[_Message]] = {}

    def receive(self) -> _Message | None:
        line = self._incoming.readline()
        return json.loads(line) if line.endswith("\n") else None

    def send(self, message: _Message) -> None:
        with self._lock:
            self._outgoing.write(json.dumps(message) + "\n")
            self._outgoing.flush()

    def ask(self, function: str, arguments: dict[str, Any]) -> _Message:
        answered: SimpleQueue[_Message] = SimpleQueue()
        self._asked[id(answered)] = answered
        self.send({"ask": id(answered), "function": function, "arguments": arguments})
        return answered.get()

    def serve(self) -> None:
        while (message := self.receive()) is not None:
            if "ask" in message:
                self._asked.pop(message["ask"]).put(message)
            else:
                threading.Thread(target=self._answer, args=[message], daemon=True).start()
        # What still works is wanted no more, and what is half done is nowhere to be seen.
        _module("folders").clear()
        os._exit(1)

    def _answer(self, message: _Message) -> None:
        call = message["call"]
        try:
            self._take_over(message)
            arguments = _module("encoding").decode(message["arguments"])
            result = _function(message["function"])(
                **arguments, say=lambda text: self.send({"call": call, "say": _here(text)})
            )
            answer = {"result": result}
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits
            answer = {"error": _here(_words(error))}
        self.send({"call": call, **answer})

    def run(self, first: _Message) -> int:
        """Run a command line of `metaflow environment`, and return its exit status."""
        threading.Thread(target=self.serve, daemon=True).start()
        self._take_over(first)
        status: int = _module("commands").main(first["words"])
        return status

    def _take_over(self, message: _Message) -> None:
        """Work as if this were the process that asks, as it is by now."""
        if message["directory"] != os.getcwd():  # noqa: PTH109
            os.chdir(message["directory"])
        if message["environ"] != dict(os.environ):
            os.environ.clear()
            os.environ.update(message["environ"])
        _module("asking").connect(message["facts"], self.ask)


def _module(name: str) -> Any:
    return importlib.import_module(f"{_PACKAGE}.mfenv.{name}")


def _function(name: str) -> Any:
    return getattr(_module(_FUNCTIONS[name]), name)


def _here(text: str) -> str:
    """A text with the commands of mfenv as users of Metaflow type them."""
    return text.replace("`mfenv ", "`metaflow environment ")


def _words(error: Exception) -> str:
    """An error as a line and a hint, as mfenv's own command has it."""
    if os.environ.get("MFENV_DEBUG"):
        traceback.print_exc()
    try:
        words = importlib.import_module("mfenv.wording").words
    except ImportError:  # mfenv is what cannot be imported
        return f"{type(error).__name__}: {error}"
    message, hint = words(error)
    return f"{message}\nhint: {hint}" if hint else message


def main() -> None:
    pipes = _Pipes(int(sys.argv[1]), int(sys.argv[2]))
    first = pipes.receive()
    if first is None:
        return
    add_paths([] if find_spec("mfenv") else first["paths"])
    if "words" in first:
        sys.exit(pipes.run(first))
    pipes.serve()


if __name__ == "__main__":
    main()
