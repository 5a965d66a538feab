"""Requirement files as arguments of decorators, for the parsers of Metaflow's `Config`."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfenv.errors import InvalidRequest
from mfenv.unused import unused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from reqparse import Requirement, RequirementSet

_FLAGS = {"prereleases": "--pre", "no_index": "--no-index", "require_hashes": "--require-hashes"}


def arguments(kind: str, content: str, say: Callable[[str], None] = print) -> dict[str, Any]:
    """What `@conda` takes of an environment.yml, and `@pypi` of any other kind of file.

    What is not used is told to `say`. Raises `InvalidRequest` for what cannot be read, and for what
    no decorator can say.
    """
    from reqparse import ParseErrors, parse_file

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, kind)
        path.write_text(content, encoding="utf-8")
        try:
            found = parse_file(path, kind=kind)
        except ParseErrors as error:
            # The content has no place of its own.
            raise InvalidRequest(str(error).replace(f"{folder}/", "")) from None
    _check(kind, found)
    # A project is not asked for by its name; an environment's says how it was called.
    for text in _unused(found if kind == "environment.yml" else replace(found, name=None)):
        say(f"note: {text.replace(f'{folder}/', '')}")
    sources = [one.secret_url for one in found.sources if one.kind in ("index", "extra-index")]
    pypi = _packages(one for one in found.requirements if one.category == "pypi")
    python = ",".join(dict.fromkeys(one.specifier for one in found.python if one.specifier))
    result: dict[str, Any]
    if kind == "environment.yml":
        result = {
            "channels": [one.secret_url for one in found.sources if one.kind == "channel"],
            "libraries": _packages(one for one in found.requirements if one.category == "conda"),
            "pip_packages": pypi,
            "pip_sources": sources,
        }
    else:
        npconda = (one for one in found.requirements if one.category == "npconda")
        result = {
            "packages": pypi,
            "conda_only": _packages(npconda),
            "extra_indices": sources,
            "extras": _options(found),
        }
    result["python"] = python or None
    return {key: value for key, value in result.items() if value}


def _packages(requirements: Iterable[Requirement]) -> dict[str, str]:
    """Constraints by name; a name that stands several times has all of them."""
    found: dict[str, list[Requirement]] = {}
    for one in requirements:
        more = one.build or one.channel or "|" in one.specifier
        if one.category == "conda" and one.name == "python" and not more:
            continue  # its version is stated already
        extras = f"[{','.join(one.extras)}]" if one.extras else ""
        if one.url or one.path or not one.name:
            found.setdefault(one.text, [])
            continue
        channel = f"{one.channel}::" if one.channel and one.category != "pypi" else ""
        found.setdefault(f"{channel}{one.name}{extras}", []).append(one)
    return {name: _constraint(name, asked) for name, asked in found.items()}


def _constraint(name: str, asked: Sequence[Requirement]) -> str:
    """All that is asked of a package in one text."""
    if len(asked) == 1:
        one = asked[0]
        marker = f" ; {one.marker}" if one.marker else ""
        return f"{one.specifier}{f'={one.build}' if one.build else ''}{marker}"
    for one in asked:
        if one.marker or one.build:
            what = "markers" if one.marker else "builds"
            raise InvalidRequest(
                f"`{name}` is asked for with several {what}, which no decorator can say",
                "keep one of them",
            )
    bounds = (f"({one.specifier})" if "|" in one.specifier else one.specifier for one in asked)
    return ",".join(filter(None, bounds))


def _options(found: RequirementSet) -> list[str]:
    options = [text for name, text in _FLAGS.items() if getattr(found, name)]
    options += [f"--no-binary {name}" for name in found.no_binary]
    options += [f"--only-binary {name}" for name in found.only_binary]
    links = (one.secret_url for one in found.sources if one.kind == "find-links")
    return options + [f"--find-links {url}" for url in links]


def _unused(found: RequirementSet) -> Iterator[str]:
    yield from unused([found], ())
    for setting in found.settings:
        yield f"{setting.origin}: `{setting.name} = {setting.value}` is not used: no decorator says it"
    if found.platforms:
        platforms = ", ".join(found.platforms)
        yield f"the platforms {platforms} are not used: the runs of the flow decide"


def _check(kind: str, found: RequirementSet) -> None:
    for source in found.sources:
        if source.kind == "channel" and kind != "environment.yml":
            raise InvalidRequest(
                f"{kind}:{source.origin.line}: `{source.url}` is a channel, which `@pypi` has not",
                "name it in `@conda(channels=...)`",
            )
    options = _options(found) if kind == "environment.yml" else []
    if options:
        raise InvalidRequest(
            f"{kind}: `{options[0]}` is an option, which `@conda` has not",
            "say it in `@pypi(extras=...)`",
        )
    for stated in found.python:
        if stated.specifier and (stated.marker or stated.platforms is not None):
            raise InvalidRequest(
                f"{kind}:{stated.origin.line}: Python `{stated.specifier}` is for some machines only",
                "say it otherwise: no decorator can say this",
            )
    for one in (*found.constraints, *found.requirements):
        what = "a constraint" if one in found.constraints else _beyond(kind, one)
        if what:
            raise InvalidRequest(
                f"{kind}:{one.origin.line}: `{one.original}` is {what}",
                "say it otherwise: no decorator can say this",
            )


def _beyond(kind: str, one: Requirement) -> str | None:
    """What a requirement is that no decorator has words for; None where one has."""
    if one.category == "sys":
        return "a virtual package, which `@sys_packages` takes"
    if one.category == "conda" and kind != "environment.yml":
        return "a conda package, which `@conda` takes"
    if one.category != "pypi" and "[" in one.text:
        return "with keys in brackets"
    if one.platforms is not None:
        return "for some platforms only"
    return "with hashes or editable" if one.hashes or one.editable else None
