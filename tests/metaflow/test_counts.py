"""What a run of which everything is known starts and asks for, beside what Metaflow does itself."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .helpers import Pad

# Writes what the process that starts the run does, and not what its tasks do.
WATCHED = """
import os, runpy, sys

def watch(event, arguments):
    if event == "subprocess.Popen":
        program, words = os.path.basename(str(arguments[0])), arguments[1]
        told("task" if "step" in words else program)
    elif event == "socket.connect":
        told(f"connection to {arguments[1]}")
    elif event == "sqlite3.connect":
        told("registry")

def told(what):
    with open(os.environ["SEEN"], "a") as file:
        file.write(what + "\\n")

sys.addaudithook(watch)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def seen(pad: Pad, environment: str) -> Counter[str]:
    path = pad.root / f"seen-{environment}"
    path.unlink(missing_ok=True)
    words = ("bare.py", "--no-pylint", f"--environment={environment}", "run")
    ran = pad.python("-c", WATCHED, *words, env={"SEEN": str(path)})
    assert ran.status == 0, ran.out
    return Counter(path.read_text().splitlines())


def test_known_environments_start_no_process_and_ask_no_server(pad: Pad) -> None:
    seen(pad, "conda")
    found = seen(pad, "conda")
    registry = found.pop("registry")
    assert found == seen(pad, "local")
    # Once to resolve, once to see that the prefix is there.
    assert registry == 2


def test_a_code_package_grows_by_less_than_50_kb(pad: Pad) -> None:
    def size(environment: str, **env: str) -> int:
        path = pad.root / f"{environment}.tgz"
        words = (f"--environment={environment}", "package", "save", str(path))
        ran = pad.python("bare.py", "--no-pylint", *words, env=env)
        assert ran.status == 0, ran.out
        return path.stat().st_size

    assert size("conda") - size("local", METAFLOW_EXTENSIONS_SEARCH_DIRS=str(pad.user)) < 50_000
