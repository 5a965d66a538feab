"""Requirement files as arguments of decorators, for the parsers of Metaflow's `Config`."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from metaflow_extensions.mfenv.command_records import ParsedFile
from mfenv.errors import InvalidRequest
from mfenv.unused import unused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metaflow_extensions.mfenv.records import Say
    from reqparse import Problem, Requirement, RequirementSet
    from reqparse.model import Category
    from reqparse.stated import SourceKind

# As places in the content of `lock_parser` are told.
_NAME = "config"
_WHOLE_PATH = "write a whole path, or, of what is included, its lines themselves"
_FLAGS = {"prereleases": "--pre", "no_index": "--no-index", "require_hashes": "--require-hashes"}


def arguments(kind: str, content: str, say: Say = print) -> ParsedFile:
    """What `@conda` takes of an environment.yml, and `@pypi` of any other kind of file.

    Metaflow gives the content alone: what it names by a relative path is refused, since nobody knows
    where that starts. What is not used is told to `say`. Raises `InvalidRequest` for what cannot be
    read, and for what no decorator can say.
    """
    from reqparse import ParseErrors, parse_file

    with tempfile.TemporaryDirectory() as folder:
        place = _Place(Path(folder))
        place.path.write_text(content, encoding="utf-8")
        try:
            file = parse_file(place.path, kind=kind)
        except ParseErrors as error:
            said = ParseErrors(tuple(map(place.told, error.problems)))
            raise InvalidRequest(str(said), said.hint) from None
    if file.dynamic:
        raise InvalidRequest(
            f"{place.shown(file.dynamic)}: `dependencies` is dynamic: only a build tells what it is",
            "ask for the project itself, by its whole path",
        )
    _check(kind, file, place)
    place.check(file)
    # A project is not asked for by its name; an environment's says how it was called.
    for text in _unused(file if kind == "environment.yml" else replace(file, name=None)):
        say(f"note: {place.shown(text)}")
    indexes = _urls(file, "index", "extra-index")
    pypi = _packages(file, "pypi")
    python = ",".join(dict.fromkeys(stated.specifier for stated in file.python if stated.specifier))
    if kind == "environment.yml":
        return ParsedFile(
            channels=_urls(file, "channel"),
            libraries=_packages(file, "conda"),
            pip_packages=pypi,
            pip_sources=indexes,
            python=python or None,
        )
    return ParsedFile(
        packages=pypi,
        conda_only=_packages(file, "npconda"),
        extra_indices=indexes,
        extras=_options(file),
        python=python or None,
    )


class _Place:
    """Where the content lies while it is read, which nobody is told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # As with `folders.written`, `../..` leads nowhere either.
        base = folder.joinpath(*("_",) * 16)
        base.mkdir(parents=True)
        self.path = base / _NAME

    def shown(self, text: object) -> str:
        return str(text).replace(f"{self.path.parent}/", "")

    def told(self, problem: Problem) -> Problem:
        """A problem as it concerns the content."""
        origin = problem.origin._replace(file=self.shown(problem.origin.file))
        # Of what is included: the content itself is named by the origin alone.
        if found := re.search(rf"`({re.escape(str(self._folder))}[^`]*)`", problem.message):
            return problem._replace(
                origin=origin, message=self._relative(found[1]), hint=_WHOLE_PATH
            )
        return problem._replace(origin=origin)

    def check(self, file: RequirementSet) -> None:
        """Raise `InvalidRequest` for a path that starts where the content lies."""
        asked = [(one.path, one.origin) for one in (*file.requirements, *file.constraints)]
        for path, origin in (*asked, *((source.path, source.origin) for source in file.sources)):
            if path and Path(path).is_relative_to(self._folder):
                raise InvalidRequest(f"{self.shown(origin)}: {self._relative(path)}", _WHOLE_PATH)

    def _relative(self, path: str) -> str:
        return (
            f"`{os.path.relpath(path, self.path.parent)}` is a relative path, and the text of a"
            " Config has no place where it could start"
        )


def _urls(file: RequirementSet, *kinds: SourceKind) -> list[str]:
    # With its login: it goes to a decorator, and into no message.
    return [source.secret_url for source in file.sources if source.kind in kinds]


