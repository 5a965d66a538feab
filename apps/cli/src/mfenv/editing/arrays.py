"""The text of an array of TOML: items added, replaced and taken out, and all else as it was."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["append", "items", "remove", "replace"]

# In front of the three quotes that end a string, TOML allows two more: they are part of it.
_TOKEN = re.compile(
    r"""
    (?P<space>\s+|\#[^\n]*)
    | (?P<string>\"\"\"(?:[^\"\\]|\\.|\"{1,2}(?!\"))*\"{3,5}|'''(?:[^']|'{1,2}(?!'))*'{3,5}
      |\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*')
    | (?P<mark>[\[\]{},])
    | (?P<other>[^\s\"'\[\]{},\#]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?\r?\n")
_INDENT = "    "


@dataclass(slots=True)
class _Item:
    """Where an item is, and the end of the comma behind it, None for none."""

    start: int
    end: int
    comma: int | None = None


def items(array: str) -> list[str]:
    """The items as they are written."""
    return [array[item.start : item.end] for item in _items(array)]


def append(array: str, item: str) -> str:
    """With an item more at the end, on a line of its own if the last one has that."""
    known = _items(array)
    if not known:
        inside = re.match(r"\[[ \t]*(?:#[^\n]*)?(\r?\n)", array)
        if not inside:
            return f"[{item}{array[1:]}"
        return f"{array[: inside.end()]}{_INDENT}{item},{inside[1]}{array[inside.end() :]}"
    last = known[-1]
    behind = last.end if last.comma is None else last.comma
    comma, trailing = ("", ",") if last.comma is not None else (",", "")
    start = _line_start(array, last)
    rest = _REST.match(array, behind)
    if start is None or rest is None:
        return f"{array[:behind]}{comma} {item}{trailing}{array[behind:]}"
    newline = "\r\n" if rest[0].endswith("\r\n") else "\n"
    line = f"{array[start : last.start]}{item}{trailing}{newline}"
    return f"{array[:behind]}{comma}{rest[0]}{line}{array[rest.end() :]}"


def replace(array: str, index: int, item: str) -> str:
    """With another item in the place of one."""
    old = _items(array)[index]
    return f"{array[: old.start]}{item}{array[old.end :]}"


def remove(array: str, index: int) -> str:
    """Without an item, nor its line and comment if that line has nothing else."""
    known = _items(array)
    item = known[index]
    before = known[index - 1] if index else None
    behind = item.end if item.comma is None else item.comma
    start, rest = _line_start(array, item), _REST.match(array, behind)
    if start is not None and rest is not None:
        array = array[:start] + array[rest.end() :]
        # The comma in front separates nothing any more.
        if item.comma is None and before and before.comma:
            array = array[: before.comma - 1] + array[before.comma :]
        return array
    if before and before.comma and start is not None and "#" in array[before.comma : start]:
        # The comments between are not its own.
        indent = array[start : item.start] if index + 1 < len(known) else ""
        cut = before.comma - 1 if item.comma is None else before.comma
        return array[:cut] + array[before.comma : start] + indent + array[behind:].lstrip(" \t")
    if before and before.comma:
        # From behind the item before it, with the one comma that is too many.
        cut = before.comma - 1 if item.comma is None else before.comma
        return array[:cut] + array[behind:]
    space = re.compile(r"[ \t]*").match(array, behind)
    more = space.end() if space and index + 1 < len(known) else behind
    return array[: item.start] + array[more:]


def _line_start(array: str, item: _Item) -> int | None:
    """Where the line of an item starts, None where something else stands before it there."""
    start = array.rfind("\n", 0, item.start) + 1
    return start if start and not array[start : item.start].strip(" \t") else None


def _items(array: str) -> list[_Item]:
    items: list[_Item] = []
    depth = 0
    may_begin = True
    for token in _TOKEN.finditer(array):
        kind, text = token.lastgroup, token[0]
        if kind == "space":
            continue
        if kind == "mark" and text in "]}":
            depth -= 1
        # Deeper ones separate what is within an item.
        if depth == 1 and kind == "mark" and text == ",":
            items[-1].comma = token.end()
            may_begin = True
        elif depth >= 1:
            if may_begin:
                items.append(_Item(token.start(), token.end()))
                may_begin = False
            items[-1].end = token.end()
        if kind == "mark" and text in "[{":
            depth += 1
    return items
