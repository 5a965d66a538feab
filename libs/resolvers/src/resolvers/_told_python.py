"""An interpreter that tells uv of another machine, or of another ABI, than it has itself.

uv has names for some versions of glibc only, and none for a free-threaded Python of another
machine. What else it takes, it takes from what an interpreter says of itself when it is asked. So a
script stands before the interpreter, runs it, and changes these words in its answer. If uv ever
asks for other words, the script fails, and uv with it.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from typing import TYPE_CHECKING

from resolvers._kept import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from resolvers.pythons import Python
    from resolvers.targets import Target

__all__ = ["NOT_UNDERSTOOD", "told_python"]

NOT_UNDERSTOOD = "uv asks interpreters for other words than are known here"

_ANSWER = """
import json, subprocess, sys
done = subprocess.run(sys.argv[2:], stdout=subprocess.PIPE)
if done.returncode:
    sys.stdout.buffer.write(done.stdout)
    sys.exit(done.returncode)
told = json.loads(sys.argv[1])
answer = json.loads(done.stdout)
if answer.get("result") == "success":
    unknown = [key for key in told if key not in answer]
    unknown += [key for key in told["markers"] if key not in answer["markers"]]
    if unknown:
        sys.exit({not_understood!r})
    answer["markers"].update(told.pop("markers"))
    answer.update(told)
print(json.dumps(answer))
"""


def told_python(python: Python, target: Target, folder: Path) -> Path:
    """A program below `folder` that uv takes for the interpreter, on the target and with its ABI.

    It stays where it is as long as the interpreter does, so that uv asks it once.
    """
    words: dict[str, object] = {"gil_disabled": python.free_threaded, "markers": {}}
    if not target.uv_platform:
        words |= {
            "os": {"name": "manylinux", "major": target.floor[0], "minor": target.floor[1]},
            "arch": target.machine,
            "manylinux_compatible": True,
            "markers": {
                "os_name": "posix",
                "platform_machine": target.machine,
                # The kernel of a target is not known; see `Markers`.
                "platform_release": "",
                "platform_system": "Linux",
                "platform_version": "",
                "sys_platform": "linux",
            },
        }
    # An interpreter that is upgraded in its place is another one, and is asked anew.
    state = python.path.stat()
    text = json.dumps(words, sort_keys=True)
    key = json.dumps([_ANSWER, text, str(python.path), state.st_mtime_ns, state.st_size])
    home = folder / hashlib.sha256(key.encode()).hexdigest()[:32]
    program = home / "python"
    if not program.exists():
        home.mkdir(parents=True, exist_ok=True)
        answer = home / "answer.py"
        write_whole(answer, _ANSWER.format(not_understood=NOT_UNDERSTOOD))
        # By our own Python, with nothing around it that could change the answer.
        runs = [sys.executable, "-I", "-S", str(answer), text, str(python.path)]
        # Last, since it is looked for above; it holds nothing secret.
        write_whole(program, f'#!/bin/sh\nexec {shlex.join(runs)} "$@"\n', mode=0o755)
    return program
