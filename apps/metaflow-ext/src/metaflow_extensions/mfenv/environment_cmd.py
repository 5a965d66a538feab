"""`metaflow environment`, as Metaflow finds it: the way to mfenv's own commands.

Metaflow brings a click of its own, whose commands do not go with those of another, so that the
words are handed over as they are.
"""

from __future__ import annotations

import sys

from metaflow._vendor import click

__all__ = ["cli"]


@click.group()
def cli() -> None:
    """The group in which Metaflow expects the command."""


@cli.command(
    name="environment",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    help="Resolve, share, create and run environments of conda and PyPI packages.",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def environment(words: tuple[str, ...]) -> None:
    """Run one of mfenv's commands with Metaflow's datastore, metadata and pathspecs."""
    from metaflow_extensions.mfenv.commands import main

    sys.exit(main(words))
