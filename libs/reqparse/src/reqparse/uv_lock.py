"""uv.lock, version 1."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from packaging.utils import canonicalize_name

from reqparse._flaw import Flaw
from reqparse._locked import Place, hash_text, open_toml, without_secret
from reqparse.model import LockedPackage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._node import Node
    from reqparse._reading import Reading
    from reqparse.model import LockedArtifact

__all__ = ["read"]

_LOCAL = ("path", "directory", "editable")
_ASKED = "it is what was asked for, not what was found"
_HOW = "it is how packages were chosen"
_UNREAD = {
    "conflicts": "groups and extras that exclude each other are told apart by markers",
    "manifest": _ASKED,
    "options": _HOW,
    "required-markers": _ASKED,
    "resolution-markers": _HOW,
    "revision": None,
    "supported-markers": _ASKED,
    "package.metadata": _ASKED,
    **{f"package.{file}.upload-time": None for file in ("sdist", "wheels")},
    "package.*dependencies*.source": "a package is meant by its name and version",
}


def read(reading: Reading, location: str, data: bytes) -> None:
    """Add what a uv.lock says to `reading`."""
    root, place = open_toml(reading, location, data, version="version", what="uv.lock")
    for node in root.get("package").items:
        with reading.guard(place.at(node)):
            if node.get("source").opt("virtual"):
                name = node.get("name").text
                node.get("version").done = True
                text = f"`{name}` is virtual: there is nothing to install; what it asks for is"
                asked = ", ".join(_dependencies(node)) or "nothing"
                reading.note(place.at(node), f"{text} {asked}")
            else:
                reading.packages.append(_package(place, node))
    reading.note_unread(root, place.file, _UNREAD)


def _package(place: Place, node: Node) -> LockedPackage:
    source = node.get("source")
    markers = list(node.get("resolution-markers").texts())
    return LockedPackage(
        category="pypi",
        name=canonicalize_name(node.get("name").text),
        version=node.opt("version"),
        artifacts=tuple(_artifacts(place, node, source)),
        marker=" or ".join(f"({m})" if len(markers) > 1 else m for m in markers) or None,
        source=without_secret(source.opt("registry")),
        dependencies=tuple(_dependencies(node)),
        editable="editable" in source.table,
        origin=place.at(node),
    )


def _artifacts(place: Place, node: Node, source: Node) -> Iterator[LockedArtifact]:
    for file in (*node.get("wheels").items, node.get("sdist")):
        if file.value is not None:
            yield _file(place, file, source)
    if git := source.opt("git"):
        yield place.artifact(_git(git))
    elif not node.get("wheels").items and node.get("sdist").value is None:
        for key in _LOCAL:
            if local := source.opt(key):
                yield place.artifact(local)


def _file(place: Place, file: Node, source: Node) -> LockedArtifact:
    """A wheel or sdist; in a local registry it is named relative to that."""
    address = file.opt("url") or file.opt("path")
    if address is None:
        address = source.opt("url") or source.opt("path")
    elif file.opt("path") and source.opt("registry"):
        address = f"{source.opt('registry')}/{address}"
    if not address:
        raise Flaw("a file without an address", line=file.line)
    digest = file.opt("hash")
    hashes = [hash_text(*digest.partition(":")[::2])] if digest else []
    return place.artifact(address, hashes=hashes, size=file.number("size"))


def _git(text: str) -> str:
    """Uv's `https://host/repo?subdirectory=a&rev=b#commit` in pip's spelling."""
    address, _, commit = text.partition("#")
    address, _, query = address.partition("?")
    subdirectory = parse_qs(query).get("subdirectory", [""])[0]
    end = f"#subdirectory={subdirectory}" if subdirectory else ""
    return f"git+{address}@{commit}{end}" if commit else f"git+{address}{end}"


def _dependencies(node: Node) -> Iterator[str]:
    """The edges of a package; those of an extra or a group have it in their marker."""
    for edge in node.get("dependencies").items:
        yield _dependency(edge, "")
    for key, condition in (
        ("optional-dependencies", "extra == '{}'"),
        ("dev-dependencies", "'{}' in dependency_groups"),
    ):
        for name, listed in node.get(key).table.items():
            for edge in listed.items:
                yield _dependency(edge, condition.format(name))


def _dependency(node: Node, condition: str) -> str:
    extras = ",".join(node.get("extra").texts())
    text = node.get("name").text + (f"[{extras}]" if extras else "")
    if version := node.opt("version"):
        text += f"=={version}"
    marker = node.opt("marker")
    if marker and condition:
        # In parentheses, since `and` binds more than an `or` in the marker.
        marker = f"({marker}) and {condition}"
    marker = marker or condition
    return f"{text} ; {marker}" if marker else text
