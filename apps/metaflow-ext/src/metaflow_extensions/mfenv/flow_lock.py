"""mfenv's side of `python flow.py --environment=conda environment lock`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from metaflow_extensions.mfenv.command_records import FlowLocked, LockedStep
from metaflow_extensions.mfenv.engine import alike, opened, requests_of
from metaflow_extensions.mfenv.lock_files import naming
from metaflow_extensions.mfenv.locked_steps import name_of
from metaflow_extensions.mfenv.step_requests import asking_for
from mfenv.changes import changes
from mfenv.errors import StaleLock, UnknownEnvironment
from mfenv.lockfile.names import locking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metaflow_extensions.mfenv.command_records import FlowLock
    from metaflow_extensions.mfenv.records import Say
    from metaflow_extensions.mfenv.run_records import LockPlace
    from metaflow_extensions.mfenv.step_requests import StepRequest
    from mfenv.environments import Environments
    from mfenv.lockfile.outcomes import Relocked

__all__ = ["flow_lock"]


def flow_lock(asked: FlowLock, say: Say) -> FlowLocked:
    """Lock the environments of steps in the file beside their flow; or check what it has.

    Raises `mfenv.errors.StaleLock` where that does not fit, and `UnknownEnvironment` where there is
    no file to check, or to update a package in.
    """
    place, path = asked.place, Path(asked.place.file)
    if (asked.check or asked.update) and not path.exists():
        hint = f"`{locking(place.program)}` makes it"
        raise UnknownEnvironment(f"there is no lock file `{place.file}`", hint)
    requests = requests_of(asked.steps, datastore=asked.datastore, say=say)
    with opened(asked.datastore, say) as environments:
        if asked.check:
            _check(environments, asked, requests)
            return FlowLocked(steps={}, removed=(), written=False)
        wanted = [
            (
                [name_of(place, step.step) for step in together],
                request._replace(platforms=tuple({*request.platforms, *asked.platforms})),
            )
            for request, together in alike(requests)
        ]
        outcome = environments.lock_requests(
            path,
            place.program,
            wanted,
            about=lambda request, names: naming(request, [_step(place, name) for name in names]),
            whole_flow=asked.every,
            update=asked.update,
            upgrade=asked.upgrade,
        )
    for note in dict.fromkeys(note for done in outcome.environments for note in done.notes):
        say(note)
    return FlowLocked(
        steps={_step(place, done.name): _locked(done) for done in outcome.environments},
        removed=tuple(_step(place, name) for name in outcome.removed),
        written=outcome.written,
    )


def _step(place: LockPlace, name: str) -> str:
    return name[len(place.flow) + 1 :]


def _locked(done: Relocked) -> LockedStep:
    env = done.envs[0]
    return LockedStep(
        req_id=env.req_id,
        full_id=env.full_id,
        platforms=tuple(env.platform for env in done.envs),
        resolved=not done.kept,
        changes={
            platform: tuple(map(str, between))
            for platform, between in changes(done.before, done.envs).items()
        },
    )


def _check(environments: Environments, asked: FlowLock, requests: list[StepRequest]) -> None:
    differences = tuple(_differences(environments, asked, requests))
    if differences:
        raise StaleLock(asked.place.file, differences, locking(asked.place.program))


def _differences(
    environments: Environments, asked: FlowLock, requests: list[StepRequest]
) -> Iterator[str]:
    lock = environments.lock_file(Path(asked.place.file))
    for step in requests:
        locked = lock.get(name_of(asked.place, step.step))
        if step.request is None:
            continue
        if locked is None:
            yield f"{step.step}: + environment {name_of(asked.place, step.step)}"
            continue
        # Also those that it was locked for before: one more in the file is no difference.
        platforms = {*step.platforms, *asked.platforms, *locked.platforms}
        request = step.request._replace(platforms=tuple(sorted(platforms)))
        with naming(request, asking_for(step.request, requests)):
            changed = environments.lock_differences(request, locked.envs)
        for difference in changed:
            yield f"{step.step}: {difference}"
    if asked.every:
        named = {name_of(asked.place, step.step) for step in requests if step.request}
        for locked in lock.environments:
            ours = locked.inputs is not None and locked.inputs.flow == asked.place.program
            if ours and locked.name not in named:
                yield f"{_step(asked.place, locked.name)}: - environment {locked.name}"
