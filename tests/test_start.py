"""What a command brings in before it does anything: counts, since times depend on the machine.

docs/architecture.md has what each of these costs. A number that must grow is changed here, on
purpose; what is imported, made or compiled by accident fails.
"""

from __future__ import annotations

import json
import operator
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from .helpers import finish

if TYPE_CHECKING:
    from .helpers import Machine

# Tells what is imported, made and asked of the system until the command ends or becomes another one.
_COUNTING = """
import atexit, dataclasses, json, os, re, sys

OURS = ("envid", "reqparse", "pkgcache", "resolvers", "mfenv")
before = set(sys.modules)
classes, patterns, opened, started = [], [], [], []
dataclass, compiled = dataclasses.dataclass, re.compile

def caller():
    return sys._getframe(2).f_globals.get("__name__", "").partition(".")[0]

def counting_dataclass(*words, **options):
    if caller() in OURS:
        classes.append(1)
    return dataclass(*words, **options)

def counting_compile(*words, **options):
    if caller() in OURS:
        patterns.append(1)
    return compiled(*words, **options)

dataclasses.dataclass, re.compile = counting_dataclass, counting_compile

def tell():
    modules = sorted(sys.modules.keys() - before)
    print("COUNTED", json.dumps([modules, len(classes), len(patterns), opened, started]), file=sys.stderr)
    sys.stderr.flush()

def watch(event, words):
    if event == "open" and isinstance(words[0], (str, bytes)):
        path = os.fsdecode(words[0])
        if not path.endswith((".py", ".pyc", ".so", os.devnull)):
            opened.append(os.path.basename(path))
    elif event == "sqlite3.connect":
        opened.append(os.path.basename(os.fsdecode(words[0])))
    elif event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "socket.connect"):
        started.append(event)
    elif event == "os.exec":
        tell()

sys.addaudithook(watch)
atexit.register(tell)
from mfenv.__main__ import main
main()
"""
_OURS = ("envid", "reqparse", "pkgcache", "resolvers", "mfenv")
# None of it is needed for what is known, and each takes milliseconds to import.
_LARGE = {
    *("asyncio", "concurrent.futures", "difflib", "email", "importlib.metadata"),
    *("packaging", "rattler", "requests", "rich", "socket", "ssl", "tempfile", "tomllib"),
    *("urllib.request", "urllib3", "uv", "yaml"),
}
# What starts processes and writes to terminals: `run` alone may become another program.
_LARGER = {"logging", "shutil", "subprocess", "textwrap"}


class Counts(NamedTuple):
    """Of our libraries: modules imported, dataclasses made, and patterns compiled for all texts."""

    modules: int
    classes: int
    patterns: int


def counted(machine: Machine, *words: str) -> tuple[Counts, set[str], list[str]]:
    """What a command brings in, the names of all modules, and the files that it opens.

    It starts no process, and asks no server.
    """
    done = finish(machine.spawn(sys.executable, "-c", _COUNTING, *words))
    assert done.status == 0, done.err
    text = next(line for line in done.err.splitlines() if line.startswith("COUNTED "))
    modules, classes, patterns, opened, started = json.loads(text.removeprefix("COUNTED "))
    assert started == []
    ours = [name for name in modules if name.partition(".")[0] in _OURS]
    return Counts(len(ours), classes, patterns), set(modules), opened


_REGISTRY = ["registry.sqlite"]
_CREATED = [*_REGISTRY, ".mfenv.json", ".mfenv-files.json"]
_SHOW = Counts(modules=45, classes=2, patterns=12)
_RESOLVE = Counts(modules=74, classes=4, patterns=12)
_MOST = {
    "--version": (Counts(modules=12, classes=0, patterns=0), []),
    "show a:v1": (_SHOW, _REGISTRY),
    "show a:v1 --json": (_SHOW, _REGISTRY),
    "list": (Counts(modules=49, classes=4, patterns=14), _REGISTRY),
    "resolve --pypi app": (_RESOLVE, _REGISTRY),
    "resolve --pypi app>=1,<4 --python 3.11": (_RESOLVE, _REGISTRY),
    "create a:v1": (Counts(modules=63, classes=5, patterns=17), _CREATED),
    "run a:v1 -- true": (Counts(modules=68, classes=5, patterns=17), _CREATED),
}


@pytest.mark.slow
def test_a_command_brings_in_what_it_needs_for_what_is_known(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    machine.ok("resolve", "--pypi", "app>=1,<4", "--python", "3.11")
    machine.ok("create", "a:v1")
    for words, (most, files) in _MOST.items():
        machine.run(*words.split())  # so that all of it is compiled
        found, modules, opened = counted(machine, *words.split())
        assert opened == files, words
        large = _LARGE if files == _CREATED else _LARGE | _LARGER
        assert large & modules == set(), words
        assert all(map(operator.le, found, most)), f"{words}: {found}"
