"""What travels between Metaflow's process and mfenv's, to tasks, and to other machines.

`encoding` writes records as JSON and reads them. That they hold, and what their fields may be, is
checked there: so that the types here are those that Python 3.8 knows when a program runs.

A `Question` names the `function` that answers it, and by its parameter what the answer is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import (
    Any,
    Callable,
    ClassVar,
    Dict,
    Generic,
    List,
    NamedTuple,
    Optional,
    Tuple,
    Type,
    TypeVar,
)

# Not for types alone: they are read when a program runs.
from metaflow_extensions.mfenv.documents import Description

__all__ = [
    "ANSWERED_BY_METAFLOW",
    "ANSWERED_BY_MFENV",
    "Answer",
    "Around",
    "Ask",
    "Call",
    "CodeOfStep",
    "CommandLine",
    "ContainerInterpreter",
    "CopyMetaflow",
    "Create",
    "Describe",
    "EnvId",
    "EnvOfStep",
    "Facts",
    "FlowEnvironments",
    "FlowLock",
    "FlowLocked",
    "FlowResolve",
    "FlowShow",
    "Interpreter",
    "Line",
    "LocalRoot",
    "LockPlace",
    "LockedStep",
    "Opening",
    "Outlive",
    "Outside",
    "Parse",
    "ParsedFile",
    "Prepare",
    "Question",
    "Record",
    "Reply",
    "ReportedStep",
    "Resolve",
    "ResolvedStep",
    "RunReport",
    "Runtime",
    "RuntimeObject",
    "Say",
    "ShownStep",
    "Statement",
    "StepEnvironment",
    "StepStatements",
    "Surroundings",
    "UseMetadata",
]

Say = Callable[[str], None]
"""What gets a line at a time of how the work goes."""

A_co = TypeVar("A_co", covariant=True)


class Record:
    """What `encoding` writes as an object with the names of its fields."""


class Question(Record, Generic[A_co]):
    """What one of the two processes asks the other, to be answered by an `A_co`."""

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


# what steps ask for


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


# what they get


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
class StepEnvironment(Record):
    """The environment of a step: its ids, or a name to look up when a task starts, or none."""

    env_id: Optional[EnvId] = None
    at_exec: Optional[str] = None

    def __bool__(self) -> bool:
        return bool(self.env_id or self.at_exec)


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
class LockPlace(Record):
    """Where the lock file of a flow is, the name of the flow, and its file as seen from there."""

    file: str
    flow: str
    program: str


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


# what Metaflow's process asks of mfenv's


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


@dataclass(frozen=True)
class Outlive(Question[None]):
    """Delete a directory, once the process that asks has ended."""

    function: ClassVar[str] = "outlive"
    folder: str


ANSWERED_BY_MFENV: Dict[str, Type[Question[Any]]] = {
    kind.function: kind
    for kind in (
        *(Create, Describe, FlowLock, FlowResolve, FlowShow),
        *(Outlive, Parse, Prepare, Resolve, RunReport),
    )
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


# what a process works under


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


# messages: questions and answers are data until it is known which ones they are


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
