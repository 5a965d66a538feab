"""mfenv's side of the bridge: what Metaflow's side asks of mfenv, as JSON data both ways."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from envid.ids import EnvId
from envid.resolved import ResolvedEnv
from metaflow_extensions.mfenv._configuration import gpu_packages, skips_needs, unheeded
from metaflow_extensions.mfenv.asking import find_step
from metaflow_extensions.mfenv.mfenv_settings import handed_on, load_credentials, load_settings
from metaflow_extensions.mfenv.needs import distributions, lacking, needed, unfit
from metaflow_extensions.mfenv.requests import StepRequest, step_request
from metaflow_extensions.mfenv.staging import stage
from mfenv.environments import Environments
from mfenv.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mfenv.environments import Resolved
    from mfenv.prefixes import Created
    from mfenv.request import Request
    from pkgcache.progress import Task, Unit

__all__ = [
    "alike",
    "create",
    "describe",
    "opened",
    "parse",
    "remarks",
    "requests_of",
    "resolve",
    "resolve_all",
]

_AT_ONCE = 8
_ADD = (
    "ask for it; runs and `metaflow environment resolve` add it by themselves unless"
    " METAFLOW_CONDA_SKIP_METAFLOW_DEPS is set"
)


def resolve(
    steps: Sequence[Mapping[str, Any]], *, datastore: str, say: Callable[[str], None], force: bool
) -> dict[str, Any]:
    """Resolve and publish the environments of steps, all at once.

    Takes what `metaflow_extensions.mfenv.collect.stated` gives. Answers `steps`: of each step
    `env_id`, or `at_exec` for a name to look up when a task starts, or nothing where it needs no
    environment; and `environments`: the descriptions by `req_id:full_id@platform`. For steps that
    are sent to other machines also `store`, its URL, `runtime`: see `staging.stage`, and `settings`,
    by which runs that their tasks start ask for the same.
    """
    asked = requests_of(steps, datastore=datastore, say=say)
    found: dict[str, dict[str, Any]] = {one.step: {} for one in asked}
    found |= {one.step: {"at_exec": one.at_exec} for one in asked if one.at_exec}
    described: dict[str, Any] = {}
    away = {
        one["platform"]
        for one, known in zip(steps, asked, strict=True)
        if known.request or known.at_exec
    }
    answer: dict[str, Any] = {"steps": found, "environments": described}
    with opened(datastore, say) as environments:
        for together, resolved in resolve_all(environments, alike(asked), force=force):
            say(_told(together, resolved))
            for text in remarks(together, resolved, datastore):
                say(text)
            for one in together:
                env = next(env for env in resolved.envs if env.platform in one.platforms)
                found[one.step] = {"env_id": list(env.env_id)}
                described[str(env.env_id)] = env.to_dict()
        if platforms := sorted(away - {None}):
            answer["runtime"] = stage(environments, platforms)
            answer["store"] = environments.store_url
            answer["settings"] = handed_on(environments.settings)
    return answer


def requests_of(
    steps: Sequence[Mapping[str, Any]], *, datastore: str, say: Callable[[str], None]
) -> list[StepRequest]:
    """What each step asks for; `say` gets the notes on it, each once."""
    settings = load_settings(datastore)
    pins = {} if skips_needs() else needed(datastore)
    gpu = gpu_packages()
    asked = [
        step_request(
            step,
            settings,
            pins=pins,
            gpu=gpu,
            environ=os.environ,
        )
        for step in steps
    ]
    for note in dict.fromkeys(
        (*settings.notes, *unheeded(), *(note for one in asked for note in one.notes))
    ):
        say(note)
    return asked


def alike(asked: Sequence[StepRequest]) -> list[tuple[Request, list[StepRequest]]]:
    """Steps that ask for the same, and one request for the platforms of all of them."""
    groups: list[tuple[Request, list[StepRequest]]] = []
    for one in asked:
        if one.request:
            same = next((steps for request, steps in groups if request == one.request), None)
            if same is None:
                groups.append((one.request, [one]))
            else:
                same.append(one)
    return [
        (
            replace(request, platforms=tuple(sorted({p for one in steps for p in one.platforms}))),
            steps,
        )
        for request, steps in groups
    ]


def resolve_all(
    environments: Environments,
    wanted: Sequence[tuple[Request, Sequence[StepRequest]]],
    **options: Any,
) -> Iterator[tuple[Sequence[StepRequest], Resolved]]:
    """Resolve what `alike` gives all at once; `options` are those of `Environments.resolve`."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        pending = [
            (steps, pool.submit(environments.resolve, request, **options))
            for request, steps in wanted
        ]
        for steps, future in pending:
            yield steps, future.result()


