"""The messages between Metaflow's process and mfenv's, and what a process works under.

Questions and answers are data until it is known which ones they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from metaflow_extensions.mfenv.records import Record
from metaflow_extensions.mfenv.run_records import Runtime  # noqa: TC001 - read when a program runs

__all__ = [
    "Answer",
    "Around",
    "Ask",
    "Call",
    "CommandLine",
    "Facts",
    "Line",
    "Opening",
    "Outside",
    "Refused",
    "Reply",
    "Surroundings",
]


@dataclass(frozen=True)
class Outside(Record):
    """The Python outside of tasks: itself, mfenv's `program`, and the paths to find mfenv in."""

    python: str
    program: str
    paths: Tuple[str, ...]


@dataclass(frozen=True)
class Around(Record):
    """The store and the runtime that the task around a process was started with, if it was."""

    store: str = ""
    runtime: Optional[Runtime] = None


@dataclass(frozen=True)
class Facts(Record):
    """Metaflow's configuration, as far as environments depend on it.

    `sysroots` and `needs`, the packages that tasks import with their constraints, are by datastore.
    """

    configured: Dict[str, object]
    datastores: List[str]
    default_datastore: str
    sysroots: Dict[str, Optional[str]]
    azure_endpoint: Optional[str]
    s3_endpoint: Optional[str]
    needs: Dict[str, Dict[str, str]]
    around: Around


@dataclass(frozen=True)
class Surroundings(Record):
    """What Metaflow's process works under: its variables, directory, and configuration."""

    environ: Dict[str, str]
    directory: str
    facts: Facts


@dataclass(frozen=True)
class CommandLine(Surroundings):
    """The words of `metaflow environment`."""

    words: Tuple[str, ...]


@dataclass(frozen=True)
class Opening(Record):
    """The first message to mfenv's process: where to find mfenv, and a command line to run."""

    paths: Tuple[str, ...]
    command: Optional[CommandLine] = None


@dataclass(frozen=True)
class Call(Surroundings):
    """A question to mfenv's process, with a number of its own."""

    call: int
    function: str
    arguments: Any


@dataclass(frozen=True)
class Line(Record):
    """How the work on a call goes."""

    call: int
    say: str


@dataclass(frozen=True)
class Answer(Record):
    """The end of a call: its result, or what was wrong."""

    call: int
    result: Any = None
    error: Optional[str] = None


@dataclass(frozen=True)
class Ask(Record):
    """A question of mfenv's process, with a number of its own."""

    ask: int
    function: str
    arguments: Any


@dataclass(frozen=True)
class Reply(Record):
    """What Metaflow's process answers: a result, or why there is none."""

    ask: int
    result: Any = None
    refused: Optional[str] = None


class Refused(Exception):
    """What Metaflow has not, or does not take, in its own words: that of a `Reply`."""

    hint = None  # it is the user's doing
