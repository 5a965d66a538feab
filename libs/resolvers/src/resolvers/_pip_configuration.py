"""What pip is configured with by files and variables, and what of that does not count here."""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from resolvers._programs import PATIENCE, readable, users_environment

if TYPE_CHECKING:
    from pathlib import Path

    from resolvers._processes import Processes

__all__ = ["configuration", "variables", "without_wheels"]


def variables() -> dict[str, str]:
    """The variables that pip gets: the user's, but for what the request alone says."""
    env = {name: value for name, value in users_environment().items() if name != "PIP_GROUP"}
    return env | {
        # Of a list without words nothing is asked for, whatever its files say.
        "PIP_EDITABLE": " ",
        "PIP_REQUIREMENT": " ",
        "PIP_REQUIREMENTS_FROM_SCRIPT": " ",
        "PIP_PRE": "false",
        "PIP_ALL_RELEASES": ":none:",
        # Everything that is needed is told of, and nothing else.
        "PIP_NO_DEPS": "false",
        "PIP_ONLY_DEPS": "false",
        # There is one place for what is for another platform.
        "PIP_USER": "false",
        # What it says of a failure is read.
        "PIP_QUIET": "0",
        # That guards what is installed into, and nothing is.
        "PIP_REQUIRE_VIRTUALENV": "false",
    }


def configuration(pip: Path, processes: Processes) -> list[tuple[str, str]]:
    """What pip is configured with, a name such as `global.index-url` and a text each.

    Raises `OSError` where it cannot be started, `TimeoutError` where it does not end.
    """
    done = processes.run(
        "pip config list", (pip, "config", "list"), environment=users_environment(), limit=PATIENCE
    )
    # `global.index-url='https://...'`, with as many values as there are.
    pairs = (line.partition("=") for line in readable(done).stdout.splitlines())
    return [(name, _text(literal)) for name, _, literal in pairs]


def without_wheels(pip: Path, processes: Processes) -> frozenset[str]:
    """The names of the packages whose wheels are forbidden, or `:all:`; none where it cannot be asked."""
    with suppress(OSError, TimeoutError):
        values = dict(configuration(pip, processes))
        # The strongest first, which alone counts.
        for place in (":env:", "install", "global"):
            if (value := values.get(f"{place}.no-binary")) is not None:
                names = [name for name in re.split(r"[,\s]+", value) if name]
                # What stands before it, this takes back.
                last = max((at for at, name in enumerate(names) if name == ":none:"), default=-1)
                return frozenset(
                    name if name == ":all:" else canonicalize_name(name)
                    for name in names[last + 1 :]
                )
    return frozenset()


def _text(literal: str) -> str:
    try:
        return str(ast.literal_eval(literal))
    except (SyntaxError, ValueError):
        return ""
