"""Pipfile.lock (pipenv's, specification 6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from envid.redaction import redact
from reqparse._flaw import Flaw
from reqparse._lines import decode
from reqparse._locked import Place, check_version, hash_text
from reqparse._project import specifier_set
from reqparse._yaml import load_yaml
from reqparse.locked import Lock, LockedArtifact, LockedPackage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._node import Node
    from reqparse._reading import Reading
    from reqparse.stated import SourceKind

__all__ = ["read"]

DEFAULT = "default"
"""The category that is always meant."""
_UNREAD = {
    "_meta.hash": None,  # of the Pipfile
    "_meta.hash.*": None,
    "_meta.sources.verify_ssl": "servers are always checked",
}
_EXACT = re.compile(r"===?([^*]+)")
_REPOSITORIES = ("git", "hg", "svn", "bzr")


def read(reading: Reading, location: str, data: bytes) -> None:
    """Add what a Pipfile.lock says to `reading`.

    Files have hashes and neither names nor URLs, but for packages that come from one.
    """
    root = load_yaml(decode(data, pep263=False))  # of which JSON is a part
    meta = root.get("_meta")
    if meta.value is None or "default" not in root.table:
        raise Flaw(
            "this lock file of pipenv has no `_meta` and `default`", "lock again with pipenv"
        )
    check_version(meta.get("pipfile-spec"), ("6",), "pipenv's lock file", key="pipfile-spec")
    place = Place(location, redact(location))
    indexes: dict[str, str] = {}
    with reading.guard(place.at(meta)):
        for number, node in enumerate(meta.get("sources").items):
            kind: SourceKind = "extra-index" if number else "index"
            name, url = node.opt("name"), node.get("url")
            verify = node.get("verify_ssl")
            verify.done = verify.value is not False  # which goes without saying
            address = reading.expand(url.text, place.at(url))
            reading.add_source(kind, address, place.at(node), base=place.base, name=name)
            indexes[name or ""] = redact(address)
        _python(reading, place, meta.get("requires"))
    categories = {name: node for name, node in root.table.items() if name != "_meta"}
    for category, listed in categories.items():
        for name, node in listed.table.items():
            with reading.guard(place.at(node)):
                package = _package(place, category, name, node, indexes)
                reading.packages.append(package)
                if not package.artifacts:
                    # As pipenv writes what is not for the platform that it ran on.
                    stated = redact(node.opt("version") or "nothing")
                    text = f"`{name}` cannot be selected: its version is `{stated}`, which is not exact"
                    reading.note(package.origin, text)
    others = tuple(name for name in categories if name != DEFAULT)
    reading.facts["lock"] = Lock(kind="Pipfile.lock", groups=others, origin=place.at(root))
    reading.note_unread(root, place.file, _UNREAD)


def _python(reading: Reading, place: Place, requires: Node) -> None:
    if full := requires.opt("python_full_version"):
        reading.add_python(specifier_set(f"=={full}"), place.at(requires))
    if (version := requires.opt("python_version")) and version != "*":
        reading.add_python(specifier_set(f"=={version}.*"), place.at(requires))


def _package(
    place: Place, category: str, name: str, node: Node, indexes: dict[str, str]
) -> LockedPackage:
    index, version = node.opt("index"), _EXACT.fullmatch(node.opt("version") or "")
    if index is not None and index not in indexes:
        raise Flaw(f"`{name}` is from the index `{index}`, which is not among the sources")
    return LockedPackage(
        category="pypi",
        name=canonicalize_name(name),
        version=version[1] if version else None,
        artifacts=tuple(_artifacts(place, node)),
        marker=node.opt("markers"),
        source=indexes[index] if index is not None else None,
        extras=tuple(node.get("extras").texts()),
        groups=(category,),
        editable=node.get("editable").flag,
        origin=place.at(node),
    )


def _artifacts(place: Place, node: Node) -> Iterator[LockedArtifact]:
    hashes = tuple(hash_text(*text.partition(":")[::2]) for text in node.get("hashes").texts())
    subdirectory = node.opt("subdirectory")
    end = f"#subdirectory={subdirectory}" if subdirectory else ""
    for kind in _REPOSITORIES:
        if address := node.opt(kind):
            commit = node.get("ref").text
            yield place.artifact(f"{kind}+{address.removeprefix(f'{kind}+')}@{commit}{end}")
            return
    for key in ("file", "path"):
        if address := node.opt(key):
            yield place.artifact(address + end, hashes=hashes)
            return
    # pipenv lists files by hash alone: which of them has which name, only an index tells.
    if _EXACT.fullmatch(node.opt("version") or ""):
        yield LockedArtifact(hashes=hashes)
