"""Run by an interpreter as a script, with `-I -S`: compiles modules, and runs none of them.

Takes pairs of a module and the folder that it will be in, as JSON, on standard input. Prints lines
of JSON: a number before it comes to the module of that number, the number and a reason for what
does not compile, null and a reason for what ends it all.
"""

# ruff: noqa: T201  (its output is its answer)

from __future__ import annotations

import compileall
import json
import py_compile
import sys


def main() -> None:
    """Compile what is asked for."""
    for number, (path, folder) in enumerate(json.load(sys.stdin)):
        print(json.dumps([number, None]), flush=True)
        # It leaves alone what is compiled already, and says no more than whether all went well.
        if not compileall.compile_file(path, ddir=folder, quiet=2):
            print(json.dumps([number, reason(path)]), flush=True)


def reason(path: str) -> str:
    """Why a module does not compile."""
    try:
        py_compile.compile(path, doraise=True)
    except py_compile.PyCompileError as error:
        return f"{error.exc_type_name}: {error.exc_value}"
    except FileExistsError:
        return "there is a link in the place of the compiled module"
    return ""


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        print(json.dumps([None, str(error.strerror or error)]))
