"""Which part of a PEP 508 requirement is not well-formed.

In words of our own: those of `packaging` change from release to release.
"""

from __future__ import annotations

import re

from envid._text import is_safe, shown

__all__ = ["wrong_marker", "wrong_part"]

_HEAD = r"\s*[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:\[[\w\s.,-]*\])?\s*"
_DEEP = 100  # brackets in brackets: `packaging` gives up at some depth beyond


def wrong_part(text: str) -> str:
    """What is wrong with `text`, which `packaging` refuses as a requirement: half a sentence.

    What it quotes is redacted and of bounded length.
    """
    body, semicolon, marker = text.partition(";")
    head = re.match(_HEAD, body)
    if not head:
        return "it does not start with the name of a package"
    rest = body[head.end() :].strip()
    if rest.startswith("[") or (not rest and not semicolon):
        return "what stands between `[` and `]` are no extras"
    # Without a marker there is nothing else: a number may also be too long for `int`.
    if not rest.startswith("@") and not (semicolon and _is_specifier(rest)):
        return f"`{shown(rest)}` is not a version specifier"
    if rest.startswith("@") and semicolon and not body[-1:].isspace():
        return "there is no space before the `;` of its marker"
    return wrong_marker(marker) if semicolon else "what stands after `@` is not a URL"


def wrong_marker(marker: str) -> str:
    """What is wrong with a marker that `packaging` refuses: half a sentence."""
    depth = deepest = 0
    for bracket in re.findall("[()]", marker):
        depth += 1 if bracket == "(" else -1
        deepest = max(deepest, depth)
    if deepest > _DEEP:
        return "its marker is nested too deeply"
    return f"`{shown(marker.strip())}` is not a marker"


def _is_specifier(text: str) -> bool:
    from packaging.specifiers import SpecifierSet

    # PEP 508 allows parentheses around them.
    inside = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    if ",," in re.sub(r"\s", "", inside):  # which SpecifierSet passes over
        return False
    try:
        return is_safe(str(SpecifierSet(inside)))  # `===` takes any text
    except ValueError:
        return False
