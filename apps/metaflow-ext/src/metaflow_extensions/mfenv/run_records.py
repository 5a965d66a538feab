"""What a run asks of mfenv, and what it is answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Optional, Tuple, Type

from metaflow_extensions.mfenv.documents import Description  # noqa: TC001 - read when a program runs
from metaflow_extensions.mfenv.records import EnvId, Question, Record, StepEnvironment

__all__ = [
    "ASKED_BY_RUNS",
    "LOCKS",
    "Create",
    "FlowEnvironments",
    "Interpreter",
    "LockPlace",
    "Outlive",
    "Resolve",
    "Runtime",
    "RuntimeObject",
    "Statement",
    "StepStatements",
]


LOCKS = ("resolved_uv", "resolved_req", "resolved_lock")
"""The kinds of statements that name a lock."""


@dataclass(frozen=True)
class Statement(Record):
    """What a decorator says: its `kind`, whether a `step` or a `flow` has it, and its `place`.

    `attributes` are what was given, as it was written, and of a lock also `flow_dir`, the directory
    of the flow's file; the `content` of a lock lies at its `path`. `place` is for messages.
    """

    kind: str
    level: str
    place: str
    attributes: Dict[str, object]


@dataclass(frozen=True)
class StepStatements(Record):
    """Every statement about the environment of a step, and where the step runs.

    `platform` is that of the machine that the step is sent to, None for this one.
    """

    step: str
    platform: Optional[str]
    gpu: bool
    stated: Tuple[Statement, ...]


@dataclass(frozen=True)
class RuntimeObject(Record):
    """An object of the store; `size` is in bytes."""

    key: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Runtime(Record):
    """mfenv's code, and the wheels that it imports by platform and Python, as in `mfenv.runtime`."""

    code: RuntimeObject
    wheels: Dict[str, Dict[str, Tuple[RuntimeObject, ...]]]


@dataclass(frozen=True)
class FlowEnvironments(Record):
    """The environments of a flow by step, and their descriptions by `req_id:full_id@platform`.

    For steps that are sent to other machines also the URL of the `store`, the `runtime` in it, and
    those `settings` by which runs that their tasks start ask for the same.
    """

    steps: Dict[str, StepEnvironment]
    environments: Dict[str, Description]
    store: str = ""
    runtime: Optional[Runtime] = None
    settings: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Interpreter(Record):
    """The `python` of an environment that was created, and what its processes must have set."""

    env_id: EnvId
    python: str
    variables: Dict[str, str]


@dataclass(frozen=True)
class LockPlace(Record):
    """Where the lock file of a flow is, the name of the flow, and its file as seen from there."""

    file: str
    flow: str
    program: str


@dataclass(frozen=True)
class Resolve(Question[FlowEnvironments]):
    """Resolve and publish the environments of steps.

    Where they are `locked`, here or by a setting, they are taken from the lock file at `place`.
    """

    function: ClassVar[str] = "resolve"
    datastore: str
    steps: Tuple[StepStatements, ...]
    force: bool
    place: LockPlace
    locked: bool = False


@dataclass(frozen=True)
class Create(Question[Interpreter]):
    """Create the environment with a name; `descriptions` are of some that mfenv may not know."""

    function: ClassVar[str] = "create"
    datastore: str
    name: str
    descriptions: Tuple[Description, ...] = ()


@dataclass(frozen=True)
class Outlive(Question[None]):
    """Delete a directory, once the process that asks has ended."""

    function: ClassVar[str] = "outlive"
    folder: str


ASKED_BY_RUNS: Dict[str, Type[Question[Any]]] = {
    kind.function: kind for kind in (Create, Outlive, Resolve)
}
"""The questions of every run, by their functions."""
