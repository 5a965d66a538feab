"""`python flow.py --environment=conda environment resolve|lock|show`: their options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow._vendor import click
from metaflow.exception import CommandException

from metaflow_extensions.mfenv.conda_environment import CondaEnvironment

if TYPE_CHECKING:
    from metaflow_extensions.mfenv.environment_commands import State

__all__ = ["cli"]


@click.group()
def cli() -> None:
    """The group in which Metaflow expects the command."""


@cli.group(help="Resolve and show the environments of the steps of this flow.")
@click.pass_obj
def environment(obj: State) -> None:
    if not isinstance(obj.environment, CondaEnvironment):
        raise CommandException("The environments of steps need --environment=conda")


@environment.command(help="Resolve the environments of STEPS, or of all steps.")
@click.argument("steps", nargs=-1)
@click.option("--alias", multiple=True, help="Name for the environment, such as `team/name:tag`.")
@click.option("--arch", multiple=True, help="Platform to resolve for beside that of the steps.")
@click.option(
    "--lockfile",
    default=None,
    help="Lock file, or its URL, to take as it is in place of what decorators say.",
)
@click.option("--group", "groups", multiple=True, help="Dependency group of the lock file to take.")
@click.option("--no-group", "no_groups", multiple=True, help="Dependency group of it to leave out.")
@click.option(
    "--default-groups/--no-default-groups",
    default=None,
    help="Take the groups of it that are taken where nothing is said.",
)
@click.option("--only-group", "only_groups", multiple=True, help="Take this group of it alone.")
@click.option("--extra", "extras", multiple=True, help="Optional dependencies of it to take.")
@click.option("--package", multiple=True, help="Member of the workspace that a uv.lock is for.")
@click.option("--environment", default=None, help="Environment of a pixi.lock.")
@click.option("--locked/--no-locked", default=None, help="Refuse it if its source is newer.")
@click.option("--force/--no-force", default=False, help="Resolve again what is known.")
@click.option("--dry-run/--no-dry-run", default=False, help="Record, publish and name nothing.")
@click.option("--output", type=click.Path(), default=None, help="File to write JSON to.")
@click.pass_obj
def resolve(obj: State, **options: Any) -> None:
    from metaflow_extensions.mfenv import environment_commands

    environment_commands.resolve(obj, **options)


@environment.command(help="Write the environments of STEPS, or of all, into mfenv.lock beside it.")
@click.argument("steps", nargs=-1)
@click.option("--arch", multiple=True, help="Platform to lock for beside those of the steps.")
@click.option("--update", multiple=True, help="Package that may be newer; others stay.")
@click.option("--upgrade/--no-upgrade", default=False, help="Take the newest of all packages.")
@click.option("--check/--no-check", default=False, help="Write nothing; fail where it differs.")
@click.option("--output", type=click.Path(), default=None, help="File to write JSON to.")
@click.pass_obj
def lock(obj: State, **options: Any) -> None:
    from metaflow_extensions.mfenv import environment_commands

    environment_commands.lock(obj, **options)


@environment.command(help="Show what is known of the environments of STEPS, or of all steps.")
@click.argument("steps", nargs=-1)
@click.option("--local-only/--no-local-only", default=False, help="Do not ask the store.")
@click.option("--output", type=click.Path(), default=None, help="File to write JSON to.")
@click.pass_obj
def show(obj: State, **options: Any) -> None:
    from metaflow_extensions.mfenv import environment_commands

    environment_commands.show(obj, **options)
