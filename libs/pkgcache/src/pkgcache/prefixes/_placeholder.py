"""Putting the prefix of an environment where a conda package holds the prefix it was built in."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pkgcache.archives.records import FileMode

# What the kernel reads of a first line, with `#!` and the end of the line.
_LONGEST_SHEBANG = 127 if sys.platform == "linux" else 512
_FIRST_LINE = re.compile(rb"#![ \t]*([^\n\r]*)")
_PYTHON = re.compile(rb"(?:python|pypy)[0-9.]*w?")

# Around a path: no more of a name. But `-I/path` is one, and a full stop may end a sentence.
_BEFORE = rb"(?:(?<![\w.~\x80-\xff-])|(?<=[^\w./-]-[A-Za-z]))"
_BEHIND = rb"(?!\.*[\w~+@%\x80-\xff-])"


class NoRoom(ValueError):
    """A prefix does not fit where it must go. `longest` is the longest that does, in bytes."""

    def __init__(self, longest: int) -> None:
        super().__init__(longest)
        self.longest = longest


def replaced(data: bytes, placeholder: str, prefix: bytes, mode: FileMode) -> bytes:
    """`data` with `prefix` for `placeholder`. In mode `binary` no byte changes its place.

    Raises `NoRoom` if that cannot be.
    """
    old = placeholder.encode()
    if mode == "binary":
        return _in_strings(data, old, prefix)
    return _short_shebang(data.replace(old, prefix), prefix)


def led(data: bytes, prefixes: Sequence[str], final: str, mode: FileMode) -> bytes:
    """`data`, whatever is in it, with `final` for each of `prefixes` and where that stands already.

    They count where they stand as paths, and not as the start of the names of others. Raises
    `NoRoom` where that cannot be without moving a byte, in mode `binary`.
    """
    new = os.fsencode(final)
    # All in one pass, the longest first: none is found again in what was put there before.
    olds = sorted({new, *map(os.fsencode, prefixes)}, key=len, reverse=True)
    names = b"(?:" + b"|".join(map(re.escape, olds)) + b")" + _BEHIND

    def shortened(match: re.Match[bytes]) -> bytes:
        text = re.sub(names, lambda _: new, match[0])
        if len(text) > len(match[0]):
            raise NoRoom(len(match[0]))
        return text.ljust(len(match[0]), b"\0")

    if mode == "binary":
        # In front there may be anything, such as the length of the text.
        return re.sub(names + rb"[^\0]*", shortened, data)
    return _short_shebang(re.sub(_BEFORE + names, lambda _: new, data), new)


def _in_strings(data: bytes, old: bytes, new: bytes) -> bytes:
    """Strings end with NUL; what they lose in length they get in NULs at their end."""
    # Anything longer would move what is behind it, which the program looks for where it was.
    if len(new) > len(old):
        raise NoRoom(len(old))

    def shortened(match: re.Match[bytes]) -> bytes:
        # The whole string up to its NUL is moved: a path goes on behind the prefix.
        return match[0].replace(old, new).ljust(len(match[0]), b"\0")

    return re.sub(re.escape(old) + rb"[^\0]*", shortened, data)


def _short_shebang(data: bytes, prefix: bytes) -> bytes:
    """A first line that the kernel can read, if it names a program below `prefix`."""
    line = _FIRST_LINE.match(data)
    if not line or not line[1].startswith(prefix):
        return data
    if len(line[0]) < _LONGEST_SHEBANG and not any(char in prefix for char in b" \t"):
        return data
    program, _, options = line[1][len(prefix) :].partition(b" ")
    name = program.rpartition(b"/")[2]
    # The kernel hands over all options as a single word, which `env -S` takes apart.
    words = [b"#!/usr/bin/env", b"-S" if options else b"", name, options]
    if _PYTHON.fullmatch(name):
        # A shell reads this as a command, Python as a string literal.
        words = [
            b"#!/bin/sh\n'''exec'",
            _quoted(prefix + program),
            options,
            b"\"$0\" \"$@\"\n' '''",
        ]
    return b" ".join(word for word in words if word) + data[line.end() :]


def _quoted(path: bytes) -> bytes:
    return os.fsencode(shlex.quote(os.fsdecode(path)))
