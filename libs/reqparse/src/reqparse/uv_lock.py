"""uv.lock, version 1."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from packaging.utils import canonicalize_name

from reqparse._flaw import Flaw
from reqparse._locked import Place, hash_text, open_toml, without_secret
from reqparse._uv_groups import of_project, of_workspace
from reqparse.locked import Lock, LockedEdge, LockedPackage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reqparse._node import Node
    from reqparse._reading import Reading
    from reqparse.locked import LockedArtifact

__all__ = ["read"]

_LOCAL = ("path", "directory", "editable", "virtual")
_HOW = "it is how packages were chosen"
_ASKED = "it is what was asked for, not what was found"
_UNREAD = {
    "manifest.*": _HOW,
    "options": _HOW,
    "required-markers": _ASKED,
    "resolution-markers": _HOW,
    "revision": None,
    "package.default-groups": "it counts in the lock of that project",
    "package.group-requires-python": "it counts in the lock of that project",
    "package.metadata*": None,  # what it was made for, beside what was found
    "package.source.url": None,  # as its file says
    **{f"package.{file}.upload-time": None for file in ("sdist", "wheels")},
    "manifest.requirements.*": "a package is meant by its name and version",
    "manifest.dependency-groups.*": "a package is meant by its name and version",
}


def read(reading: Reading, location: str, data: bytes) -> None:
    """Add what a uv.lock says to `reading`.

    What it was made for, a project or the members of a workspace, is among the packages, and
    among the roots of its `Lock`; it is noted that a root is not installed.
    """
    root, place = open_toml(reading, location, data, version="version", what="uv.lock")
    if "distribution" in root.table:
        raise Flaw("this uv.lock is from before uv 0.3", "lock again with uv")
    nodes: list[tuple[Node, LockedPackage]] = []
    for node in root.get("package").items:
        with reading.guard(place.at(node)):
            reading.packages.append(package := _package(place, node))
            nodes.append((node, package))
    with reading.guard(place.at(root)):
        reading.facts["lock"] = lock = _lock(place, root, nodes)
        for package in reading.packages:
            if package.name in lock.roots:
                text = f"`{package.name}` is not installed: the lock is for it"
                reading.note(package.origin, text)
    reading.note_unread(root, place.file, _UNREAD)


def _lock(place: Place, root: Node, nodes: list[tuple[Node, LockedPackage]]) -> Lock:
    manifest = root.get("manifest")
    members = [canonicalize_name(name) for name in manifest.get("members").texts()]
    # A workspace's root may be no project; then all of its members are what uv installs.
    at_top = [package.name for node, package in nodes if _is_at_top(node)]
    roots = at_top or members
    made_for = [(node, package) for node, package in nodes if package.name in {*roots, *members}]
    projects = {package.name: of_project(place, node) for node, package in made_for}
    own = of_workspace(place, manifest, projects.values())
    default = [name for root in at_top for name in projects[root].default]
    return Lock(
        kind="uv.lock",
        roots=tuple(roots),
        by_edges=True,
        members=tuple(members),
        edges=tuple(_of_manifest(place, manifest)),
        supported=tuple(root.get("supported-markers").texts()),
        conflicts=tuple(
            tuple(_conflict(item) for item in items.items) for items in root.get("conflicts").items
        ),
        groups=_each(name for groups in (own, *projects.values()) for name in groups.names),
        default_groups=_each(default) if at_top else own.default,
        projects={"": own, **projects},
        extras=_each(extra for node, _ in made_for for extra in _extras(node)),
        overridden=_each((*_names(manifest.get("overrides")), *manifest.get("excludes").texts())),
        restated=_each(_names(manifest.get("dependency-metadata"))),
        origin=place.at(root),
    )


def _names(listed: Node) -> Iterator[str]:
    yield from (canonicalize_name(node.get("name").text) for node in listed.items)


def _is_at_top(node: Node) -> bool:
    """Whether a package is the directory of the lock, also where that was read from a URL."""
    source = node.get("source")
    return any(posixpath.normpath(text) == "." for key in _LOCAL if (text := source.opt(key)))


def _each(names: Iterable[str]) -> tuple[str, ...]:
    """Each once."""
    return tuple(dict.fromkeys(names))


def _extras(node: Node) -> Iterator[str]:
    """The extras of a project; those that ask for nothing have no edges."""
    yield from node.get("optional-dependencies").table
    yield from node.get("metadata", "provides-extras").texts()


def _conflict(node: Node) -> str:
    """A member of a set of conflicts as markers name it, with the length of the name in front."""
    package = canonicalize_name(node.get("package").text)
    for kind in ("extra", "group"):
        if name := node.opt(kind):
            # The length tells where the package ends, whose name may have hyphens.
            return f"{kind}-{len(package)}-{package}-{name}"
    return f"project-{len(package)}-{package}"


def _of_manifest(place: Place, manifest: Node) -> Iterator[LockedEdge]:
    """What a script, or a workspace whose root is no project, asks for by itself."""
    groups = manifest.get("dependency-groups").table.items()
    for group, requirements in ((None, manifest.get("requirements")), *groups):
        for node in requirements.items:
            yield LockedEdge(
                name=canonicalize_name(node.get("name").text),
                # uv's `*` is no specifier of PEP 440, which says any version by saying none.
                specifier=(node.opt("specifier") or "").replace(
                    "*", "", node.opt("specifier") == "*"
                ),
                extras=tuple(node.get("extras").texts()),
                marker=node.opt("marker"),
                group=group,
                origin=place.at(node),
            )


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
        dependencies=tuple(_dependencies(place, node)),
        editable="editable" in source.table,
        virtual="virtual" in source.table,
        origin=place.at(node),
    )


def _artifacts(place: Place, node: Node, source: Node) -> Iterator[LockedArtifact]:
    for file in (*node.get("wheels").items, node.get("sdist")):
        if file.value is not None:
            yield _file(place, file, source)
    if git := source.opt("git"):
        yield place.artifact(_git(git))
    # What has files is taken by these: `path` may name a wheel or an sdist.
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
    artifact = place.artifact(address, hashes=hashes, size=file.number("size"))
    return replace(artifact, name=file.opt("filename"))


def _git(text: str) -> str:
    """Uv's `https://host/repo?subdirectory=a&rev=b#commit` in pip's spelling."""
    address, _, commit = text.partition("#")
    address, _, query = address.partition("?")
    subdirectory = parse_qs(query).get("subdirectory", [""])[0]
    end = f"#subdirectory={subdirectory}" if subdirectory else ""
    return f"git+{address}@{commit}{end}" if commit else f"git+{address}{end}"


def _dependencies(place: Place, node: Node) -> Iterator[LockedEdge]:
    for edge in node.get("dependencies").items:
        yield _edge(place, edge)
    for extra, listed in node.get("optional-dependencies").table.items():
        yield from (_edge(place, edge, extra=extra) for edge in listed.items)
    for group, listed in node.get("dev-dependencies").table.items():
        yield from (_edge(place, edge, group=group) for edge in listed.items)


def _edge(
    place: Place, node: Node, *, extra: str | None = None, group: str | None = None
) -> LockedEdge:
    version = node.opt("version")
    return LockedEdge(
        name=canonicalize_name(node.get("name").text),
        specifier=f"=={version}" if version else "",
        extras=tuple(node.get("extra").texts()),
        marker=node.opt("marker"),
        source=_source(place, node.get("source")),
        extra=extra,
        group=group,
        origin=place.at(node),
    )


def _source(place: Place, source: Node) -> str | None:
    """What an edge says of the source of a package, as the package itself has it."""
    if source.value is None:
        return None
    if git := source.opt("git"):
        return place.artifact(_git(git)).url
    if registry := source.opt("registry"):
        return without_secret(registry)
    for key in ("url", *_LOCAL):
        if address := source.opt(key):
            artifact = place.artifact(address)
            return artifact.path or artifact.url
    raise Flaw("an edge to a source of no known kind", line=source.line)
