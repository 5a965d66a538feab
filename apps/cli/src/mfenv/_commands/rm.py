"""`mfenv rm`."""

from __future__ import annotations

import sys

import click

from mfenv._commands._common import (
    complete_env,
    open_environments,
    say,
)
from mfenv.errors import StillNamed


@click.command(epilog="\b\nExamples:\n  mfenv rm etl\n  mfenv rm team/etl:v1")
@click.argument("env", metavar="ENV|NAME", shell_complete=complete_env)
@click.option("--force", is_flag=True, help="Also where the environment has other names.")
def rm(env: str, force: bool) -> None:
    """Delete a prefix by its name or directory, or all that this machine has of an environment.

    Only directories that mfenv created are deleted. The shared store keeps what it has. Where an
    environment has other names too, it asks first on a terminal, and needs --force without one.
    """
    with open_environments() as environments:
        try:
            removed = environments.remove(env, force=force)
        except StillNamed as error:
            # The question is written to standard error, and its answer read from standard input.
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise
            click.confirm(f"{error}. Delete it?", abort=True, err=True)
            removed = environments.remove(env, force=True)
    for prefix in removed.prefixes:
        say(f"deleted {prefix}")
    if removed.forgotten:
        say(f"forgot {':'.join(removed.forgotten)}")
