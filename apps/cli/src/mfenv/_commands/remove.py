"""`mfenv remove`: packages that a requirement file is not to ask for any more."""

from __future__ import annotations

from typing import Any

import click

from mfenv._commands._editing import edit_file, edit_options, with_resolving


@with_resolving
@click.command(
    epilog="\b\nExamples:\n  mfenv remove requirements.txt pandas\n"
    "  mfenv remove pyproject.toml pytest --group test"
)
@edit_options
def remove(**options: Any) -> int:
    """Remove packages from a requirement file.

    FILE is as in `mfenv add`, and so is all the rest: the file is resolved without each PACKAGE,
    and where that fails it stays as it was. `mfenv rm` deletes environments.
    """
    return edit_file("remove", options)
