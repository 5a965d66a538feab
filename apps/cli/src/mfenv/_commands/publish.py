"""`mfenv publish`: from this machine to the shared store."""

from __future__ import annotations

import click

from mfenv._commands._common import (
    check_store_allowed,
    complete_env,
    json_option,
    open_environments,
    print_json,
    say,
)


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
    What it describes is taken to have its packages there; only --force looks.
    """
    done = []
    with open_environments() as environments:
        check_store_allowed(environments)
        for name in envs:
            resolved, published = environments.publish_again(name, default=default, verify=force)
            counts = {
                "environments": published.environments if published else 0,
                "packages": published.packages if published else 0,
                "size": published.size if published else 0,
            }
            ids = {"req_id": resolved[0].req_id, "full_id": resolved[0].full_id}
            done.append({**ids, "platforms": [env.platform for env in resolved], "added": counts})
            say(
                f"{name}: added {counts['environments']} of {len(resolved)} descriptions and"
                f" {counts['packages']} packages ({counts['size']} bytes)"
            )
    if as_json:
        print_json({"published": done})
