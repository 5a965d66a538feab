"""What is installed beside mfenv: its libraries, Metaflow and its extensions."""

from __future__ import annotations

import platform
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from envid.platforms import host_platform
from mfenv.diagnosing.findings import failure, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mfenv.diagnosing.findings import Finding
    from mfenv.diagnosing.subject import Subject

__all__ = ["check_metaflow", "check_versions"]

_MEMBERS = ("mfenv", "envid", "reqparse", "pkgcache", "resolvers")
_ENGINES = ("py-rattler", "uv")
_OURS, _RIVAL = "metaflow-mfenv", "metaflow-netflixext"
# What Metaflow looks for extensions in, and where the rival has its environments, by its old name
# and its new one. What is installed for who edits it says so by its name alone.
_EXTENSION = "metaflow_extensions/"
_CONDA = ("/netflixext/plugins/conda/", "/nflx/plugins/conda/")


def check_versions(_: Subject) -> Iterator[Finding]:
    """Compare what is installed with what mfenv and its libraries say that they need."""
    wrong = [finding for name in _MEMBERS for finding in _unmet(name)]
    yield from wrong
    here = f"Python {platform.python_version()}, {host_platform()}, {platform.platform()}"
    if not wrong:
        yield ok(f"{', '.join(map(_named, (*_MEMBERS, *_ENGINES)))}; {here}")


def check_metaflow(_: Subject) -> Iterator[Finding]:
    """Find Metaflow, and refuse two extensions that each bring environments."""
    extensions, rivals = {}, set()
    for installed in distributions():
        name = canonicalize_name(installed.metadata["Name"] or "")
        files = installed.read_text("RECORD") or ""
        if _EXTENSION in files or name in (_OURS, _RIVAL):
            extensions[name] = installed.version
        if name == _RIVAL or any(place in files for place in _CONDA):
            rivals.add(name)
    if rivals and _OURS in extensions:
        others = " ".join(sorted(rivals))
        yield failure(
            f"{others} and {_OURS} are both installed, and each brings `@conda`, `@pypi` and their"
            " environments",
            f"`pip uninstall {others}`, or `pip uninstall {_OURS}`",
        )
    wrong = [*_unmet(_OURS)] if _OURS in extensions else []
    yield from wrong
    if not _version("metaflow"):
        told = f", but {', '.join(sorted(extensions))}" if extensions else ""
        yield (warning if extensions else ok)(f"Metaflow is not installed for this Python{told}")
    elif not wrong:
        beside = [f"{name} {version}" for name, version in sorted(extensions.items())]
        yield ok(", ".join((_named("metaflow"), *beside)) + ("" if beside else ", no extension"))


def _unmet(name: str) -> Iterator[Finding]:
    installed = _found(name)
    if installed is None:
        yield failure(f"{name} is not installed as a package", "`pip install --upgrade mfenv`")
        return
    for requirement in map(Requirement, installed.requires or ()):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = _version(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            have = f"is {version}" if version else "is not installed"
            yield failure(
                f"{requirement.name} {have}, and {_named(name)} needs `{requirement}`",
                f"`pip install --upgrade '{requirement}'`",
            )


def _found(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _version(name: str) -> str | None:
    installed = _found(name)
    return installed.version if installed else None


def _named(name: str) -> str:
    return f"{name} {_version(name) or '(not installed)'}"
