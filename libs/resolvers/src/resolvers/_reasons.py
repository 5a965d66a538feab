"""Why a package has no wheel for a target, in words for whom it concerns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resolvers.targets import wheel_tags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.tags import Tag

    from resolvers._lock import UvPackage
    from resolvers._question import UvQuestion

__all__ = [
    "floor_hint",
    "has_for_older_python",
    "is_bound",
    "needed_floor",
    "why_built",
    "why_no_wheel",
]


def why_built(package: UvPackage, question: UvQuestion) -> str:
    """Why a chosen package must be built."""
    if package.vcs:
        return "it is asked for as a commit"
    if package.direct or package.version is None:
        return "it is asked for as a source"
    return why_no_wheel(package.name, package.version, question)


def why_no_wheel(name: str, version: str, question: UvQuestion) -> str:
    """Why no wheel of a version serves."""
    if question.must_build(name):
        return "`no_binary` forbids its wheels"
    target, wheels = question.target, question.projects.wheels(name, version)
    here = [tag for wheel in wheels for tag in wheel_tags(wheel) if _fits_platform(tag, question)]
    if not wheels:
        return f"only the source of {version} is published"
    # Before the platform: what needs a higher floor fits no platform here either.
    if floor := needed_floor(wheels, question):
        return f"its wheels need {target.spoken(floor)}, and the floor is {target.spoken_floor}"
    if not here:
        return f"none of the wheels of {version} is for {target.platform}"
    if any(tag in question.ranks for tag in here):
        taken = (
            f"{question.context.pypi_engine} takes the source of {version}, though it has wheels"
        )
        barred = f"no wheel of {version} has a hash that is allowed"
        return barred if name in question.hashes else taken
    interpreters = sorted(
        {tag.interpreter for tag in here},
        key=lambda interpreter: (_minor(interpreter), interpreter),
    )
    pythons = ", ".join(
        re.sub(r"^(?:cp|py)(\d)(\d+)$", r"\1.\2", interpreter) for interpreter in interpreters
    )
    return (
        f"the wheels of {version} for {target.platform} are for Python {pythons}, and this is"
        f" {question.python.series}"
    )


def floor_hint(name: str, version: str, question: UvQuestion) -> str | None:
    """The option that lets the wheels of a version in which only the floor keeps out."""
    wheels = question.projects.wheels(name, version)
    floor = needed_floor(wheels, question)
    if floor is None:
        return None
    target = question.target
    virtual = "__glibc" if target.is_linux else "__osx"
    return (
        f"the wheels of `{name}` {version} need {target.spoken(floor)}, and {target.platform} is"
        f" taken to have {target.spoken_floor}: if it has more, say so with"
        f" `--sys {virtual}={floor[0]}.{floor[1]}`"
    )


def needed_floor(wheels: Iterable[str], question: UvQuestion) -> tuple[int, int] | None:
    """The lowest floor that any of the wheels accepts, where all of them are above the target's."""
    # What is not even among these lacks more than a floor.
    ranks = question.target.highest.ranks(question.python.series)
    floors = []
    for tag in (tag for wheel in wheels for tag in wheel_tags(wheel)):
        if tag in question.ranks:
            return None
        # Older names, such as `manylinux2014`, have no number: no floor lies below them.
        number = re.search(r"_(\d+)_(\d+)_", f"{tag.platform}_")
        if tag in ranks and number:
            floors.append((int(number[1]), int(number[2])))
    return min(floors, default=None)


def has_for_older_python(package: UvPackage, question: UvQuestion) -> bool:
    """Whether the version that was chosen has a wheel for the target and an older Python."""
    own = int(question.python.version.split(".")[1])
    return any(
        _fits_platform(tag, question) and 0 < _minor(tag.interpreter) < own
        for wheel in _wheels(package, question)
        for tag in wheel_tags(wheel)
    )


def is_bound(package: UvPackage, question: UvQuestion) -> bool:
    """Whether each wheel of the version that was chosen is for some platform, and none for all.

    What has been built for platforms before is no pure package when it is built once more.
    """
    tags = [tag for wheel in _wheels(package, question) for tag in wheel_tags(wheel)]
    return bool(tags) and not any(tag.platform == "any" for tag in tags)


def _wheels(package: UvPackage, question: UvQuestion) -> tuple[str, ...]:
    return question.projects.wheels(package.name, package.version) if package.version else ()


def _fits_platform(tag: Tag, question: UvQuestion) -> bool:
    return tag.platform == "any" or tag.platform in question.target.platform_tags


def _minor(interpreter: str) -> int:
    """The minor version of Python 3 that a tag is for, 0 where it names none."""
    match = re.fullmatch(r"(?:cp|py)3(\d+)", interpreter)
    return int(match[1]) if match else 0
