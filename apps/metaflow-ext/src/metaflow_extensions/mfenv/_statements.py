"""Statements of decorators in their present form, whatever form they were written in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from metaflow_extensions.mfenv._values import Arguments, read
from mfenv.errors import Contradiction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metaflow_extensions.mfenv.run_records import Statement

_NAMED = ("name", "pathspec", "fetch_at_exec")


class StatementReading(NamedTuple):
    """What a `Statement` means: its `kind`, whether a `step` or a `flow` has it, and its `place`."""

    kind: str
    level: str
    place: str
    arguments: Arguments


def readings(stated: Iterable[Statement]) -> tuple[list[StatementReading], tuple[str, ...]]:
    """Statements without deprecated arguments, and notes on those that were there or do not count.

    Raises `InvalidRequest` for an argument that cannot be read.
    """
    present: list[StatementReading] = []
    notes: list[str] = []
    for statement in stated:
        own = "pypi" if statement.kind == "pip" else statement.kind
        given = read(own, statement.place, statement.attributes)
        notes += _passed_over(statement.place, given)
        for kind, arguments, deprecated in _present(statement.kind, given):
            if deprecated:
                notes.append(f"*DEPRECATED*: {statement.place}: use {deprecated}")
            present.append(
                StatementReading(
                    kind=kind, level=statement.level, place=statement.place, arguments=arguments
                )
            )
    return present, tuple(notes)


def _passed_over(place: str, given: Arguments) -> Iterator[str]:
    chosen = {package.name: package.text for package in given.packages or ()}
    for package in given.libraries or ():
        text = chosen.get(package.name, package.text)
        if text != package.text:
            yield f"{place}: `libraries` says `{package.text}`, and `packages` `{text}`, which counts"


def _present(kind: str, given: Arguments) -> Iterator[tuple[str, Arguments, str | None]]:
    """What it takes to say the same without what is deprecated, each with what to use."""
    if kind == "named_env":
        yield kind, given, None
        return
    named = Arguments(name=given.name, pathspec=given.pathspec, fetch_at_exec=given.fetch_at_exec)
    if keys := [key for key in _NAMED if key in named.given()]:
        yield "named_env", named, f"`@named_env({', '.join(f'{key}=' for key in keys)})`"
    rest = given._replace(name=None, pathspec=None, fetch_at_exec=None)
    if rest.pip_packages or rest.pip_sources:
        pip = Arguments(packages=rest.pip_packages or None, extra_indices=rest.pip_sources or None)
        yield "pypi", pip, "`@pypi`"
    rest = rest._replace(pip_packages=None, pip_sources=None)
    if rest.libraries:
        # Who says both means what Metaflow itself calls it.
        names = {package.name for package in rest.packages or ()}
        libraries = [package for package in rest.libraries if package.name not in names]
        rest = rest._replace(packages=(*libraries, *(rest.packages or ())))
    rest = rest._replace(libraries=None)
    old = "`@pypi`" if kind == "pip" else None
    if rest.sources is not None:
        indices = (*(rest.extra_indices or ()), *rest.sources)
        rest = rest._replace(extra_indices=indices, sources=None)
        old = old or "`extra_indices=`"
    yield "pypi" if kind == "pip" else kind, rest, old


def refuse(what: str, place: str, other: str, elsewhere: str) -> Contradiction:
    """The error of two statements that exclude each other."""
    return Contradiction(
        f"{place} says {what}, and {elsewhere} says {other}", "keep one of the two"
    )
