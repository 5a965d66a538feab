"""`[tool.poetry]`: its dependencies, groups, sources, and its language of versions."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from reqparse._flaw import Flaw
from reqparse._project import normalise
from reqparse._pypi import pep508_requirement
from reqparse._url import split_secret

if TYPE_CHECKING:
    from reqparse._node import Node
    from reqparse._project import Project
    from reqparse.model import Requirement

_CLAUSE = re.compile(r"\s*(\^|~=|~|===?|!=|<>|<=|>=|<|>|=)?\s*([^\s,<>=!~^|]+)\s*,?")


def read(project: Project, table: Node, standard: Node) -> None:
    """Take the table's dependencies and sources; its groups and extras are offered.

    Where `[project]` lists dependencies, this table only says where they come from.
    """
    with project.job.guard(project.at(table)):
        if name := table.opt("name"):
            project.job.facts.setdefault("name", name)
        for node in table.get("source").items:
            _source(project, node)
        reader = _Dependencies(project, table)
        if "dependencies" in standard.table:
            reader.enrich()
        else:
            reader.read()
        for name, node in table.get("group").table.items():
            reader.offer(normalise(name), node.get("dependencies"))
        reader.offer("dev", table.get("dev-dependencies"))


def constraint(text: str) -> str:
    """A PEP 440 specifier for what poetry calls a version constraint. Raises Flaw."""
    alternatives = [_clauses(part.strip()) for part in re.split(r"\|\|?", text)]
    clauses = alternatives[0] if len(alternatives) == 1 else _joined(alternatives, text)
    try:
        return str(SpecifierSet(",".join(clauses)))
    except InvalidSpecifier:
        raise Flaw(f"`{text}` is not a version constraint", "write for example `^1.2`") from None


def _clauses(text: str) -> list[str]:
    if text in ("", "*"):
        return []
    clauses, at = [], 0
    while at < len(text):
        found = _CLAUSE.match(text, at)
        if not found:
            raise Flaw(f"`{text}` is not a version constraint", "write for example `^1.2`")
        clauses += _clause(found[1] or "", found[2], text)
        at = found.end()
    return clauses


def _joined(alternatives: list[list[str]], text: str) -> list[str]:
    """One range for alternatives that leave no gap, such as `^1.2 || ^2.0`. Raises Flaw."""
    hint = "give one range without a gap"
    ranges = []
    for clauses in alternatives:
        found = re.fullmatch(r">=([^<,]+),<([^,]+)", ",".join(sorted(clauses, reverse=True)))
        if not found:
            raise Flaw(f"`{text}` has alternatives, which PEP 440 cannot say", hint)
        ranges.append((_version(found[1], text), _version(found[2], text)))
    (low, high), *others = sorted(ranges)
    for lower, upper in others:
        if lower > high:
            raise Flaw(f"`{text}` has a gap, which PEP 440 cannot say", hint)
        high = max(high, upper)
    return [f">={low}", f"<{high}"]


def _version(text: str, where: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise Flaw(f"`{text}` in `{where}` is not a version") from None


def _clause(operator: str, version: str, text: str) -> list[str]:
    if operator in ("^", "~"):
        release = _version(version, text).release
        return [f">={version}", f"<{_upper(operator, release)}"]
    if version == "*":
        return []
    if version.endswith(".*") or operator in ("==", "===", "!="):
        return [(operator if operator not in ("", "=") else "==") + version]
    return [{"": "==", "=": "==", "<>": "!="}.get(operator, operator) + version]


def _upper(operator: str, release: tuple[int, ...]) -> str:
    """The first version that a caret or tilde excludes."""
    if operator == "~":
        kept = min(len(release) - 1, 1)
    else:  # the leftmost part that is not zero may not change
        kept = next((i for i, part in enumerate(release) if part), len(release) - 1)
    return ".".join(map(str, (*release[:kept], release[kept] + 1)))


def python_marker(specifier: str) -> str:
    """A marker that holds on the Pythons of a specifier."""
    parts = []
    for clause in specifier.split(","):
        found = re.fullmatch(r"([~<>=!]+)(.*)", clause)
        if found:
            version = found[2].removesuffix(".*")
            short = version.count(".") < 2 and not clause.endswith(f"{version}.*.*")  # noqa: PLR2004 - X.Y
            variable = "python_version" if short else "python_full_version"
            parts.append(f'{variable} {found[1]} "{version}"')
    return " and ".join(parts)


class _Dependencies:
    def __init__(self, project: Project, table: Node) -> None:
        self._project, self._table = project, table

    def read(self) -> None:
        optional: dict[str, tuple[str, Node]] = {}
        for name, node in self._table.get("dependencies").table.items():
            if normalise(name) == "python":
                self._python(node)
            elif isinstance(node.value, dict) and node.get("optional").value is True:
                optional[normalise(name)] = (name, node)
            else:
                self._take(name, node)
        for extra, node in self._table.get("extras").table.items():
            take = partial(self._extra, node, optional)
            self._project.offer("extra", normalise(extra), node, take)

    def enrich(self) -> None:
        """Let what `[project]` asks for come from where this table says."""
        job, project = self._project.job, self._project
        places: dict[str | None, list[int]] = {}
        for i, found in enumerate(job.requirements):
            places.setdefault(found.name, []).append(i)
        for name, node in self._table.get("dependencies").table.items():
            same = places.get(normalise(name), [])
            if not same and normalise(name) != "python":
                job.note(project.at(node), f"`{name}` is not among the project's dependencies")
            for i in same if isinstance(node.value, dict) else []:
                found = job.requirements[i]
                with job.guard(project.at(node)):
                    made = project.direct(
                        found.name or "", node, extras=found.extras, marker=found.marker
                    )
                    place = replace(found, channel=_index(node))
                    if made:
                        place = replace(
                            made, group=found.group, origin=found.origin, original=found.original
                        )
                    job.requirements[i] = place

    def offer(self, group: str, dependencies: Node) -> None:
        if dependencies.value is not None:
            self._project.offer("group", group, dependencies, partial(self._group, dependencies))

    def _group(self, dependencies: Node) -> None:
        for name, node in dependencies.table.items():
            self._take(name, node)

    def _extra(self, listed: Node, optional: dict[str, tuple[str, Node]]) -> None:
        for node in listed.items:
            name = normalise(re.split(r"[\s\[<>=!~(]", node.text, maxsplit=1)[0])
            if name in optional:
                self._take(*optional[name])

    def _python(self, node: Node) -> None:
        with self._project.job.guard(self._project.at(node)):
            text = node.text if isinstance(node.value, str) else node.get("version").text
            self._project.job.add_python(constraint(text), self._project.at(node))

    def _take(self, name: str, node: Node) -> None:
        """Take a dependency: a version, a table, or a list of tables for different markers."""
        for entry in node.items if isinstance(node.value, list) else [node]:
            with self._project.job.guard(self._project.at(entry)):
                found = self._requirement(name, entry)
                self._project.take(
                    found,
                    entry,
                    f"{name} = {entry.value!r}" if isinstance(entry.value, str) else name,
                )

    def _requirement(self, name: str, node: Node) -> Requirement:
        if isinstance(node.value, str):
            return pep508_requirement(name + constraint(node.value), base=self._project.base)
        marker = _marker(node)
        extras = list(node.get("extras").texts())
        found = self._project.direct(name, node, extras=extras, marker=marker)
        if found is None:
            version = constraint(node.opt("version") or "")
            listed = f"[{','.join(extras)}]" if extras else ""
            text = name + listed + version + (f"; {marker}" if marker else "")
            found = pep508_requirement(text, base=self._project.base)
        if node.get("allow-prereleases").value is True:
            note = f"pre-releases of `{name}` alone cannot be asked for; not used"
            self._project.job.note(self._project.at(node), note)
        return replace(found, channel=_index(node))


def _marker(node: Node) -> str | None:
    parts = []
    if markers := node.opt("markers"):
        parts.append(f"({markers})")
    if python := node.opt("python"):
        parts.append(python_marker(constraint(python)))
    if platform := node.opt("platform"):
        parts.append(f'sys_platform == "{platform}"')
    return " and ".join(filter(None, parts)) or None


def _index(node: Node) -> str | None:
    """The name of the source that a dependency is bound to."""
    source = node.opt("source")
    if source is None or source in ("pypi", "pip"):  # conda-lock's words, not names of sources
        return None
    return split_secret(source)[0]


def _source(project: Project, node: Node) -> None:
    with project.job.guard(project.at(node)):
        url, name = node.opt("url"), node.opt("name")
        if url is None:
            project.job.note(project.at(node), f"the source `{name}` has no URL")
            return
        default = node.get("default").value is True or node.opt("priority") == "default"
        project.job.add_source(
            "index" if default else "extra-index",
            url,
            project.at(node),
            base=project.base,
            name=name,
            explicit=node.opt("priority") == "explicit",
        )
