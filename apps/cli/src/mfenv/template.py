"""A file of settings to begin with: all of them, as comments."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

from mfenv.errors import InvalidRequest
from mfenv.settings import ALL_SETTINGS, project_files

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["template", "write"]

_HEAD = """\
# Settings of mfenv for this directory and those below it; `mfenv config` shows those in force.
# Each line is the default: take its `#` away to say otherwise.
"""
_WIDTH = 100


def template() -> str:
    """The text of an `mfenv.toml` in which every setting has its default, in a comment."""
    parts = [_HEAD]
    for setting in ALL_SETTINGS.values():
        about = textwrap.fill(
            setting.help,
            _WIDTH,
            initial_indent="# ",
            subsequent_indent="# ",
            break_on_hyphens=False,
        )
        # What JSON calls a text, a number, a list or a truth is one to TOML as well.
        value = json.dumps(setting.default, ensure_ascii=False)
        parts.append(f"{about}\n#{setting.name} = {value}\n")
    return "\n".join(parts)


def write(folder: Path) -> tuple[Path, Path | None]:
    """Write `mfenv.toml` into a directory; where it is, and the file that it hides, if any.

    Raises `InvalidRequest` where there is one, or the directory's `pyproject.toml` has settings,
    which would not be read any more.
    """
    path = folder / "mfenv.toml"
    others = [other for other, _ in project_files(folder)]
    for other in others[:1]:
        if other.parent == folder:
            raise InvalidRequest(f"`{other}` has settings already", "edit them there")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:  # a link that leads nowhere, a directory, somebody else's just now
        raise InvalidRequest(f"`{path}` is there already", "delete it first") from None
    return path, next(iter(others), None)
