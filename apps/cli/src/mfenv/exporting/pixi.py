"""pixi.lock, version 6: one environment, `default`, with every package of every platform.

A conda package is named by its URL, which says name, version, build and subdir; what it does not
say is written beside it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from mfenv.exporting.exported import (
    Exported,
    beside_conda,
    channels_of,
    heading,
    marker_for,
    sha256_of,
    what_systems_need,
)
from mfenv.exporting.requirements import notes_on_sources, sources_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv

__all__ = ["write"]

_FORM = "pixi"


def write(envs: Sequence[ResolvedEnv]) -> Exported:
    """All packages of environments of one spec.

    Raises `NotExportable` where a platform has no conda package.
    """
    said, notes = beside_conda(envs, _FORM)
    sources = list(sources_of(envs[0].spec))
    wheels = any(package.kind == "pypi" for _, package in said)
    if wheels:
        notes += notes_on_sources(envs[0].spec, sources, _FORM)
    listed: dict[str, list[str]] = defaultdict(list)
    for platform, package in said:
        listed[platform].append(f"{package.kind}: {json.dumps(_url(package))}")
    lines = [
        *heading(envs),
        "version: 6",
        "environments:",
        "  default:",
        "    channels:",
        *(f"      - url: {json.dumps(url)}" for url in channels_of(envs)),
    ]
    # The index itself comes first here, and last in a request.
    indexes = [json.dumps(source.url) for source in sources if source.kind != "find-links"][::-1]
    links = [json.dumps(source.url) for source in sources if source.kind == "find-links"]
    for key, values in (("indexes", indexes), ("find-links", links)):
        if values and wheels:
            lines.append(f"    {key}:")
            lines += [f"      - {'url: ' * (key == 'find-links')}{value}" for value in values]
    lines.append("    packages:")
    for platform, uses in sorted(listed.items()):
        lines.append(f"      {platform}:")
        lines += [f"        - {use}" for use in sorted(uses)]
    lines.append("packages:")
    places: dict[tuple[str, str], dict[str, Package]] = defaultdict(dict)
    for platform, package in said:
        places[package.kind, _url(package)][platform] = package
    lines += [line for _, held in sorted(places.items()) for line in _entry(held)]
    text = "".join(f"{line}\n" for line in lines)
    return Exported(text=text, notes=(*what_systems_need(envs, _FORM), *notes))


def _url(package: Package) -> str:
    origin = package.built_from
    if not origin:
        return package.url
    inside = f"#subdirectory={origin.subdirectory}" if origin.subdirectory else ""
    return f"{origin.url}{inside}"


def _entry(held: Mapping[str, Package]) -> Iterator[str]:
    """The entry of one file, which is a package of some platforms."""
    package = next(iter(held.values()))
    conda = package.kind == "conda"
    yield f"  - {package.kind}: {json.dumps(_url(package))}"
    # pixi writes what the URL does not say, and no more. One of a file is a path for it, which says
    # nothing of a subdir.
    place = f"/{package.subdir}/{package.name}-{package.version}-{package.build}."
    said = conda and place in package.url
    if not said:
        yield f"    name: {json.dumps(package.name)}"
        yield f"    version: {json.dumps(package.version)}"
    if conda and not said:
        yield f"    build: {json.dumps(package.build)}"
    if conda and (not said or package.url.startswith("file:")):
        yield f"    subdir: {json.dumps(package.subdir)}"
    if sha256 := package.hashes.sha256 if conda else sha256_of(package):
        yield f"    sha256: {sha256}"
    if conda and package.hashes.md5:
        yield f"    md5: {package.hashes.md5}"
    if needed := [*_needed(held)]:
        yield f"    {'depends' if conda else 'requires_dist'}:"
        yield from (f"      - {json.dumps(text)}" for text in needed)
    if conda and package.size is not None:
        yield f"    size: {package.size}"


def _needed(held: Mapping[str, Package]) -> Iterator[str]:
    """What a package needs, by name alone: which version it is stands in its own entry."""
    platforms = defaultdict(set)
    for platform, package in held.items():
        for name in package.depends:
            platforms[name].add(platform)
    for name, where in sorted(platforms.items()):
        # conda's packages need the same everywhere; wheels have markers, by which that differs.
        marker = marker_for(where, held) if held[min(where)].kind == "pypi" else None
        yield f"{name} ; {marker}" if marker else name