def _told(steps: Sequence[StepRequest], resolved: Resolved) -> str:
    env = resolved.envs[0]
    what = f"{env.req_id[:12]}:{env.full_id[:12]}, {len(env.packages)} packages"
    how = f"resolved by {env.resolved_by} at {env.resolved_at}" if resolved.known else "new"
    return f"Environment of {_names(steps)}: {what}, {how}"


def remarks(steps: Sequence[StepRequest], resolved: Resolved, datastore: str) -> Iterator[str]:
    """What a user should know of the environments of steps, each once."""
    found: dict[str, None] = {}
    for env in resolved.envs:
        if lack := lacking((one.name for one in env.packages), datastore):
            found[f"{lack}: {_ADD}"] = None
        for package in unfit(((one.name, one.version) for one in env.packages), datastore):
            found[f"has {package}: what you ask for is taken"] = None
    yield from (f"Environment of {_names(steps)} {text}" for text in found)
    yield from resolved.notes


def _names(steps: Sequence[StepRequest]) -> str:
    return ", ".join(one.step for one in steps)


def create(
    name: str,
    *,
    datastore: str,
    say: Callable[[str], None],
    descriptions: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Create the environment that a text names here, if it is not there yet.

    `descriptions` are of environments that may not be known here. Answers `env_id`, its `python`,
    and `variables` that a process in it must have beside those of this process. Raises
    `mfenv.errors.InvalidRequest` if Metaflow cannot run there.
    """
    before = dict(os.environ)  # which other threads may change
    with opened(datastore, say) as environments:
        if descriptions:
            told = [ResolvedEnv.from_dict(one) for one in descriptions]
            environments.add(told)
        created = environments.create(name)
        _check(created, datastore)
        inside = environments.activation(created.prefix)
    changed = {key: text for key, text in inside.items() if before.get(key) != text}
    # A variable cannot be taken from a task; empty, these mean what no variable means.
    changed |= dict.fromkeys(before.keys() - inside.keys(), "")
    if (created.prefix / "conda-meta").is_dir():
        outside = inside.get("LD_LIBRARY_PATH", "")
        changed["MF_ORIG_LD_LIBRARY_PATH"] = outside
        changed["LD_LIBRARY_PATH"] = f"{created.prefix / 'lib'}:{outside}".rstrip(":")
    return {
        "env_id": list(created.env_id),
        "python": str(created.prefix / "bin" / "python"),
        "variables": changed,
    }


def _check(created: Created, datastore: str) -> None:
    python = created.prefix / "bin" / "python"
    lack = lacking(distributions(created.prefix), datastore)
    if not python.exists():
        lack = "has no `python`"
    if lack:
        raise InvalidRequest(
            f"environment `{':'.join(one[:12] for one in created.env_id[:2])}` {lack}",
            _ADD,
        )


def describe(env_id: Sequence[str], *, datastore: str, say: Callable[[str], None]) -> Any:
    """The description of an environment that is known here or in the store."""
    req_id, full_id, platform = EnvId(*env_id)
    with opened(datastore, say) as environments:
        (env,) = environments.find(f"{req_id}:{full_id}", (platform,))
    return env.to_dict()


def parse(kind: str, content: str, *, say: Callable[[str], None]) -> dict[str, Any]:
    """A requirement file, of a kind that reqparse knows, as arguments of a decorator."""
    from metaflow_extensions.mfenv._parse import arguments

    return arguments(kind, content, say)


@contextmanager
def opened(
    datastore: str, say: Callable[[str], None], options: Mapping[str, Any] | None = None
) -> Iterator[Environments]:
    """The environments under Metaflow's configuration; `options` are settings given by hand."""
    with Environments(
        load_settings(datastore, options),
        progress=_Progress(say),
        credentials=load_credentials(),
        step=find_step,
    ) as found:
        try:
            yield found
        finally:
            found.enforce_limits()


class _NoTask:
    def advance(self, amount: int = 1) -> None:
        pass

    def done(self) -> None:
        pass


class _Progress:
    """Says what is waited for, and what begins, each once; the log of a run wants no bars."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._said = say, set[str]()

    def note(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)

    def start(self, label: str, total: int | None, unit: Unit) -> Task:
        if unit != "files":  # those are linked faster than anybody reads
            self.note(f"{label.capitalize()} ...")
        return _NoTask()
