"""Whether the members of an archive can be laid out under one folder, in any order, anywhere."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:")
_QUOTED = re.compile(r"%(2e|2f|5c|00)", re.IGNORECASE)
_LONGEST_NAME, _LONGEST_PATH, _DEEPEST = 255, 1024, 64
# What nearly all paths are, and what has none of the issues, if it is short.
_USUAL = re.compile(
    r"[a-z0-9_+-][a-z0-9_.+-]*(/[a-z0-9_+-][a-z0-9_.+-]*)*", re.ASCII | re.IGNORECASE
)


def path_issue(path: str) -> str | None:
    """Why a relative path of a file cannot be accepted, None if it can."""
    # Too short to be too deep or too long, as each segment takes a character and a slash.
    if len(path) < 2 * _DEEPEST and _USUAL.fullmatch(path):
        return None
    segments = path.split("/")
    longest = max(len(segment.encode(errors="replace")) for segment in segments)
    checks = {
        "is empty": not path,
        "has control characters": _CONTROL.search(path),
        "is absolute": path.startswith("/") or _DRIVE.match(path),
        "has a backslash": "\\" in path,
        "leads out of the folder": ".." in segments,
        # Some programs take a path for part of a URL, and decode it after they have looked at it.
        "has a quoted separator or dot": _QUOTED.search(path),
        "has an empty part": "" in segments or "." in segments,
        "is too long": longest > _LONGEST_NAME or len(path) > _LONGEST_PATH,
        "is too deep": len(segments) > _DEEPEST,
    }
    return next((issue for issue, broken in checks.items() if broken), None)


def collisions(paths: Iterable[str]) -> Iterator[str]:
    """Those of the files' paths that are the same name twice, somewhere.

    Names that differ in case or in their Unicode form only are the same file on some file systems, and
    then the order decides what is in it; the same goes for a file with the name of a folder.
    """
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        # Folding case may take apart what was composed, so that it is composed once more.
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
        parents = {folded[:at] for at, char in enumerate(folded) if char == "/"}
        if folded in files or folded in folders or parents & files:
            yield path
        files.add(folded)
        folders |= parents
