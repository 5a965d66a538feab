"""`python flow.py --environment=conda environment resolve|show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from metaflow._vendor import click
from metaflow.exception import CommandException

from metaflow_extensions.mfenv.collect import stated
from metaflow_extensions.mfenv.environment import CondaEnvironment

__all__ = ["cli"]


@click.group()
def cli() -> None:
    """The group in which Metaflow expects the command."""


@cli.group(help="Resolve and show the environments of the steps of this flow.")
@click.pass_obj
def environment(obj: Any) -> None:
    if not isinstance(obj.environment, CondaEnvironment):
        raise CommandException("The environments of steps need --environment=conda")


@environment.command(help="Resolve the environments of STEPS, or of all steps.")
@click.argument("steps", nargs=-1)
@click.option("--alias", multiple=True, help="Name for the environment, such as `team/name:tag`.")
@click.option("--arch", multiple=True, help="Platform to resolve for beside that of the steps.")
@click.option("--force/--no-force", default=False, help="Resolve again what is known.")
@click.option("--dry-run/--no-dry-run", default=False, help="Record, publish and name nothing.")
@click.option("--output", type=click.Path(), default=None, help="File to write JSON to.")
@click.pass_obj
def resolve(
    obj: Any,
    steps: tuple[str, ...],
    alias: tuple[str, ...],
    arch: tuple[str, ...],
    force: bool,
    dry_run: bool,
    output: str | None,
) -> None:
    found = obj.environment.call(
        "flow_resolve",
        steps=_stated(obj, steps),
        aliases=alias,
        platforms=arch,
        force=force,
        dry_run=dry_run,
    )
    for step, by_platform in found.items():
        for platform, one in by_platform.items():
            state = "resolved" if one["newly_resolved"] else "known already"
            count = len(one["env"]["packages"])
            name = f"{one['req_id']}:{one['full_id']}"
            obj.echo_always(f"{step} {name} {platform}, {count} packages, {state}", err=False)
        if not by_platform:
            obj.echo(f"{step} needs nothing resolved")
    _write(found, output)


@environment.command(help="Show what is known of the environments of STEPS, or of all steps.")
@click.argument("steps", nargs=-1)
@click.option("--local-only/--no-local-only", default=False, help="Do not ask the store.")
@click.option("--output", type=click.Path(), default=None, help="File to write JSON to.")
@click.pass_obj
def show(obj: Any, steps: tuple[str, ...], local_only: bool, output: str | None) -> None:
    found = obj.environment.call(
        "flow_show",
        steps=_stated(obj, steps),
        local_only=local_only,
    )
    for step, one in found.items():
        obj.echo_always(f"{step} {_state(one)}", err=False)
    _write(found, output)


def _state(one: dict[str, Any]) -> str:
    if one["is_disabled"]:
        return "disabled"
    if one["error"]:
        return f"error: {one['error']}"
    if one["is_fetch_at_exec"]:
        return f"looked up as {one['from_env_name']} when its tasks start"
    derived = f", derived from {one['from_env_name']}" if one["from_env_name"] else ""
    if not one["env"]:
        return f"{one['requested_hash']} unresolved{derived}"
    req_id, full_id, platform = one["env_id"]
    created = f", created in {', '.join(one['prefixes'])}" if one["prefixes"] else ""
    count = len(one["env"]["packages"])
    return f"{req_id}:{full_id} {platform}, {count} packages{derived}{created}"


def _stated(obj: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    steps = {step.name: step for step in obj.flow}
    for name in names:
        if name not in steps:
            raise CommandException(f"There is no step *{name}*; there are {', '.join(steps)}")
    return [stated(obj.flow, steps[name]) for name in names or steps]


def _write(found: dict[str, Any], output: str | None) -> None:
    if output:
        Path(output).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
