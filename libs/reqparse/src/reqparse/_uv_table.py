"""`[tool.uv]`: indexes, sources, constraints and the settings that decide what is found."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reqparse._project import normalise, take_list
from reqparse._pypi import canonical_marker, pep508_requirement, with_marker
from reqparse._url import split_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._node import Node
    from reqparse._project import Project
    from reqparse.model import Requirement, SourceKind

_SOURCES: dict[str, SourceKind] = {
    "index-url": "index",
    "extra-index-url": "extra-index",
    "find-links": "find-links",
}
_UNUSED = ("override-dependencies", "exclude-dependencies", "environments", "required-environments")


def read(project: Project, table: Node) -> None:
    """Take what the table says of sources; its groups are offered."""
    job = project.job
    with job.guard(project.at(table)):
        for node in table.get("index").items:
            _index(project, node)
        for key, what in _SOURCES.items():
            node = table.get(key)
            for item in [node] if isinstance(node.value, str) else node.items:
                job.add_source(what, item.text, project.at(item), base=project.base)
        _settings(project, table)
        for node in table.get("constraint-dependencies").items:
            with job.guard(project.at(node)):
                found = pep508_requirement(node.text, base=project.base)
                found = replace(found, origin=project.at(node), original=node.text)
                job.add(found, constraint=True)
        development = table.get("dev-dependencies")
        if development.value is not None:
            project.offer("group", "dev", development, partial(take_list, project, development))
        for key in _UNUSED:
            if key in table.table:
                job.note(project.at(table.table[key]), f"`{key}` of uv is not used")
        sources = {normalise(k): v for k, v in table.get("sources").table.items()}
        project.place = _Places(project, sources)


def _index(project: Project, node: Node) -> None:
    with project.job.guard(project.at(node)):
        kind: SourceKind = "index" if node.get("default").value is True else "extra-index"
        project.job.add_source(
            kind,
            node.get("url").text,
            project.at(node),
            base=project.base,
            name=node.opt("name"),
            explicit=node.get("explicit").value is True,
        )


def _settings(project: Project, table: Node) -> None:
    facts = project.job.facts
    if table.get("no-index").value is True:
        facts["no_index"] = True
    if table.opt("prerelease") in ("allow", "if-necessary-or-explicit", "explicit"):
        facts["prereleases"] = table.opt("prerelease") == "allow"
    for key, name in (("no-binary", "no_binary"), ("no-build", "only_binary")):
        packages = [normalise(p) for p in table.get(f"{key}-package").texts()]
        if table.get(key).value is True:
            packages = [":all:"]
        if packages:
            project.job.names[name].update(dict.fromkeys(packages))


class _Places:
    """Where `[tool.uv.sources]` says that a package comes from."""

    def __init__(self, project: Project, sources: dict[str, Node]) -> None:
        self._project, self._sources = project, sources

    def __call__(self, found: Requirement) -> Iterator[Requirement]:
        node = self._sources.get(found.name or "")
        if node is None or found.url or found.category != "pypi":
            yield found
            return
        entries = node.items if isinstance(node.value, list) else [node]
        for entry in entries:
            with self._project.job.guard(self._project.at(entry)):
                yield self._placed(found, entry)
        if entries and all(entry.get("marker").value is not None for entry in entries):
            text = f"where no source's marker holds, `{found.name}` comes from an index; not used"
            self._project.job.note(self._project.at(node), text)

    def _placed(self, found: Requirement, entry: Node) -> Requirement:
        marker = _both(found.marker, entry.opt("marker"))
        name = found.name or ""
        made = self._project.direct(name, entry, extras=found.extras, marker=marker)
        if made is not None:
            return made
        index = entry.opt("index")
        if index is None:
            text = f"`{name}` is a member of the workspace; asked for by its name"
            self._project.job.note(self._project.at(entry), text)
        return replace(with_marker(found, marker), channel=index and split_secret(index)[0])


def _both(one: str | None, other: str | None) -> str | None:
    """Two markers joined by `and`. Raises Flaw."""
    if other is None:
        return one
    return canonical_marker(f"({one}) and ({other})" if one else other)
