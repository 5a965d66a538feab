import subprocess
import sys
from pathlib import Path

import pytest

from resolvers._uv import _told

_AT_ONCE = """
import threading
from resolvers._uv import _program

start, failed = threading.Barrier(16), []

def find():
    start.wait()
    try:
        _program()
    except Exception as error:
        failed.append(error)

threads = [threading.Thread(target=find) for _ in range(16)]
for one in threads:
    one.start()
for one in threads:
    one.join()
assert not failed, failed[0]
"""


def test_many_threads_find_the_program_at_once() -> None:
    # The first use of a process is what went wrong, so every try is a process.
    for _ in range(3):
        subprocess.run([sys.executable, "-c", _AT_ONCE], check=True)


_MISSING = """
import sys
from resolvers._uv import _program
from resolvers.errors import EngineFailed

sys.modules["uv"] = None  # as where it is not installed
try:
    _program()
except EngineFailed as error:
    print(error, error.hint, sep="; ")
"""


def test_a_missing_uv_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MISSING], capture_output=True, text=True, check=True
    )
    assert done.stdout == "uv failed: its program is missing; install the package `uv`\n"


@pytest.mark.parametrize("size", [1, 5_000, 200_000])
def test_a_configuration_of_any_size_is_told(size: int) -> None:
    with _told("é" * size) as end:
        assert Path(f"/dev/fd/{end}").read_text("utf-8") == "é" * size
    with _told("é" * size):
        pass  # and nobody waits for who does not read it
