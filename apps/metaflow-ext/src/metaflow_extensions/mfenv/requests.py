"""What a step asks for: the statements of its decorators, merged into one request for mfenv.

The rules are in the README. Nothing here starts a run or looks anything up.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envid.aliases import parse_ref
from envid.errors import InvalidAlias
from envid.platforms import host_platform
from envid.requirements import normalize_python
from metaflow_extensions.mfenv._statements import Statement, refuse, statements
from metaflow_extensions.mfenv.names import expand
from mfenv.errors import InvalidRequest
from mfenv.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mfenv.settings import Settings
    from reqparse import Requirement, RequirementSet

__all__ = ["StepRequest", "step_request"]

_LEVELS = ("step", "flow")
_METAFLOW = "Metaflow itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest:
    """What is to be done for one step.

    `request` is None where nothing is resolved before the run: the step needs no environment, or
    `at_exec` names one to look up when a task starts. It names no platforms, so that requests of
    steps that ask for the same are equal; `platforms` has that of the step's tasks. `notes` are
    for the user to read.
    """

    step: str
    request: Request | None = None
    platforms: tuple[str, ...] = ()
    at_exec: str | None = None
    notes: tuple[str, ...] = ()


def step_request(
    asked: Mapping[str, Any],
    settings: Settings,
    *,
    pins: Mapping[str, str],
    gpu: Sequence[str],
    environ: Mapping[str, str],
) -> StepRequest:
    """Merge what the decorators of a step say, as `metaflow_extensions.mfenv.collect` has it.

    `pins` are the packages that Metaflow needs in a task, with their constraints; `gpu` are virtual
    packages of machines with a GPU; `environ` gives the variables for `@{VAR}`. Raises
    `mfenv.errors.Contradiction` naming two places that exclude each other, `InvalidRequest`, and
    `reqparse.ParseErrors`.
    """
    step = asked["step"]
    found, notes = statements(asked["stated"])
    disabled = _one(found, "disabled")
    if disabled and disabled[0]:
        return StepRequest(step=step)
    named = _named(found)
    if at_exec := _at_exec(found, named):
        return StepRequest(step=step, at_exec=at_exec, notes=notes)
    requirements = [
        *_packages(found, "conda", "packages"),
        *_packages(found, "pypi", "conda_only"),
        *_packages(found, "pypi", "packages"),
    ]
    requirements += _packages(found, "sys_packages", "packages")
    python = _one(found, "python")
    return StepRequest(
        step=step,
        notes=notes,
        platforms=(asked["platform"] or host_platform(),),
        request=Request(
            stated=(_stated(found, requirements, python, settings),),
            using=_expanded(*named, environ) if named else None,
            virtual=tuple(gpu) if asked["gpu"] else (),
            also=tuple((f"{name}{pin}", _METAFLOW) for name, pin in pins.items()),
            # A step gets the Python that starts the run: what it leaves to others is pickled.
            python_unstated=f"{sys.version_info.major}.{sys.version_info.minor}",
        ),
    )


def _stated(
    found: Sequence[Statement],
    requirements: Sequence[Requirement],
    python: tuple[Any, str] | None,
    settings: Settings,
) -> RequirementSet:
    from metaflow_extensions.mfenv._options import options
    from reqparse import Origin, PythonRequirement, RequirementSet, StatedSource

    channels = _listed(found, "conda", "channels")
    sources = [
        *(StatedSource(kind="channel", url=url, origin=Origin(place)) for url, place in channels),
        *(
            StatedSource(kind="extra-index", url=url, origin=Origin(place))
            for url, place in _listed(found, "pypi", "extra_indices")
        ),
    ]
    if channels:  # what a file names replaces the usual channels; what a decorator names does not
        sources += [StatedSource(kind="channel", url=url) for url in settings.channels]
    result = RequirementSet(
        requirements=tuple(requirements),
        sources=tuple(sources),
        python=(
            (PythonRequirement(specifier=_python(*python), origin=Origin(python[1])),)
            if python
            else (PythonRequirement(specifier=""),)
        ),
    )
    return options(result, _listed(found, "pypi", "extras"))


def _one(found: Sequence[Statement], key: str) -> tuple[Any, str] | None:
    """The nearest statement of something that can be said once, and its place."""
    for level in _LEVELS:
        stated = [
            (one.attributes[key], one.place)
            for one in found
            if one.level == level and key in one.attributes
        ]
        for value, place in stated:
            if str(value) != str(stated[0][0]):
                raise refuse(f"`{key}={stated[0][0]}`", stated[0][1], f"`{key}={value}`", place)
        if stated:
            return stated[0]
    return None


def _named(found: Sequence[Statement]) -> tuple[str, str] | None:
    """The environment to start from, and the place that names it."""
    for level in _LEVELS:
        stated = [
            (f"step:{text}" if key == "pathspec" else text, one.place)
            for one in found
            if one.level == level
            for key in ("name", "pathspec")
            if (text := one.attributes.get(key))
        ]
        for text, place in stated:
            if text != stated[0][0]:
                raise refuse(f"`{stated[0][0]}`", stated[0][1], f"`{text}`", place)
        if stated:
            return stated[0]
    return None


def _at_exec(found: Sequence[Statement], named: tuple[str, str] | None) -> str | None:
    stated = _one(found, "fetch_at_exec")
    if not stated or not stated[0]:
        return None
    if not named:
        raise InvalidRequest(
            f"{stated[1]} has `fetch_at_exec`, and no environment is named", "add `name=`"
        )
    for one in found:
        others = one.attributes.keys() - {"name", "pathspec", "fetch_at_exec", "disabled"}
        for key in sorted(others):
            raise refuse("`fetch_at_exec`", stated[1], f"`{key}`", one.place)
    return named[0]


def _packages(found: Iterable[Statement], kind: str, key: str) -> list[Requirement]:
    """The packages that statements name; what a step says of a name replaces its flow's."""
    levels: dict[str, list[Requirement]] = {level: [] for level in _LEVELS}
    for one in found:
        if one.kind == kind:
            levels[one.level] += one.attributes.get(key, ())
    mine = {_identity(one) for one in levels["step"]}
    return levels["step"] + [one for one in levels["flow"] if _identity(one) not in mine]


def _identity(requirement: Requirement) -> str:
    """What a requirement is about, whatever it says of it."""
    if requirement.name:
        return requirement.name
    url, mark, fragment = (requirement.url or requirement.text).partition("#")
    host, slash, path = url.partition("://")[2].partition("/")
    return f"{host}{slash}{path.partition('@')[0]}{mark}{fragment}"


def _listed(found: Iterable[Statement], kind: str, key: str) -> list[tuple[str, str]]:
    """Every item of a list that decorators give, the step's first, each once, with its place."""
    result: dict[str, str] = {}
    for level in _LEVELS:
        for one in found:
            if one.kind == kind and one.level == level:
                for item in one.attributes.get(key, ()):
                    result.setdefault(item, one.place)
    return list(result.items())


def _python(value: str, place: str) -> str:
    try:
        return normalize_python(value)
    except ValueError as error:
        raise InvalidRequest(f"{place}: {error}", "write a version such as `3.11`") from None


def _expanded(text: str, place: str, environ: Mapping[str, str]) -> str:
    try:
        found = expand(text, environ)
    except KeyError as error:
        raise InvalidRequest(
            f"{place}: there is no variable {error.args[0]} to put into `{text}`",
            "set it where the run is started, or look the name up in tasks with `fetch_at_exec`",
        ) from None
    try:
        parse_ref(found)
    except InvalidAlias as error:
        raise InvalidRequest(f"{place}: {error}", error.hint) from None
    return found
