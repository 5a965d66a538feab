"""`mfenv completion`: the shell completes commands, options and names."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mfenv._commands._common import say
from mfenv._output import output
from mfenv.completion import SHELLS
from mfenv.groups import Commands, WrongUsage

_shell_option = click.option(
    "--shell",
    type=click.Choice(SHELLS),
    help="For which shell.  [default: yours, as SHELL has it]",
)


@click.group(
    cls=Commands,
    epilog="\b\nExamples:\n  mfenv completion install\n  mfenv completion show --shell fish",
)
def completion() -> None:
    """Complete commands, options and names of environments in bash, zsh and fish."""


@completion.command(
    epilog="\b\nExamples:\n  mfenv completion install\n  mfenv completion install --shell zsh"
)
@_shell_option
def install(shell: str | None) -> None:
    """Put the script where your shell looks for it; do nothing where it is.

    Where the shell looks nowhere by itself (zsh, and bash without the package bash-completion), a
    marked block in `.zshrc` or `.bashrc` loads it. Prints the files that were written.
    """
    from mfenv.completion import install as put

    chosen = _chosen(shell)
    installed = put(click.get_current_context().find_root().command, chosen, os.environ)
    for path in installed.changed:
        click.echo(path)
    how = f", loaded by `{installed.loader}`," if installed.loader else ""
    state = "is written" if installed.changed else "is there already"
    say(f"`{installed.script}`{how} {state}: {chosen} completes `mfenv` from its next start on")


@completion.command(epilog='\b\nExamples:\n  eval "$(mfenv completion show --shell bash)"')
@_shell_option
def show(shell: str | None) -> None:
    """Print the script, for the present shell or to be put elsewhere."""
    from mfenv.completion import script

    click.echo(script(click.get_current_context().find_root().command, _chosen(shell)), nl=False)


def _chosen(shell: str | None) -> str:
    if output.program != "mfenv":
        raise WrongUsage(
            f"`{output.program}` is completed by another program, if at all",
            "the completion of mfenv is that of the command `mfenv` itself",
        )
    chosen = shell or Path(os.environ.get("SHELL", "")).name
    if chosen not in SHELLS:
        named = f"`{chosen}` is no shell that mfenv knows" if chosen else "SHELL names no shell"
        raise WrongUsage(named, f"give `--shell` with {', '.join(SHELLS)}")
    return chosen
