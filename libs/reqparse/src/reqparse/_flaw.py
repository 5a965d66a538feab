"""The error that parsers of small pieces raise, which a reading makes a problem with a place."""

from __future__ import annotations


class Flaw(Exception):
    """Something wrong with a piece of a file; `line` where the raiser knows it."""

    def __init__(self, message: str, hint: str | None = None, line: int | None = None) -> None:
        super().__init__(message, hint, line)
        self.message, self.hint, self.line = message, hint, line
