"""pylock.toml (PEP 751, lock version 1.0)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from reqparse._flaw import Flaw
from reqparse._locked import LOST, Place, hash_table, open_toml, without_secret
from reqparse.locked import Lock, LockedEdge, LockedPackage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._node import Node
    from reqparse._reading import Reading
    from reqparse.locked import LockedArtifact

__all__ = ["read"]

_ALONE = ("vcs", "directory", "archive")
_UNREAD = {
    "tool": "it is for another tool",
    "packages.attestation-identities": "who built a file is not checked, only what it holds",
    "packages.tool": "it is for another tool",
    "packages.vcs.requested-revision": None,  # the commit says it
    **{f"packages.{file}.upload-time": None for file in ("archive", "sdist", "wheels")},
}


def read(reading: Reading, location: str, data: bytes) -> None:
    """Add what a pylock.toml says to `reading`."""
    root, place = open_toml(reading, location, data, version="lock-version", what="pylock.toml")
    with reading.guard(place.at(root)):
        _required(root, "created-by")
    with reading.guard(place.at(root)):
        for node in _there(root, "packages").items:
            with reading.guard(place.at(node)):
                reading.packages.append(_package(place, node))
    with reading.guard(place.at(root)):
        reading.facts["lock"] = _lock(place, root)
    reading.note_unread(root, place.file, _UNREAD)


def _lock(place: Place, root: Node) -> Lock:
    groups, extras = (
        tuple(map(canonicalize_name, root.get(key).texts()))
        for key in ("dependency-groups", "extras")
    )
    # Of what may be named nowhere else: it is meant where nothing is said (PEP 751).
    default = tuple(map(canonicalize_name, root.get("default-groups").texts()))
    return Lock(
        kind="pylock.toml",
        supported=tuple(root.get("environments").texts()),
        groups=tuple(dict.fromkeys((*groups, *default))),
        default_groups=default,
        extras=extras,
        origin=place.at(root),
    )


def _package(place: Place, node: Node) -> LockedPackage:
    name = _required(node, "name")
    alone = [key for key in _ALONE if key in node.table]
    if len(alone) > 1 or (alone and ("wheels" in node.table or "sdist" in node.table)):
        raise Flaw(f"`{name}` has more than one of {', '.join(_ALONE)} and wheels")
    return LockedPackage(
        category="pypi",
        name=canonicalize_name(name),
        version=node.opt("version"),
        artifacts=tuple(_artifacts(place, node)),
        marker=node.opt("marker"),
        requires_python=node.opt("requires-python"),
        source=without_secret(node.opt("index")),
        dependencies=tuple(_edge(place, d) for d in node.get("dependencies").items),
        editable=node.get("directory", "editable").flag,
        origin=place.at(node),
    )


def _artifacts(place: Place, node: Node) -> Iterator[LockedArtifact]:
    for file in (*node.get("wheels").items, node.get("sdist"), node.get("archive")):
        if file.value is None:
            continue
        hashes = hash_table(_there(file, "hashes"))
        # PEP 751 demands them of every file; without, nothing says that it is the file which was
        # locked.
        if not hashes:
            raise Flaw("a file without hashes", "lock again with hashes", file.line)
        address = _address(file) + _subdirectory(file)
        artifact = place.artifact(address, hashes=hashes, size=file.number("size"))
        yield replace(artifact, name=file.opt("name"))
    if "directory" in node.table:
        directory = node.get("directory")
        yield place.artifact(_required(directory, "path") + _subdirectory(directory))
    if "vcs" in node.table:
        vcs = node.get("vcs")
        kind, commit = _required(vcs, "type"), _required(vcs, "commit-id")
        address = _address(vcs)
        # A repository on this machine, which PEP 751 lets a lock name by its path.
        if "://" not in address:
            address = f"file://{place.artifact(address).path}"
        yield place.artifact(f"{kind}+{address}@{commit}{_subdirectory(vcs)}")


def _there(node: Node, key: str) -> Node:
    """What a key has, which PEP 751 requires. Raises Flaw where it is not there."""
    found = node.get(key)
    if found.value is None:
        raise Flaw(f"`{key}` is missing", LOST, node.line)
    return found


def _required(node: Node, key: str) -> str:
    """The text of a key that PEP 751 requires. Raises Flaw."""
    found = _there(node, key)
    if not found.text:
        raise Flaw(f"`{key}` is empty", LOST, found.line)
    return found.text


def _address(node: Node) -> str:
    """The `url` or `path` of a file; PEP 751 lets either be left out."""
    address = node.opt("url") or node.opt("path")
    if not address:
        raise Flaw("neither `url` nor `path`", line=node.line)
    return address


def _subdirectory(node: Node) -> str:
    subdirectory = node.opt("subdirectory")
    return f"#subdirectory={subdirectory}" if subdirectory else ""


def _edge(place: Place, node: Node) -> LockedEdge:
    version = node.opt("version")
    return LockedEdge(
        name=canonicalize_name(_required(node, "name")),
        specifier=f"=={version}" if version else "",
        source=_source(place, node),
        origin=place.at(node),
    )


def _source(place: Place, node: Node) -> str | None:
    """What a dependency says of the source of what it means, by the keys that a package has."""
    if index := without_secret(node.opt("index")):
        return index
    return next((meant.path or meant.url for meant in _artifacts(place, node)), None)
