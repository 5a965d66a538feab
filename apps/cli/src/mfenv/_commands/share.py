"""`mfenv get` and `publish`: between this machine and the shared store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mfenv._commands._common import (
    complete_env,
    env_argument,
    json_option,
    open_environments,
    platform_option,
    print_descriptions,
    print_json,
    say,
    say_packages,
)

if TYPE_CHECKING:
    from mfenv.environments import Environments


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
        _check_allowed(environments)
        found = environments.get(env, platforms, default=default)
    for one in found:
        say_packages(one, f"resolved by {one.resolved_by} at {one.resolved_at}")
    if as_json:
        print_descriptions(found)
    else:
        click.echo(f"{found[0].req_id}:{found[0].full_id}")


@click.command(
    epilog="\b\nExamples:\n  mfenv publish team/etl:v1\n  mfenv publish --force 3f2a91bc"
)
@click.argument("envs", metavar="ENV...", nargs=-1, required=True, shell_complete=complete_env)
@click.option(
    "--force", is_flag=True, help="Read every package there, and put right what is lost or damaged."
)
@click.option(
    "--default", is_flag=True, help="Make it what the bare req_id means, also if something is."
)
@json_option
def publish(envs: tuple[str, ...], force: bool, default: bool, as_json: bool) -> None:
    """Put environments that this machine knows into the shared store.

    What the store has is left as it is. It is given the default and the aliases that it lacks, too.
    """
    done = []
    with open_environments() as environments:
        _check_allowed(environments)
        for name in envs:
            found, published = environments.publish_again(name, default=default, verify=force)
            counts = {
                "environments": published.environments if published else 0,
                "packages": published.packages if published else 0,
                "size": published.size if published else 0,
            }
            ids = {"req_id": found[0].req_id, "full_id": found[0].full_id}
            done.append({**ids, "platforms": [one.platform for one in found], "added": counts})
            say(
                f"{name}: added {counts['environments']} of {len(found)} descriptions and"
                f" {counts['packages']} packages ({counts['size']} bytes)"
            )
    if as_json:
        print_json({"published": done})


def _check_allowed(environments: Environments) -> None:
    if environments.settings.local_only:
        origin = environments.settings.origins["local_only"]
        raise click.UsageError(f"The store is needed, and '{origin}' forbids to ask it.")


COMMANDS = (get, publish)
