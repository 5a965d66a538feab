"""The error that the parsers of small pieces raise; a job turns it into a problem with a place."""

from __future__ import annotations


class Flaw(Exception):
    """Something wrong with a piece of a file, before its place is known."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.message, self.hint = message, hint
