"""mfenv's side of the bridge: answers to what Metaflow's side asks of mfenv."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from envid.resolved import ResolvedEnv
from metaflow_extensions.mfenv._configuration import gpu_packages, skips_needs, unheeded
from metaflow_extensions.mfenv.asking import find_step
from metaflow_extensions.mfenv.lock_files import naming, of_steps
from metaflow_extensions.mfenv.locked_steps import take_locked
from metaflow_extensions.mfenv.mfenv_settings import handed_on, load_credentials, load_settings
from metaflow_extensions.mfenv.needs import distributions, lacking, needed, unfit
from metaflow_extensions.mfenv.records import EnvId, StepEnvironment
from metaflow_extensions.mfenv.run_records import LOCKS, FlowEnvironments, Interpreter
from metaflow_extensions.mfenv.staging import stage
from metaflow_extensions.mfenv.step_requests import StepRequest, step_request
from mfenv.environments import Environments
from mfenv.errors import InvalidRequest
from mfenv.lockfile.model import RESOLVED_BY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from metaflow_extensions.mfenv.command_records import Describe, Parse, ParsedFile
    from metaflow_extensions.mfenv.documents import Description
    from metaflow_extensions.mfenv.records import Say
    from metaflow_extensions.mfenv.run_records import Create, Resolve, StepStatements
    from mfenv.request import Request
    from mfenv.results import Created, Resolved
    from pkgcache.progress import Task, Unit

__all__ = [
    "alike",
    "create",
    "describe",
    "description_of",
    "opened",
    "parse",
    "remarks",
    "requests_of",
    "resolve",
    "resolve_all",
]

# As `mfenv.locking` has it, for the same reason.
_AT_ONCE = 8
_ADD = (
    "ask for it; runs and `metaflow environment resolve` add it by themselves unless"
    " METAFLOW_CONDA_SKIP_METAFLOW_DEPS is set"
)


def resolve(asked: Resolve, say: Say) -> FlowEnvironments:
    """Resolve and publish the environments of steps, all at once; or take them from a lock file.

    For steps that are sent to other machines, what these need goes into the store, too.
    """
    requests = requests_of(asked.steps, datastore=asked.datastore, say=say)
    steps = {request.step: StepEnvironment(at_exec=request.at_exec) for request in requests}
    described: dict[str, Description] = {}
    away = {
        step.platform
        for step, request in zip(asked.steps, requests, strict=True)
        # A step without an environment needs nothing of ours where it runs.
        if request.request or request.at_exec
    }
    with opened(asked.datastore, say) as environments:
        answered = (
            take_locked(environments, asked.place, requests)
            if asked.locked or environments.settings.locked
            else resolve_all(environments, alike(requests), force=asked.force)
        )
        for together, resolved in answered:
            say(_told(together, resolved))
            for text in remarks(together, resolved, asked.datastore):
                say(text)
            _check_lock(together, resolved, asked.datastore)
            for request in together:
                env = next(env for env in resolved.envs if env.platform in request.platforms)
                env_id = EnvId(*env.env_id)
                steps[request.step] = StepEnvironment(env_id=env_id)
                described[str(env_id)] = description_of(env)
        flow = FlowEnvironments(steps=steps, environments=described)
        if platforms := sorted(platform for platform in away if platform):
            flow = replace(
                flow,
                runtime=stage(environments, platforms),
                store=environments.store_url,
                settings=handed_on(environments.settings),
            )
    return flow


def description_of(env: ResolvedEnv) -> Description:
    """A resolved environment as envid describes it."""
    return cast("Description", env.to_dict())


def requests_of(steps: Sequence[StepStatements], *, datastore: str, say: Say) -> list[StepRequest]:
    """What each step asks for; `say` gets the notes on it, each once."""
    settings = load_settings(datastore)
    pins = {} if skips_needs() else needed(datastore)
    gpu = gpu_packages()
    requests: list[StepRequest] = []
    refused: list[tuple[str, InvalidRequest]] = []
    for step in steps:
        try:
            requests.append(step_request(step, settings, pins=pins, gpu=gpu, environ=os.environ))
        except InvalidRequest as error:
            if not any(said.kind in LOCKS for said in step.stated):
                raise
            # The other steps are asked, too: the error names all that have this lock.
            refused.append((step.step, error))
    if refused:  # what is wrong with the lock of a flow is so with several steps
        first = refused[0][1]
        raise of_steps(first, [name for name, other in refused if str(other) == str(first)])
    notes = [note for request in requests for note in request.notes]
    for note in dict.fromkeys((*settings.notes, *unheeded(), *notes)):
        say(note)
    return requests


def alike(requests: Sequence[StepRequest]) -> list[tuple[Request, list[StepRequest]]]:
    """Steps that ask for the same, and one request for the platforms of all of them."""
    groups: list[tuple[Request, list[StepRequest]]] = []
    for step in requests:
        if step.request:
            # A request cannot be hashed, so that this is no dictionary.
            same = next((steps for request, steps in groups if request == step.request), None)
            if same is None:
                groups.append((step.request, [step]))
            else:
                same.append(step)
    return [
        (
            request._replace(
                platforms=tuple(sorted({name for step in steps for name in step.platforms})),
            ),
            steps,
        )
        for request, steps in groups
    ]


def resolve_all(
    environments: Environments,
    groups: Sequence[tuple[Request, Sequence[StepRequest]]],
    *,
    aliases: Sequence[str] = (),
    force: bool,
    dry_run: bool = False,
) -> Iterator[tuple[Sequence[StepRequest], Resolved]]:
    """Resolve what `alike` gives all at once; options are those of `Environments.resolve`."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        # All are begun before one is waited for.
        pending = [
            (
                steps,
                pool.submit(
                    environments.resolve, request, aliases=aliases, force=force, dry_run=dry_run
                ),
            )
            for request, steps in groups
        ]
        for steps, future in pending:
            with naming(steps[0].request, [step.step for step in steps]):
                resolved = future.result()
            yield steps, resolved


