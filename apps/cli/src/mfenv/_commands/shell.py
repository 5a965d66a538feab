"""`mfenv shell`."""

from __future__ import annotations

import os
import shutil

import click

from mfenv._commands._become import become
from mfenv._commands._common import (
    env_argument,
    local_only_option,
    open_environments,
)


@click.command(epilog="\b\nExamples:\n  mfenv shell team/etl:v1\n  mfenv shell etl --shell zsh")
@env_argument()
@click.option(
    "--shell",
    metavar="S",
    help="bash, zsh or fish, or the path of one.  [default: that of the user]",
)
@local_only_option
def shell(env: str, shell: str | None) -> None:
    """Start a shell in an environment; leave it with `exit`.

    The environment is created if it is not there. The user's configuration is read, and then the
    environment is put in front of everything.
    """
    from mfenv.activation import shell_command

    with open_environments() as environments:
        prefix = environments.prefix_for(env)
        prompt = environments.prompt_name(env)
    chosen = shell or os.environ.get("SHELL", "bash")
    words, environment = shell_command(prefix, os.environ, shutil.which(chosen) or chosen, prompt)
    become(words[0], words, environment)
