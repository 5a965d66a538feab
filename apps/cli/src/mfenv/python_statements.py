"""What is said of the version of Python, wherever that is: gathered, compared, made one."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from envid.platforms import PLATFORMS
from envid.requirements import normalize_python
from mfenv.errors import Contradiction, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envid.resolved import ResolvedEnv
    from reqparse import PythonRequirement, Requirement, RequirementSet

__all__ = [
    "MARKER_VARIABLES",
    "PythonStatement",
    "beside_python",
    "check_together",
    "combine",
    "everywhere_asked",
    "python_statements",
    "pythons_of",
]

_OR = "||"
# Of Python 3, more than there are: a request must mean the same when there are more.
_MINORS = range(30)
_PATCHES = range(40)
_LINUX = {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux"}
_MACOS = {"os_name": "posix", "sys_platform": "darwin", "platform_system": "Darwin"}
MARKER_VARIABLES = {
    "linux-64": {**_LINUX, "platform_machine": "x86_64"},
    "linux-aarch64": {**_LINUX, "platform_machine": "aarch64"},
    "osx-64": {**_MACOS, "platform_machine": "x86_64"},
    "osx-arm64": {**_MACOS, "platform_machine": "arm64"},
}
"""What markers see of each platform."""


class PythonStatement(NamedTuple):
    """One statement of the version of Python.

    `specifier` is of PEP 440; where only conda can say it, alternatives of them with `||` between.
    `platforms` are those that it holds for, None for all.
    """

    specifier: str
    place: str
    platforms: tuple[str, ...] | None = None

    @classmethod
    def make(
        cls, specifier: str, place: str, platforms: tuple[str, ...] | None = None
    ) -> PythonStatement:
        """Normalise; raises `envid.errors.InvalidSpec`."""
        return cls(
            specifier=_OR.join(map(normalize_python, specifier.split(_OR))),
            place=place,
            platforms=None if platforms == PLATFORMS else platforms,
        )

    @property
    def matchspec(self) -> str:
        """The same as a conda requirement."""
        bounds = (re.sub(r"==([0-9.]+\.\*)", r"\1", bound) for bound in self.specifier.split(_OR))
        return f"python {'|'.join(bounds)}".strip()


def python_statements(sets: Iterable[RequirementSet]) -> list[PythonStatement]:
    """Every statement in what was read, each once. Raises `InvalidRequest` for a marker."""
    statements: dict[PythonStatement, None] = {}
    for file in sets:
        statements |= dict.fromkeys(_of_set(file))
    return list(statements)


def pythons_of(bases: Sequence[ResolvedEnv], place: str) -> Iterator[PythonStatement]:
    """What was asked of the Python of environments, and the minor version that they are for."""
    minors = {base.platform: ".".join(base.python.split(".")[:2]) for base in bases}
    if bases and bases[0].spec.python.startswith("=="):
        yield PythonStatement.make(bases[0].spec.python, place)
    elif len(set(minors.values())) == 1:
        yield PythonStatement.make(minors[bases[0].platform], place)
    else:
        for platform, minor in minors.items():
            yield PythonStatement.make(minor, place, (platform,))


def beside_python(requirements: Iterable[Requirement]) -> Iterator[Requirement]:
    """The requirements that say more than the version of Python in words of PEP 440.

    Python itself is a conda package, whatever else was asked for with it.
    """
    for requirement in requirements:
        if not _is_python(requirement):
            yield requirement
        elif requirement.category != "pypi" and (
            requirement.build
            or requirement.channel
            or requirement.url
            or re.search(r"[\[|(]", requirement.text)
        ):
            yield replace(requirement, category="conda")


def _is_python(requirement: Requirement) -> bool:
    """Whether a requirement is on Python itself."""
    of_pypi = requirement.category == "pypi"
    other = (requirement.url or requirement.extras) if of_pypi else "when=" in requirement.text
    return requirement.name == "python" and not other


def _of_set(file: RequirementSet) -> Iterator[PythonStatement]:
    for stated in file.python:
        if stated.specifier:
            yield _statement(stated.specifier, stated)
    for requirement in (*file.requirements, *file.constraints):
        if _is_python(requirement) and (specifier := _in_pep440(requirement)):
            yield _statement(specifier, requirement)


def _statement(specifier: str, stated: PythonRequirement | Requirement) -> PythonStatement:
    platforms = stated.platforms
    if stated.marker:
        chosen = _chosen(stated.marker, str(stated.origin))
        platforms = tuple(
            platform for platform in chosen if platforms is None or platform in platforms
        )
    return PythonStatement.make(specifier, str(stated.origin), platforms)


def _in_pep440(requirement: Requirement) -> str:
    """What a requirement on Python says of its version; nothing where PEP 440 has no words."""
    if requirement.category == "pypi":
        return requirement.specifier
    # Only conda can say it; `beside_python` has it as a requirement.
    if "(" in requirement.specifier:
        return ""
    return _OR.join(
        ",".join(
            # Bare it is an exact version; `=3.11` was read as `3.11.*`.
            f"=={bound}" if bound[:1].isdigit() else bound
            for bound in alternative.split(",")
            if bound != "*"
        )
        for alternative in requirement.specifier.split("|")
    )


def _chosen(marker: str, place: str) -> tuple[str, ...]:
    """The platforms on which a marker holds that stands behind a statement of Python."""
    from packaging.markers import Marker

    # Which Python there will be is what is being decided here.
    if re.search(r"python|implementation|extra|release|platform_version", marker):
        raise InvalidRequest(
            f"{place}: whether `{marker}` holds depends on the Python that is stated there",
            "leave the marker out, or let it name the platform",
        )
    return tuple(
        platform for platform in PLATFORMS if Marker(marker).evaluate(MARKER_VARIABLES[platform])
    )


def combine(
    stated: Sequence[PythonStatement],
    default: str,
    platforms: Sequence[str],
    *,
    held: Sequence[PythonStatement] = (),
    system: bool = False,
) -> tuple[str, dict[str, list[PythonStatement]]]:
    """The Python asked for on every platform, and what more is asked of it on one.

    Takes the version where none is stated, empty for the newest that solves. `held` is what is
    there already. With `system`, Python is none of conda's, and the same for all platforms. Raises
    `Contradiction` naming the two places that exclude each other.
    """
    for platform in platforms:
        # Each platform by itself: what holds on another one cannot exclude anything here.
        every = (*held, *stated)
        check_together(
            [
                statement
                for statement in every
                if statement.platforms is None or platform in statement.platforms
            ]
        )
    if system:
        # One interpreter for all: what some platforms alone ask of it is refused, or asked of all.
        stated = list(_of_system(stated, platforms))
    # What holds for all platforms stays one specifier, by which environments are compared and
    # listed.
    apart = [statement for statement in stated if statement.platforms is not None and not system]
    everywhere = [statement for statement in stated if statement not in apart]
    common = everywhere_asked(everywhere, system=system)
    usually = [PythonStatement.make(default, "the default")] if default and not everywhere else []
    if apart:
        return common, {
            platform: [statement for statement in apart if platform in (statement.platforms or ())]
            or usually
            for platform in PLATFORMS  # whichever are asked for now, it is the same request
        }
    return everywhere_asked([*everywhere, *usually], system=system), {}


def everywhere_asked(stated: Iterable[PythonStatement], *, system: bool) -> str:
    """What statements say for all platforms, as far as PEP 440 can say it."""
    return ",".join(
        statement.specifier
        for statement in stated
        if (statement.platforms is None or system) and _OR not in statement.specifier
    )


def _of_system(
    stated: Iterable[PythonStatement], platforms: Sequence[str]
) -> Iterator[PythonStatement]:
    """The statements that hold for a Python that is the same on all platforms."""
    for statement in stated:
        beyond = set(platforms).difference(statement.platforms or platforms)
        if beyond and beyond != set(platforms):
            raise InvalidRequest(
                f"{statement.place}: Python `{statement.specifier}` is asked for on"
                f" {', '.join(statement.platforms or ())}, and the system's Python is the same for"
                " all",
                "resolve for each platform by itself",
            )
        if not beyond:
            yield statement


def check_together(stated: Sequence[PythonStatement]) -> None:
    """Raise `Contradiction` naming the statements that exclude each other, or all Pythons."""
    if _possible(*(statement.specifier for statement in stated)):
        return
    for statement in stated:
        if not _possible(statement.specifier):
            raise _none([statement])
    # The pair to blame, for which all were tried together first: three may exclude each other where
    # no two do.
    for number, statement in enumerate(stated):
        for other in stated[:number]:
            if not _possible(statement.specifier, other.specifier):
                raise Contradiction(
                    f"{other.place} asks for Python `{other.specifier}`, and {statement.place} for"
                    f" `{statement.specifier}`",
                    "keep one of them",
                )
    raise _none(stated)


def _none(stated: Sequence[PythonStatement]) -> Contradiction:
    every = ",".join(statement.specifier for statement in stated)
    places = ", ".join(dict.fromkeys(statement.place for statement in stated))
    return Contradiction(
        f"no Python satisfies `{every}` (asked by {places})", "ask for a release of Python 3"
    )


def _possible(*specifiers: str) -> bool:
    """Whether some Python 3 release, or one that is named, satisfies all of them."""
    asked = {*specifiers} - {""}
    # What most requests say, known without `packaging`: nothing, or one series.
    if asked <= {f"==3.{minor}.*" for minor in _MINORS} and len(asked) <= 1:
        return True
    from packaging.specifiers import SpecifierSet

    alternatives = [[*map(SpecifierSet, specifier.split(_OR))] for specifier in specifiers]
    clauses = (clause for sets in alternatives for allowed in sets for clause in allowed)
    # A pre-release, or one beyond the tables, is possible where somebody names it.
    named = (c.version for c in clauses if c.operator == "==" and "*" not in c.version)
    # Not every `packaging` knows whether a set of specifiers is empty, so releases are tried: each
    # against all, since every choice of one alternative each could be millions.
    releases = (f"3.{minor}.{patch}" for minor in _MINORS for patch in _PATCHES)
    return any(
        all(any(s.contains(version, prereleases=True) for s in sets) for sets in alternatives)
        for version in chain(named, releases)
    )
