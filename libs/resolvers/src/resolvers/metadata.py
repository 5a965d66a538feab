"""What distributions say of themselves (core metadata), read by us and not by an engine.

Old metadata holds specifiers that PEP 440 never allowed. What uv reads of it all the same is read
here in the same way, so that both mean the same requirement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import lru_cache

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

__all__ = ["Metadata", "read_requirement", "read_specifiers"]

_END_OF_HEADERS = re.compile(r"\r?\n\r?\n")
_QUOTES = re.compile(r"['\"]")
_NO_COMMA = re.compile(r"(?<=[\d*])\s*(?=[<>~!]=?|={2,3})")
_NOT_TILDE = re.compile(r"!=~\s*(\d[\d.]*\d|\d)")
_NO_DOT = re.compile(r"(!=\s*\d[\d.]*\d|!=\s*\d)\*")
_STAR = re.compile(r"((?:^|[^=!~<>])[<>]=?\s*\d[\w.]*)\.\*")
_DEV = re.compile(r">\s*dev\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The fields of core metadata that decide what goes together, as they are written there.

    `extras` are normalised (PEP 685).
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    extras: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Metadata:
        """Read the headers of a METADATA or PKG-INFO file; raises `ValueError` without a name."""
        # The description behind the headers is most of it, and of no interest.
        message = HeaderParser().parsestr(_END_OF_HEADERS.split(text.lstrip(), maxsplit=1)[0])

        def all_of(field: str) -> tuple[str, ...]:
            return tuple(" ".join(str(one).split()) for one in message.get_all(field, ()))

        name, version = all_of("Name")[:1], all_of("Version")[:1]
        if not name or not version:
            raise ValueError("it has no name or no version")
        return cls(
            name=canonicalize_name(name[0]),
            version=version[0],
            requires=all_of("Requires-Dist"),
            requires_python=next(iter(all_of("Requires-Python")), None),
            extras=frozenset(map(canonicalize_name, all_of("Provides-Extra"))),
        )


@lru_cache(maxsize=4096)
def read_requirement(text: str) -> Requirement | None:
    """A requirement of some metadata, None for what cannot be read."""
    asked, semicolon, marker = text.partition(";")
    for form in (text, f"{_mended(asked)}{semicolon}{marker}"):
        try:
            return Requirement(form)
        except (InvalidRequirement, RecursionError):
            continue
    return None


def read_specifiers(text: str) -> SpecifierSet | None:
    """A `Requires-Python`, None for what cannot be read."""
    for form in (text, _mended(text)):
        try:
            return SpecifierSet(form)
        except InvalidSpecifier:
            continue
    return None


def _mended(text: str) -> str:
    """Specifiers as they were meant: `>=1.0.*`, `>=1<2`, `!=~1.0`, `!=1.0*`, `>dev`, `>='1'`."""
    text = _QUOTES.sub("", text)
    text = _DEV.sub(">0.0.0.dev0", text)
    text = _NOT_TILDE.sub(r"!=\1.*", text)
    text = _NO_DOT.sub(r"\1.*", text)
    text = _STAR.sub(r"\1", text)
    return _NO_COMMA.sub(",", text)
