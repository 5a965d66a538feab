"""Packages as lines: what a line says, and in which environments and on which platforms it holds.

A package that is the same everywhere has one line, whatever that is in how many environments.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from envid.errors import InvalidDescription
from envid.packages import Package
from mfenv.lockfile.toml import value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envid.resolved import ResolvedEnv
    from mfenv.lockfile.model import LockedEnv

__all__ = ["KINDS", "Place", "content_of", "package_lines", "read_package"]

KINDS = ("conda", "pypi")

Place = tuple[str, str]
"""The name of an environment, and a platform of it."""


def package_lines(environments: Sequence[LockedEnv]) -> dict[str, list[dict[str, Any]]]:
    """The lines of all packages by kind, sorted."""
    places: dict[Package, set[Place]] = defaultdict(set)
    for locked in environments:
        for env in locked.envs:
            for package in env.packages:
                places[package].add((locked.name, env.platform))
    platforms = {locked.name: set(locked.platforms) for locked in environments}
    lines: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for package, held in places.items():
        for where in _where(held, platforms):
            lines[package.kind].append(_line(package, where))
    for of_kind in lines.values():
        of_kind.sort(key=lambda line: (line["name"], line["version"], list(map(str, line.items()))))
    return lines


def content_of(env: ResolvedEnv) -> str:
    """The digest of all that a file says of an environment's packages on a platform, and of its notes.

    Ids cover what is installed. This covers the rest: where it comes from, its size, its needs.
    Where else a package is, is not part of it, so that one environment leaves another's alone.
    """
    rows = sorted(f"{package.kind} {value(_line(package, {}))}\n" for package in env.packages)
    rows += [f"note {value(note)}\n" for note in env.notes]
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def _where(held: set[Place], platforms: Mapping[str, set[str]]) -> Iterator[dict[str, list[str]]]:
    """The words for places: one for each line that they take."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for name, platform in held:
        by_name[name].add(platform)
    together = set().union(*by_name.values())
    if all(by_name[name] == together & platforms[name] for name in by_name):
        yield _words(set(by_name), together, platforms)
        return
    # No line can say these at once: one for those environments that have it on the same platforms.
    groups: dict[frozenset[str], set[str]] = defaultdict(set)
    for name, where in by_name.items():
        groups[frozenset(where)].add(name)
    for alike, names in groups.items():
        yield _words(names, set(alike), platforms)


def _words(
    names: set[str], on: set[str], platforms: Mapping[str, set[str]]
) -> dict[str, list[str]]:
    words = {}
    if names != set(platforms):
        words["in"] = sorted(names)
    if on != set().union(*(platforms[name] for name in names)):
        words["on"] = sorted(on)
    return words


def _line(package: Package, where: Mapping[str, list[str]]) -> dict[str, Any]:
    """What a line says of a package; what its URL says already is left out."""
    base, subdir, filename = _parts(package.url)
    line: dict[str, Any] = {"name": package.name, "version": package.version}
    if package.build is not None:
        line["build"] = package.build
    line |= where
    line["url"] = package.url
    if package.filename != filename:
        line["file"] = package.filename
    for name, digest in (("sha256", package.hashes.sha256), ("md5", package.hashes.md5)):
        if digest is not None:
            line[name] = digest
    if package.size is not None:
        line["size"] = package.size
    if package.depends:
        line["depends"] = list(package.depends)
    usual = (subdir, base) if package.kind == "conda" else (None, None)
    for name, text, said in zip(
        ("subdir", "source"), (package.subdir, package.source), usual, strict=True
    ):
        if text != said:
            # Empty, not left out, where there is none: else `read_package` would take the URL's.
            line[name] = text or ""
    for name, facts in (("built_from", package.built_from), ("transmuted", package.transmuted)):
        if facts is not None:
            whole = package.to_dict()[name]
            line[name] = {key: whole[key] for key in sorted(whole) if whole[key] is not None}
    return line


def _parts(url: str) -> tuple[str, str, str]:
    """The channel, the subdirectory and the file name that the URL of a conda package says."""
    place, _, filename = url.partition("#")[0].partition("?")[0].rpartition("/")
    base, _, subdir = place.rpartition("/")
    return base, subdir, unquote(filename)


def read_package(kind: str, line: Any) -> tuple[Package, Any, Any]:
    """The package of a line, the environments that have it, and the platforms; None for all.

    Raises `InvalidDescription` for what is no package.
    """
    if not isinstance(line, dict):
        raise InvalidDescription("", "is no package")
    left = dict(line)
    url = left.pop("url", "")
    base, subdir, filename = _parts(url) if isinstance(url, str) else ("", "", "")
    usual = (subdir, base) if kind == "conda" else (None, None)
    origin, other = left.pop("built_from", None), left.pop("transmuted", None)
    if isinstance(origin, dict):
        # What is None was left out.
        absent = dict.fromkeys(("commit", "sha256", "subdirectory"))
        origin = {**absent, **origin}
    data = {
        "kind": kind,
        "name": left.pop("name", ""),
        "version": left.pop("version", ""),
        "build": left.pop("build", None),
        "filename": left.pop("file", filename),
        "url": url,
        "hashes": {name: left.pop(name, None) for name in ("sha256", "md5")},
        "size": left.pop("size", None),
        "depends": left.pop("depends", []),
        # Empty where there is none, though the URL would say one.
        "subdir": left.pop("subdir", usual[0]) or None,
        "source": left.pop("source", usual[1]) or None,
        "built_from": origin,
        "transmuted": other,
    }
    names, platforms = left.pop("in", None), left.pop("on", None)
    # What is not read here would be lost by the next `mfenv lock`.
    for name in left:
        raise InvalidDescription(name, "is not a known field of a package")
    return Package.from_dict(data), names, platforms
