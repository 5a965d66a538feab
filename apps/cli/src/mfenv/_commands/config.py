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


@click.command(epilog="\b\nExamples:\n  MFENV_PLATFORMS=linux-64,osx-arm64 mfenv config")
@json_option
def config(as_json: bool) -> None:
    """Show every setting, its value, and where that came from."""
    from mfenv.settings import describe

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
