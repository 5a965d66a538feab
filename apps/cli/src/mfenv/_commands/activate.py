"""`mfenv activate`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from mfenv._commands._common import (
    env_argument,
    local_only_option,
    open_environments,
    say,
)


@click.command(
    epilog="\b\nExamples:\n"
    '  eval "$(mfenv activate team/etl:v1)"\n'
    "  mfenv activate etl --shell fish | source\n"
    "  deactivate"
)
@env_argument()
@click.option(
    "--shell", metavar="S", help="bash, zsh, fish or sh.  [default: the one that runs this command]"
)
@local_only_option
def activate(env: str, shell: str | None) -> None:
    """Print what a shell evaluates to be in an environment.

    The environment is created if it is not there. In the shell, `deactivate` undoes it. What is
    active already is undone first.
    """
    from mfenv.activation import say_left_out
    from mfenv.shell_code import shell_code

    if left_out := say_left_out(os.environ):
        say(f"note: {left_out}")

    try:
        with open_environments() as environments:
            prefix = environments.prefix_for(env)
            prompt = environments.prompt_name(env)
        code = shell_code(prefix, os.environ, shell or _parent(), prompt)
    except Exception:
        # For `eval`, whose status is that of what it is given: else a script would go on outside.
        if not sys.stdout.isatty():
            click.echo("false")
        raise
    click.echo(code, nl=False)
    if sys.stdout.isatty():
        say(f'`eval "$(mfenv activate {env})"` takes the shell there; this only shows how')


def _parent() -> str:
    """The shell that runs us; $SHELL, which is only where the user begins, if that cannot be told."""
    from mfenv.shell_code import EVALUATED

    try:
        name = Path(f"/proc/{os.getppid()}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        name = ""
    return name if name in EVALUATED else os.environ.get("SHELL", "bash")
