"""Constraints: they hold where something else brings the package, on the platforms they name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mfenv.python_statements import MARKER_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mfenv.settings import Settings
    from reqparse import Requirement

__all__ = ["conda_bounds", "pypi_bounds", "unused_bounds"]


def pypi_bounds(constraints: Iterable[Requirement]) -> Iterator[Requirement]:
    """Those on PyPI packages; what is for some platforms only has a marker that says so."""
    for constraint in constraints:
        if constraint.category != "pypi" or constraint.platforms == ():
            continue
        if constraint.platforms is None:
            yield constraint
            continue
        # PyPI knows platforms by their markers alone.
        marker = " or ".join(
            f"(sys_platform == '{MARKER_VARIABLES[platform]['sys_platform']}'"
            f" and platform_machine == '{MARKER_VARIABLES[platform]['platform_machine']}')"
            for platform in constraint.platforms
        )
        head = constraint.text
        if constraint.marker:
            head = head.removesuffix(constraint.marker).rstrip("; ")
            marker = f"({constraint.marker}) and ({marker})"
        yield replace(constraint, text=f"{head} ; {marker}", marker=marker)


def conda_bounds(constraints: Iterable[Requirement], settings: Settings) -> Iterator[Requirement]:
    """Those on conda packages as requirements, on the condition that the package is there."""
    for constraint in constraints:
        if constraint.category != "pypi" and _why_not(constraint, settings) is None:
            # Behind the keys that it has, if it has any.
            head = constraint.text.removesuffix("]")
            joint = "," if head != constraint.text else "["
            # A requirement would bring the package; on the condition that it is there, it only
            # bounds it.
            yield replace(constraint, text=f"{head}{joint}when='{constraint.name}']")


def unused_bounds(constraints: Iterable[Requirement], settings: Settings) -> Iterator[str]:
    """A note on each constraint on a conda package that cannot be met so."""
    for constraint in constraints:
        if constraint.category != "pypi" and (reason := _why_not(constraint, settings)):
            yield f"{constraint.origin}: the constraint `{constraint.text}` is not used: {reason}"


def _why_not(constraint: Requirement, settings: Settings) -> str | None:
    if settings.python_provider == "system":
        return "there are no conda packages beside a Python of the system"
    if constraint.url:
        return "it is a file, and not a version"
    if "when=" in constraint.text:
        return "it has a condition of its own"
    if constraint.category == "sys":
        return "what the target has is stated, not bounded"
    return None
