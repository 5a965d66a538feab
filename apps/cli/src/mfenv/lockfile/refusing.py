"""Lock files of mfenv's own where another kind is expected, and the other way round."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mfenv.errors import InvalidLock, InvalidRequest
from mfenv.lockfile.names import HEAD

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_own", "is_own", "refuse_own"]

# Its first comment may be gone by an edit, and its first line be a conflict that git left.
_OWN = (r"(?m)^version *= *\d", r"(?m)^\[(environment\.|packages\])")

# No more of a large file of another kind is read.
_START = 1 << 20


def check_own(text: str, path: Path) -> None:
    """Raise `InvalidLock` for a file that `mfenv lock` did not write, nor a merge of such files."""
    if _is_own(text):
        return
    if not text.strip():
        hint = "delete it, and write it with `mfenv lock`, such as `mfenv lock -p pyproject.toml`"
        raise InvalidLock(str(path), 0, "is empty", hint)
    raise InvalidLock(
        str(path),
        0,
        "is no lock file of mfenv",
        f"`mfenv import {path}` takes those of other tools; `mfenv lock` writes `mfenv.lock`",
    )


def is_own(file: Path | str) -> bool:
    """Whether `mfenv lock` wrote a file; a URL is not looked at."""
    if isinstance(file, str) or not file.is_file():
        return False
    with file.open(encoding="utf-8-sig", errors="replace") as opened:
        return _is_own(opened.read(_START))


def refuse_own(file: Path | str) -> None:
    """Raise `InvalidRequest` for a file that `mfenv lock` wrote."""
    if is_own(file):
        raise InvalidRequest(
            f"`{file}` is a lock file of mfenv itself",
            f"`mfenv import {file}` alone, and `mfenv create --lock`, take environments from it;"
            " `mfenv lock` renews it",
        )


def _is_own(text: str) -> bool:
    return text.startswith(HEAD) or all(re.search(sign, text) for sign in _OWN)
