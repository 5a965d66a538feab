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

    from reqparse._job import Job
    from reqparse._node import Node
    from reqparse.model import Artifact

__all__ = ["read"]

_LOCAL = ("path", "directory", "editable")


def read(job: Job, location: str, data: bytes) -> None:
    """Read a uv.lock into a job."""
    root, place = open_toml(job, location, data, version="version", what="uv.lock")
    for node in root.get("package").items:
        with job.guard(place.at(node)):
            if "virtual" in node.get("source").table:
                name = node.get("name").text
                job.note(place.at(node), f"`{name}` is virtual: there is nothing to install")
            else:
                job.packages.append(_package(place, node))


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
        dependencies=tuple(_dependency(d) for d in node.get("dependencies").items),
        editable="editable" in source.table,
        origin=place.at(node),
    )


def _artifacts(place: Place, node: Node, source: Node) -> Iterator[Artifact]:
    for file in (*node.get("wheels").items, node.get("sdist")):
        if file.value is not None:
            yield _file(place, file, source)
    if git := source.opt("git"):
        yield place.artifact(_git(git))
    elif not node.get("wheels").items and node.get("sdist").value is None:
        for key in _LOCAL:
            if local := source.opt(key):
                yield place.artifact(local)


def _file(place: Place, file: Node, source: Node) -> Artifact:
    """A wheel or sdist; one of a local registry or archive is named relative to it."""
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


def _dependency(node: Node) -> str:
    extras = ",".join(node.get("extra").texts())
    text = node.get("name").text + (f"[{extras}]" if extras else "")
    if version := node.opt("version"):
        text += f"=={version}"
    marker = node.opt("marker")
    return f"{text} ; {marker}" if marker else text