def _packages(file: RequirementSet, category: Category) -> dict[str, str]:
    """Constraints by name; a name that stands several times has all of them."""
    asked: dict[str, list[Requirement]] = {}
    for requirement in file.requirements:
        if requirement.category != category:
            continue
        more = requirement.build or requirement.channel or "|" in requirement.specifier
        if category == "conda" and requirement.name == "python" and not more:
            continue  # its version is stated already
        extras = f"[{','.join(requirement.extras)}]" if requirement.extras else ""
        if requirement.url or requirement.path or not requirement.name:
            # A reference says which version by itself: its name stands for all of it, with an empty
            # constraint.
            asked.setdefault(requirement.text, [])
            continue
        channel = requirement.channel if category != "pypi" else None
        name = f"{channel}::{requirement.name}" if channel else requirement.name
        asked.setdefault(f"{name}{extras}", []).append(requirement)
    return {name: _constraint(name, same) for name, same in asked.items()}


def _constraint(name: str, asked: Sequence[Requirement]) -> str:
    """All that is asked of a package in one text."""
    if len(asked) == 1:
        only = asked[0]
        marker = f" ; {only.marker}" if only.marker else ""
        return f"{only.specifier}{f'={only.build}' if only.build else ''}{marker}"
    for same in asked:
        if same.marker or same.build:
            what = "markers" if same.marker else "builds"
            raise InvalidRequest(
                f"`{name}` is asked for with several {what}, which no decorator can say",
                "keep one of them",
            )
    # `,` binds closer than `|` in a MatchSpec: without parentheses, the others would bound one
    # alternative alone.
    bounds = (f"({text})" if "|" in text else text for text in (same.specifier for same in asked))
    return ",".join(filter(None, bounds))


def _options(file: RequirementSet) -> list[str]:
    options = [text for name, text in _FLAGS.items() if getattr(file, name)]
    options += [f"--no-binary {name}" for name in file.no_binary]
    options += [f"--only-binary {name}" for name in file.only_binary]
    return options + [f"--find-links {url}" for url in _urls(file, "find-links")]


def _unused(file: RequirementSet) -> Iterator[str]:
    yield from unused([file], ())
    for setting in file.settings:
        yield f"{setting.origin}: `{setting.name} = {setting.value}` is not used: no decorator says it"
    if file.platforms:
        platforms = ", ".join(file.platforms)
        yield f"the platforms {platforms} are not used: the runs of the flow decide"


def _check(kind: str, file: RequirementSet, place: _Place) -> None:
    for source in file.sources:
        if source.kind == "channel" and kind != "environment.yml":
            raise InvalidRequest(
                f"{place.shown(source.origin)}: `{source.url}` is a channel, which `@pypi` has not",
                "name it in `@conda(channels=...)`",
            )
    options = _options(file) if kind == "environment.yml" else []
    if options:
        raise InvalidRequest(
            f"{_NAME}: `{options[0]}` is an option, which `@conda` has not",
            "say it in `@pypi(extras=...)`",
        )
    for stated in file.python:
        if stated.specifier and (stated.marker or stated.platforms is not None):
            raise InvalidRequest(
                f"{place.shown(stated.origin)}: Python `{stated.specifier}` is for some machines only",
                "say it otherwise: no decorator can say this",
            )
    for asked in (*file.constraints, *file.requirements):
        what = "a constraint" if asked in file.constraints else _beyond(kind, asked)
        if what:
            raise InvalidRequest(
                f"{place.shown(asked.origin)}: `{asked.original}` is {what}",
                "say it otherwise: no decorator can say this",
            )


def _beyond(kind: str, asked: Requirement) -> str | None:
    """What a requirement is that no decorator has words for; None where one has."""
    if asked.category == "sys":
        return "a virtual package, which `@sys_packages` takes"
    if asked.category == "conda" and kind != "environment.yml":
        return "a conda package, which `@conda` takes"
    if asked.category != "pypi" and "[" in asked.text:
        return "with keys in brackets"
    if asked.platforms is not None:
        return "for some platforms only"
    return "with hashes or editable" if asked.hashes or asked.editable else None
