"""`mfenv get`: from the shared store to this machine."""

from __future__ import annotations

import click

from mfenv._commands._common import (
    check_store_allowed,
    env_argument,
    json_option,
    open_environments,
    platform_option,
    print_descriptions,
    say_packages,
)


@click.command(
    epilog="\b\nExamples:\n  mfenv get team/etl:v1\n  mfenv get team/etl --platform osx-arm64"
)
@env_argument()
@platform_option("Platform; may be repeated.  [default: all that the store has]")
@click.option(
    "--default/--no-default",
    default=True,
    help="Make it what the bare req_id means here.  [default: yes]",
)
@json_option
def get(env: str, platforms: tuple[str, ...], default: bool, as_json: bool) -> None:
    """Bring the description of an environment from the shared store to this machine.

    Prints REQ_ID:FULL_ID. What ENV names is asked of the store, whatever it names here; `create`
    then needs no more than the packages.
    """
    with open_environments() as environments:
        check_store_allowed(environments)
        envs = environments.get(env, platforms, default=default)
    for resolved in envs:
        say_packages(resolved, f"resolved by {resolved.resolved_by} at {resolved.resolved_at}")
    if as_json:
        print_descriptions(envs)
    else:
        click.echo(str(envs[0].env_id.ref))
