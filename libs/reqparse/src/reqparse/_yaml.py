"""YAML 1.1 as a tree with lines: safe, without duplicate keys, bounded in size and depth.

PyYAML's parser reads the events; composing them is done here without recursion, because a
document from outside may nest or repeat itself without end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import yaml

from reqparse._flaw import Flaw
from reqparse._node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

# An alias costs the parser nothing, so that a few lines may stand for more values than memory
# holds.
MAX_NODES = 2_000_000
MAX_DEPTH = 100

# libyaml's parser where PyYAML was built with it: the other takes over ten times as long, which is
# seconds for the lock of a large project.
_LOADER = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
_COMMENT = re.compile(r"[\s,\]}:]*\s#\s*(.*)")
# As PyYAML reads them: `y` and `n`, which YAML 1.1 has as well, stay texts.
_WORDS: dict[str, bool | None] = (
    dict.fromkeys(("", "~", "null", "Null", "NULL"))
    | {f(w): True for w in ("yes", "true", "on") for f in (str.lower, str.title, str.upper)}
    | {f(w): False for w in ("no", "false", "off") for f in (str.lower, str.title, str.upper)}
)
_CORE = "tag:yaml.org,2002:"
# Any other tag makes something else of its value, such as bytes, a set or an object of Python; it
# cannot be passed over, and nothing of that may be made.
_TAGS = {None, "!", *(_CORE + t for t in ("str", "int", "float", "bool", "null", "seq", "map"))}


def load_yaml(text: str) -> Node:
    """The only document of a YAML text; an empty node for an empty text. Raises Flaw."""
    composer = _Composer(text)
    try:
        for event in cast("Iterator[Any]", yaml.parse(text, Loader=_LOADER)):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise Flaw(f"not YAML: {error.problem or error.context}", line=line) from None
    # What has no place: the reader refuses characters that YAML does not allow.
    except (yaml.YAMLError, ValueError) as error:
        raise Flaw(f"not YAML: {str(error).partition(chr(10))[0]}") from None
    return composer.root


class _Open:
    """A list or mapping whose end has not come yet."""

    __slots__ = ("anchor", "key", "node", "own")

    def __init__(self, node: Node, anchor: str | None) -> None:
        self.node, self.anchor = node, anchor
        self.key: Node | None = None
        # Without those that came by a merge, which may be said anew.
        self.own: set[str] = set()


class _Composer:
    def __init__(self, text: str) -> None:
        self.root = Node(None, 1)
        self._lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)  # YAML 1.1's line breaks
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._nodes = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if getattr(event, "tag", None) not in _TAGS:
            raise Flaw(f"the tag `{event.tag}` is not allowed", "use plain values", line)
        if isinstance(event, yaml.ScalarEvent):
            self._put(self._scalar(event, line), event.anchor)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._enter(Node([], line), event.anchor)
        elif isinstance(event, yaml.MappingStartEvent):
            self._enter(Node({}, line), event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self._stack.pop()
            self._put(done.node, done.anchor)
        elif isinstance(event, yaml.AliasEvent):
            # A name is known when its node is complete, so that none can hold itself.
            if event.anchor not in self._anchors:
                raise Flaw(f"`*{event.anchor}` stands for nothing that is complete", line=line)
            self._put(self._anchors[event.anchor], None)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise Flaw("a second document in the file", "keep one", line)

    def _enter(self, node: Node, anchor: str | None) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise Flaw(f"nested deeper than {MAX_DEPTH} levels", line=node.line)
        self._stack.append(_Open(node, anchor))

    def _put(self, node: Node, anchor: str | None) -> None:
        # An alias shares its node, but whoever walks the tree walks that again: it counts in full.
        self._nodes += node.size
        if self._nodes > MAX_NODES:
            raise Flaw(f"more than {MAX_NODES} values, aliases expanded", line=node.line)
        # An alias brings the levels of its node, and whoever walks the tree calls itself for each.
        if len(self._stack) + node.depth > MAX_DEPTH:
            raise Flaw(f"nested deeper than {MAX_DEPTH} levels", line=node.line)
        if anchor:
            self._anchors[anchor] = node
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if isinstance(top.node.value, list):
            top.node.value.append(node)
        # In a mapping, a key and its value come in turn.
        elif top.key is None:
            top.key = node
            return
        else:
            _set(top, top.key, node)
            top.key = None
        top.node.size += node.size
        top.node.depth = max(top.node.depth, node.depth + 1)

    def _scalar(self, event: Any, line: int) -> Node:
        value = event.value
        # Plain, without quotes or a tag. Numbers and dates stay texts, see `Node`.
        if event.implicit[0] and value in _WORDS:
            value = _WORDS[value]
        end = event.end_mark
        comment = None
        # The parser drops comments. A block ends on the line behind it, so it can have none.
        if event.style not in ("|", ">") and end.line < len(self._lines):
            comment = _COMMENT.match(self._lines[end.line], end.column)
        return Node(value, line, comment[1] if comment else "")


def _set(top: _Open, key: Node, node: Node) -> None:
    """Add an entry to a mapping; what is merged (`<<`) gives way to the mapping's own entries."""
    mapping = top.node
    if isinstance(key.value, (list, dict)):
        raise Flaw("a key must be a text", line=key.line)
    name = "" if key.value is None else str(key.value)
    if name == "<<":
        for merged in node.each:
            for inner, value in merged.table.items():
                mapping.value.setdefault(inner, value)
            mapping.size += merged.size
        return
    # What came by a merge may be said anew, what the mapping says itself may not.
    if name in top.own:
        raise Flaw(f"the key `{name}` is there twice", "keep one of them", key.line)
    # `pip:  # [linux]` is meant for what stands below it.
    if key.comment and not node.comment:
        node.comment = key.comment
    top.own.add(name)
    mapping.value[name] = node
