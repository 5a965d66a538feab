"""`mfenv init`: a file of settings to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from mfenv._commands._common import say


@click.command(epilog="\b\nExamples:\n  mfenv init")
def init() -> None:
    """Write `mfenv.toml` into the current directory: all settings with their defaults, as comments.

    A file that is there is never overwritten.
    """
    from mfenv.template import write

    path, hidden = write(Path.cwd())
    click.echo(path)
    if hidden:
        say(f"note: `{hidden}` is not read here any more: the nearest file counts alone")
