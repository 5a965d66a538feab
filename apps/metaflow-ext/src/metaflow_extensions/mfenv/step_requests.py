"""What a step asks for: the statements of its decorators, merged into one request for mfenv.

The rules are in the README. Nothing here starts a run or looks anything up.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from envid.aliases import parse_ref
from envid.errors import InvalidAlias
from envid.platforms import host_platform
from envid.requirements import normalize_python
from metaflow_extensions.mfenv._statements import StatementReading, readings, refuse
from metaflow_extensions.mfenv.lock_files import lock_of
from metaflow_extensions.mfenv.names import expand
from mfenv.errors import InvalidRequest
from mfenv.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from metaflow_extensions.mfenv._values import Arguments
    from metaflow_extensions.mfenv.run_records import StepStatements
    from mfenv.settings import Settings
    from reqparse import Requirement, RequirementSet

__all__ = ["StepRequest", "asking_for", "step_request"]

# The nearest first.
_LEVELS = ("step", "flow")
_METAFLOW = "Metaflow itself"
# A step gets the Python that starts the run: what it leaves to others is pickled.
_RUNS = f"{sys.version_info.major}.{sys.version_info.minor}"
_V = TypeVar("_V")


class StepRequest(NamedTuple):
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


def asking_for(request: Request | None, steps: Iterable[StepRequest]) -> list[str]:
    """The names of the steps that ask for just this."""
    return [step.step for step in steps if step.request == request]


class _Placed(NamedTuple):
    """Something that was said, and the place that says it."""

    text: str
    place: str


def step_request(
    asked: StepStatements,
    settings: Settings,
    *,
    pins: Mapping[str, str],
    gpu: Sequence[str],
    environ: Mapping[str, str],
) -> StepRequest:
    """Merge what the decorators of a step say.

    `pins` are the packages that Metaflow needs in a task, with their constraints; `gpu` are virtual
    packages of machines with a GPU; `environ` gives the variables for `@{VAR}`. Raises
    `mfenv.errors.Contradiction` naming two places that exclude each other, `InvalidRequest`, and
    `reqparse.ParseErrors`.
    """
    statements, notes = readings(asked.stated)
    # Before all else: whoever switches an environment off need not say sensible things about it.
    disabled = _nearest(statements, "disabled", lambda arguments: arguments.disabled)
    if disabled and disabled[0]:
        return StepRequest(step=asked.step)
    # A lock says everything there is, so that nothing else is merged beside it.
    lock = lock_of(statements)
    if lock:
        virtual = _packages(statements, "sys_packages", lambda arguments: arguments.packages)
        lock = lock._replace(sys=tuple(requirement.text for requirement in virtual))
        return _asked_for(asked, lock, notes, pins=pins, gpu=gpu)
    named = _named(statements)
    _check_names(statements, named)
    if at_exec := _at_exec(statements, named):
        return StepRequest(step=asked.step, at_exec=at_exec, notes=notes)
    requirements = [
        *_packages(statements, "conda", lambda arguments: arguments.packages),
        *_packages(statements, "pypi", lambda arguments: arguments.conda_only),
        *_packages(statements, "pypi", lambda arguments: arguments.packages),
        *_packages(statements, "sys_packages", lambda arguments: arguments.packages),
    ]
    stated = _stated(statements, requirements, settings)
    if named:
        from reqparse import Origin

        # Not in a field of its own: steps that ask for the same have equal requests.
        stated = replace(stated, places={"using": Origin(named.place)})
    request = Request(
        stated=(stated,),
        using=_expanded(named, environ) if named else None,
    )
    return _asked_for(asked, request, notes, pins=pins, gpu=gpu)


def _asked_for(
    asked: StepStatements,
    request: Request,
    notes: tuple[str, ...],
    *,
    pins: Mapping[str, str],
    gpu: Sequence[str],
) -> StepRequest:
    """What decorators ask for, with what they need not say."""
    return StepRequest(
        step=asked.step,
        notes=notes,
        platforms=(asked.platform or host_platform(),),
        request=request._replace(
            virtual=tuple(gpu) if asked.gpu else (),
            also=tuple((f"{name}{pin}", _METAFLOW) for name, pin in pins.items()),
            python_unstated=_RUNS,
        ),
    )


def _stated(
    statements: Sequence[StatementReading], requirements: Sequence[Requirement], settings: Settings
) -> RequirementSet:
    from metaflow_extensions.mfenv._options import options
    from reqparse import Origin, PythonRequirement, RequirementSet, StatedSource

    channels = _listed(statements, "conda", lambda arguments: arguments.channels)
    indexes = _listed(statements, "pypi", lambda arguments: arguments.extra_indices)
    sources = [
        *(StatedSource(kind="channel", url=url, origin=Origin(place)) for url, place in channels),
        *(
            StatedSource(kind="extra-index", url=url, origin=Origin(place))
            for url, place in indexes
        ),
    ]
    if channels:  # what a file names replaces the usual channels; what a decorator names does not
        sources += [StatedSource(kind="channel", url=url) for url in settings.channels]
    python = _nearest(statements, "python", lambda arguments: arguments.python)
    # Also where nothing is said, it is something: a step with no packages has an environment with
    # Python alone.
    version = PythonRequirement(specifier="")
    if python:
        version = PythonRequirement(specifier=_python(*python), origin=Origin(python[1]))
    stated = RequirementSet(
        requirements=tuple(requirements), sources=tuple(sources), python=(version,)
    )
    return options(stated, _listed(statements, "pypi", lambda arguments: arguments.extras))


def _nearest(
    statements: Sequence[StatementReading], key: str, get: Callable[[Arguments], _V | None]
) -> tuple[_V, str] | None:
    """The nearest statement of something that can be said once, and its place."""
    for level in _LEVELS:
        placed = [
            (value, reading.place)
            for reading in statements
            if reading.level == level and (value := get(reading.arguments)) is not None
        ]
        for value, place in placed:
            # Of one level, all have to say the same: there is no order among the decorators of a
            # step that a user would know.
            first, where = placed[0]
            if value != first:
                raise refuse(f"`{key}={first}`", where, f"`{key}={value}`", place)
        if placed:
            return placed[0]
    return None


def _named(statements: Sequence[StatementReading]) -> _Placed | None:
    """The environment to start from, and the place that names it."""
    for level in _LEVELS:
        placed = [
            _Placed(text, reading.place)
            for reading in statements
            if reading.level == level
            for text in _names(reading.arguments)
        ]
        for text, place in placed:
            if text != placed[0].text:
                raise refuse(f"`{placed[0].text}`", placed[0].place, f"`{text}`", place)
        if placed:
            return placed[0]
    return None


def _check_names(statements: Iterable[StatementReading], named: _Placed | None) -> None:
    """Raise `InvalidRequest` where an environment is meant, and none is named.

    A name may come from a variable that is not set; no other environment is what was meant then.
    """
    for kind, _, place, arguments in statements:
        empty = any(
            text is not None and not text.strip() for text in (arguments.name, arguments.pathspec)
        )
        if empty or (kind == "named_env" and not named):
            raise InvalidRequest(f"{place} names no environment", "add `name=` or `pathspec=`")


def _names(arguments: Arguments) -> list[str]:
    names = [arguments.name] if arguments.name else []
    return names + ([f"step:{arguments.pathspec}"] if arguments.pathspec else [])


def _at_exec(statements: Sequence[StatementReading], named: _Placed | None) -> str | None:
    flag = _nearest(statements, "fetch_at_exec", lambda arguments: arguments.fetch_at_exec)
    if not flag or not flag[0] or not named:
        return None
    place = flag[1]
    for reading in statements:
        # What is looked up in the task is not known before: nothing can be added to it.
        for key in reading.arguments.given():
            if key not in ("name", "pathspec", "fetch_at_exec", "disabled"):
                raise refuse("`fetch_at_exec`", place, f"`{key}`", reading.place)
    return named.text


def _packages(
    statements: Iterable[StatementReading],
    kind: str,
    get: Callable[[Arguments], tuple[Requirement, ...] | None],
) -> list[Requirement]:
    """The packages that statements name; what a step says of a name replaces its flow's."""
    levels: dict[str, list[Requirement]] = {level: [] for level in _LEVELS}
    for reading in statements:
        if reading.kind == kind:
            levels[reading.level] += get(reading.arguments) or ()
    own = {_identity(package) for package in levels["step"]}
    return levels["step"] + [package for package in levels["flow"] if _identity(package) not in own]


