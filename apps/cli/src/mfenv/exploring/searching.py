"""What is looked for among packages and names, and whether something is that."""

from __future__ import annotations

import re
from typing import NamedTuple

from envid.requirements import normal_name
from mfenv.errors import InvalidRequest

__all__ = ["Wanted", "fits", "is_called", "wanted"]

_WANTED = re.compile(
    r"(?:(?P<kind>conda|pypi):)?(?P<name>[A-Za-z0-9_*.-]+?)(?:(?P<bound>\s*[=<>!~].*|\s+[0-9*].*))?"
)
_CLAUSE = re.compile(
    r"\s*(?P<operator>===?|!=|[<>]=?|~=)\s*(?P<version>[0-9A-Za-z*]\S*?)(?P<star>\.\*)?\s*"
)


class Wanted(NamedTuple):
    """A package that is looked for: its kind, None for any; its name, `*` in it for any letters."""

    kind: str | None
    name: str
    specifier: str


def wanted(text: str) -> Wanted:
    """Read `numpy`, `numpy>=1.26`, `numpy=1.26` (any 1.26), `lib*`, `conda:numpy`.

    Raises `InvalidRequest`.
    """
    parts = _WANTED.fullmatch(text.strip())
    bound = (parts["bound"] or "").strip() if parts else ""
    # As conda means it.
    if plain := re.fullmatch(r"=?\s*([0-9][^=<>!~,*]*?)(\.\*)?", bound):
        bound = f"=={plain[1]}.*"
    if parts is None or not all(map(_CLAUSE.fullmatch, bound.split(",") if bound else ())):
        raise InvalidRequest(
            f"`{text}` is not a package and its version",
            "write it like `numpy`, `numpy==1.26.*` or `conda:numpy>=1.26,<3`",
        )
    # Of a pattern the letters are what they are: what `*` stands for may be a dash.
    name = re.sub(r"[-_.]+", "-", parts["name"]).lower() if parts["name"] else ""
    return Wanted(parts["kind"], normal_name(name), bound)


def fits(specifier: str, version: str) -> bool | None:
    """Whether a version satisfies a specifier of PEP 440; None where only conda could tell."""
    if not specifier:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        answers = [_holds(clause, version) for clause in specifier.split(",")]
    # One clause that fails decides; else one that nobody can tell leaves it open.
    return False if False in answers else None if None in answers else True


def _holds(clause: str, version: str) -> bool | None:
    """Whether a clause holds, where that hangs on the texts alone."""
    parts = _CLAUSE.fullmatch(clause)
    if parts is None or parts["operator"] not in ("==", "===", "!="):
        return None
    same = version == parts["version"]
    if parts["star"]:
        same = same or version.startswith(f"{parts['version']}.")
    return same is (parts["operator"] != "!=")


def is_called(name: str, pattern: str) -> bool:
    """Whether a name holds a text or, with `*` for any letters in that, is it."""
    if "*" not in pattern:
        return pattern in name
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None
