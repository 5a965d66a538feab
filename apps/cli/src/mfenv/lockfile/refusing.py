"""Lock files of mfenv's own where a file of another kind is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfenv.errors import InvalidRequest
from mfenv.lockfile.names import HEAD

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["refuse_own"]


def refuse_own(file: Path | str) -> None:
    """Raise `InvalidRequest` for a file that `mfenv lock` wrote; a URL is not looked at."""
    if isinstance(file, str) or not file.is_file():
        return
    with file.open("rb") as opened:
        start = opened.read(len(HEAD))
    if start == HEAD.encode():
        raise InvalidRequest(
            f"`{file}` is a lock file of mfenv itself",
            "`mfenv create --lock` takes environments from it, and `mfenv lock` renews it",
        )