def _identity(requirement: Requirement) -> str:
    """What a requirement is about, whatever it says of it."""
    if requirement.name:
        return requirement.name
    url, mark, fragment = (requirement.url or requirement.text).partition("#")
    host, slash, path = url.partition("://")[2].partition("/")
    # A login may stand before an `@` in the host; in the path, it is the revision.
    return f"{host}{slash}{path.partition('@')[0]}{mark}{fragment}"


def _listed(
    statements: Iterable[StatementReading],
    kind: str,
    get: Callable[[Arguments], tuple[str, ...] | None],
) -> list[_Placed]:
    """Every item of a list that decorators give, the step's first, each once, with its place."""
    places: dict[str, str] = {}
    for level in _LEVELS:
        for reading in statements:
            if reading.kind == kind and reading.level == level:
                for item in get(reading.arguments) or ():
                    places.setdefault(item, reading.place)
    return [_Placed(item, place) for item, place in places.items()]


def _python(value: str, place: str) -> str:
    try:
        return normalize_python(value)
    except ValueError as error:
        raise InvalidRequest(f"{place}: {error}", "write a version such as `3.11`") from None


def _expanded(named: _Placed, environ: Mapping[str, str]) -> str:
    try:
        name = expand(named.text, environ)
    except KeyError as error:
        raise InvalidRequest(
            f"{named.place}: there is no variable {error.args[0]} to put into `{named.text}`",
            "set it where the run is started, or look the name up in tasks with `fetch_at_exec`",
        ) from None
    try:
        parse_ref(name)
    except InvalidAlias as error:
        raise InvalidRequest(f"{named.place}: {error}", error.hint) from None
    return name
