"""`mfenv alias`."""

from __future__ import annotations

import click

from mfenv._commands._common import (
    env_argument,
    local_only_option,
    open_environments,
    say,
)


@click.command(
    epilog="\b\nExamples:\n  mfenv alias 3f2a91bc team/etl:v1\n  mfenv alias --delete team/etl:v1"
)
@env_argument()
@click.argument("alias", metavar="[ALIAS]", required=False)
@click.option("--delete", is_flag=True, help="Take the alias ENV away; its environment stays.")
@click.option("--shared", is_flag=True, help="With --delete: in the shared store as well.")
@local_only_option
def alias(env: str, alias: str | None, delete: bool, shared: bool) -> None:
    """Give an environment a name, or take one away.

    The tags `latest`, `candidate` and `stable` can be given to another environment later; every
    other tag stays for ever.
    """
    if delete == bool(alias):
        raise click.UsageError("Give ENV and ALIAS, or --delete and an alias.")
    if shared and not delete:
        raise click.UsageError("--shared goes with --delete.")
    with open_environments() as environments:
        if alias:
            given, target = environments.alias(env, alias)
            say(f"{given} names {target}")
        elif environments.take_away(env, shared=shared):
            say(f"{env} is no name here any more; the store still has it (--shared)")
        else:
            say(f"{env} is no name any more")
