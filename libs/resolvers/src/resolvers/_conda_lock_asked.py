"""The requirements of a request as conda-lock takes them: one of each package, the last counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from resolvers._conda_lock_diagnosis import CONDA_LOCK_SETTING
from resolvers._conda_question import package_name
from resolvers.errors import UnsupportedRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from resolvers._markers import Markers

__all__ = ["asked_of_conda", "asked_of_pypi"]

_BOUND = r"(?:(?:[<>!~=]=|[<>=])|(?=[\d*]))[^\s=,|<>!~]+"
# What a name is followed by if nothing but bounds of its version is asked.
_PLAIN = re.compile(rf"([\w.-]+) *({_BOUND}(?: *, *{_BOUND})*|)")


def asked_of_conda(texts: Iterable[str]) -> Iterator[str]:
    """MatchSpecs, put together by package; raises `UnsupportedRequest` for what cannot be."""
    groups: dict[str, list[str]] = {}
    for text in texts:
        groups.setdefault(package_name(text), []).append(text)
    for name, group in groups.items():
        if len({*group}) == 1:
            yield group[0]
            continue
        bounds = []
        for text in group:
            plain = _PLAIN.fullmatch(text)
            if plain is None:
                raise _only_one(group)
            bounds += [_bound(each) for each in re.split(" *, *", plain[2]) if each]
        yield f"{name} {','.join(dict.fromkeys(bounds))}".strip()


def _bound(text: str) -> str:
    """A bound of a version as it may stand beside others."""
    if text[0] == "=" and text[1] != "=":
        return f"{text[1:].removesuffix('*').removesuffix('.')}.*"
    return text if text[0] in "<>!~=*" or text.endswith("*") else f"=={text}"


def asked_of_pypi(texts: Iterable[str], markers: Markers) -> Iterator[str]:
    """The requirements whose markers hold for the target, without these, put together by package.

    Raises `UnsupportedRequest` where they are of different URLs.
    """
    groups: dict[str, list[Requirement]] = {}
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:  # a bare URL
            yield text
            continue
        if markers.hold(requirement):
            groups.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    for group in groups.values():
        asked = group[0]
        if any(each.url != asked.url for each in group):
            raise _only_one(map(str, group))
        for other in group[1:]:
            asked.extras |= other.extras
            asked.specifier &= other.specifier
        asked.marker = None
        yield str(asked)


def _only_one(texts: Iterable[str]) -> UnsupportedRequest:
    return UnsupportedRequest(
        f"conda-lock takes one requirement of a package, and there are `{'` and `'.join(texts)}`",
        f"write one of them, or set {CONDA_LOCK_SETTING}",
    )
