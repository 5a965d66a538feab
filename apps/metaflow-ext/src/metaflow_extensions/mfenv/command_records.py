"""What is seldom asked: by commands, cards, clients and containers, and by mfenv's process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, List, Optional, Tuple, Type

from metaflow_extensions.mfenv.documents import Description
from metaflow_extensions.mfenv.records import EnvId, Question, Record
from metaflow_extensions.mfenv.run_records import (
    ASKED_BY_RUNS,
    Interpreter,
    LockPlace,
    Runtime,
    StepStatements,
)

__all__ = [
    "ANSWERED_BY_METAFLOW",
    "ANSWERED_BY_MFENV",
    "CodeOfStep",
    "ContainerInterpreter",
    "CopyMetaflow",
    "Describe",
    "EnvOfStep",
    "FlowLock",
    "FlowLocked",
    "FlowResolve",
    "FlowShow",
    "LocalRoot",
    "LockedStep",
    "Parse",
    "ParsedFile",
    "Prepare",
    "ReportedStep",
    "ResolvedStep",
    "RunReport",
    "ShownStep",
    "UseMetadata",
]


@dataclass(frozen=True)
class ParsedFile(Record):
    """A requirement file as arguments of `@conda` or `@pypi`: those that are not empty."""

    packages: Dict[str, str] = field(default_factory=dict)
    conda_only: Dict[str, str] = field(default_factory=dict)
    extra_indices: List[str] = field(default_factory=list)
    extras: List[str] = field(default_factory=list)
    channels: List[str] = field(default_factory=list)
    libraries: Dict[str, str] = field(default_factory=dict)
    pip_packages: Dict[str, str] = field(default_factory=dict)
    pip_sources: List[str] = field(default_factory=list)
    python: Optional[str] = None


@dataclass(frozen=True)
class ContainerInterpreter(Interpreter):
    """One in a container, the `paths` of mfenv there, and the seconds that were `fetching` it."""

    paths: Tuple[str, ...]
    fetching: float


@dataclass(frozen=True)
class ResolvedStep(Record):
    """The environment of a step on one platform, and whether it had to be resolved."""

    req_id: str
    full_id: str
    newly_resolved: bool
    env: Description


@dataclass(frozen=True)
class ShownStep(Record):
    """What is known of the environment of a step: what was asked, and what was found, if it was.

    `requested_hash` is the `req_id`; packages and sources are by category; `prefixes` hold the
    environment on this machine.
    """

    is_disabled: bool
    error: Optional[str]
    requested_hash: Optional[str]
    requested_packages: Dict[str, Dict[str, str]]
    requested_sources: Dict[str, List[str]]
    from_env_name: Optional[str]
    is_fetch_at_exec: bool
    env_id: Optional[EnvId]
    env: Optional[Description]
    prefixes: List[str]


@dataclass(frozen=True)
class LockedStep(Record):
    """The environment of a step in a lock file, and what locking changed, by platform."""

    req_id: str
    full_id: str
    platforms: Tuple[str, ...]
    resolved: bool
    changes: Dict[str, Tuple[str, ...]]


@dataclass(frozen=True)
class FlowLocked(Record):
    """What locking gave: steps, those that left the file, and whether it is another one now."""

    steps: Dict[str, LockedStep]
    removed: Tuple[str, ...]
    written: bool


@dataclass(frozen=True)
class Describe(Question[Description]):
    """Describe an environment that is known here or in the store."""

    function: ClassVar[str] = "describe"
    datastore: str
    env_id: EnvId


@dataclass(frozen=True)
class ReportedStep(Record):
    """The environments of a step in a run, and in the run `before`, if it ran in any."""

    step: str
    env_id: Optional[EnvId]
    before: Optional[EnvId]


@dataclass(frozen=True)
class RunReport(Question[str]):
    """Make a page of the environments of a run, `Flow/run`, and of what differs from the `earlier`.

    `descriptions` are of some that mfenv may not know.
    """

    function: ClassVar[str] = "run_report"
    datastore: str
    run: str
    earlier: Optional[str]
    steps: Tuple[ReportedStep, ...]
    descriptions: Tuple[Description, ...] = ()


@dataclass(frozen=True)
class Prepare(Question[ContainerInterpreter]):
    """Fetch the runtime, and have it create an environment."""

    function: ClassVar[str] = "prepare"
    datastore: str
    name: str
    runtime: Runtime
    descriptions: Tuple[Description, ...]


@dataclass(frozen=True)
class FlowResolve(Question[Dict[str, Dict[str, ResolvedStep]]]):
    """Resolve steps, for `platforms` beside their own; what there is, by step and platform.

    With a `lockfile`, that is what they have, whatever their decorators say; and of it what is
    `chosen`, by the arguments of `@resolved_lock`.
    """

    function: ClassVar[str] = "flow_resolve"
    datastore: str
    steps: Tuple[StepStatements, ...]
    aliases: Tuple[str, ...]
    platforms: Tuple[str, ...]
    force: bool
    dry_run: bool
    lockfile: Optional[str] = None
    chosen: Dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class FlowLock(Question[FlowLocked]):
    """Lock steps, `every` one of the flow or some, for `platforms` beside their own.

    With `check` nothing is resolved or written, and what does not fit is an error.
    """

    function: ClassVar[str] = "flow_lock"
    datastore: str
    place: LockPlace
    steps: Tuple[StepStatements, ...]
    every: bool
    platforms: Tuple[str, ...]
    update: Tuple[str, ...]
    upgrade: bool
    check: bool


@dataclass(frozen=True)
class FlowShow(Question[Dict[str, ShownStep]]):
    """Say what is known of steps, by step; nothing is resolved."""

    function: ClassVar[str] = "flow_show"
    datastore: str
    steps: Tuple[StepStatements, ...]
    local_only: bool


@dataclass(frozen=True)
class Parse(Question[ParsedFile]):
    """Read a requirement file, of a kind that reqparse knows."""

    function: ClassVar[str] = "parse"
    kind: str
    content: str


ANSWERED_BY_MFENV: Dict[str, Type[Question[Any]]] = {
    **ASKED_BY_RUNS,
    **{
        kind.function: kind
        for kind in (Describe, FlowLock, FlowResolve, FlowShow, Parse, Prepare, RunReport)
    },
}
"""Every question of a `Call`, by its function."""


# what mfenv's process asks of Metaflow's


@dataclass(frozen=True)
class CodeOfStep(Question[Optional[str]]):
    """Put the code of a step into a folder, or name the release of Metaflow that it ran with."""

    function: ClassVar[str] = "code_of_step"
    pathspec: str
    folder: str


@dataclass(frozen=True)
class CopyMetaflow(Question[None]):
    """Copy the Metaflow that runs into a folder."""

    function: ClassVar[str] = "copy_metaflow"
    folder: str


@dataclass(frozen=True)
class EnvOfStep(Question[EnvId]):
    """Find the environment of `Flow/run/step`, or of one task."""

    function: ClassVar[str] = "env_of_step"
    pathspec: str


@dataclass(frozen=True)
class LocalRoot(Question[Optional[str]]):
    """Find the local datastore."""

    function: ClassVar[str] = "local_root"


@dataclass(frozen=True)
class UseMetadata(Question[None]):
    """Look runs up with this provider from now on."""

    function: ClassVar[str] = "use_metadata"
    text: str


ANSWERED_BY_METAFLOW: Dict[str, Type[Question[Any]]] = {
    kind.function: kind for kind in (CodeOfStep, CopyMetaflow, EnvOfStep, LocalRoot, UseMetadata)
}
"""Every question of an `Ask`, by its function."""
