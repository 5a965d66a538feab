"""`mfenv report`: environments as a page to look at."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from mfenv._commands._common import (
    env_argument,
    json_option,
    local_only_option,
    open_environments,
    platform_option,
    say,
    write_out,
)
from mfenv.groups import WrongUsage

_EXAMPLES = """\b
Examples:
  mfenv report team/etl:v1 -o report.html
  mfenv report team/etl~1 team/etl -o report.html
  mfenv report team/etl:v1 --platform linux-64 --audit -o report.html
  mfenv report team/etl:v1 --json
"""


@click.command(epilog=_EXAMPLES)
@env_argument(nargs=-1, required=True)
@platform_option("Platform; may be repeated.  [default: all that are known]")
@click.option(
    "--audit", "audited", is_flag=True, help="Ask the sources for advisories, as `mfenv audit`."
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="File to write, and to replace; `-` is standard output.  [default: that, if it is no terminal]",
)
@local_only_option
@json_option
def report(
    env: tuple[str, ...],
    platforms: tuple[str, ...],
    output: Path | None,
    audited: bool,
    as_json: bool,
) -> None:
    """Write a page that shows environments: one HTML file, which loads nothing.

    It has what was asked for, what needs what, sizes, licences, what environments share and what
    differs from each to the next one; of one environment alone, between its platforms. Only
    --audit asks the network. With --json it is the data of the page.
    """
    if output is None and not as_json and sys.stdout.isatty():
        hint = f"`mfenv report {' '.join(env)} -o report.html` writes it to a file"
        raise WrongUsage("the page is for a browser, and no terminal shows it", hint)
    with open_environments() as environments:
        seen = environments.report(tuple(dict.fromkeys(env)), platforms, audited=audited)
    for note in seen.notes:
        say(f"note: {note}")
    if as_json:
        text = json.dumps(seen.to_dict(), indent=2, ensure_ascii=False) + "\n"
    else:
        from mfenv.reporting.page import page

        text = page(seen)
    write_out(output, text.encode())
