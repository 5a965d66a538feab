"""`mfenv config`: the settings, and where each comes from."""

from __future__ import annotations

from typing import Any

import click

from mfenv._commands._common import (
    json_option,
    print_json,
    settings_in_force,
)
from mfenv._layout import table
from mfenv.groups import WrongUsage


@click.command(epilog="\b\nExamples:\n  MFENV_PLATFORMS=linux-64,osx-arm64 mfenv config")
@click.argument("words", metavar="", nargs=-1)
@json_option
def config(words: tuple[str, ...], as_json: bool) -> None:
    """Show every setting, its value, and where that came from."""
    from mfenv.settings import describe

    if words:  # `set NAME VALUE`, as with other tools
        hint = "write `NAME = VALUE` into mfenv.toml, which `mfenv init` makes, or set MFENV_NAME"
        raise WrongUsage("`mfenv config` shows settings, and takes no words", hint)

    described = list(describe(settings_in_force()))
    if as_json:
        print_json(
            {name: {"value": value, "origin": origin} for name, value, origin, _ in described}
        )
        return
    table(
        ("setting", "value", "from", "meaning"),
        ((name, _shown(value), origin, text) for name, value, origin, text in described),
    )


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(value) or "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) or "-"