def _told(steps: Sequence[StepRequest], resolved: Resolved) -> str:
    env = resolved.envs[0]
    what = f"{env.req_id[:12]}:{env.full_id[:12]}, {len(env.packages)} packages"
    how = f"resolved by {env.resolved_by} at {env.resolved_at}" if resolved.known else "new"
    if env.resolved_by == RESOLVED_BY:
        how = f"as {RESOLVED_BY} has it"
    return f"Environment of {_names(steps)}: {what}, {how}"


def remarks(steps: Sequence[StepRequest], resolved: Resolved, datastore: str) -> Iterator[str]:
    """What a user should know of the environments of steps, each once."""
    lines: dict[str, None] = {}
    for env in resolved.envs:
        if lack := lacking((package.name for package in env.packages), datastore):
            lines[f"{lack}: {_ADD}"] = None
        versions = ((package.name, package.version) for package in env.packages)
        for version in unfit(versions, datastore):
            lines[f"has {version}: what you ask for is taken"] = None
    yield from (f"Environment of {_names(steps)} {line}" for line in lines)
    yield from resolved.notes


def _check_lock(steps: Sequence[StepRequest], resolved: Resolved, datastore: str) -> None:
    """Refuse a lock without what no task can do without: nothing is added to it."""
    asked = steps[0].request
    for env in resolved.envs if asked and asked.locks else ():
        if lack := lacking((package.name for package in env.packages), datastore):
            raise InvalidRequest(
                f"the lock of {_names(steps)} {lack}",
                "add it to what the lock is made from, and lock again; or import the lock, add to it"
                " with `--using`, and name that in `@named_env`",
            )


def _names(steps: Sequence[StepRequest]) -> str:
    return ", ".join(step.step for step in steps)


def create(asked: Create, say: Say) -> Interpreter:
    """Create the environment that a text names here, if it is not there yet.

    Raises `mfenv.errors.InvalidRequest` if Metaflow cannot run there.
    """
    before = dict(os.environ)  # which other threads may change
    with opened(asked.datastore, say) as environments:
        # A container's registry is empty; with the descriptions it needs no request to know what to
        # create.
        if asked.descriptions:
            environments.add([ResolvedEnv.from_dict(env) for env in asked.descriptions])
        created = environments.create(asked.name)
        _check(created, asked.datastore)
        inside = environments.activation(created.prefix)
    # Only what differs: the task has the rest from Metaflow, which may change it in between.
    changed = {key: text for key, text in inside.items() if before.get(key) != text}
    # A variable cannot be taken from a task; empty, these mean what no variable means.
    changed |= dict.fromkeys(before.keys() - inside.keys(), "")
    if (created.prefix / "conda-meta").is_dir():
        outside = inside.get("LD_LIBRARY_PATH", "")
        # By this name Metaflow's `env_escape` gives it back to the Python outside.
        changed["MF_ORIG_LD_LIBRARY_PATH"] = outside
        changed["LD_LIBRARY_PATH"] = f"{created.prefix / 'lib'}:{outside}".rstrip(":")
    return Interpreter(
        env_id=EnvId(*created.env_id),
        python=str(created.prefix / "bin" / "python"),
        variables=changed,
    )


def _check(created: Created, datastore: str) -> None:
    python = created.prefix / "bin" / "python"
    lack = lacking(distributions(created.prefix), datastore)
    # That goes first: without a Python, all else is missing as well.
    if not python.exists():
        lack = "has no `python`"
    if lack:
        raise InvalidRequest(f"environment `{EnvId(*created.env_id).short}` {lack}", _ADD)


def describe(asked: Describe, say: Say) -> Description:
    """The description of an environment that is known here or in the store."""
    with opened(asked.datastore, say) as environments:
        (env,) = environments.find(asked.env_id.name, (asked.env_id.platform,))
    return description_of(env)


def parse(asked: Parse, say: Say) -> ParsedFile:
    """A requirement file, of a kind that reqparse knows, as arguments of a decorator."""
    from metaflow_extensions.mfenv._parse import arguments

    return arguments(asked.kind, asked.content, say)


@contextmanager
def opened(
    datastore: str, say: Say, options: Mapping[str, object] | None = None
) -> Iterator[Environments]:
    """The environments under Metaflow's configuration; `options` are settings given by hand."""
    with Environments(
        load_settings(datastore, options),
        progress=_Progress(say),
        credentials=load_credentials(),
        step=find_step,
    ) as environments:
        try:
            yield environments
        finally:
            environments.enforce_limits()


class _NoTask:
    def advance(self, amount: int = 1) -> None:
        pass

    def done(self) -> None:
        pass


class _Progress:
    """Says what is waited for, and what begins, each once; the log of a run wants no bars."""

    def __init__(self, say: Say) -> None:
        self._say, self._said = say, set[str]()

    def note(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)

    def start(self, label: str, total: int | None, unit: Unit) -> Task:
        if unit != "files":  # those are linked faster than anybody reads
            self.note(f"{label.capitalize()} ...")
        return _NoTask()
