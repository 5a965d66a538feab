"""What distributions say of themselves (core metadata), read by us and not by an engine.

Old metadata holds specifiers that PEP 440 never allowed. What uv reads of it all the same is read
here in the same way, so that both mean the same requirement.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Metadata", "read_requirement", "read_specifiers"]

_END_OF_HEADERS = re.compile(r"\r?\n\r?\n")
# The parser of the standard library takes ten times as long, for all of the other fields.
_FIELD = re.compile(
    r"^(name|version|requires-dist|requires-python|provides-extra):(.*(?:\n[ \t].*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_EXTRA = re.compile(
    r"""\bextra\s*==\s*['"]([^'"]+)['"]|['"]([^'"]+)['"]\s*==\s*extra\b""", re.IGNORECASE
)
_EXTRA_ALONE = re.compile(r";[^;]*\bextra\s*==\s*['\"][^'\"]")
# What some wheels have in place of specifiers, each a form that `_mended` names.
_QUOTES = re.compile(r"['\"]")
_NO_COMMA = re.compile(r"(?<=[\d*])\s*(?=[<>~!]=?|={2,3})")
_NOT_TILDE = re.compile(r"!=~\s*(\d[\d.]*\d|\d)")
_NO_DOT = re.compile(r"(!=\s*\d[\d.]*\d|!=\s*\d)\*")
_STAR = re.compile(r"((?:^|[^=!~<>])[<>]=?\s*\d[\w.]*)\.\*")
_DEV = re.compile(r">\s*dev\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The fields of core metadata that decide what goes together, as they are written there.

    `extras` are normalised (PEP 685), and all that a requirement names are among them.
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
        headers = _END_OF_HEADERS.split(text.lstrip(), maxsplit=1)[0]
        fields: dict[str, list[str]] = defaultdict(list)
        for name, value in _FIELD.findall(headers):
            fields[name.lower()].append(" ".join(value.split()))
        if not fields["name"] or not fields["version"]:
            raise ValueError("it has no name or no version")
        return cls(
            name=canonicalize_name(fields["name"][0]),
            version=fields["version"][0],
            requires=tuple(fields["requires-dist"]),
            requires_python=next(iter(fields["requires-python"]), None),
            extras=frozenset(map(canonicalize_name, (*fields["provides-extra"], *_named(fields)))),
        )

    def requirements(self, extra: str) -> Iterator[tuple[str, Requirement | None]]:
        """Those that may count with an `extra`, or with none, as text and as what can be read of it."""
        for text in self.requires:
            # Most of it is about extras, which most environments do not ask for.
            if extra or " or " in text or not _EXTRA_ALONE.search(text):
                yield text, read_requirement(text)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "extras": sorted(self.extras)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Metadata:
        """Read `to_dict` back."""
        requires, extras = tuple(data["requires"]), frozenset(data["extras"])
        return cls(**{**data, "requires": requires, "extras": extras})


def _named(fields: Mapping[str, list[str]]) -> Iterator[str]:
    """The extras of requirements; old wheels do not list them."""
    for text in fields["requires-dist"]:
        for pair in _EXTRA.findall(text.partition(";")[2]):
            yield from filter(None, pair)


# The same few requirements stand in the metadata of many wheels.
@lru_cache(maxsize=4096)
def read_requirement(text: str) -> Requirement | None:
    """A requirement of some metadata, None for what cannot be read."""
    asked, semicolon, marker = text.partition(";")
    for form in (text, f"{_mended(asked)}{semicolon}{marker}"):
        try:
            return Requirement(form)
        # Markers can be nested as deep as anybody likes.
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
