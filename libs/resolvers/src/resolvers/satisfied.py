"""Whether an environment that is there already satisfies a request, without asking a solver."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from envid.platforms import virtual_packages
from resolvers.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from envid.spec import EnvSpec

__all__ = ["contradicts", "satisfies"]

_FLOORS = ("__glibc", "__linux", "__osx")  # what has a newer one has all of an older one
# Where a version is made of numbers alone, conda and PEP 440 order them alike.
_NUMBERS = re.compile(r"[0-9]+(\.[0-9]+)*")
# As envid writes a MatchSpec, without a channel and keys.
_CONDA = r"(?P<name>[a-z0-9_.-]+?)(?:(?P<version>[<>!=~ ]\S+)(?: (?P<build>\S+))?)?"
_CLAUSE = r"(?P<operator>[<>!=~]=|[<>= ]|)(?P<number>[0-9]+(?:\.[0-9]+)*)(?P<star>\.\*)?"


def satisfies(env: ResolvedEnv, asked: EnvSpec) -> bool:
    """Whether `env` holds all that is asked for beside it, on the environment's platform.

    `asked` has what was stated and no defaults: a virtual package in it is what the machine has.
    An environment that was resolved without knowing of it needs no more, and one for an older
    system runs on a newer one.
    Says yes only where that is certain: a PyPI requirement with extras, a marker, a URL or hashes,
    and a conda requirement with a channel or a version that is not of numbers, is left to a solver.
    """
    known = env.spec.for_platform(env.platform)
    here = asked.for_platform(env.platform)
    return (
        SpecifierSet(asked.python).contains(env.python, prereleases=True)
        and all(
            text in known.get(category, ()) or _satisfied(category, text, env)
            for category, texts in here.items()
            for text in texts
        )
        and all(text in env.spec.constraints or _binds(text, env) for text in asked.constraints)
    )


def _satisfied(category: str, text: str, env: ResolvedEnv) -> bool:
    if category == "sys":
        return _offers(text, env)
    if category == "pypi":
        return _pypi(text, env)
    return _conda(text, env)


def _offers(text: str, env: ResolvedEnv) -> bool:
    """Whether the environment runs where a virtual package is another than it was resolved for."""
    stated = env.spec.for_platform(env.platform).get("sys", ())
    offered = dict(virtual.split("=", 1) for virtual in virtual_packages(env.platform, stated))
    name, version = text.split("=", 1)
    if name not in offered:
        return True
    if name not in _FLOORS or not all(map(_NUMBERS.fullmatch, (version, offered[name]))):
        return offered[name] == version
    if Version(version) >= Version(offered[name]):
        return True
    # An older system than it was resolved for: a conda package may have needed the newer one, and
    # an environment does not record what of it. A wheel says so in its name.
    if name == "__linux" or any(package.kind == "conda" for package in env.packages):
        return False
    ranks = Target.make(env.platform, [text]).ranks(env.python)
    wheels = (package.filename for package in env.packages)
    return all(any(tag in ranks for tag in parse_wheel_filename(name)[3]) for name in wheels)


def _pypi(text: str, env: ResolvedEnv) -> bool:
    if any(sign in text for sign in ("://", "file:", " --hash=", "[", ";")):
        return False
    asked = Requirement(text)
    package = _package("pypi", canonicalize_name(asked.name), env.packages)
    return package is not None and asked.specifier.contains(package.version, prereleases=True)


def _binds(text: str, env: ResolvedEnv) -> bool:
    """Whether a constraint holds: of a package that is not there it always does."""
    name = canonicalize_name(re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0])
    there = any(canonicalize_name(package.name) == name for package in env.packages)
    return not there or _pypi(text, env)


def _conda(text: str, env: ResolvedEnv) -> bool:
    asked = re.fullmatch(_CONDA, text)
    package = _package("conda", asked["name"], env.packages) if asked else None
    if asked is None or package is None:
        return False
    build = asked["build"] or "*"
    # A regular expression, which conda knows beside patterns.
    if build.startswith("^") or not fnmatchcase(package.build or "", build):
        return False
    return not asked["version"] or _in_range(asked["version"], package.version)


def contradicts(text: str, packages: Iterable[tuple[str, str, str | None]]) -> bool:
    """Whether a conda requirement is certainly not met by packages: name, version and build of each.

    `text` is a MatchSpec in its normal spelling. What only a solver can tell does not contradict.
    """
    asked = re.fullmatch(_CONDA, text.rpartition("::")[2].partition("[")[0].rstrip())
    if asked is None:
        return False
    there = [(version, build) for name, version, build in packages if name == asked["name"]]
    if not there:
        return True
    version, build = there[0]
    if (
        asked["build"]
        # With a `^` it is a regular expression.
        and "^" not in asked["build"]
        and not fnmatchcase(build or "", asked["build"])
    ):
        return True
    clauses = [re.fullmatch(_CLAUSE, clause) for clause in (asked["version"] or "").split(",")]
    certain = _NUMBERS.fullmatch(version) is not None and all(clauses)
    return bool(asked["version"]) and certain and not _in_range(asked["version"], version)


def _in_range(asked: str, version: str) -> bool:
    # The very same text is the same version, whatever it is made of.
    if asked == f"=={version}":
        return True
    clauses = [re.fullmatch(_CLAUSE, clause) for clause in asked.split(",")]
    return _NUMBERS.fullmatch(version) is not None and all(
        clause is not None and _holds(clause, version) for clause in clauses
    )


def _holds(clause: re.Match[str], version: str) -> bool:
    operator, number, star = clause.groups()
    starts = operator == "=" or (operator in ("", " ") and star)
    if star and not starts:
        return False  # conda and PEP 440 read it differently
    specifier = f"=={number}.*" if starts else f"{operator.strip() or '=='}{number}"
    try:
        return SpecifierSet(specifier).contains(version)
    except InvalidSpecifier:
        return False


def _package(kind: str, name: str, packages: Sequence[Package]) -> Package | None:
    return next(
        (package for package in packages if package.kind == kind and package.name == name), None
    )
