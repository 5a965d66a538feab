"""What travels between Metaflow's process and mfenv's, to tasks, and to other machines.

`encoding` writes records as JSON and reads them. That they hold, and what their fields may be, is
checked there: so that the types here are those that Python 3.8 knows when a program runs.

Here is what every task needs. A dataclass takes as long as a module to make, so what runs ask is in
`run_records`, how that is asked in `messages`, and what is seldom asked in `command_records`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, ClassVar, Generic, NamedTuple, Optional, TypeVar

__all__ = [
    "EnvId",
    "Question",
    "Record",
    "Say",
    "StepEnvironment",
]

Say = Callable[[str], None]
"""What gets a line at a time of how the work goes."""

A_co = TypeVar("A_co", covariant=True)


class Record:
    """What `encoding` writes as an object with the names of its fields."""


class Question(Record, Generic[A_co]):
    """What one of the two processes asks the other, to be answered by an `A_co`.

    It names the `function` that answers it, and by its parameter what the answer is.
    """

    function: ClassVar[str]


class EnvId(NamedTuple):
    """The ids of an environment and its platform, as `envid.ids.EnvId`; written as a list."""

    req_id: str
    full_id: str
    platform: str

    def __str__(self) -> str:
        return f"{self.req_id}:{self.full_id}@{self.platform}"

    @property
    def name(self) -> str:
        """By which commands know the environment, on any platform."""
        return f"{self.req_id}:{self.full_id}"

    @property
    def short(self) -> str:
        """For people to read."""
        return f"{self.req_id[:12]}:{self.full_id[:12]}"


@dataclass(frozen=True)
class StepEnvironment(Record):
    """The environment of a step: its ids, or a name to look up when a task starts, or none."""

    env_id: Optional[EnvId] = None
    at_exec: Optional[str] = None

    def __bool__(self) -> bool:
        return bool(self.env_id or self.at_exec)
