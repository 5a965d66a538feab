"""environment.yml with what was asked for, so that it is the same request where it is read again.

What a request has by default is not written where who reads it takes the same default.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from envid.platforms import PLATFORMS, VIRTUAL_PACKAGES
from envid.requirements import normalize
from envid.spec import Options
from mfenv.errors import NotExportable
from mfenv.exporting.exported import Exported
from mfenv.exporting.requirements import notes_on_sources, sources_of
from mfenv.python_statements import PythonStatement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envid.resolved import ResolvedEnv
    from envid.spec import EnvSpec
    from reqparse import Requirement, RequirementSet
    from reqparse.model import Category

__all__ = ["write"]

_FORM = "environment.yml"
_CATEGORIES: tuple[Category, ...] = ("conda", "sys", "npconda", "pypi")
_SAID = ("no_binary", "only_binary", "prereleases", "require_hashes")
# A spec has a local file by its name and content, and by no place.
_OF_NO_PLACE = re.compile(r"(?:^|\s)file:(?!/)")


def write(envs: Sequence[ResolvedEnv]) -> Exported:
    """The request of environments.

    Raises `NotExportable` where nothing of it can be said.
    """
    from reqparse import PythonRequirement, RequirementSet, StatedSource
    from reqparse.environment_yml import python_stated
    from reqparse.writing import to_environment_yml

    spec = envs[0].spec
    requirements, unsaid = _split(spec)
    if not requirements:
        raise NotExportable(
            "there is nothing in this request that an environment.yml has words for",
            "leave out `--asked` to export what was found",
        )
    channels = [source.url for source in spec.sources if source.kind == "channel"]
    further = list(sources_of(spec))
    options = spec.options
    asked = RequirementSet(
        requirements=tuple(requirements),
        sources=(*(StatedSource(kind="channel", url=url) for url in channels), *further),
        python=tuple(
            PythonRequirement(specifier=version, platforms=requirement.platforms)
            for requirement in requirements
            if (version := python_stated(requirement))
        ),
        platforms=tuple(env.platform for env in envs),
        # conda would add its own channels to what a file names.
        no_defaults="defaults" not in channels,
        no_index=not any(source.kind == "index" for source in spec.sources),
        prereleases=options.prereleases,
        require_hashes=options.require_hashes,
        no_binary=options.no_binary,
        only_binary=options.only_binary,
    )
    text = f"# {spec.req_id}\n{to_environment_yml(asked)}"
    notes = [
        *unsaid,
        *_notes_on(spec, channels),
        *notes_on_sources(spec, further, _FORM),
        *_notes_for_conda(asked),
    ]
    return Exported(text=text, notes=tuple(notes))


def _split(spec: EnvSpec) -> tuple[list[Requirement], list[str]]:
    """What an environment.yml can say of what is asked for, and notes on the rest."""
    from reqparse import NotExpressible, ParseErrors

    said: list[Requirement] = []
    unsaid: list[str] = []
    for category, text, platforms in chain(_python(spec), _wanted(spec)):
        try:
            said.append(_requirement(category, text, platforms))
        except (NotExpressible, ParseErrors):
            on = f" ({' '.join(platforms)})" if platforms is not None else ""
            unsaid.append(f"{_FORM} has no words for it; left out: `{text}`{on}")
            continue
        # Who made the spec by hand may have spelled it in a way that no file has.
        again = normalize(category, _text(said[-1]))
        if again != normalize(category, text):
            unsaid.append(f"`{text}` is read again as `{again}`, which is another request")
    return said, unsaid


_Wanted = tuple["Category", str, "tuple[str, ...] | None"]


def _python(spec: EnvSpec) -> Iterator[_Wanted]:
    if spec.python:
        yield "conda", PythonStatement.make(spec.python, "").matchspec, None


def _wanted(spec: EnvSpec) -> Iterator[_Wanted]:
    """What is asked for beside Python: category, text, and the platforms, None for all."""
    for category in _CATEGORIES:
        places: dict[str, list[str]] = defaultdict(list)
        for platform in PLATFORMS:
            usual = VIRTUAL_PACKAGES[platform] if category == "sys" else ()
            for text in spec.for_platform(platform).get(category, ()):
                if text not in usual:
                    places[text].append(platform)
        for text, platforms in sorted(places.items()):
            yield category, text, None if len(platforms) == len(PLATFORMS) else tuple(platforms)


def _requirement(category: Category, text: str, platforms: tuple[str, ...] | None) -> Requirement:
    """Raises `ParseErrors` or `NotExpressible` for what cannot stand in an environment.yml."""
    from reqparse import NotExpressible, PythonRequirement, RequirementSet, parse_requirement
    from reqparse.environment_yml import python_stated
    from reqparse.writing import to_environment_yml

    # conda's MatchSpecs hold their hashes themselves.
    words = text.split(" --hash=") if category == "pypi" else [text]
    if _OF_NO_PLACE.search(words[0]):
        raise NotExpressible(_FORM, (text,))
    parsed = parse_requirement(words[0], category=category)
    requirement = replace(parsed, hashes=(*parsed.hashes, *words[1:]), platforms=platforms)
    version = python_stated(requirement)
    python = (PythonRequirement(specifier=version, platforms=platforms),) if version else ()
    # For its refusal alone: by itself, so that it can be left out and named.
    to_environment_yml(RequirementSet(requirements=(requirement,), python=python))
    return requirement


def _text(requirement: Requirement) -> str:
    """A requirement as a spec has it."""
    hashes = requirement.hashes if requirement.category == "pypi" else ()
    return " ".join([requirement.text, *(f"--hash={value}" for value in hashes)])


def _notes_on(spec: EnvSpec, channels: Sequence[str]) -> Iterator[str]:
    usual = Options().to_dict()
    for name, value in spec.options.to_dict().items():
        if name not in _SAID and value != usual[name]:
            yield f"{_FORM} does not say how packages are chosen: {name} = {value}"
    if spec.options.python_provider == "conda" and not channels:
        yield f"{_FORM} cannot say that there is no channel"
    if spec.constraints:
        yield (
            f"{_FORM} has no words for constraints, which pip reads in a file of their own; left"
            f" out: {', '.join(spec.constraints)}"
        )
    if spec.base:
        yield f"{_FORM} does not say that the packages of {spec.base} are kept"
    for platform in PLATFORMS:
        there = {text.partition("=")[0] for text in spec.for_platform(platform).get("sys", ())}
        usual_names = (text.partition("=")[0] for text in VIRTUAL_PACKAGES[platform])
        if lacking := [name for name in usual_names if name not in there]:
            yield f"{_FORM} cannot say that {platform} has no {', '.join(lacking)}"


def _notes_for_conda(asked: RequirementSet) -> Iterator[str]:
    """What mfenv reads, and conda does not."""

    def named(requirements: Iterable[Requirement]) -> str:
        return ", ".join(f"`{requirement.text}`" for requirement in requirements)

    if apart := [r for r in asked.requirements if r.platforms is not None and r.category != "sys"]:
        yield f"conda reads no selectors, and takes on every platform: {named(apart)}"
    if systems := [r for r in asked.requirements if r.category == "sys"]:
        yield f"conda does not know the list `sys:`, which has {named(systems)}"
    if beside := [r for r in asked.requirements if r.category == "npconda"]:
        yield f"pip does not know `--conda-pkg`, by which is asked for {named(beside)}"
