"""A coverage-guided fuzz run over every parser, and the check that the smoke test shares.

With atheris installed: `python fuzz_parsers.py -max_total_time=300 CORPUS_DIRECTORY`. The first
byte of an input chooses the kind; the rest is the file.
"""

from __future__ import annotations

import builtins
import os
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import reqparse
from reqparse.writing import to_environment_yml, to_requirements_txt

ENV = {"TOKEN": "hunter2", "A": "b"}


def check(data: bytes, directory: Path) -> None:
    """Parse an input as the kind that its first byte names; only ParseErrors may come of it.

    What parses is written again where the format can say it, and shows no credential.
    """
    kind = reqparse.KINDS[data[0] % len(reqparse.KINDS)] if data else "requirements.txt"
    path = directory / "input"
    path.write_bytes(data[1:])
    try:
        found = reqparse.parse_file(path, kind=kind, env=ENV, groups=["dev"], extras=["x"])
    except reqparse.ParseErrors as errors:
        for problem in errors.problems:
            assert problem.message
            assert "\n" not in str(problem)
        return
    for requirement in (*found.requirements, *found.constraints):
        assert requirement.origin.file
    for write in (to_requirements_txt, to_environment_yml):
        with suppress(reqparse.NotExpressible):
            write(found)


def forbid_other_files(directory: Path) -> None:
    """Make the opening of any file that a `-r` in an input could not name an error."""
    allowed = os.fspath(directory)
    original = builtins.open

    def guarded(file: Any, *args: Any, **kwargs: Any) -> Any:
        name = os.fsdecode(file) if isinstance(file, (str, bytes, os.PathLike)) else ""
        mode = args[0] if args else kwargs.get("mode", "r")
        if mode == "rb" and not name.startswith(allowed):
            raise FileNotFoundError(2, "not in the corner", name)
        return original(file, *args, **kwargs)

    builtins.open = guarded


def main() -> None:
    atheris = import_module("atheris")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for index in range(len(reqparse.KINDS)):
            check(bytes([index]), directory)  # parsers are imported on demand
        atheris.instrument_all()
        forbid_other_files(directory)
        atheris.Setup(sys.argv, lambda data: check(data, directory))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
