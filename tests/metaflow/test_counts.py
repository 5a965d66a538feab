"""What a run of which everything is known starts and asks for, beside what Metaflow does itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .helpers import Pad

pytestmark = pytest.mark.slow

# Writes what the processes of a Python do, but for tasks.
WATCHING = """
import os, sys

def watch(event, arguments):
    if event == "subprocess.Popen":
        program, words = arguments[0], arguments[1]
        kinds = [kind for kind in ("step", "isolated.py") if any(kind in word for word in words)]
        told(kinds[0] if kinds else os.path.basename(program))
    elif event == "socket.connect":
        told(f"connection to {arguments[1]}")
    elif event == "sqlite3.connect":
        told("registry")
    elif event == "import" and arguments[0] in (
        *("asyncio", "difflib", "packaging", "tarfile", "tempfile", "yaml"),
        "metaflow_extensions.mfenv.command_records",
    ):
        told(f"import of {arguments[0]}")

def told(what):
    with open(os.environ["SEEN"], "a") as file:
        file.write(what + "\\n")

if "SEEN" in os.environ and "step" not in sys.orig_argv:
    sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def watched(pad: Pad, python: Callable[..., str]) -> Pad:
    """The pad for a Python that tells what it does; it does so isolated, too."""
    program = python()
    (site,) = Path(program).parent.parent.glob("lib/python*/site-packages")
    (site / "watching.py").write_text(WATCHING)
    (site / "watching.pth").write_text("import watching\n")
    return pad.of(program)


def seen(pad: Pad, environment: str) -> Counter[str]:
    path = pad.root / f"seen-{environment}"
    path.unlink(missing_ok=True)
    words = ("bare.py", "--no-pylint", f"--environment={environment}", "run")
    ran = pad.python(*words, env={"SEEN": str(path)})
    assert ran.status == 0, ran.out
    return Counter(path.read_text().splitlines())


def test_known_environments_start_one_process_and_ask_no_server(watched: Pad) -> None:
    seen(watched, "conda")
    found = seen(watched, "conda") - seen(watched, "local")
    # In the registry once to resolve, once to see that the prefix is there.
    assert found == {"isolated.py": 1, "registry": 2}


def test_a_code_package_grows_by_less_than_50_kb(pad: Pad) -> None:
    def size(environment: str, **env: str) -> int:
        path = pad.root / f"{environment}.tgz"
        words = (f"--environment={environment}", "package", "save", str(path))
        ran = pad.python("bare.py", "--no-pylint", *words, env=env)
        assert ran.status == 0, ran.out
        return path.stat().st_size

    assert size("conda") - size("local", METAFLOW_EXTENSIONS_SEARCH_DIRS=str(pad.user)) < 50_000
