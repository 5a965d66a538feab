"""The dependencies in the inline metadata of a script (PEP 723)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tomlkit
from tomlkit.exceptions import TOMLKitError

from mfenv.editing.project import ProjectArray
from mfenv.errors import InvalidRequest
from reqparse.pyproject import script_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mfenv.editing.listed import Listed

__all__ = ["ScriptArray"]

_END = "# ///"


class ScriptArray:
    """A list whose TOML stands in the comments of a script, which has one block of them."""

    def __init__(self, text: str, file: str) -> None:
        self._newline = "\r\n" if "\r\n" in text else "\n"
        if self._newline == "\r\n" and text.count("\n") != text.count("\r\n"):
            raise InvalidRequest(f"`{file}` mixes ends of lines", "save it with one kind of them")
        self._lines = text.replace("\r\n", "\n").split("\n")
        ((self._start, content),) = script_blocks("\n".join(self._lines))
        # A block of no line has no content, and so has one of an empty line.
        is_empty = self._lines[self._start] == _END and not content
        self._before = [] if is_empty else content.split("\n")
        # With as many empty lines in front, lines keep their numbers.
        lines = [*[""] * self._start, *_with_list(self._before), ""]
        self._array = ProjectArray("\n".join(lines), file, script=True)

    @property
    def listed(self) -> Sequence[Listed]:
        return self._array.listed

    def append(self, text: str) -> str:
        return self._with(self._array.append(text))

    def replace(self, entry: Listed, text: str) -> str:
        return self._with(self._array.replace(entry, text))

    def remove(self, entry: Listed) -> str:
        return self._with(self._array.remove(entry))

    def _with(self, toml: str) -> str:
        after = toml.removesuffix("\n").split("\n")[self._start :]
        old = self._lines[self._start : self._start + len(self._before)]
        # What did not change stays as it was written: a comment may have a space at its end.
        same = 0
        while same < min(len(old), len(after)) and after[same] == self._before[same]:
            same += 1
        rest = 0
        while (
            rest < min(len(old), len(after)) - same and after[-1 - rest] == self._before[-1 - rest]
        ):
            rest += 1
        changed = [f"# {line}" if line else "#" for line in after[same : len(after) - rest]]
        block = [*old[:same], *changed, *old[len(old) - rest :]]
        end = self._start + len(self._before)
        return self._newline.join([*self._lines[: self._start], *block, *self._lines[end:]])


def _with_list(lines: list[str]) -> list[str]:
    """The TOML of a block with an empty list of dependencies, where it has none."""
    keys = _keys(lines)
    if keys is None or "dependencies" in keys:
        return lines
    # Keys behind the header of a table are of that table.
    headers = (at for at, line in enumerate(lines) if line.lstrip().startswith("["))
    # What begins so may also be a part of a list or of a text, which has not ended then.
    table = next((at for at in headers if _keys(lines[:at]) is not None), None)
    at = len(lines) if table is None else table
    # The comment above a table is of that table.
    over = ("",) if table is None else ("", "#")
    while at and lines[at - 1].strip()[:1] in over:
        at -= 1
    gap = [""] if table is not None and lines[at].strip() else []
    return [*lines[:at], "dependencies = []", *gap, *lines[at:]]


def _keys(lines: list[str]) -> list[str] | None:
    """The keys at the top of a text of TOML; None where it is none, or not whole."""
    try:
        return [*tomlkit.parse("\n".join([*lines, ""]))]
    except TOMLKitError:
        return None
