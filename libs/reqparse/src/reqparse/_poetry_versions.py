"""poetry's language of versions, in that of PEP 440, and its conditions as markers of PEP 508."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from reqparse._flaw import Flaw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_CLAUSE = re.compile(r"\s*(\^|~=|~|===?|!=|<>|<=|>=|<|>|=)?\s*([^\s,<>=!~^|]+)\s*,?")
_PLATFORM = re.compile(r"\s*(==|!=|=)?\s*([A-Za-z0-9_]+)\s*")
_EXTRA = re.compile(
    r"\bextra\s*(?P<is>[=!]=)\s*['\"](?P<left>[^'\"]*)['\"]"
    r"|['\"](?P<right>[^'\"]*)['\"]\s*(?P<sees>[=!]=)\s*extra\b"
)
# `~2.7 || ^3.6` would have an endless gap from 2.8 on, if more of Python 2 had come.
_LAST_PYTHON_2 = (2, 7)
# Of clauses for one gap: where versions are dates, there would be millions.
_MANY = 100

Release = tuple[int, ...]


def constraint(text: str, *, python: bool = False) -> str:
    """A PEP 440 specifier for what poetry calls a version constraint. Raises Flaw.

    Alternatives become one range, whose gaps are excluded by `!=1.2.*` where that can be said;
    pre-releases of a gap's end then count as outside of it. `python` says that the versions are
    those of Python, where nothing lies between 2.7 and 3.0.
    """
    alternatives = [_clauses(part.strip()) for part in re.split(r"\|\|?", text)]
    clauses = (
        alternatives[0] if len(alternatives) == 1 else _joined(alternatives, text, python=python)
    )
    try:
        return str(SpecifierSet(",".join(clauses)))
    except InvalidSpecifier:
        raise Flaw(f"`{text}` is not a version constraint", "write for example `^1.2`") from None


def _clauses(text: str) -> list[str]:
    if text in ("", "*"):
        return []
    clauses, at = [], 0
    while at < len(text):
        clause = _CLAUSE.match(text, at)
        if not clause:
            raise Flaw(f"`{text}` is not a version constraint", "write for example `^1.2`")
        clauses += _clause(clause[1] or "", clause[2], text)
        at = clause.end()
    return clauses


def _clause(operator: str, version: str, text: str) -> list[str]:
    if operator in ("^", "~"):
        release = _version(version, text).release
        return [f">={version}", f"<{_upper(operator, release)}"]
    if version == "*":
        return []
    if version.endswith(".*") or operator in ("==", "===", "!="):
        return [(operator if operator not in ("", "=") else "==") + version]
    return [{"": "==", "=": "==", "<>": "!="}.get(operator, operator) + version]


def _upper(operator: str, release: Release) -> str:
    """The first version that a caret or tilde excludes."""
    # poetry's `~1.2.3` and `~1.2` stay below 1.3, `~1` below 2.
    if operator == "~":
        kept = min(len(release) - 1, 1)
    else:  # the leftmost part that is not zero may not change
        kept = next((i for i, part in enumerate(release) if part), len(release) - 1)
    return ".".join(map(str, (*release[:kept], release[kept] + 1)))


def _version(text: str, where: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise Flaw(f"`{text}` in `{where}` is not a version") from None


# Alternatives


@dataclass(frozen=True)
class _Range:
    """The versions from `low` on and before `high`; None for no bound."""

    low: Version | None
    high: Version | None

    def __contains__(self, version: Version) -> bool:
        return (self.low is None or self.low <= version) and (
            self.high is None or version < self.high
        )

    def without(self, gap: _Range) -> Iterator[_Range]:
        """What is left of it beside a range with two bounds."""
        low, high = self.low, self.high
        if gap.low and (low is None or low < gap.low):
            yield _Range(low, gap.low if high is None else min(high, gap.low))
        if gap.high and (high is None or gap.high < high):
            yield _Range(gap.high if low is None else max(low, gap.high), high)


def _joined(alternatives: list[list[str]], text: str, *, python: bool) -> list[str]:
    """The clauses that say the same as all alternatives together. Raises Flaw."""
    points = [
        {_version(_parts(c)[1], text): c for c in clauses if _is_point(c)}
        for clauses in alternatives
    ]
    ranges = [_ranges([c for c in clauses if not _is_point(c)], text) for clauses in alternatives]
    # What an alternative leaves out is gone only if no other has it.
    gone = {
        clause: None
        for version, clause in (point for own in points for point in own.items())
        if not any(
            version not in own and any(version in part for part in parts)
            for own, parts in zip(points, ranges, strict=True)
        )
    }
    # As ranges without overlap, in order, so that what lies between neighbours is all that is left
    # out.
    merged = _merged([part for parts in ranges for part in parts])
    if not merged:
        raise Flaw(f"no version is meant by `{text}`", "give a range")
    low, high = merged[0].low, merged[-1].high
    clauses = [f">={low}"] if low is not None else []
    for before, after in pairwise(merged):
        clauses += [f"!={part}" for part in _gap(before.high, after.low, text, python=python)]
    return [*clauses, *gone, *([f"<{high}"] if high is not None else [])]


def _merged(ranges: list[_Range]) -> list[_Range]:
    """The same in order, with a gap between each two."""
    merged: list[_Range] = []
    for span in sorted(ranges, key=lambda r: (r.low is not None, r.low or Version("0"))):
        last = merged[-1] if merged else None
        if last is None:
            merged.append(span)
        # It has no end, so all that follows lies in it.
        elif last.high is None:
            break
        elif span.low is not None and span.low > last.high:
            merged.append(span)
        else:
            high = None if span.high is None else max(last.high, span.high)
            merged[-1] = _Range(last.low, high)
    return merged


def _is_point(clause: str) -> bool:
    return clause.startswith("!=") and not clause.endswith(".*")


def _ranges(clauses: list[str], text: str) -> list[_Range]:
    """The ranges of an alternative, which are several where it leaves some out."""
    ranges = [_Range(None, None)]
    for clause in clauses:
        operator, version = _parts(clause)
        stem = _version(version.removesuffix(".*"), text)
        star = version.endswith(".*")
        if operator == ">=":
            bound = _Range(stem, None)
        elif operator == "<":
            bound = _Range(None, stem)
        elif operator == "~=" and len(stem.release) > 1:
            bound = _Range(stem, _end(stem.release[:-1]))
        elif star and operator in ("==", "!="):
            bound = _Range(stem, _end(stem.release))
        else:
            reason = f"`{clause}` among the alternatives of `{text}`, which PEP 440 cannot say"
            raise Flaw(reason, "give one range, or alternatives such as `~1.2 || ^2`")
        if operator == "!=":
            ranges = [left for part in ranges for left in part.without(bound)]
        else:
            ranges = [common for part in ranges if (common := _common(part, bound))]
    return ranges


def _common(a: _Range, b: _Range) -> _Range | None:
    lows = [r.low for r in (a, b) if r.low is not None]
    highs = [r.high for r in (a, b) if r.high is not None]
    common = _Range(max(lows, default=None), min(highs, default=None))
    empty = common.low is not None and common.high is not None and common.low >= common.high
    return None if empty else common


def _parts(clause: str) -> tuple[str, str]:
    """Operator and version."""
    version = clause.lstrip("~<>=!")
    return clause.removesuffix(version), version


def _end(release: Release) -> Version:
    """The first version that `RELEASE.*` does not mean."""
    return Version(".".join(map(str, (*release[:-1], release[-1] + 1))))


def _is_plain(version: Version) -> bool:
    return str(version) == ".".join(map(str, version.release))


def _gap(low: Version | None, high: Version | None, text: str, *, python: bool) -> list[str]:
    """The versions from `low` on and before `high`, as `1.2.*`. Raises Flaw where it is endless."""
    flaw = Flaw(f"`{text}` has a gap, which PEP 440 cannot say", "give one range without a gap")
    if low is None or high is None or not _is_plain(low) or not _is_plain(high):
        raise flaw
    at: Release = tuple(map(int, re.sub(r"(?:\.0)+$", "", str(low)).split(".")))
    end = high.release
    if python and at[0] == _LAST_PYTHON_2[0] and at > _LAST_PYTHON_2 and end >= (3,):
        at = (3,)  # no Python came between
    gone: list[str] = []
    depth = len(at)
    end = end + (0,) * (depth - len(end))
    # From 1.2 to 1.5.3: `1.2.*` to `1.4.*`, then, a part deeper, `1.5.0.*` to `1.5.2.*`.
    while at != end[:depth] or any(end[depth:]):
        # From 1.2 to 2.1 come 1.2, 1.3 and so on without end.
        if at[:-1] != end[: depth - 1]:
            raise flaw
        # Before they are made: `<1 || >=1.2000000000` would take all memory.
        if len(gone) + end[depth - 1] - at[-1] > _MANY:
            raise flaw
        gone += [
            ".".join(map(str, (*at[:-1], part))) + ".*" for part in range(at[-1], end[depth - 1])
        ]
        depth += 1
        if depth > len(end):
            break
        at = (*end[: depth - 1], 0)
    return gone


# Conditions


def python_marker(text: str) -> str | None:
    """A marker that holds on the Pythons of a constraint; None where it holds on all."""
    alternatives = []
    for part in re.split(r"\|\|?", text):
        clauses = str(SpecifierSet(constraint(part))).split(",")
        alternatives.append(" and ".join(_python_clause(c) for c in clauses if c))
    if not all(alternatives):
        return None
    if len(alternatives) == 1:
        return alternatives[0]
    return " or ".join(f"({alternative})" for alternative in alternatives)


def _python_clause(clause: str) -> str:
    operator, version = _parts(clause)
    release = version.removesuffix(".*")
    # `python_version` has two parts and never more.
    if release.count(".") > 1:
        return f'python_full_version {operator} "{version}"'
    if operator in (">", "<=") or (operator == "!=" and release == version):
        # 3.8.1 is more than 3.8
        return f'python_full_version {operator} "{release}{".0" * (2 - release.count("."))}"'
    if release.count(".") == 0 and version != release:
        return f'python_full_version {operator} "{version}"'
    return f'python_version {operator} "{release}"'


def without_extras(marker: str, asked: Collection[str]) -> str:
    """A marker in which what is said of `extra` is true or false, by the extras asked for."""

    def known(test: re.Match[str]) -> str:
        name = canonicalize_name(test["left"] or test["right"])
        holds = (name in asked) == (test["is"] == "==" if test["is"] else test["sees"] == "==")
        # Markers have no word for true or false, and no Python is older than 0.
        return f'python_version {">=" if holds else "<"} "0"'

    return _EXTRA.sub(known, marker)


def platform_marker(text: str) -> str:
    """A marker for poetry's `platform`: names, `!=`, `,` for and, `||` for or. Raises Flaw."""
    alternatives = []
    for part in text.split("||"):
        words = [_PLATFORM.fullmatch(word) for word in part.split(",")]
        if not all(words):
            raise Flaw(f"`{text}` is not a platform", "write for example `linux || darwin`")
        names = [(w[1] or "==", w[2]) for w in words if w]
        alternatives.append(
            " and ".join(f'sys_platform {"!=" if o == "!=" else "=="} "{n}"' for o, n in names)
        )
    return (
        alternatives[0] if len(alternatives) == 1 else " or ".join(f"({a})" for a in alternatives)
    )
