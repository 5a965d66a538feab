"""Platform selectors: `[linux and not aarch64]` as conda-build and conda-lock write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envid.platforms import LINUX_PLATFORMS, MACOS_PLATFORMS, PLATFORMS
from reqparse._flaw import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator

_SELECTOR = re.compile(r"\[([^\[\]]*)\]")
_TOKEN = re.compile(r"\s*(?:([()])|([A-Za-z_][A-Za-z0-9_-]*))")
_NAMES: dict[str, tuple[str, ...]] = {
    **{platform: (platform,) for platform in PLATFORMS},
    "unix": PLATFORMS,
    "linux": LINUX_PLATFORMS,
    "linux64": ("linux-64",),
    "aarch64": ("linux-aarch64",),
    "osx": MACOS_PLATFORMS,
    "osx64": ("osx-64",),
    "arm64": ("osx-arm64",),
    "x86_64": ("linux-64", "osx-64"),
    "x86": ("linux-64", "osx-64"),
    # Known, so that what is for them alone is left out; an unknown word would make it no selector
    # at all.
    **dict.fromkeys(("win", "win32", "win64", "win-64", "win-32", "win-arm64"), ()),
    **dict.fromkeys(("linux32", "linux-32", "ppc64le", "linux-ppc64le", "s390x"), ()),
}
# Parentheses and `not` are calls, which must not reach Python's limit of recursion.
_MAX_TOKENS = 100


def comment_selector(comment: str) -> tuple[str, ...] | None:
    """The platforms that a comment such as `only for [osx]` chooses; None if it is no selector.

    As in conda-lock, words may stand before the bracket. Raises Flaw for two that differ.
    """
    selected = [select(inside) for inside in _SELECTOR.findall(comment)]
    chosen = list(dict.fromkeys(platforms for platforms in selected if platforms is not None))
    if len(chosen) > 1:
        raise Flaw(f"`# {comment}` has two platform selectors", "keep one, with `or` or `and`")
    return chosen[0] if chosen else None


def select(expression: str) -> tuple[str, ...] | None:
    """The platforms for which an expression holds; None if we do not understand it."""
    tokens = list(_tokens(expression))
    if not tokens or len(tokens) > _MAX_TOKENS or None in tokens:
        return None
    try:
        return tuple(p for p in PLATFORMS if _Expression(tokens, p).holds())
    except (IndexError, KeyError):
        return None


def _tokens(expression: str) -> Iterator[str | None]:
    at = 0
    expression = expression.strip()
    while at < len(expression):
        token = _TOKEN.match(expression, at)
        if not token:
            yield None
            return
        yield token[1] or token[2]
        at = token.end()


class _Expression:
    """Recursive descent over `or`, `and`, `not`, parentheses and names, for one platform."""

    def __init__(self, tokens: list[str | None], platform: str) -> None:
        # The next token is at the end, where it is cheap to take.
        self._tokens = [token for token in reversed(tokens) if token]
        self._platform = platform

    def holds(self) -> bool:
        value = self._or()
        if self._tokens:
            raise KeyError(self._tokens[-1])
        return value

    def _take(self, word: str) -> bool:
        if self._tokens and self._tokens[-1] == word:
            self._tokens.pop()
            return True
        return False

    def _or(self) -> bool:
        value = self._and()
        while self._take("or"):
            # This way round: the right side has to be read whatever the left side is.
            value = self._and() or value
        return value

    def _and(self) -> bool:
        value = self._not()
        while self._take("and"):
            # As in `_or`.
            value = self._not() and value
        return value

    def _not(self) -> bool:
        if self._take("not"):
            return not self._not()
        if self._take("("):
            value = self._or()
            if not self._take(")"):
                raise KeyError(")")
            return value
        return self._platform in _NAMES[self._tokens.pop()]
