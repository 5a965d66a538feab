"""The tables of pixi: `[dependencies]` and `[pypi-dependencies]`, a line for each package."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from mfenv.editing.listed import Listed
from mfenv.errors import InvalidRequest
from reqparse.editing import insert_line, remove_lines

if TYPE_CHECKING:
    from reqparse import RequirementSet

__all__ = ["PixiTable", "has_pixi"]

_HEADER = re.compile(r"[ \t]*\[([^\[\]]+)\][ \t]*(?:#.*)?")
_STRING = r"\"[^\"\\]*\"|'[^']*'"
_ENTRY = re.compile(
    rf"(?P<start>[ \t]*(?:{_STRING}|[\w.-]+)[ \t]*=[ \t]*)"
    rf"(?P<value>(?P<text>{_STRING})|\{{[^{{}}]*\}})(?P<end>[ \t]*(?:#.*)?)"
)
_PACKAGE = re.compile(r"(?P<name>[\w.-]+)(?:\[(?P<extras>[\w., -]+)\])? *(?P<version>[^;@\[\]:]*)")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def has_pixi(text: str) -> bool:
    """Whether a pyproject.toml is one of pixi's manifests, too."""
    return any(name.startswith("tool.pixi.") for name in _headers(text.splitlines()).values())


class PixiTable:
    """The packages of conda or of PyPI that every environment and platform gets.

    In a pyproject.toml the tables are those in `tool.pixi`.
    """

    def __init__(
        self, text: str, said: RequirementSet, file: str, *, conda: bool, inside: bool
    ) -> None:
        self._text, self._lines, self._conda = text, text.splitlines(), conda
        self._name = f"{'tool.pixi.' * inside}{'dependencies' if conda else 'pypi-dependencies'}"
        headers = _headers(self._lines)
        own = [line for line, name in headers.items() if name == self._name]
        self._start = own[0] + 1 if len(own) == 1 else len(self._lines)
        self._end = min((line for line in headers if line >= self._start), default=len(self._lines))
        self._is_new = not own
        self.listed = [
            Listed(
                requirement=requirement,
                at=requirement.origin.line - 1,
                place=str(requirement.origin),
            )
            for requirement in said.requirements
            if requirement.origin.file == file
            and requirement.origin.line
            and self._start < requirement.origin.line <= self._end
            and (requirement.category == "pypi") != conda
        ]

    def append(self, text: str) -> str:
        name, value = self._entry(text)
        if self._is_new:
            end = "\r\n" if self._text.partition("\n")[0].endswith("\r") else "\n"
            newline = "" if self._text.endswith("\n") or not self._text else end
            return f"{self._text}{newline}{end}[{self._name}]{end}{name} = {value}{end}"
        last = max((entry.at for entry in self.listed), default=self._start - 1)
        line = self._lines[last]
        indent = line[: len(line) - len(line.lstrip())]
        return insert_line(self._text, last + 1, f"{indent}{name} = {value}")

    def replace(self, entry: Listed, text: str) -> str:
        line_parts = _ENTRY.fullmatch(self._lines[entry.at])
        if not line_parts or line_parts["text"] is None:
            raise InvalidRequest(f"{entry.place}: it has more than a version", "edit it by hand")
        _, value = self._entry(text)
        if line_parts["text"].startswith("'") and "'" not in value and value.startswith('"'):
            value = f"'{value[1:-1]}'"
        line = f"{line_parts['start']}{value}{line_parts['end']}"
        return remove_lines(insert_line(self._text, entry.at, line), entry.at + 1, entry.at + 2)

    def remove(self, entry: Listed) -> str:
        if not _ENTRY.fullmatch(self._lines[entry.at]):
            raise InvalidRequest(f"{entry.place}: it has no line of its own", "delete it by hand")
        return remove_lines(self._text, entry.at, entry.at + 1)

    def _entry(self, text: str) -> tuple[str, str]:
        package = _PACKAGE.fullmatch(text)
        if not package or (self._conda and package["extras"]):
            raise InvalidRequest(
                f"`{text}` is more than a name and a version, which is all that is written here",
                f"write it in `[{self._name}]` by hand",
            )
        name = package["name"]
        name = name if _BARE.fullmatch(name) else json.dumps(name)
        version = json.dumps(package["version"].strip() or "*")
        if not package["extras"]:
            return name, version
        extras = json.dumps([extra.strip() for extra in package["extras"].split(",")])
        return name, f"{{ version = {version}, extras = {extras} }}"


def _headers(lines: list[str]) -> dict[int, str]:
    """The tables of a TOML file, by the line that begins them."""
    headers = {}
    for number, line in enumerate(lines):
        if header := _HEADER.fullmatch(line):
            parts = (part.strip().strip("\"'") for part in header[1].split("."))
            headers[number] = ".".join(parts)
        elif line.lstrip().startswith("[["):
            # It ends the table before it, and is none that is edited.
            headers[number] = ""
    return headers
