"""The dependencies of an environment.yml, and its list for pip: a line each."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

import yaml

from mfenv.editing.listed import Listed
from mfenv.errors import InvalidRequest
from reqparse import Origin, ParseErrors, parse_requirement
from reqparse.editing import insert_line, remove_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EnvironmentText"]

# Line breaks that YAML knows and other readers of lines do not, or the other way round.
_STRANGE = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]|\r(?!\n)")
_DASH = re.compile(r"\s*- +")
# As reqparse reads it.
_LOADER = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))


class EnvironmentText:
    """The dependencies or, without `conda`, the list for pip."""

    def __init__(self, text: str, file: str, *, conda: bool) -> None:
        self._text, self._file, self._conda = text, file, conda
        try:
            root = yaml.compose(text, Loader=_LOADER)
        except yaml.YAMLError:  # libyaml reads tabs where PyYAML's own parser does not
            raise InvalidRequest(f"`{file}` cannot be edited as YAML", "edit it by hand") from None
        self._lines = text.splitlines()
        self._items = _items(root, conda=conda)
        self._nodes = [node for node in self._items if self._is_line(node)]
        head = self._first()
        if not head or _STRANGE.search(text):
            raise InvalidRequest(
                f"`{file}` has no list of {'dependencies' if conda else 'pip'} that can be edited",
                "write it by hand, an item a line",
            )
        self._head = head
        self.listed = list(self._listed())

    def _listed(self) -> Iterator[Listed]:
        for index, node in enumerate(self._nodes):
            origin = Origin(self._file, node.start_mark.line + 1)
            try:
                requirement = parse_requirement(
                    node.value, category="conda" if self._conda else "pypi", origin=origin
                )
            except ParseErrors:  # whatever is understood there is told where the file is read
                continue
            yield Listed(requirement=requirement, at=index, place=str(origin))

    def _is_line(self, node: yaml.Node) -> bool:
        """Whether a node is a text that has a line of its own."""
        start, end = node.start_mark, node.end_mark
        if not isinstance(node, yaml.ScalarNode) or start.line != end.line:
            return False
        return bool(_DASH.fullmatch(self._lines[start.line][: start.column]))

    def append(self, text: str) -> str:
        if self._nodes:
            last = self._nodes[-1].start_mark
            line, dash = last.line + 1, self._lines[last.line][: last.column]
        else:  # in front of what is no package, such as the list for pip
            line, dash = self._head
        return insert_line(self._text, line, f"{dash}{_scalar(text)}")

    def _first(self) -> tuple[int, str] | None:
        """The line of the first item, and what stands before it there; None where it has none."""
        start = self._items[0].start_mark if self._items else None
        dash = self._lines[start.line][: start.column] if start else ""
        return (start.line, dash) if start and _DASH.fullmatch(dash) else None

    def replace(self, entry: Listed, text: str) -> str:
        node = self._nodes[entry.at]
        start, end = node.start_mark.index, node.end_mark.index
        return f"{self._text[:start]}{_scalar(text)}{self._text[end:]}"

    def remove(self, entry: Listed) -> str:
        if len(self._items) == 1:
            hint = "delete it by hand, with what is around it"
            raise InvalidRequest(f"{entry.place}: no other package has a line of its list", hint)
        line = self._nodes[entry.at].start_mark.line
        return remove_lines(self._text, line, line + 1)


def _items(root: yaml.Node | None, *, conda: bool) -> list[yaml.Node]:
    node = _value(root, "dependencies")
    if not conda and isinstance(node, yaml.SequenceNode):
        node = next(filter(None, (_value(item, "pip") for item in node.value)), None)
    # Edited is by whole lines, and a list in brackets may have but one.
    is_list = isinstance(node, yaml.SequenceNode) and not node.flow_style
    return node.value if node and is_list else []


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def _scalar(text: str) -> str:
    """A text as YAML has it: as it is where that reads as the same."""
    try:
        plain = yaml.safe_load(f"- {text}") == [text]
    except yaml.YAMLError:
        plain = False
    # JSON's strings are YAML's, too.
    return text if plain else json.dumps(text)
