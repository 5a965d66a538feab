from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from mfenv import errors
from mfenv.errors import (
    DamagedPrefix,
    DamagedRow,
    InvalidLock,
    MfenvError,
    NoStore,
    NotHere,
    RegistryError,
    StaleLock,
    StillNamed,
)

OWN_FACTS: dict[str, MfenvError] = {
    "DamagedPrefix": DamagedPrefix("/p", ("`a` is gone", "`b` is gone"), "mfenv create x"),
    "InvalidLock": InvalidLock("mfenv.lock", 7, "is not TOML"),
    "NotHere": NotHere("a", ("a.whl",)),
    "NoStore": NoStore("to put it into"),
    "StaleLock": StaleLock("mfenv.lock", ("default: + pypi a",), "mfenv lock"),
    "StillNamed": StillNamed("a:v1", ("b:v1",), "mfenv alias --delete a:v1"),
}
STARVED = """
import sys
from threading import Thread
from mfenv import __main__, command_line

class WithoutMemory(Thread):
    def _bootstrap(self):
        raise MemoryError

command_line.run = lambda *_, **__: WithoutMemory().start()
__main__.main()
"""
EXAMPLES = [
    OWN_FACTS.get(name) or getattr(errors, name)("it is bad", "make it good")
    for name in errors.__all__
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: MfenvError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.args, str(copy)) == (type(error), error.args, str(error))
    assert copy.__dict__ == error.__dict__


@pytest.mark.parametrize(
    "error", [OWN_FACTS["DamagedPrefix"], RegistryError("bad"), DamagedRow("bad")]
)
def test_no_fact_is_taken_for_one_of_the_system(error: OSError) -> None:
    assert (error.errno, error.strerror, error.filename) == (None, None, None)


def test_a_thread_without_memory_is_not_waited_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARVED], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: there is not enough memory\nhint: raise the limits: `ulimit -v`\n"
    )
