"""A document as a tree that remembers lines, whatever language it was written in."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from reqparse._flaw import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator


_NEAR = 0.85  # `dependancies`, and not a newer key that shares a word with a known key


class Node:
    """A value and its line.

    `value` is a list of nodes, a dict from text to nodes, or a scalar: text, bool or None.
    Numbers and dates stay the text they were, since `3.10` is a version and not 3.1.
    `comment` is what follows a scalar or a key on its line, behind `#`.

    A node knows whether somebody took what it holds: by `text`, `flag`, `items` or `table`, not by
    a look at `value`. So a reader can tell in the end what of a document nobody read.
    """

    __slots__ = ("asked", "comment", "depth", "done", "line", "size", "taken", "value")

    def __init__(self, value: Any, line: int, comment: str = "") -> None:
        self.value, self.line, self.comment = value, line, comment
        self.size, self.depth = 1, 0
        self.taken = False
        self.asked: set[str] | None = None
        """The keys that were looked for."""
        self.done = False
        """Nothing more is to be said of it and of what it holds."""

    def __repr__(self) -> str:
        return f"Node({self.value!r}, {self.line})"

    @property
    def text(self) -> str:
        """The text of a scalar. Raises Flaw for anything else."""
        self.taken = True
        if isinstance(self.value, str):
            return self.value
        raise self.wrong("a text")

    @property
    def flag(self) -> bool:
        """Whether it is true; an empty value is not. Raises Flaw for anything else."""
        self.taken = True
        if self.value is None or isinstance(self.value, bool):
            return bool(self.value)
        raise self.wrong("true or false")

    @property
    def items(self) -> list[Node]:
        """The items of a list; none of an empty value. Raises Flaw for anything else."""
        self.taken = True
        if self.value is None:
            return []
        if isinstance(self.value, list):
            return self.value
        raise self.wrong("a list")

    @property
    def each(self) -> list[Node]:
        """The items of a list; of anything else, which may stand for a list of one, that itself."""
        return self.items if isinstance(self.value, list) else [self]

    @property
    def table(self) -> dict[str, Node]:
        """The entries of a mapping; none of an empty value. Raises Flaw for anything else."""
        self.taken = True
        if self.value is None:
            return {}
        if isinstance(self.value, dict):
            return self.value
        raise self.wrong("a mapping")

    def get(self, *keys: str) -> Node:
        """The node at a path of keys; an empty node where there is none."""
        node = self
        for key in keys:
            if node.asked is None:
                node.asked = set()
            # Whether it is there or not: what is nearly one of these keys, and nobody takes, is a
            # misspelling.
            node.asked.add(key)
            # What is wrong with something that is not there is wrong where it should be.
            node = node.table.get(key) or Node(None, node.line)
        return node

    def opt(self, key: str) -> str | None:
        """The text at a key, or None where there is none."""
        node = self.get(key)
        return None if node.value is None else node.text

    def number(self, key: str) -> int | None:
        """The whole number at a key, or None where there is none."""
        node = self.get(key)
        if node.value is None:
            return None
        node.taken = True
        if not (isinstance(node.value, str) and node.value.isascii() and node.value.isdigit()):
            raise node.wrong("a whole number")
        # No file is as large as more digits say, and Python refuses some thousands of them.
        return int(node.value[:20])

    def texts(self) -> Iterator[str]:
        return (item.text for item in self.items)

    def unread(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
        """What of it nobody took, each with the keys that lead there; not what that holds."""
        if self.done or self.value in (None, [], {}):
            return
        if not self.taken:
            yield path, self
        elif isinstance(self.value, dict):
            for key, node in self.value.items():
                yield from node.unread((*path, key))
        elif isinstance(self.value, list):
            # Items have no names: what is said of one is said of all.
            for node in self.value:
                yield from node.unread(path)

    def misspelt(self) -> Iterator[tuple[str, str, Node]]:
        """The keys that nobody took and that are nearly what was looked for, each with that."""
        if self.done or not self.taken:
            return
        if isinstance(self.value, list):
            for node in self.value:
                yield from node.misspelt()
        elif isinstance(self.value, dict):
            for key, node in self.value.items():
                # What is nested in a taken value may be misspelt itself; what nobody took is named
                # only once.
                if node.taken or node.done or node.value in (None, [], {}):
                    yield from node.misspelt()
                elif near := get_close_matches(key, self.asked or (), n=1, cutoff=_NEAR):
                    yield key, near[0], node

    def wrong(self, wanted: str) -> Flaw:
        kinds = {list: "a list", dict: "a mapping", str: "a text", bool: "true or false"}
        is_a = kinds.get(type(self.value), "nothing")
        return Flaw(f"expected {wanted}, found {is_a}", line=self.line)
