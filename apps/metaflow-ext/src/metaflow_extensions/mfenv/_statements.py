"""Statements of decorators in their present form, whatever form they were written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metaflow_extensions.mfenv._values import read
from mfenv.errors import Contradiction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NAMED = ("name", "pathspec", "fetch_at_exec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one decorator says: its `kind`, whether a `step` or a `flow` has it, and the `place`.

    `attributes` are as `metaflow_extensions.mfenv._values` reads them.
    """

    kind: str
    level: str
    place: str
    attributes: Mapping[str, Any]


def statements(stated: Iterable[Mapping[str, Any]]) -> tuple[list[Statement], tuple[str, ...]]:
    """Statements without deprecated attributes, and notes on those that were there.

    Raises `InvalidRequest` for an attribute that cannot be read.
    """
    found: list[Statement] = []
    notes: list[str] = []
    for one in stated:
        own = "pypi" if one["kind"] == "pip" else one["kind"]
        attributes = read(own, one["place"], one["attributes"])
        for kind, said, deprecated in _present(one["kind"], attributes):
            if deprecated:
                notes.append(f"*DEPRECATED*: {one['place']}: use {deprecated}")
            found.append(
                Statement(kind=kind, level=one["level"], place=one["place"], attributes=said)
            )
    return found, tuple(notes)


def _present(
    kind: str, attributes: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any], str | None]]:
    named = {key: attributes.pop(key) for key in _NAMED if key in attributes}
    old = "`@pypi`" if kind == "pip" else None
    kind = "pypi" if kind == "pip" else kind
    if kind == "named_env":
        yield kind, named | attributes, None
        return
    if named:
        yield "named_env", named, f"`@named_env({', '.join(f'{key}=' for key in named)})`"
    if kind == "conda":
        libraries, packages = attributes.pop("libraries", ()), attributes.get("packages", ())
        if libraries:
            names = {one.name for one in packages}
            libraries = tuple(one for one in libraries if one.name not in names)
            attributes["packages"] = (*libraries, *packages)
        pip = {"packages": attributes.pop("pip_packages", ())}
        pip["extra_indices"] = attributes.pop("pip_sources", ())
        if any(pip.values()):
            yield "pypi", {key: value for key, value in pip.items() if value}, "`@pypi`"
    if "sources" in attributes:
        attributes["extra_indices"] = (
            *attributes.get("extra_indices", ()),
            *attributes.pop("sources"),
        )
        old = old or "`extra_indices=`"
    yield kind, attributes, old


def refuse(what: str, place: str, other: str, elsewhere: str) -> Contradiction:
    """The error of two statements that exclude each other."""
    return Contradiction(
        f"{place} says {what}, and {elsewhere} says {other}", "keep one of the two"
    )
