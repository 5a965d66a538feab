"""poetry.lock, versions 1.0 to 2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from envid.redaction import redact
from reqparse._edges import pypi_edge
from reqparse._flaw import Flaw
from reqparse._lines import decode
from reqparse._locked import Place, check_version, hash_text, without_secret
from reqparse._poetry_versions import constraint
from reqparse._toml import load_toml
from reqparse.model import Lock, LockedArtifact, LockedEdge, LockedPackage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._node import Node
    from reqparse._reading import Reading

__all__ = ["read"]

_UNREAD = {
    "metadata.content-hash": None,  # of the pyproject.toml
    "package.description": None,
    "package.root": None,
    "package.source.reference": "the commit says it",
}
_UNSAID = (
    "this lock does not say what the project asks for itself: a package that others need only on"
    " conditions that fail on a target is left out there"
)
_OPTIONAL = "the lock does not say which groups are optional: all are meant where none is named"


def read(reading: Reading, location: str, data: bytes) -> None:
    """Add what a poetry.lock says to `reading`.

    Files have names and hashes and no URLs, but for packages that come from one. What a package
    needs of another is in poetry's language of versions.
    """
    root = load_toml(decode(data, pep263=False))
    metadata = root.get("metadata")
    version = check_version(metadata.get("lock-version"), ("1", "2"), "poetry's lock file")
    place = Place(location, redact(location))
    python = metadata.get("python-versions")
    if python.value is not None:
        with reading.guard(place.at(python)):
            reading.add_python(constraint(python.text, python=True), place.at(python))
    # Up to lock version 1.1, hashes stand apart from the packages.
    files: dict[str, Node] = {
        canonicalize_name(n): v for n, v in metadata.get("files").table.items()
    }
    for node in root.get("package").items:
        with reading.guard(place.at(node)):
            reading.packages.append(_package(place, node, files))
    with reading.guard(place.at(root)):
        # From 2.1 on, groups and markers tell what the project itself asks for.
        older = not SpecifierSet(">=2.1").contains(version)
        reading.facts["lock"] = lock = _lock(reading, place, root, by_edges=older)
        if older:
            reading.note(lock.origin, _UNSAID)
        elif set(lock.groups) - {"main"}:
            reading.note(lock.origin, f"{_OPTIONAL}: {', '.join(lock.groups)}")
    reading.note_unread(root, place.file, _UNREAD)


def _lock(reading: Reading, place: Place, root: Node, *, by_edges: bool) -> Lock:
    groups = tuple(dict.fromkeys(group for p in reading.packages for group in p.groups))
    # The first word alone: what an extra lists is written with the version that was asked for.
    edges = [
        LockedEdge(name=pypi_edge(text).name, extra=canonicalize_name(extra))
        for extra, names in root.get("extras").table.items()
        for text in names.texts()
    ]
    return Lock(
        kind="poetry.lock",
        edges=tuple(edges),
        by_edges=by_edges,
        groups=groups,
        default_groups=groups,
        extras=tuple(canonicalize_name(extra) for extra in root.get("extras").table),
        origin=place.at(root),
    )


def _package(place: Place, node: Node, files: dict[str, Node]) -> LockedPackage:
    name = canonicalize_name(node.get("name").text)
    category, python = node.opt("category"), node.get("python-versions")
    source = node.get("source")
    kind = source.opt("type")
    return LockedPackage(
        category="pypi",
        name=name,
        version=node.get("version").text,
        artifacts=tuple(_artifacts(place, node, files.get(name), kind)),
        marker=_marker(node),
        requires_python=_python(python),
        source=without_secret(source.opt("url")) if kind == "legacy" else None,
        groups=(category,) if category else tuple(node.get("groups").texts()),
        dependencies=tuple(_edges(place, node)),
        optional=node.get("optional").flag,
        editable=node.get("develop").flag,
        origin=place.at(node),
    )


def _python(node: Node) -> str | None:
    """What a package says of Python; what PEP 440 cannot say of it is left to its own files."""
    if node.value is None:
        return None
    try:
        return constraint(node.text, python=True) or None
    except Flaw:
        return None


def _marker(node: Node) -> str | None:
    """Where a package is needed; by group where it differs, as PEP 751 has groups in markers."""
    markers = node.get("markers")
    if not isinstance(markers.value, dict):
        return node.opt("marker") or (None if markers.value is None else markers.text)
    by_group = [f"('{g}' in dependency_groups and ({m.text}))" for g, m in markers.table.items()]
    free = [g for g in node.get("groups").texts() if g not in markers.table]
    return " or ".join([*by_group, *(f"'{group}' in dependency_groups" for group in free)])


def _artifacts(
    place: Place, node: Node, older: Node | None, kind: str | None
) -> Iterator[LockedArtifact]:
    source = node.get("source")
    listed = node.get("files")
    files = list(_files(listed if listed.value is not None or older is None else older))
    hashes = [digest for file in files for digest in file.hashes]
    if kind in (None, "legacy"):
        source.get("reference").done = True  # the name of an index, which its URL says
        yield from files
    elif kind == "git":
        address = source.get("url").text.removeprefix("git+")
        # A branch may stand in `reference`; what it was then is in the other.
        commit = source.opt("resolved_reference") or source.get("reference").text
        subdirectory = source.opt("subdirectory")
        end = f"#subdirectory={subdirectory}" if subdirectory else ""
        yield place.artifact(f"git+{address}@{commit}{end}")
    elif kind in ("url", "file"):
        yield place.artifact(source.get("url").text, hashes=hashes)
    elif kind == "directory":
        yield place.artifact(source.get("url").text)
    else:
        raise Flaw(f"a source of the unknown type `{kind}`", line=source.line)


def _files(listed: Node) -> Iterator[LockedArtifact]:
    for node in listed.items:
        digest = node.opt("hash")
        hashes = (hash_text(*digest.partition(":")[::2]),) if digest else ()
        yield LockedArtifact(name=node.get("file").text, url=node.opt("url"), hashes=hashes)


def _edges(place: Place, node: Node) -> Iterator[LockedEdge]:
    extras: dict[str, list[str]] = {}
    for extra, listed in node.get("extras").table.items():
        for text in listed.texts():
            extras.setdefault(pypi_edge(text).name, []).append(canonicalize_name(extra))
    for name, stated in node.get("dependencies").table.items():
        wanted = canonicalize_name(name)
        for edge in stated.items if isinstance(stated.value, list) else [stated]:
            if not isinstance(edge.value, dict):
                yield LockedEdge(name=wanted, specifier=edge.text, origin=place.at(edge))
                continue
            # What is optional and of no extra is needed by nobody.
            optional = edge.get("optional").flag
            owners: list[str | None] = [*extras.get(wanted, [])] if optional else [None]
            for owner in owners:
                yield LockedEdge(
                    name=wanted,
                    specifier=edge.opt("version") or "",
                    extras=tuple(edge.get("extras").texts()),
                    marker=edge.opt("markers"),
                    extra=owner,
                    origin=place.at(edge),
                )
