"""A program in the place of this process."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NoReturn

from mfenv.errors import NoProgram, NotExecutable


def become(path: str, words: list[str], environment: dict[str, str]) -> NoReturn:
    # Python ignores these, and what is ignored stays so in the program.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(path, words, environment)  # noqa: S606 - what run is for
    except OSError as error:
        raise _not_run(path, error) from None


def _not_run(path: str, error: OSError) -> NoProgram | NotExecutable:
    if not Path(path).exists():
        hint = "a relative path starts in the current directory"
        return NoProgram(f"there is no program `{path}`", hint)
    reason = (error.strerror or str(error)).lower()
    if Path(path).is_dir():
        reason, hint = "it is a directory", "name a program in it"
    elif isinstance(error, FileNotFoundError):
        reason, hint = "the program that runs it is not there", "its first line names that program"
    elif isinstance(error, PermissionError):
        hint = "`chmod +x` makes a file a program"
    else:
        hint = "it is for another platform, or lacks a first line such as `#!/usr/bin/env python`"
    return NotExecutable(f"cannot run `{path}`: {reason}", hint)
