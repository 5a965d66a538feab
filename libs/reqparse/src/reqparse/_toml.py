"""TOML 1.1 as a tree with lines.

The parser decides what is valid and what it means; the scanner here only walks text that the
parser has accepted, to find the line of each value.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

from reqparse._flaw import Flaw
from reqparse._node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

try:  # tomli reads TOML 1.1, as pixi writes it; the standard library does so from 3.15 on
    tomllib = import_module("tomli")
except ModuleNotFoundError:
    tomllib = import_module("tomllib")

# More than anybody nests, and so few that `_build`, which calls itself, stays below Python's limit
# of recursion.
MAX_DEPTH = 100

# A long string may have up to two quotes of its own before the three that close it. An atom ends at
# a dot, so that keys come in parts, and so do floats and some dates.
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r]+|\#[^\n]*)
    | (?P<newline>\n)
    | (?P<long>\"\"\"(?:[^\"\\]|\\.|\"{1,2}(?!\"))*\"{3,5}|'''(?:[^']|'{1,2}(?!'))*'{3,5})
    | (?P<short>\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*')
    | (?P<mark>[\[\]{}=,.])
    | (?P<atom>[^\s\"'\[\]{}=,.\#]+)
    """,
    re.VERBOSE | re.DOTALL,
)
# The look-ahead makes each part atomic and the look-behind lets it start only where one can, so
# that a search stays linear.
_DOTTED = re.compile(
    r"(?:(?:(?<![^\s\"'.=\[\]#])(?=([^\s\"'.=\[\]#]+))\1|\"[^\"\n]*\"|'[^'\n]*')[ \t]*\.[ \t]*)"
    rf"{{{MAX_DEPTH}}}"
)
_AT = re.compile(r"\(at line (\d+), column \d+\)|\(at end of document\)")

Path = tuple[str | int, ...]


def load_toml(text: str) -> Node:
    """The document as a tree. Raises Flaw."""
    # As the parser does, so that its lines are the scanner's.
    text = text.replace("\r\n", "\n")
    if dotted := _DOTTED.search(text):  # deep keys cost the parser more than their length
        line = text.count("\n", 0, dotted.start()) + 1
        raise Flaw(f"a key of more than {MAX_DEPTH} parts", line=line)
    try:
        # `3.10` without quotes is a version; as a float it would be 3.1.
        data = tomllib.loads(text, parse_float=str)
    except tomllib.TOMLDecodeError as error:
        # Not every tomllib and tomli has attributes for it.
        where = _AT.search(str(error))
        line = int(where[1]) if where and where[1] else text.count("\n") + 1
        raise Flaw(f"not TOML: {_AT.sub('', str(error)).strip()}", line=line) from None
    except RecursionError:
        raise Flaw(f"not TOML: nested deeper than {MAX_DEPTH} levels") from None
    # Such as an integer of more digits than Python converts, which no parser wraps.
    except ValueError as error:
        raise Flaw(f"not TOML: {error}") from None
    return _build(data, _Scanner(text).lines(), (), 1, 0)


def _build(value: Any, lines: dict[Path, int], path: Path, line: int, depth: int) -> Node:
    # What has no line of its own is where that begins which holds it.
    line = lines.get(path, line)
    if depth > MAX_DEPTH:
        raise Flaw(f"nested deeper than {MAX_DEPTH} levels", line=line)
    if isinstance(value, dict):
        table = {k: _build(v, lines, (*path, k), line, depth + 1) for k, v in value.items()}
        if path not in lines and table:  # a table that only the keys of others name
            line = min(node.line for node in table.values())
        return Node(table, line)
    if isinstance(value, list):
        items = [_build(v, lines, (*path, i), line, depth + 1) for i, v in enumerate(value)]
        return Node(items, line)
    return Node(value if isinstance(value, bool) else str(value), line)


class _Open:
    """An array or an inline table whose end has not come; its commas count what an array has."""

    __slots__ = ("commas", "is_array", "path")

    def __init__(self, path: Path, *, is_array: bool) -> None:
        self.path, self.is_array, self.commas = path, is_array, 0


