"""Markers of lock files, evaluated for a target that is not this machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.markers import (
    InvalidMarker,
    Marker,
    UndefinedComparison,
    UndefinedEnvironmentName,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

_NAMES = (
    *("implementation_name", "implementation_version", "os_name", "platform_machine"),
    *("platform_python_implementation", "platform_release", "platform_system"),
    *("platform_version", "python_full_version", "python_version", "sys_platform"),
)
_TEXT = r"(?:'[^']*'|\"[^\"]*\")"
_OPERATOR = r"\s*(?:===|==|~=|!=|<=|>=|<|>|\bnot\s+in\b|\bin\b)\s*"
_UNSAID = re.compile(
    rf"\bplatform_(?:release|version)\b{_OPERATOR}{_TEXT}"
    rf"|{_TEXT}{_OPERATOR}platform_(?:release|version)\b"
)
# One extra is compared with a text where, in a lock, several may be chosen.
_EXTRA = re.compile(rf"\bextra\s*(==|!=)\s*({_TEXT})|({_TEXT})\s*(==|!=)\s*extra\b")
_ALWAYS, _NEVER = "python_version >= '0'", "python_version < '0'"


class Undecided(Exception):
    """A marker that asks for what nobody knows; the text says what."""


class Evaluation:
    """The markers of one target. Raises ValueError for an environment that lacks a variable."""

    def __init__(self, markers: Mapping[str, str]) -> None:
        # What is left out would be filled in from the machine that runs this.
        if missing := [name for name in _NAMES if name not in markers]:
            raise ValueError(f"the markers of a target lack {', '.join(missing)}")
        self._environment = {name: markers[name] for name in _NAMES}
        self._unsaid = any(not markers[n] for n in ("platform_release", "platform_version"))
        self._known: dict[tuple[str, frozenset[str], frozenset[str]], bool] = {}

    def holds(self, marker: str, extras: frozenset[str], groups: frozenset[str]) -> bool:
        """Whether a marker holds where these extras and groups are chosen. Raises Undecided."""
        # A lock repeats a few markers thousands of times, and `packaging` parses each anew.
        key = (marker, extras, groups)
        if key not in self._known:
            self._known[key] = self._evaluate(*key)
        return self._known[key]

    def _evaluate(self, marker: str, extras: frozenset[str], groups: frozenset[str]) -> bool:
        text = _EXTRA.sub(_among, marker)
        if not (self._unsaid and _UNSAID.search(text)):
            return self._holds(text, extras, groups)
        # There is no `not` in markers, so the two extremes are all that matters.
        answers = {self._holds(_UNSAID.sub(w, text), extras, groups) for w in (_ALWAYS, _NEVER)}
        if len(answers) > 1:
            raise Undecided("the release of a system is not known before packages are used there")
        return answers.pop()

    def _holds(self, text: str, extras: frozenset[str], groups: frozenset[str]) -> bool:
        environment: dict[str, str | AbstractSet[str]] = dict(self._environment)
        environment |= {"extras": extras, "dependency_groups": groups}
        try:
            return Marker(text).evaluate(environment, context="lock_file")
        except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName) as error:
            raise Undecided(str(error).partition("\n")[0]) from None


def _among(match: re.Match[str]) -> str:
    equals = match[1] or match[4]
    return f"{match[2] or match[3]} {'in' if equals == '==' else 'not in'} extras"
