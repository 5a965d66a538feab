"""Which environments of a lock file are to be locked, and for which platforms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mfenv.errors import InvalidRequest
from mfenv.lockfile.model import LockedEnv, LockFile, check_name
from mfenv.lockfile.names import DEFAULT, locking

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from mfenv.lockfile.inputs import Inputs

__all__ = ["chosen_environments", "for_platforms", "names_to_update", "usual_platforms", "why_kept"]


def chosen_environments(
    path: Path, lock: LockFile, name: str | None, inputs: Inputs | None
) -> tuple[LockedEnv, ...]:
    """The environments that are meant: one with new inputs, one, or all.

    Raises `InvalidRequest` where a file that one was made from is gone.
    """
    if inputs is not None:
        there = lock.get(check_name(name or DEFAULT))
        if there:
            return (replace(there, inputs=inputs),)
        return (LockedEnv(name=name or DEFAULT, envs=(), inputs=inputs),)
    if not lock.environments:
        raise InvalidRequest(
            f"`{path}` says nothing of what to lock",
            "name it, such as `mfenv lock -p pyproject.toml`",
        )
    chosen = (lock.chosen(name),) if name else lock.environments
    for environment in chosen:
        if environment.inputs and (gone := environment.inputs.gone(path.parent)):
            name = environment.name
            raise InvalidRequest(
                f"environment `{name}` of `{path}` is made from `{gone[0]}`, which is not there",
                f"name what it is made from by now, such as `mfenv lock -p FILE --environment {name}`,"
                f" or take it out: `mfenv lock --remove --environment {name}`",
            )
    return chosen


def names_to_update(names: Sequence[str], chosen: Iterable[LockedEnv]) -> tuple[str, ...]:
    """Packages by their names in environments. Raises `InvalidRequest` for what none has."""
    from mfenv.resolving import names_there

    return names_there(names, [env for environment in chosen for env in environment.envs])


def for_platforms(
    path: Path, chosen: Sequence[LockedEnv], platforms: Sequence[str]
) -> tuple[LockedEnv, ...]:
    """Environments that are to be for other platforms, of what they were made from before."""
    changed = []
    for environment in chosen:
        inputs = environment.inputs
        if inputs is None or inputs.flow:
            raise InvalidRequest(
                f"the platforms of `{environment.name}` in `{path}` cannot be changed:"
                f" {why_kept(inputs)[0]}",
                "name the environments that it is to be for with `--environment`",
            )
        settings = {**inputs.settings, "platforms": tuple(platforms)}
        changed.append(replace(environment, inputs=replace(inputs, settings=settings)))
    return tuple(changed)


def usual_platforms(lock: LockFile) -> tuple[str, ...]:
    """The platforms that a new environment of a file has where nothing states any."""
    default = lock.get(DEFAULT)
    among = (default,) if default else lock.environments
    return tuple(sorted({platform for env in among for platform in env.platforms}))


def why_kept(inputs: Inputs | None) -> tuple[str, ...]:
    """Why an environment without inputs of its own is not locked again here."""
    if inputs:
        return (f"it is of `{inputs.flow}`: `{locking(inputs.flow)}` locks it again",)
    return ("it does not say what it was made from, and stays as it is",)
