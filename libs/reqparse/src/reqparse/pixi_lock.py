"""pixi.lock, versions 1 to 7; up to the third, it was what conda-lock writes."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from envid.redaction import redact
from reqparse import conda_lock
from reqparse._edges import conda_edge, pypi_edge
from reqparse._flaw import Flaw
from reqparse._lines import decode
from reqparse._locked import (
    Place,
    check_version,
    conda_parts,
    hash_text,
    is_conda_archive,
    without_secret,
)
from reqparse._url import split_fragment
from reqparse._yaml import load_yaml
from reqparse.locked import Lock, LockedPackage

if TYPE_CHECKING:
    from reqparse._node import Node
    from reqparse._reading import Reading

__all__ = ["read"]

_SELECTORS = ("name", "version", "build", "subdir")
_SOURCE = "the content of a package that is to be built is not exact"
_UNREAD = {
    "environments.*.options*": "it is how packages were chosen",
    "packages.constrains": "it bounds packages that would be chosen anew",
    "packages.features": "it is how packages were chosen",
    "packages.track_features": "it is how packages were chosen",
    "packages.flags": "it is how packages were chosen",
    "packages.extra_depends*": "what an extra of a package needs is listed by itself",
    "packages.python_site_packages_path": "a package is installed where it says itself",
    **{
        f"packages.{key}": None  # what the file of the package says itself
        for key in (
            *("arch", "build_number", "file_name", "legacy_bz2_md5", "legacy_bz2_size", "license"),
            *("license_family", "noarch", "platform", "purls", "run_exports*", "subdir"),
            "timestamp",
        )
    },
    **{
        f"packages.{key}*": _SOURCE
        for key in (
            *("input", "package_build_source", "source", "source_depends", "sources", "variants"),
            *("build_packages", "host_packages"),
        )
    },
}
_SOURCE_ID = re.compile(r"([\w.-]+)(?:\[[^\]]*\])? @ (.+)")
Selection = tuple[str | None, ...]  # a URL or path, and the values of the selectors


def read(reading: Reading, location: str, data: bytes) -> None:
    """Add what a pixi.lock says to `reading`.

    A package gets the environments and platforms that use it; one that different environments
    use on different platforms is given once for each.
    """
    root = load_yaml(decode(data, pep263=False))
    version = check_version(root.get("version"), tuple("1234567"), "pixi.lock")
    place = Place(location, redact(location))
    if version in ("1", "2", "3"):
        conda_lock.read_pixi(reading, place, root)
        return
    _Reader(reading, place).read(root)
    reading.note_unread(root, place.file, _UNREAD)


class _Reader:
    def __init__(self, reading: Reading, place: Place) -> None:
        self._reading, self._place = reading, place
        self._uses: dict[Selection, dict[tuple[str, str], Node]] = {}
        self._used: set[Selection] = set()
        self._unused: list[Node] = []
        self._built: set[str] = set()

    def read(self, root: Node) -> None:
        platforms: dict[str, None] = {}
        environments: dict[str, tuple[str, ...]] = {}
        subdirs, virtual = self._platforms(root.get("platforms"))
        for environment, node in root.get("environments").table.items():
            with self._reading.guard(self._place.at(node)):
                self._sources(node)
                environments[environment] = tuple(node.get("packages").table)
                for platform, listed in node.get("packages").table.items():
                    platforms[platform] = None
                    for use in listed.items:
                        selection = (_key(use), *(use.opt(s) for s in _SELECTORS))
                        self._uses.setdefault(selection, {})[environment, platform] = use
        self._reading.facts["platforms"] = tuple(
            dict.fromkeys(subdirs.get(platform, platform) for platform in platforms)
        )
        self._reading.facts["lock"] = Lock(
            kind="pixi.lock",
            environments=environments,
            subdirs=subdirs,
            virtual_packages=virtual,
            origin=self._place.at(root),
        )
        for node in root.get("packages").items:
            with self._reading.guard(self._place.at(node)):
                self._package(node)
        for node in self._unused:
            if (key := _key(node)) not in self._built:  # what only a build needs is not installed
                self._reading.note(self._place.at(node), f"no environment uses `{redact(key)}`")
        # What a merge has lost: to install an environment without it would be wrong and silent.
        for selection in [s for s in self._uses if s not in self._used]:
            for use in self._uses[selection].values():
                text = f"`{redact(_key(use))}` is not among the packages"
                self._reading.problem(self._place.at(use), text, "lock again with pixi")

    def _platforms(self, listed: Node) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
        """The subdirs of platforms, and what machines of them have, as version 7 says it."""
        subdirs, virtual = {}, {}
        for node in listed.items:
            name = node.get("name").text
            if subdir := node.opt("subdir"):
                subdirs[name] = subdir
            virtual[name] = tuple(node.get("virtual-packages").texts())
        return subdirs, virtual

    def _sources(self, environment: Node) -> None:
        add, place = self._reading.add_source, self._place
        for node in environment.get("channels").items:
            channel = node if isinstance(node.value, str) else node.get("url")
            add("channel", channel.text, place.at(node))
        for index, node in enumerate(environment.get("indexes").items):
            add("extra-index" if index else "index", node.text, place.at(node), base=place.base)
        for node in environment.get("find-links").items:
            target = node.opt("path") or node.get("url").text
            add("find-links", target, place.at(node), base=place.base)

    def _package(self, node: Node) -> None:
        uses: dict[str, dict[str, None]] = {}
        # An environment names a package by its URL, and by whatever else tells it from others.
        for values in product(*((None, node.opt(s)) for s in _SELECTORS)):
            selection = (_key(node), *values)
            for environment, platform in self._uses.get(selection, ()):
                self._used.add(selection)
                uses.setdefault(environment, {})[platform] = None
        by_platforms: dict[tuple[str, ...], list[str]] = {}
        for environment, platforms in uses.items():
            # Environments that use it on the same platforms are one package of several groups.
            by_platforms.setdefault(tuple(platforms), []).append(environment)
        for role in ("build_packages", "host_packages"):
            # Noted as what nobody reads: only the build of a source needs it.
            listed = node.table.get(role)
            self._built.update(map(_key, listed.value if listed else ()))
        if not by_platforms:
            self._unused.append(node)
        fields = self._fields(node)
        if by_platforms and fields["category"] == "conda" and not is_conda_archive(_key(node)):
            text = f"`{fields['name']}` is to be built from source, so its content is not exact"
            self._reading.note(self._place.at(node), text)
        for chosen, environments in by_platforms.items():
            package = LockedPackage(platforms=chosen, groups=tuple(environments), **fields)
            if package not in self._reading.packages[-1:]:  # version 5 may list one build twice
                self._reading.packages.append(package)

    def _fields(self, node: Node) -> dict[str, Any]:
        address = _key(node)
        hashes = [hash_text(a, text) for a in ("sha256", "md5") if (text := node.opt(a))]
        of_source = _SOURCE_ID.fullmatch(address) if "conda_source" in node.table else None
        is_conda = of_source or "conda" in node.table
        kind = node.opt("kind") or ("conda" if is_conda else "pypi")
        if kind not in ("conda", "pypi"):
            raise Flaw(f"a package of the unknown kind `{kind}`")
        fields: dict[str, Any] = {
            "category": kind,
            "version": node.opt("version"),
            "origin": self._place.at(node),
        }
        if kind == "conda":
            name, build = node.opt("name"), node.opt("build")
            if of_source:
                name, address = of_source[1], of_source[2]
            # Older releases of pixi write all of it, newer ones only what the name of the file does
            # not say.
            if is_conda_archive(address):
                in_file = conda_parts(address)
                name, build = name or in_file[0], build or in_file[2]
                fields["version"] = fields["version"] or in_file[1]
            fields["name"] = (name or "").lower()
            fields["build"] = build
            fields["source"] = without_secret(node.opt("channel"))
            fields["dependencies"] = tuple(map(conda_edge, node.get("depends").texts()))
        else:
            fields["name"] = canonicalize_name(node.opt("name") or "")
            fields["source"] = without_secret(node.opt("index"))
            fields["requires_python"] = node.opt("requires_python")
            fields["dependencies"] = tuple(map(pypi_edge, node.get("requires_dist").texts()))
            fields["editable"] = node.get("editable").flag
            hashes += [h for h in split_fragment(address)[1].hashes if h not in hashes]
        if not fields["name"]:
            raise Flaw(f"`{redact(address)}` has no name")
        artifact = self._place.artifact(address, hashes=hashes, size=node.number("size"))
        return fields | {"artifacts": (artifact,)}


def _key(node: Node) -> str:
    """The URL or path by which a package is meant: `conda:` or `pypi:`, or version 4's `url:`."""
    for key in ("conda", "conda_source", "pypi", "url", "path"):
        if key in node.table and node.table[key].value is not None:
            return node.table[key].text
    raise Flaw("a package without a URL or path", line=node.line)
