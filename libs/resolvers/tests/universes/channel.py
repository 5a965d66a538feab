"""A universe on disk: a conda channel, and the distributions for an index to serve."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from tests.channel import Entry, Recipe, pack, write_channel

from resolvers.testing import Distribution, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .model import Build, Held, Release, Universe

__all__ = ["write"]

# Where it goes, content and record: most of a universe's Pythons are another's as well.
_PACKED: dict[tuple[Build, str], tuple[str, bytes, dict[str, Any]]] = {}
_TAGS = {"linux-64": "manylinux_2_17_x86_64", "osx-arm64": "macosx_11_0_arm64"}


def write(universe: Universe, folder: Path) -> list[Distribution]:
    """Write the conda packages into a channel in `folder`, and return the wheels of the index."""
    records: dict[str, Any] = {}
    for build in universe.builds:
        for subdir in build.subdirs:
            if packed := _PACKED.get((build, subdir)):
                place, data, record = packed
                (folder / subdir).mkdir(parents=True, exist_ok=True)
                (folder / place).write_bytes(data)
            else:
                ((place, record),) = pack(_recipe(build, subdir), folder).items()
                _PACKED[build, subdir] = place, (folder / place).read_bytes(), record
            records[place] = record
    write_channel(folder, records)
    return [wheel for release in universe.releases for wheel in _wheels(release)]


def _recipe(build: Build, subdir: str) -> Recipe:
    root = f"lib/python{build.minor}/site-packages" if build.minor else "site-packages"
    kind = ("python" if build.holds else "generic") if subdir == "noarch" else None
    return Recipe(
        name=build.name,
        version=build.version,
        build=build.build,
        build_number=build.number,
        subdir=subdir,
        noarch=kind,
        depends=build.depends,
        files={
            f"{root}/{path}": Entry(data=text.encode())
            for held in build.holds
            for path, text in _files(held)
        },
        # Both formats, for both readers.
        formats=(".tar.bz2" if build.name == "d" else ".conda",),
    )


def _files(held: Held) -> Iterator[tuple[str, str]]:
    module = held.name.replace("-", "_")
    lines = ["Metadata-Version: 2.1", f"Name: {held.name}", f"Version: {held.version}"]
    lines += [f"Provides-Extra: {one}" for one in held.extras]
    lines += [f"Requires-Dist: {one}" for one in held.requires]
    yield f"{module}.py", f"# conda's {held.name} {held.version}\n"
    yield f"{module}-{held.version}.dist-info/METADATA", "\n".join((*lines, ""))


@cache
def _wheels(release: Release) -> tuple[Distribution, ...]:
    tags = [
        f"{python}-none-{platform}"
        for python in [f"cp{one.replace('.', '')}" for one in release.minors] or ["py3"]
        for platform in [_TAGS[one] for one in release.platforms] or ["any"]
    ]
    return tuple(
        make_wheel(
            release.name,
            release.version,
            requires=release.requires,
            extras=release.extras,
            requires_python=release.requires_python or None,
            tag=tag,
        )
        for tag in tags
    )
