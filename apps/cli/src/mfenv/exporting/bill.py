"""What the bills of materials share: every file once, what it needs, its purl, its licence.

A licence is what the metadata of a package states, of whatever form. Where that is not at hand, or
states none, the licence is unknown, and said to be: `NOASSERTION`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, UUID, uuid5

from envid.graph import needs_of
from envid.moments import read_moment
from mfenv.errors import NotExportable
from mfenv.exporting.exported import is_local, named, notes_on_places, what_systems_need

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from packageurl import PackageURL

    from envid.packages import Package
    from envid.resolved import ResolvedEnv

__all__ = [
    "NOASSERTION",
    "BillPart",
    "missing",
    "moment",
    "notes_on_parts",
    "parts_of",
    "purl",
    "serial",
]

NOASSERTION = "NOASSERTION"
"""What SPDX says where nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillPart:
    """A file, the platforms that have it, and the keys of those that it needs on any of them."""

    key: str
    package: Package
    platforms: tuple[str, ...]
    needs: tuple[str, ...]


def parts_of(envs: Sequence[ResolvedEnv]) -> dict[str, BillPart]:
    """The parts of environments by their keys, sorted."""
    packages: dict[str, Package] = {}
    platforms: dict[str, list[str]] = defaultdict(list)
    needs: dict[str, set[str]] = defaultdict(set)
    for env in envs:
        keys = {(package.kind, package.name): _key(package) for package in env.packages}
        needed = needs_of(env.packages)
        for package in env.packages:
            key = _key(package)
            packages.setdefault(key, package)
            platforms[key].append(env.platform)
            needs[key].update(keys[need] for need in needed[package.kind, package.name])
    return {
        key: BillPart(
            key=key,
            package=package,
            platforms=tuple(platforms[key]),
            needs=tuple(sorted(needs[key] - {key})),
        )
        for key, package in sorted(packages.items())
    }


def _key(package: Package) -> str:
    # By content, since platforms may have other builds of the same version.
    return f"{package.kind}:{package.name}:{package.digest}"


def serial(envs: Sequence[ResolvedEnv]) -> UUID:
    """A UUID that hangs on nothing but which environments these are."""
    platforms = ",".join(env.platform for env in envs)
    return uuid5(NAMESPACE_URL, f"mfenv:{envs[0].env_id.ref}:{platforms}")


def moment(envs: Sequence[ResolvedEnv]) -> datetime:
    """When the environments were resolved."""
    return read_moment(max(env.resolved_at for env in envs))


def purl(package: Package) -> PackageURL:
    """The package URL, with what its type knows of places and builds."""
    from packageurl import PackageURL

    conda = package.kind == "conda"
    qualifiers = dict(_of_conda(package) if conda else _of_pypi(package))
    return PackageURL(
        type=package.kind, name=package.name, version=package.version, qualifiers=qualifiers
    )


def _of_conda(package: Package) -> Iterator[tuple[str, str]]:
    yield "build", package.build or ""
    yield "subdir", package.subdir or ""
    yield "type", "tar.bz2" if package.filename.endswith(".tar.bz2") else "conda"
    source = package.source or ""
    if "://" not in source:
        yield "channel", source
    elif not is_local(source):
        yield "repository_url", source


def _of_pypi(package: Package) -> Iterator[tuple[str, str]]:
    origin, source = package.built_from, package.source
    # PyPI is where a purl of this type looks if it says nothing else.
    if source and source != "pypi" and not is_local(source):
        yield "repository_url", source
    elif source is None and origin and origin.kind == "vcs":
        if not is_local(origin.url):
            yield "vcs_url", f"git+{origin.url.removeprefix('git+')}@{origin.commit}"
    elif source is None and not is_local(package.url):
        yield "download_url", package.url


def notes_on_parts(
    envs: Sequence[ResolvedEnv], licences: Mapping[Package, str], form: str
) -> Iterator[str]:
    """Notes on what a bill of materials leaves out, and on the licences that are unknown."""
    packages = [package for env in envs for package in env.packages]
    yield from what_systems_need(envs, form)
    yield from notes_on_places(packages)
    if absent := [package for package in packages if package not in licences]:
        yield (
            f"{form} says {NOASSERTION} of the licences of what is not in the cache of this machine:"
            f" {named(absent)}"
        )
    if silent := [package for package in packages if licences.get(package) == ""]:
        yield f"{form} says {NOASSERTION} where the metadata states no licence: {named(silent)}"


def missing(form: str, library: str) -> NotExportable:
    """The error where a library is not installed."""
    return NotExportable(
        f"{form} is written by {library}, which is not installed", "pip install 'mfenv[sbom]'"
    )
