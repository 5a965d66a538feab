"""`mfenv add`: packages that a requirement file is to ask for."""

from __future__ import annotations

from typing import Any

import click

from mfenv._commands._editing import edit_file, edit_options, with_resolving


@with_resolving
@click.command(
    epilog="\b\nExamples:\n  mfenv add requirements.txt 'numpy>=2' pandas\n"
    "  mfenv add pyproject.toml pytest --group test\n"
    "  mfenv add requirements.txt 'git>=2.40' --conda\n"
    "  mfenv add environment.yml 'numpy>=2'\n"
    "  mfenv add environment.yml rich --pypi\n"
    "  mfenv add pixi.toml 'numpy>=2'\n"
    "  mfenv add job.py rich\n"
    "  mfenv add team/etl:v1 rich\n"
    "  mfenv add requirements.txt numpy --no-resolve"
)
@edit_options
def add(**options: Any) -> int:
    """Add packages to a requirement file, or change them there.

    FILE is a requirements.txt, pyproject.toml, environment.yml, pixi.toml or a script with inline
    metadata, or in place of it an environment that was asked for in one such file. A PACKAGE is
    written as it is typed, without a version if that has none, at the end of its list, or in the
    place of the one of its name; all else in the file stays as it is. Then it is resolved, as by
    `mfenv resolve -r FILE`: where that fails the file stays as it was. Prints REQ_ID:FULL_ID.
    """
    return edit_file("add", options)
