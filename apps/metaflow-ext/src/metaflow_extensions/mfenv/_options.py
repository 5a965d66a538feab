"""Options of `@pypi(extras=...)`, as a requirements.txt has them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mfenv.errors import InvalidRequest
from reqparse import Origin, StatedSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reqparse import RequirementSet
    from reqparse.stated import SourceKind

_FLAGS = {
    "pre": "prereleases",
    "no-index": "no_index",
    "prefer-binary": "prefer_binary",
    "require-hashes": "require_hashes",
}
_VALUED = {"no-binary": "no_binary", "only-binary": "only_binary"}
_SOURCES: dict[str, SourceKind] = {
    "f": "find-links",
    "find-links": "find-links",
    "extra-index-url": "extra-index",
}


def options(requirements: RequirementSet, stated: Sequence[tuple[str, str]]) -> RequirementSet:
    """The set with options added, each with its place; raises `InvalidRequest` for unknown ones."""
    for text, place in stated:
        # `--find-links=URL` or `--find-links URL`, whose URL may have a `=` of its own.
        name, *rest = re.split(r"[ =]", text.strip().lstrip("-"), maxsplit=1)
        value = "".join(rest).strip()
        if name in _FLAGS and not value:
            places = {**requirements.places, _FLAGS[name]: Origin(place)}
            changes: dict[str, Any] = {_FLAGS[name]: True, "places": places}
            requirements = replace(requirements, **changes)
        elif name in _VALUED and value:
            key = _VALUED[name]
            changes = {key: (*getattr(requirements, key), *value.split(","))}
            requirements = replace(requirements, **changes)
        elif name in _SOURCES and value:
            source = StatedSource(kind=_SOURCES[name], url=value, origin=Origin(place))
            requirements = replace(requirements, sources=(*requirements.sources, source))
        else:
            known = ", ".join(
                f"`--{option}`" for option in (*_FLAGS, *_VALUED, *_SOURCES) if option != "f"
            )
            raise InvalidRequest(f"{place}: `{text}` is not an option", f"known are {known}")
    return requirements
