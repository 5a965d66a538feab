"""The group of all commands."""

from __future__ import annotations

import click

from mfenv.__about__ import __version__
from mfenv._output import output_options
from mfenv.command_line import commands
from mfenv.groups import Commands

__all__ = ["cli"]

_EXAMPLES = """\b
Examples:
  mfenv resolve -r requirements.txt --alias team/train:v1
  mfenv run team/train:v1 -- python train.py
  mfenv show team/train:v1 --json
"""


@click.group(
    cls=Commands,
    commands=commands(),
    epilog=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@output_options
@click.version_option(__version__, prog_name="mfenv")
def cli() -> None:
    """Resolve, share, create and run exact environments of conda and PyPI packages."""
