"""`mfenv run`: a program in an environment."""

from __future__ import annotations

import click

from mfenv._commands._become import become
from mfenv._commands._common import (
    env_argument,
    local_only_option,
    open_environments,
)
from mfenv.groups import WrongUsage


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog="\b\nExamples:\n  mfenv run team/etl:v1 -- python train.py --epochs 3",
)
@env_argument()
@click.argument("command", metavar="CMD [ARG]...", nargs=-1, required=True)
@local_only_option
def run(env: str, command: tuple[str, ...]) -> None:
    """Run a program in an environment.

    The environment is created if it is not there. The program takes the place of this process.
    """
    words = command[1:] if command[0] == "--" else command
    if not words:
        raise click.UsageError("Missing argument 'CMD [ARG]...'.")
    if words is command and words[0].startswith("-"):
        hint = "options of `mfenv run` stand in front of ENV, those of a program behind its name"
        raise WrongUsage(f"`{words[0]}` stands where a program is expected", hint)
    from mfenv.activation import program

    with open_environments() as environments:
        prefix = environments.prefix_for(env)
        environment = environments.activation(prefix)
    # With everything closed: nothing of this process is left in the program.
    become(program(prefix, words[0], environment), list(words), environment)