class _Scanner:
    """Finds the line of every value by its path of keys and indexes."""

    def __init__(self, text: str) -> None:
        # A single iterator: every method goes on where the last stopped.
        self._tokens = self._scan(text)
        self._lines: dict[Path, int] = {}
        # How many items each array of tables has so far.
        self._sizes: dict[Path, int] = {}

    def lines(self) -> dict[Path, int]:
        table: Path = ()
        for kind, token, line in self._tokens:
            # Only a header or a key can begin here: `_value` takes all that is inside of a value.
            if token == "[" and kind == "mark":  # noqa: S105 - no password
                table = self._header(line)
            elif kind != "newline":
                path = (*table, *self._key(kind, token))
                self._value(path, *next(self._tokens))
                self._rest_of_line()
        return self._lines

    @staticmethod
    def _scan(text: str) -> Iterator[tuple[str, str, int]]:
        line = 1
        for match in _TOKEN.finditer(text):
            kind, token = str(match.lastgroup), match[0]
            if kind != "space":
                yield kind, token, line
            # A comment ends before its newline, and the other strings hold none.
            line += token.count("\n") if kind in ("newline", "long") else 0

    def _header(self, line: int) -> Path:
        """The path of a `[table]`, or of the new item of an `[[array]]`."""
        kind, token, _ = next(self._tokens)
        array = token == "["  # noqa: S105 - no password
        if array:
            kind, token, _ = next(self._tokens)
        parts = self._key(kind, token, end="]")
        # The second of its two closing brackets.
        if array:
            next(self._tokens)
        path: Path = ()
        # `[a.b]` below `[[a]]` belongs to the last item of `a`.
        for part in parts[:-1]:
            path = self._last((*path, part))
        path = (*path, parts[-1])
        if array:
            index = self._sizes.get(path, 0)
            self._sizes[path] = index + 1
            path = (*path, index)
        # A table may have been begun by a dotted key or a deeper header; its first line is told.
        self._lines.setdefault(path, line)
        return path

    def _rest_of_line(self) -> None:
        """Pass what is left of a value in several tokens, such as `1.5` or a date."""
        for kind, _, _ in self._tokens:
            if kind == "newline":
                return

    def _last(self, path: Path) -> Path:
        """The path itself, or that of the last item if it is an array of tables."""
        return (*path, self._sizes[path] - 1) if path in self._sizes else path

    def _key(self, kind: str, token: str, end: str = "=") -> list[str]:
        """The parts of a dotted key whose first token is given; takes what ends it."""
        parts: list[str] = []
        while token != end:
            if kind == "short":
                # The parser knows what escapes mean.
                parts.append(tomllib.loads(f"k = {token}")["k"])
            elif kind == "atom":
                parts.append(token)
            kind, token, _ = next(self._tokens)
        return parts

    def _value(self, path: Path, kind: str, token: str, line: int) -> None:
        """Note a value's line and those of everything inside it."""
        self._lines[path] = line
        if (kind, token) not in (("mark", "["), ("mark", "{")):
            return
        # A stack of our own: the parser may have gone deeper than Python lets this method call itself.
        opened = [_Open(path, is_array=token == "[")]  # noqa: S105 - no password
        # Whether a key or a value may begin; else what comes belongs to what is there.
        may_begin = True
        for inner, text, at in self._tokens:
            # Inside of arrays, and in TOML 1.1 of inline tables, the end of a line means nothing.
            if inner == "newline":
                continue
            if inner == "mark" and text in "]}":
                opened.pop()
                if not opened:
                    return
                may_begin = False
                continue
            if inner == "mark" and text == ",":
                opened[-1].commas += 1
                may_begin = True
                continue
            if not may_begin:
                continue  # the rest of a value in several tokens, such as 1.5
            holder = opened[-1]
            start = (inner, text, at)
            if holder.is_array:
                child: Path = (*holder.path, holder.commas)
            else:
                child = (*holder.path, *self._key(inner, text))
                start = next(self._tokens)
            self._lines[child] = start[2]
            may_begin = False
            if start[:2] in (("mark", "["), ("mark", "{")):
                opened.append(_Open(child, is_array=start[1] == "["))
                may_begin = True
