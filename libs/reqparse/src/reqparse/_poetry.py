"""`[tool.poetry]`: its dependencies, groups, extras and sources."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reqparse._flaw import Flaw
from reqparse._poetry_versions import (
    constraint,
    platform_marker,
    python_marker,
    without_extras,
)
from reqparse._project import Included, normalise
from reqparse._pypi import canonical_marker
from reqparse._url import split_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._node import Node
    from reqparse._project import Project
    from reqparse.model import Requirement

_METADATA = (
    *("name", "version", "description", "license", "authors", "maintainers", "readme"),
    *("homepage", "repository", "documentation", "keywords", "classifiers", "packages"),
    *("include", "exclude", "scripts", "plugins", "urls", "build", "package-mode"),
    *("requires-poetry",),
)
_UNUSED = {
    "requires-plugins": "they are poetry's own",
    "build-constraints": "what is built is built by itself, as it says",
}
_PRIORITIES = ("default", "primary", "secondary", "supplemental", "explicit")


def read(project: Project, table: Node, standard: Node) -> None:
    """Take the table's dependencies and sources; its groups and extras are offered.

    Where `[project]` lists dependencies, this table only says more of them.
    """
    with project.reading.guard(project.at(table)):
        if name := table.opt("name"):
            project.reading.facts.setdefault("name", name)
        for key in _METADATA:
            table.get(key).done = True
        project.unused(table, _UNUSED)
        _sources(project, table.get("source"))
        listed = [node.opt("name") for node in table.get("source").items]
        reader = _Dependencies(project, table, [name for name in listed if name])
        if "dependencies" in standard.table:
            reader.enrich()
            project.unused(table, {"extras": "`[project.optional-dependencies]` has them"})
        else:
            reader.read()
        groups = {normalise(k): v for k, v in table.get("group").table.items()}
        for name, node in groups.items():
            project.offer("group", name, node, partial(reader.group, name, groups))
        node = table.get("dev-dependencies")
        if node.value is not None:
            project.offer("group", "dev", node, partial(reader.take_all, node))


class _Dependencies:
    def __init__(self, project: Project, table: Node, sources: list[str]) -> None:
        self._project, self._table, self._sources = project, table, sources
        self._optional: dict[str, tuple[str, Node]] = {}
        self._asked: set[str] = set()

    def read(self) -> None:
        for name, node in self._table.get("dependencies").table.items():
            if normalise(name) == "python":
                self._python(node)
            elif isinstance(node.value, dict) and node.get("optional").flag:
                self._optional[normalise(name)] = (name, node)
            else:
                self._take(name, node)
        extras = self._table.get("extras").table
        for extra, node in extras.items():
            self._project.offer("extra", normalise(extra), node, partial(self._extra, node))
        listed = [n for node in extras.values() if isinstance(node.value, list) for n in node.value]
        # Only then is it known which extras were asked for.
        self._project.at_end.append(partial(self._leave, {_name(str(n.value)) for n in listed}))

    def enrich(self) -> None:
        """Let the dependencies of `[project]` be as this table says that they are."""
        reading, project = self._project.reading, self._project
        # Numbers, and all of a name: a project may list a package several times, with different
        # markers.
        places: dict[str | None, list[int]] = {}
        for i, requirement in enumerate(reading.requirements):
            places.setdefault(requirement.name, []).append(i)
        for name, node in self._table.get("dependencies").table.items():
            if normalise(name) == "python":
                self._python(node)
                continue
            same = places.get(normalise(name), [])
            if not same:
                reading.note(project.at(node), f"`{name}` is not among the project's dependencies")
                node.done = True
            for i in same:
                requirement = reading.requirements[i]
                with reading.guard(project.at(node)):
                    # One for each marker that the table has.
                    made = [self._enriched(requirement, name, entry) for entry in node.each]
                    if len(made) > 1:
                        # At the end, so that the numbers in `places` stay right.
                        reading.requirements.extend(made[1:])
                    reading.requirements[i] = made[0]

    def _enriched(self, requirement: Requirement, name: str, node: Node) -> Requirement:
        """A dependency with what a table says of it beside."""
        said = self._requirement(name, node)
        marker = _both(requirement.marker, said.marker)
        if said.url:
            made = (
                self._project.direct(name, node, extras=requirement.extras, marker=marker)
                or requirement
            )
        else:
            specifier = ",".join(filter(None, (requirement.specifier, said.specifier)))
            extras = sorted({*requirement.extras, *said.extras})
            made = self._project.named(name, specifier, extras=extras, marker=marker)
        return replace(
            made,
            channel=said.channel,
            group=requirement.group,
            origin=requirement.origin,
            original=requirement.original,
        )

    def take_all(self, dependencies: Node) -> None:
        for name, node in dependencies.table.items():
            self._take(name, node)

    def group(self, name: str, groups: dict[str, Node], path: Included | None = None) -> None:
        """Take a group and those it includes; whether it is optional, whoever asks has decided."""
        path = path or Included()
        if not path.enter(name):
            return
        node = groups[name]
        _ = node.get("optional").flag
        self.take_all(node.get("dependencies"))
        for included in node.get("include-groups").items:
            with self._project.reading.guard(self._project.at(included)):
                path.check(normalise(included.text), groups)
                self.group(normalise(included.text), groups, path)
        path.leave()

    def _extra(self, listed: Node) -> None:
        for node in listed.items:
            name = _name(node.text)
            if name in self._optional:
                self._asked.add(name)
                self._take(*self._optional[name])
            else:
                text = f"`{node.text}` of an extra is not among the optional dependencies"
                self._project.reading.note(self._project.at(node), text)

    def _leave(self, listed: set[str]) -> None:
        """Leave out what no extra that was asked for has; the extras are noted themselves."""
        for key, (name, node) in self._optional.items():
            if key not in self._asked:
                node.done = True
            if key not in listed:
                text = f"`{name}` is not used: it is optional, and in no extra"
                self._project.reading.note(self._project.at(node), text)

    def _python(self, node: Node) -> None:
        with self._project.reading.guard(self._project.at(node)):
            text = node.text if isinstance(node.value, str) else node.get("version").text
            specifier = constraint(text, python=True)
            self._project.reading.add_python(specifier, self._project.at(node))

    def _take(self, name: str, node: Node) -> None:
        """Take a dependency: a version, a table, or a list of tables for different markers."""
        for entry in node.each:
            with self._project.reading.guard(self._project.at(entry)):
                requirement = self._requirement(name, entry)
                shown = f"{name} = {entry.value!r}" if isinstance(entry.value, str) else name
                self._project.take(requirement, entry, shown)

    def _requirement(self, name: str, node: Node) -> Requirement:
        project = self._project
        if isinstance(node.value, str):
            return project.named(name, constraint(node.text))
        marker = self._marker(node)
        extras = list(node.get("extras").texts())
        _ = node.get("optional").flag  # who asks for the extra has decided
        requirement = project.direct(name, node, extras=extras, marker=marker)
        if requirement is None:
            version = constraint(node.opt("version") or "")
            requirement = project.named(name, version, extras=extras, marker=marker)
        for key in ("allow-prereleases", "allows-prereleases"):
            if node.get(key).flag:
                note = f"pre-releases of `{name}` alone cannot be asked for; not used"
                project.reading.note(project.at(node), note)
        requirement = replace(requirement, channel=self._source(name, node))
        project.check_read(node, name)
        return requirement

    def _source(self, name: str, node: Node) -> str | None:
        """The name of the source that a dependency is bound to. Raises Flaw for no source."""
        source = node.opt("source")
        if source is None or source in ("pypi", "pip"):  # conda-lock's words, not names of sources
            return None
        # poetry takes `PyPI` for a source whether the file lists it or not, and compares without
        # case.
        known = [source_name.lower() for source_name in self._sources]
        if source.lower() not in (*known, "pypi"):
            listed = ", ".join(f"`{source_name}`" for source_name in self._sources) or "none"
            raise Flaw(
                f"no source `{source}`, from which `{name}` is to come",
                f"name one in `[[tool.poetry.source]]`; there is: {listed}",
            )
        return split_secret(source)[0]

    def _marker(self, node: Node) -> str | None:
        parts: list[str | None] = []
        if markers := node.opt("markers"):
            asked = [normalise(name) for name in self._project.reading.extras]
            # Whoever resolves knows nothing of the project's own extras, so that their part is
            # decided here.
            parts.append(without_extras(markers, asked))
        if python := node.opt("python"):
            parts.append(python_marker(python))
        if platform := node.opt("platform"):
            parts.append(platform_marker(platform))
        said = [part for part in parts if part]
        if len(said) > 1:
            return " and ".join(f"({part})" for part in said)
        return said[0] if said else None


def _name(text: str) -> str:
    """The name in an item of an extra, which may be a requirement."""
    return normalise(re.split(r"[\s\[<>=!~(]", text, maxsplit=1)[0])


def _both(marker: str | None, other: str | None) -> str | None:
    if marker is None or other is None:
        return marker or other
    return canonical_marker(f"({marker}) and ({other})")


def _sources(project: Project, table: Node) -> None:
    """Take the sources: primary ones are looked at in order, and take the place of PyPI."""
    entries = list(_priorities(project, table))
    primary = [node for node, priority in entries if priority in ("default", "primary")]
    default = next((node for node, priority in entries if priority == "default"), None)
    # Primary sources take the place of PyPI: the last of them is what comes last.
    # One without a URL is `PyPI` by name, which then stays what comes last.
    if default is None and primary and all("url" in node.table for node in primary):
        default = primary[-1]
    for node, priority in entries:
        with project.reading.guard(project.at(node)):
            name, url = node.opt("name"), node.opt("url")
            if url is None:
                if priority not in ("default", "primary") or node is not primary[-1]:
                    text = f"the place of the source `{name}` is not used: it has no URL, and the"
                    project.reading.note(project.at(node), f"{text} index in force comes last")
                continue
            if priority in ("secondary", "supplemental"):
                text = f"the source `{name}` is `{priority}`, and is looked at before the index"
                project.reading.note(project.at(node), text)
            project.reading.add_source(
                "index" if node is default else "extra-index",
                url,
                project.at(node),
                base=project.base,
                name=name,
                explicit=priority == "explicit",
            )


def _priorities(project: Project, table: Node) -> Iterator[tuple[Node, str]]:
    for node in table.items:
        with project.reading.guard(project.at(node)):
            priority = node.opt("priority") or "primary"
            if priority not in _PRIORITIES:
                raise Flaw(f"`{priority}` is no priority", f"known: {', '.join(_PRIORITIES)}")
            if node.get("default").flag:
                priority = "default"
            elif node.get("secondary").flag:
                priority = "secondary"
            yield node, priority
