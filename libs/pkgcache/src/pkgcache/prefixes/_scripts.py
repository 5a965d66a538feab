"""What an installer writes by itself: scripts and RECORD."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
from typing import TYPE_CHECKING

from pkgcache._files import open_cached

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pkgcache.archives.records import EntryPoint

# What Linux reads of a shebang before version 5.1, with `#!` and the end of the line.
_LONGEST_SHEBANG = 127

_LAUNCHER = """\
import sys

from {module} import {first}

if __name__ == "__main__":
    sys.exit({attribute}())
"""


def launcher(entry_point: EntryPoint, python: Path) -> bytes:
    """The script of an entry point."""
    body = _LAUNCHER.format(
        module=entry_point.module,
        first=entry_point.attribute.partition(".")[0],
        attribute=entry_point.attribute,
    )
    return shebang(python) + body.encode()


def rewritten(path: str, python: Path) -> bytes | None:
    """A wheel's script with the right interpreter; None where it asks for none (PEP 427)."""
    with open_cached(path) as file:
        line = file.readline(256)
        if not line.startswith(b"#!python"):
            return None
        # A first line may be of any length; what is behind it is the script.
        while not line.endswith(b"\n") and (more := file.readline(256)):
            line = more
        return shebang(python) + file.read()


def shebang(python: Path) -> bytes:
    """The first line of a script that `python` runs, however long its path is."""
    path = str(python)
    line = os.fsencode(f"#!{path}\n")
    if len(line) <= _LONGEST_SHEBANG and not any(char.isspace() for char in path):
        return line
    # A shell reads this as a command, Python as a string literal.
    quoted = shlex.quote(path)
    exec_ = f"'''exec' {quoted} \"$0\" \"$@\"\n' '''\n"
    return os.fsencode(f"#!/bin/sh\n{exec_}")


def record(rows: Sequence[tuple[str, str, str]]) -> bytes:
    """The file RECORD with these paths, hashes and sizes."""
    plain = "".join([f"{path},{digest},{size}\n" for path, digest, size in rows])
    # Where nothing needs quotes, as in nearly every wheel, this is what the module `csv` makes.
    marks = [plain.count(mark) for mark in ',\n"\r']
    if marks == [2 * len(rows), len(rows), 0, 0]:
        return plain.encode()
    import csv
    import io

    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def record_hash(content: bytes) -> str:
    """The hash of `content` as RECORD writes it."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"
