"""`mfenv run`: a program in an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mfenv._commands._become import become
from mfenv._commands._common import (
    check_one,
    env_argument,
    local_only_option,
    lock_options,
    named,
    open_environments,
)
from mfenv.groups import WrongUsage

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog="\b\nExamples:\n  mfenv run team/etl:v1 -- python train.py --epochs 3\n"
    "  mfenv run --lock mfenv.lock -- python train.py",
)
@env_argument(required=False)
@click.argument("command", metavar="CMD [ARG]...", nargs=-1)
@lock_options
@local_only_option
def run(
    env: str | None, command: tuple[str, ...], lock: Path | None, environment: str | None
) -> None:
    """Run a program in an environment.

    The environment is created if it is not there. The program takes the place of this process. With
    --lock it is one of a lock file, nothing is resolved, and ENV is left out.
    """
    if lock and env:
        # With no name in front of it, the program is the first word.
        command, env = (env, *command), None
    check_one(env, lock, environment)
    words = command[1:] if command[:1] == ("--",) else command
    if not words:
        raise click.UsageError("Missing argument 'CMD [ARG]...'.")
    if words is command and words[0].startswith("-"):
        hint = "options of `mfenv run` stand in front of ENV, those of a program behind its name"
        raise WrongUsage(f"`{words[0]}` stands where a program is expected", hint)
    from mfenv.activation import program

    with open_environments() as environments:
        chosen = named(environments, env, lock, environment)
        if isinstance(chosen, str):
            prefix = environments.prefix_for(chosen)
        else:
            prefix = environments.create(chosen).prefix
        variables = environments.activation(prefix)
    # With everything closed: nothing of this process is left in the program.
    become(program(prefix, words[0], variables), list(words), variables)
