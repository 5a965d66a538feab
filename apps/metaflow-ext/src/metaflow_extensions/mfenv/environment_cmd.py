"""`metaflow environment`, as Metaflow finds it: the way to mfenv's own commands.

They run in a process of their own, so that the words are handed over as they are.
"""

from __future__ import annotations

import sys

from metaflow._vendor import click

__all__ = ["cli"]

_NAME = "environment"


class _Group(click.Group):
    """The group in which Metaflow expects the command.

    Before a command runs, Metaflow says its own name on standard output, where a program that reads
    our data has no use for it; until the command runs, all of that goes to standard error.
    """

    stdout = sys.stdout

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if sys.argv[1:2] == [_NAME]:
            sys.stdout = sys.stderr
        return super().get_command(ctx, cmd_name)


cli = _Group()


@cli.command(
    name=_NAME,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    help="Resolve, share, create and run environments of conda and PyPI packages.",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def environment(words: tuple[str, ...]) -> None:
    """Run one of mfenv's commands with Metaflow's datastore, metadata and pathspecs."""
    from metaflow_extensions.mfenv.bridge import run_command

    sys.stdout = cli.stdout
    sys.exit(run_command(list(words)))
