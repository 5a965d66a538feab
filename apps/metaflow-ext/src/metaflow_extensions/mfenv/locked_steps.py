"""The environments of steps as the lock file beside their flow has them: nothing is resolved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from metaflow_extensions.mfenv.lock_files import naming
from metaflow_extensions.mfenv.step_requests import asking_for
from mfenv.errors import InvalidRequest, UnknownEnvironment
from mfenv.lockfile.names import locking
from mfenv.results import Resolved

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metaflow_extensions.mfenv.run_records import LockPlace
    from metaflow_extensions.mfenv.step_requests import StepRequest
    from mfenv.environments import Environments

__all__ = ["name_of", "take_locked"]


def name_of(place: LockPlace, step: str) -> str:
    """What a step of a flow is called in its lock file, which several flows may share."""
    return f"{place.flow}.{step}"


def take_locked(
    environments: Environments, place: LockPlace, requests: Sequence[StepRequest]
) -> Iterator[tuple[Sequence[StepRequest], Resolved]]:
    """What `resolve_all` gives, from the lock file; what is there is published as it is.

    Raises `InvalidRequest` with the name of a step that is not there, not for its platform, or
    asks for something else by now; and `mfenv.errors.InvalidLock`.
    """
    asked = [step for step in requests if step.request]
    if not asked:
        return
    command = locking(place.program)
    hint = f"`{command}` locks it"
    try:
        lock = environments.lock_file(Path(place.file))
    except UnknownEnvironment as error:
        names = ", ".join(f"`{step.step}`" for step in asked)
        what = "step" if len(asked) == 1 else "steps"
        raise UnknownEnvironment(f"{what} {names}: {error}", hint) from None
    for step in asked:
        if step.request is None:
            continue
        locked = lock.get(name_of(place, step.step))
        if locked is None:
            raise InvalidRequest(f"step `{step.step}` is not in `{place.file}`", hint)
        platforms = ", ".join(step.platforms)
        envs = tuple(env for env in locked.envs if env.platform in step.platforms)
        if len(envs) < len(step.platforms):
            raise InvalidRequest(
                f"step `{step.step}` is locked for {', '.join(locked.platforms)} in `{place.file}`,"
                f" and not for {platforms}",
                f"`{command} --arch {platforms}` adds it",
            )
        # That there are others in the lock than this run needs is no difference.
        request = step.request._replace(platforms=locked.platforms)
        with naming(request, asking_for(step.request, asked)):
            changed = environments.lock_differences(request, locked.envs)
        if changed:
            told = "; ".join(map(str, changed))
            raise InvalidRequest(
                f"step `{step.step}` asks for something else than `{place.file}` has: {told}",
                f"`{command}` locks it again",
            )
        environments.remember(envs)
        environments.publish(envs, default=False)
        yield [step], Resolved(envs=envs, known=True, notes=envs[0].notes)
