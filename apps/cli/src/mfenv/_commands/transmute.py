"""`mfenv transmute`: conda packages in their other format."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mfenv._commands._common import current_host, json_option, print_json, settings_in_force
from mfenv.command_line import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pkgcache.archives.transmute import TransmutedFile


@click.command(
    epilog="\b\nExamples:\n  mfenv transmute numpy-2.1.0-py312h0_0.tar.bz2\n"
    "  mfenv transmute channel/noarch/*.conda --to tar.bz2 --output old/noarch"
)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--to", type=click.Choice(["conda", "tar.bz2"]), help="Format.  [default: the other one]"
)
@click.option(
    "--level",
    "transmute_level",
    type=click.IntRange(1, 19),
    metavar="N",
    help="zstd level of a .conda, 1 to 19.  [default: 3]",
)
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where to write.  [default: beside each file]",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@json_option
def transmute(
    files: tuple[Path, ...],
    to: str | None,
    transmute_level: int | None,
    output: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Turn conda packages from .tar.bz2 into .conda, or back.

    Prints the new files. Their members are those of the old ones: every byte, mode, time and link.
    A package that could not be installed is refused.
    """
    from mfenv.transmuting import transmute_all
    from pkgcache.whole_files import made_folder

    settings = settings_in_force({"transmute_level": transmute_level})
    with made_folder(output) if output else nullcontext():
        done, errors = transmute_all(
            files, settings, to=to, folder=output, force=force, progress=current_host().progress()
        )
    _show(done, as_json=as_json)
    # The last one is raised, and told as every error is.
    for error in errors[:-1]:
        tell(error)
    if errors:
        raise errors[-1]


def _show(done: Sequence[tuple[Path, TransmutedFile]], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "source": str(source),
                "path": str(made.path),
                "sha256": made.sha256,
                "size": made.size,
            }
            for source, made in done
        ]
        print_json({"transmuted": rows})
        return
    for _, made in done:
        click.echo(made.path)
