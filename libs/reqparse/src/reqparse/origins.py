"""What all kinds of statements have: where they were made, and what is secret in them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Origin", "Secret"]


class Secret(NamedTuple):
    """A text that holds credentials and shows itself to nobody who does not ask."""

    value: str

    def __repr__(self) -> str:
        return "Secret()"


class Origin(NamedTuple):
    """The place of a statement: a file (or URL, or a name for the command line) and a line from 1."""

    file: str = "<command line>"
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"
