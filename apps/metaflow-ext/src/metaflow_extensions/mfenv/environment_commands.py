"""What `python flow.py --environment=conda environment resolve|lock|show` do, in Metaflow's process.

Their options are in `environment_cli`, which Metaflow reads with every flow; this is read when they run.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from metaflow._vendor import click
from metaflow.exception import CommandException

from metaflow_extensions.mfenv import encoding
from metaflow_extensions.mfenv.bridge import call
from metaflow_extensions.mfenv.collect import lock_place, statements_of
from metaflow_extensions.mfenv.command_records import FlowLock, FlowResolve, FlowShow
from metaflow_extensions.mfenv.conda_environment import say
from metaflow_extensions.mfenv.failures import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from metaflow import FlowSpec

    from metaflow_extensions.mfenv.command_records import ShownStep
    from metaflow_extensions.mfenv.conda_environment import CondaEnvironment
    from metaflow_extensions.mfenv.run_records import StepStatements

__all__ = ["State", "lock", "resolve", "show"]


class State(Protocol):
    """What Metaflow's own commands hand to those below them."""

    flow: FlowSpec
    environment: CondaEnvironment
    echo: Callable[..., None]
    echo_always: Callable[..., None]


def resolve(
    obj: State,
    steps: tuple[str, ...],
    alias: tuple[str, ...],
    arch: tuple[str, ...],
    lockfile: str | None,
    force: bool,
    dry_run: bool,
    output: str | None,
    **choice: object,
) -> None:
    chosen = {name: value for name, value in choice.items() if value not in (None, ())}
    if chosen and not lockfile:
        options = click.get_current_context().command.params
        given = ", ".join(option.opts[0] for option in options if option.name in chosen)
        raise CommandException(f"Give a lock with --lockfile beside {given}")
    _check(output)
    by_step = call(
        FlowResolve(
            datastore=obj.environment.datastore_type,
            steps=_statements(obj, steps),
            aliases=alias,
            platforms=arch,
            force=force,
            dry_run=dry_run,
            lockfile=_from_here(lockfile),
            chosen=chosen,
        ),
        say,
    )
    for name, by_platform in by_step.items():
        for platform, step in by_platform.items():
            state = "resolved" if step.newly_resolved else "known already"
            count = len(step.env["packages"])
            ids = f"{step.req_id}:{step.full_id}"
            obj.echo_always(
                f"{name} {ids} {platform}, {count} packages, {state}", err=False, no_bold=True
            )
        if not by_platform:
            obj.echo(f"{name} needs nothing resolved")
    _write(by_step, output)


def lock(
    obj: State,
    steps: tuple[str, ...],
    arch: tuple[str, ...],
    update: tuple[str, ...],
    upgrade: bool,
    check: bool,
    output: str | None,
) -> None:
    if check + upgrade + bool(update) > 1:
        raise CommandException("Give one of --check, --update and --upgrade")
    _check(output)
    place = lock_place(obj.flow)
    done = call(
        FlowLock(
            datastore=obj.environment.datastore_type,
            place=place,
            steps=_statements(obj, steps),
            every=not steps,
            platforms=arch,
            update=update,
            upgrade=upgrade,
            check=check,
        ),
        say,
    )
    for name, step in done.steps.items():
        state = "resolved" if step.resolved else "as it was locked"
        ids = f"{step.req_id}:{step.full_id}"
        obj.echo_always(
            f"{name} {ids} {' '.join(step.platforms)}, {state}", err=False, no_bold=True
        )
        for platform, changes in step.changes.items():
            for change in changes:
                obj.echo(f"  {platform}: {change}", no_bold=True)
    for name in done.removed:
        obj.echo(f"{name} is no more in {place.file}")
    if not check:
        obj.echo(f"{place.file} is {'written' if done.written else 'as it was'}")
    _write(done, output)


def show(obj: State, steps: tuple[str, ...], local_only: bool, output: str | None) -> None:
    _check(output)
    by_step = call(
        FlowShow(
            datastore=obj.environment.datastore_type,
            steps=_statements(obj, steps),
            local_only=local_only,
        ),
        say,
    )
    for name, step in by_step.items():
        obj.echo_always(f"{name} {_state(step)}", err=False, no_bold=True)
    _write(by_step, output)


def _state(step: ShownStep) -> str:
    if step.is_disabled:
        return "disabled"
    if step.error:
        return f"error: {step.error}"
    if step.is_fetch_at_exec:
        return f"looked up as {step.from_env_name} when its tasks start"
    derived = f", derived from {step.from_env_name}" if step.from_env_name else ""
    if not step.env or not step.env_id:
        return f"{step.requested_hash} unresolved{derived}"
    created = f", created in {', '.join(step.prefixes)}" if step.prefixes else ""
    count = len(step.env["packages"])
    return f"{step.env_id.name} {step.env_id.platform}, {count} packages{derived}{created}"


def _from_here(lockfile: str | None) -> str | None:
    """A file by its absolute path: a relative one starts where the command is run."""
    here = lockfile is not None and "://" not in lockfile
    return str(Path(str(lockfile)).absolute()) if here else lockfile


def _statements(obj: State, names: tuple[str, ...]) -> tuple[StepStatements, ...]:
    steps = {step.name: step for step in obj.flow}
    for name in names:
        if name not in steps:
            raise CommandException(f"There is no step *{name}*; there are {', '.join(steps)}")
    return tuple(statements_of(obj.flow, steps[name]) for name in names or steps)


def _check(output: str | None) -> None:
    """Raise where `_write` could not: before anything is resolved, published or locked."""
    if output:
        path = Path(output)
        try:
            if path.is_dir():
                raise _not_written(output, os.strerror(errno.EISDIR))
            # Raises where the folder is not there, or is a file.
            os.stat(f"{path.parent}/.")  # noqa: PTH116 - a `Path` leaves out the dot
            if not os.access(path if path.exists() else path.parent, os.W_OK):
                raise _not_written(output, os.strerror(errno.EACCES))
        except OSError as error:
            raise _not_written(output, error.strerror) from None


def _write(by_step: object, output: str | None) -> None:
    if output:
        text = encoding.write(by_step, indent=2)
        try:
            Path(output).write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise _not_written(output, error.strerror) from None


def _not_written(output: str, reason: str | None) -> EnvironmentFailed:
    hint = "name a file that can be written with --output"
    return EnvironmentFailed(f"cannot write `{output}`: {reason}\nhint: {hint}")
