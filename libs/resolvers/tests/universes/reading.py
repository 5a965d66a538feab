"""What the texts of a universe mean.

Nothing of ours is used: `packaging` reads what PyPI says, and the MatchSpecs are the few that
universes have: a name, and bounds with commas between them, each an operator and a version, or a
version that ends in `.*`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .model import Held, Release, Universe

__all__ = [
    "accepts",
    "added",
    "allows_python",
    "asked",
    "markers_of",
    "matches",
    "minor_of",
    "name_of",
    "pypi_name",
    "runs",
]

_MARKERS = {
    "linux-64": {"sys_platform": "linux", "platform_machine": "x86_64"},
    "osx-arm64": {"sys_platform": "darwin", "platform_machine": "arm64"},
}
_OPERATORS = ("==", "!=", ">=", "<=", ">", "<")


@cache
def matches(spec: str, version: str) -> bool:
    """Whether a version of the package that a MatchSpec names is one that it means."""
    _, _, bounds = spec.partition(" ")
    return all(_within(one, Version(version)) for one in bounds.split(",") if one)


def _within(bound: str, version: Version) -> bool:
    if bound.endswith(".*"):
        numbers = tuple(map(int, bound.removesuffix(".*").split(".")))
        return version.release[: len(numbers)] == numbers
    operator = next(one for one in _OPERATORS if bound.startswith(one))
    other = Version(bound.removeprefix(operator))
    order = (version > other) - (version < other)
    return {
        "==": order == 0,
        "!=": order != 0,
        ">=": order >= 0,
        "<=": order <= 0,
        ">": order > 0,
        "<": order < 0,
    }[operator]


@cache
def _contains(specifier: str, version: str) -> bool:
    return SpecifierSet(specifier).contains(Version(version), prereleases=True)


def accepts(requirement: Requirement, version: str) -> bool:
    return _contains(str(requirement.specifier), version)


def name_of(spec: str) -> str:
    return spec.partition(" ")[0]


def pypi_name(requirement: Requirement) -> str:
    return canonicalize_name(requirement.name)


@cache
def _read(text: str) -> Requirement:
    return Requirement(text)


def asked(texts: Iterable[str], environment: Mapping[str, str]) -> list[Requirement]:
    """The requirements that count, by their markers."""
    return [one for one in map(_read, texts) if _holds(one, environment)]


def added(one: Held | Release, extra: str, environment: Mapping[str, str]) -> list[Requirement]:
    """What a distribution requires, or what an extra adds to that."""
    return [
        each
        for each in map(_read, one.requires)
        if _holds(each, environment, extra) and not (extra and _holds(each, environment))
    ]


def _holds(requirement: Requirement, environment: Mapping[str, str], extra: str = "") -> bool:
    marker = requirement.marker
    return marker is None or marker.evaluate({**environment, "extra": extra})


def markers_of(platform: str, python: str) -> dict[str, str]:
    return {
        **_MARKERS[platform],
        "python_version": minor_of(python),
        "python_full_version": python,
    }


def runs(release: Release, platform: str, python: str) -> bool:
    """Whether a release has a wheel for a platform and a Python, and is for that Python."""
    return (
        (not release.minors or minor_of(python) in release.minors)
        and (not release.platforms or platform in release.platforms)
        and _contains(release.requires_python, python)
    )


def minor_of(python: str) -> str:
    return ".".join(python.split(".")[:2])


def allows_python(universe: Universe, version: str) -> bool:
    """Whether the request allows a Python: `3.11` means all of 3.11, and `3.11.4` that alone."""
    text = universe.python
    if text[:1].isdigit():
        text = f"=={text}.*" if text.count(".") == 1 else f"=={text}"
    return _contains(text, version)
