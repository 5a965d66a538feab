"""pylock.toml (PEP 751, lock version 1.0)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from reqparse._flaw import Flaw
from reqparse._locked import Place, hash_table, open_toml, without_secret
from reqparse.model import LockedPackage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._node import Node
    from reqparse._reading import Reading
    from reqparse.model import LockedArtifact

__all__ = ["read"]

_ALONE = ("vcs", "directory", "archive")
_OF_ALL = ("environments", "extras", "dependency-groups", "default-groups")
_UNREAD = {
    "created-by": None,
    "tool": "it is for another tool",
    "packages.attestation-identities": "who built a file is not checked, only what it holds",
    "packages.tool": "it is for another tool",
    "packages.vcs.requested-revision": None,  # the commit says it
    **{f"packages.{file}.upload-time": None for file in ("archive", "sdist", "wheels")},
}


def read(reading: Reading, location: str, data: bytes) -> None:
    """Add what a pylock.toml says to `reading`."""
    root, place = open_toml(reading, location, data, version="lock-version", what="pylock.toml")
    for node in root.get("packages").items:
        with reading.guard(place.at(node)):
            reading.packages.append(_package(place, node))
    for key in _OF_ALL:
        node = root.get(key)
        with reading.guard(place.at(node)):
            if values := list(node.texts()):
                text = f"`{key}` of the lock is not used: {', '.join(values)}"
                reading.note(place.at(node), text)
    reading.note_unread(root, place.file, _UNREAD)


def _package(place: Place, node: Node) -> LockedPackage:
    name = node.get("name").text
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
        dependencies=tuple(_dependency(d) for d in node.get("dependencies").items),
        editable=node.get("directory", "editable").flag,
        origin=place.at(node),
    )


def _artifacts(place: Place, node: Node) -> Iterator[LockedArtifact]:
    for file in (*node.get("wheels").items, node.get("sdist"), node.get("archive")):
        if file.value is None:
            continue
        hashes = hash_table(file.get("hashes"))
        if not hashes:
            raise Flaw("a file without hashes", "lock again with hashes", file.line)
        address = _address(file) + _subdirectory(file)
        artifact = place.artifact(address, hashes=hashes, size=file.number("size"))
        yield replace(artifact, name=file.opt("name"))
    if "directory" in node.table:
        directory = node.get("directory")
        yield place.artifact(directory.get("path").text + _subdirectory(directory))
    if "vcs" in node.table:
        vcs = node.get("vcs")
        kind, commit = vcs.get("type").text, vcs.get("commit-id").text
        address = _address(vcs)
        # A repository on this machine, which PEP 751 lets a lock name by its path.
        if "://" not in address:
            address = f"file://{place.artifact(address).path}"
        yield place.artifact(f"{kind}+{address}@{commit}{_subdirectory(vcs)}")


def _address(node: Node) -> str:
    """The `url` or `path` of a file; PEP 751 lets either be left out."""
    address = node.opt("url") or node.opt("path")
    if not address:
        raise Flaw("neither `url` nor `path`", line=node.line)
    return address


def _subdirectory(node: Node) -> str:
    subdirectory = node.opt("subdirectory")
    return f"#subdirectory={subdirectory}" if subdirectory else ""


def _dependency(node: Node) -> str:
    name, version = node.get("name").text, node.opt("version")
    return f"{name}=={version}" if version else name
