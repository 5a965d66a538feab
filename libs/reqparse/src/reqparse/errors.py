"""What goes wrong in reading and writing requirement files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from reqparse.model import Origin

_SHOWN = 20

__all__ = [
    "NotExpressible",
    "ParseErrors",
    "Problem",
    "ReqparseError",
    "SelectionErrors",
    "UnknownKind",
]


class ReqparseError(Exception):
    """The root of every error of this library."""

    hint: str | None = None


class Problem(NamedTuple):
    """Something wrong with a file; `str()` is `file:line: what, and what to do`."""

    origin: Origin
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}" + (f"; {self.hint}" if self.hint else "")


class ParseErrors(ValueError, ReqparseError):
    """Everything wrong with a file and the files it includes.

    What to do about a single problem is its `hint`; several say it each in their own line.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems
        self.hint = problems[0].hint if len(problems) == 1 else None

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"{self.problems[0].origin}: {self.problems[0].message}"
        shown = [str(problem) for problem in self.problems[:_SHOWN]]
        if more := len(self.problems) - _SHOWN:
            shown += [f"and {more} more"] if more > 0 else []
        return "\n".join(shown)


class SelectionErrors(ParseErrors):
    """Everything for which a lock does not suffice, on one target and for one choice."""


class UnknownKind(ValueError, ReqparseError):
    """A `kind` that no parser is registered for."""

    def __init__(self, kind: str, known: tuple[str, ...]) -> None:
        super().__init__(kind, known)
        self.kind, self.known = kind, known

    def __str__(self) -> str:
        return f"unknown kind of requirement file `{self.kind}`; known: {', '.join(self.known)}"


class NotExpressible(ValueError, ReqparseError):
    """A set says things for which the format to be written has no words."""

    def __init__(self, target: str, reasons: tuple[str, ...]) -> None:
        super().__init__(target, reasons)
        self.target, self.reasons = target, reasons

    def __str__(self) -> str:
        return f"{self.target} cannot say: {'; '.join(self.reasons)}"
