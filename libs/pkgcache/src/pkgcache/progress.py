"""How long work is followed: a task per piece of work, and notes that a user should see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["NoProgress", "Progress", "Task", "Unit", "counted"]

T = TypeVar("T")

_STEP = 100

Unit = Literal["bytes", "checks", "files", "packages"]


class Task(Protocol):
    """One piece of work in progress. May be called from any thread."""

    def advance(self, amount: int = 1) -> None:
        """Say that `amount` more units are done. Negative when work is done over."""

    def done(self) -> None:
        """Say that the work ended, well or not. Nothing is called afterwards."""


class Progress(Protocol):
    """What shows the progress of work to somebody. May be called from any thread."""

    def start(self, label: str, total: int | None, unit: Unit) -> Task:
        """Begin a piece of work of `total` units, None where that is unknown."""

    def note(self, text: str) -> None:
        """Say a line: what is waited for, what was done otherwise than asked."""


class NoProgress:
    """Shows nothing."""

    def start(self, label: str, total: int | None, unit: Unit) -> Task:  # noqa: ARG002  (Protocol)
        return _SILENT

    def note(self, text: str) -> None:
        pass


class _SilentTask:
    def advance(self, amount: int = 1) -> None:
        pass

    def done(self) -> None:
        pass


_SILENT = _SilentTask()


def counted(items: Sequence[T], task: Task) -> Iterator[T]:
    """The items; the task advances as they are done, seldom enough to cost nothing."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _STEP == 0:
            task.advance(_STEP)
    task.advance(len(items) % _STEP)
