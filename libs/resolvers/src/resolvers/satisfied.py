"""Whether an environment that is there already satisfies a request, without asking a solver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envid.resolved import ResolvedEnv
    from envid.spec import EnvSpec

__all__ = ["satisfies"]


def satisfies(env: ResolvedEnv, spec: EnvSpec) -> bool:
    """Whether `env` holds all that `spec` asks for on the environment's platform.

    Says yes only where that is certain: a PyPI requirement with extras, a marker, a URL or hashes,
    and a conda requirement with more than a name or an exact version, is left to a solver.
    """
    if not SpecifierSet(spec.python).contains(env.python, prereleases=True):
        return False
    known = env.spec.for_platform(env.platform)
    versions = {(one.kind, one.name): one.version for one in env.packages}
    return all(
        text in known.get(category, ()) or _satisfied(category, text, versions)
        for category, texts in spec.for_platform(env.platform).items()
        for text in texts
    )


def _satisfied(category: str, text: str, versions: Mapping[tuple[str, str], str]) -> bool:
    if category == "pypi":
        return _pypi(text, versions)
    name, exact, version = text.partition("==")
    found = versions.get(("conda", name))
    return found is not None and (not exact or version == found)


def _pypi(text: str, versions: Mapping[tuple[str, str], str]) -> bool:
    if any(sign in text for sign in ("://", "file:", " --hash=", "[", ";")):
        return False
    asked = Requirement(text)
    found = versions.get(("pypi", canonicalize_name(asked.name)))
    return found is not None and asked.specifier.contains(found, prereleases=True)
