"""The lines of a lock file: TOML in which each entry of a list has a line of its own.

So each line is read by itself, which says where every value stands, and finds what is whole in a
file that a merge left in pieces.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mfenv.errors import InvalidLock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Document", "Section", "TomlValue", "header", "key", "listed", "parse", "value"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
# What git leaves of a conflict; `|` begins what was there before both, where it is told to show it.
_MARKER = re.compile(r"(<{7}|\|{7}|={7}|>{7})( |$)")
_OPENS = re.compile(r"(?P<key>[^=]+)= *\[")


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlValue:
    """A value, and the line that it stands in. `rows` are the entries of a list."""

    line: int
    value: Any = None
    rows: list[TomlValue] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table: the line of its head, and its keys."""

    line: int
    entries: dict[str, TomlValue] = field(default_factory=dict)


Document = dict[tuple[str, ...], Section]
"""The tables of a file by their path; that of what stands above all tables is empty."""


# writing


def value(data: Any) -> str:
    """A value within one line."""
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, int):
        return str(data)
    if isinstance(data, str):
        # A string of JSON is one of TOML, but for this character.
        return json.dumps(data, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(data, dict):
        return f"{{ {', '.join(f'{key(name)} = {value(part)}' for name, part in data.items())} }}"
    return f"[{', '.join(map(value, data))}]"


def key(name: str) -> str:
    """A key, quoted where it must be."""
    return name if _BARE.fullmatch(name) else value(name)


def header(*path: str) -> Iterator[str]:
    """The head of a table, behind an empty line."""
    yield ""
    yield f"[{'.'.join(map(key, path))}]"


def listed(name: str, rows: Iterable[Any]) -> Iterator[str]:
    """A list with a line for each entry, so that two branches that add some can be merged."""
    yield f"{key(name)} = ["
    for row in rows:
        yield f"  {value(row)},"
    yield "]"


# reading


def parse(text: str, where: str, *, forgiving: bool = False) -> Document:
    """The tables of a file that is called `where`.

    Raises `InvalidLock`, with the line, for what is not written so. `forgiving`, it passes over
    that: of a list that is there twice it takes the entries of both, of another key the last one.
    """
    document: Document = {(): Section(line=1)}
    section = document[()]
    rows: list[TomlValue] | None = None
    # Not `splitlines`, which also breaks at characters that a string may hold as they are.
    for number, text_of_line in enumerate(text.split("\n"), 1):
        line = text_of_line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            # Before all else, which would only say of such a line that it is not written so.
            _check_merged(line, where, number)
            if rows is not None and line == "]":
                rows = None
            elif line.startswith("[") and (rows is None or forgiving):
                rows, section = None, _opened(document, line, where, number, forgiving=forgiving)
            elif rows is not None and not (forgiving and _OPENS.fullmatch(line)):
                rows.append(TomlValue(line=number, value=_row(line, where, number)))
            else:
                rows = _keyed(section, line, where, number, forgiving=forgiving)
        except InvalidLock:
            if not forgiving:
                raise
    if rows is not None and not forgiving:
        raise InvalidLock(where, number, "the file ends within a list")
    return document


def _check_merged(line: str, where: str, number: int) -> None:
    if _MARKER.match(line):
        raise InvalidLock(where, number, "here is a conflict of a merge, as git leaves it")


def _opened(document: Document, line: str, where: str, number: int, *, forgiving: bool) -> Section:
    path: list[str] = []
    # A head alone is empty tables within each other: their names are its path.
    data: Any = _toml(line, where, number)
    while data:
        if not isinstance(data, dict):  # `[[...]]`
            raise InvalidLock(where, number, f"`{line}` is no table of a lock file")
        ((name, data),) = data.items()
        path.append(name)
    place = tuple(path)
    if place in document and not forgiving:
        first = document[place].line
        raise InvalidLock(where, number, f"`{line}` is there already, in line {first}")
    return document.setdefault(place, Section(line=number))


def _row(line: str, where: str, number: int) -> Any:
    if not line.endswith(","):
        raise InvalidLock(where, number, "an entry of a list ends with a comma")
    return _toml(f"entry = {line[:-1]}", where, number)["entry"]


def _keyed(
    section: Section, line: str, where: str, number: int, *, forgiving: bool
) -> list[TomlValue] | None:
    """Add a key to a table; the rows of its list where one begins."""
    opens = _OPENS.fullmatch(line)
    # With another value in place of the list, so that TOML itself says what the key is.
    text = f"{opens['key']} = 0" if opens else line
    data: Mapping[str, Any] = _toml(text, where, number)
    ((name, content),) = data.items()
    there = section.entries.get(name)
    if there and not forgiving:
        raise InvalidLock(where, number, f"`{name}` is there already, in line {there.line}")
    if not opens:
        section.entries[name] = TomlValue(line=number, value=content)
        return None
    if not there or there.rows is None:
        section.entries[name] = there = TomlValue(line=number, rows=[])
    return there.rows


def _toml(text: str, where: str, number: int) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        # The place that it names is one in this line alone.
        reason = re.sub(r" \(at .*\)$", "", str(error))
        raise InvalidLock(where, number, f"is not TOML: {reason}") from None
