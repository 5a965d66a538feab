"""`mfenv export`: an environment as a file of another tool."""

from __future__ import annotations

from pathlib import Path

import click

from mfenv._commands._common import (
    env_argument,
    local_only_option,
    open_environments,
    platform_option,
    say,
    write_out,
)
from mfenv.exporting.formats import ASKED, FORMATS


@click.command(
    epilog="\b\nExamples:\n  mfenv export team/etl:v1 --format requirements > requirements.txt\n"
    "  mfenv export 3f2a91bc --format requirements --platform linux-64 -o requirements.txt\n"
    "  mfenv export team/etl:v1 --format environment.yml --asked\n"
    "  mfenv export team/etl:v1 --format spdx --platform linux-64 -o bill.spdx.json\n"
    "  mfenv export team/etl:v1 --format dockerfile --platform linux-64 -o Dockerfile"
)
@env_argument()
@click.option(
    "--format",
    "form",
    metavar="FORMAT",
    required=True,
    type=click.Choice(FORMATS),
    help=f"What to write: {', '.join(FORMATS)}.",
)
@click.option(
    "--asked",
    is_flag=True,
    help=f"What was asked for, in place of what was found ({', '.join(ASKED)} only).",
)
@platform_option("Platform; may be repeated.  [default: all that are known]")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="File to write, and to replace.  [default: `-`, standard output]",
)
@local_only_option
def export(
    env: str, form: str, platforms: tuple[str, ...], output: Path | None, *, asked: bool
) -> None:
    """Write an environment as a file of another tool.

    The same environment gives the same bytes. What the format cannot say is told on stderr.
    """
    if asked and form not in ASKED:
        raise click.UsageError(f"`--asked` goes with `--format {' or '.join(ASKED)}` alone.")
    with open_environments() as environments:
        exported = environments.export(env, form, platforms, asked=asked)
    for note in exported.notes:
        say(f"note: {note}")
    write_out(output, exported.text.encode())
