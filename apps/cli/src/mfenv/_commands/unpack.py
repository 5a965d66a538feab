"""`mfenv unpack`."""

from __future__ import annotations

from pathlib import Path

import click

from mfenv._commands._common import json_option, open_environments, print_json, say

_FILE = click.Path(path_type=Path)


@click.command(
    epilog="\b\nExamples:\n  mfenv unpack etl.tar.zst\n  mfenv unpack etl.tar.zst -p /srv/envs/etl"
)
@click.argument("file", metavar="FILE", type=_FILE)
@click.option(
    "-p",
    "--prefix",
    metavar="DIR",
    type=_FILE,
    help="Where: a directory that is not there or empty, and no link.  [default: by the name of FILE]",
)
@json_option
def unpack(file: Path, prefix: Path | None, as_json: bool) -> None:
    """Unpack an archive that `mfenv pack` wrote, check it, and set its prefix.

    Prints the directory, which is there when all of it is. Nothing of the archive is run.
    """
    with open_environments() as environments:
        created = environments.unpack(file, prefix)
    for phase, seconds in created.seconds.items():
        say(f"{phase} took {seconds:.2f} s")
    if as_json:
        print_json({"prefix": str(created.prefix), **created.env_id._asdict()})
    else:
        click.echo(created.prefix)
