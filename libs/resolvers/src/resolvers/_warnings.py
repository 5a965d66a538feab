"""What uv warns of, as notes for someone who does not use uv."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from envid.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["build_warnings", "warnings"]

# A warning goes on in lines that are indented.
_WARNING = re.compile(r"^warning: (.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
# Of the way that we run uv, of which a user can change nothing.
_OURS = re.compile(
    r"requested Python version|search path|\bstdin\b|any dependencies|hardlink|link-mode"
    r"|experimental|preview|\b(?:UV|VIRTUAL)_[A-Z_]+|output file|lock ?file"
)
_STUB = re.compile(r"\+conda\b")
_NAMED = re.compile(r"`([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==")


def warnings(stderr: str, origin: Callable[[str], str | None]) -> tuple[str, ...]:
    """The warnings, a line each, in what uv wrote to standard error.

    `origin` says where a package was asked for; no credential is left.
    """
    lines: dict[str, None] = {}
    for text in _read(stderr):
        named = _NAMED.search(text)
        where = origin(canonicalize_name(named[1])) if named else None
        lines[f"{text} ({where})" if where else text] = None
    return tuple(lines)


def build_warnings(name: str, stderr: str) -> tuple[str, ...]:
    """The warnings of a `uv build`, which has the build backend's own words behind them."""
    own = re.split(r"^Building ", stderr, maxsplit=1, flags=re.MULTILINE)[0]
    return tuple(f"building {name}: {text}" for text in _read(own))


def _read(stderr: str) -> list[str]:
    texts = [redact(" ".join(text.split())) for text in _WARNING.findall(stderr)]
    return [_STUB.sub("", text) for text in texts if text and not _OURS.search(text)]
