"""Tables of tools that say less of dependencies: flit, pdm, setuptools, and whoever else does."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from reqparse._project import normalise, specifier_set, take_list
from reqparse._pypi import pypi_requirement
from reqparse._url import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._node import Node
    from reqparse._project import Project
    from reqparse.stated import SourceKind

_NAMES = re.compile(
    r"(?:.*[_-])?"
    r"(?:dependenc(?:y|ies)|deps|requires|requirements?|constraints?|index[_-]urls?|find[_-]links)"
    r"(?:[_-].*)?"
)
"""Keys that name packages or where they are, whoever uses them."""
_FLIT_METADATA = (
    *("module", "author", "author-email", "maintainer", "maintainer-email", "home-page"),
    *("license", "keywords", "classifiers", "description-file", "urls", "entry-points-file"),
    *("dist-name", "name", "version", "description", "authors"),
)
_PDM_RESOLUTION = {
    "overrides": "what packages require is not overridden",
    "excludes": "all that packages require is taken",
    "respect-source-order": "the order of indexes always counts",
    "strategy": "the newest versions that fit are taken",
}
_PDM_SOURCE = {
    "include_packages": "an index is asked for all packages",
    "exclude_packages": "an index is asked for all packages",
    "verify_ssl": "certificates are always checked",
}
_OF_PDM = ("build", "distribution", "plugins", "publish", "scripts", "version")


def flit(project: Project, table: Node) -> None:
    """`[tool.flit]`, as it was before PEP 621."""
    metadata = table.get("metadata")
    with project.reading.guard(project.at(metadata)):
        # What says nothing of dependencies is taken here; what nobody takes is noted in the end.
        for key in _FLIT_METADATA:
            metadata.get(key).done = True
        for key in ("scripts", "entrypoints", "module", "sdist", "external-data"):
            table.get(key).done = True
        python(project, metadata)
        take_list(project, metadata.get("requires"))
        for name, node in metadata.get("requires-extra").table.items():
            project.offer("extra", normalise(name), node, partial(take_list, project, node))
        project.unused(metadata, {"dev-requires": "`requires-extra` has a list `dev`"})


def pdm(project: Project, table: Node) -> None:
    """`[tool.pdm]`: its sources, and groups as they were before PEP 735."""
    reading = project.reading
    with reading.guard(project.at(table)):
        for node in table.get("source").items:
            with reading.guard(project.at(node)):
                _pdm_source(project, node)
        for name, node in table.get("dev-dependencies").table.items():
            project.offer("group", normalise(name), node, partial(_pdm_group, project, node))
        resolution = table.get("resolution")
        if resolution.get("allow-prereleases").flag:
            reading.facts["prereleases"] = True
        project.unused(resolution, _PDM_RESOLUTION)
        project.unused(table, {"options": "they are of pdm's own commands"})
        for key in _OF_PDM:
            table.get(key).done = True


def _pdm_source(project: Project, node: Node) -> None:
    name = node.opt("name")
    # As pdm has it: a source of this name stands in PyPI's place, any other beside it.
    kind: SourceKind = "index" if name == "pypi" else "extra-index"
    if node.opt("type") == "find_links":
        kind = "find-links"
    url = project.reading.expand(node.get("url").text, project.at(node))
    project.reading.add_source(kind, url, project.at(node), base=project.base, name=name)
    project.unused(node, _PDM_SOURCE)


def _pdm_group(project: Project, listed: Node) -> None:
    for node in listed.items:
        # The only form here that no requirement has: pdm writes editable packages as pip does.
        editable = re.fullmatch(r"-e\s+(\S.*)", node.text.strip())
        if editable is None:
            project.pypi(node)
            continue
        with project.reading.guard(project.at(node)):
            # pdm's word for where its file lies.
            path = editable[1].replace("${PROJECT_ROOT}", project.base)
            requirement = pypi_requirement(path, base=project.base, editable=True)
            project.take(requirement, node, node.text)


def python(project: Project, table: Node) -> None:
    """Take the `requires-python` of a table."""
    node = table.get("requires-python")
    if node.value is not None:
        with project.reading.guard(project.at(node)):
            project.reading.add_python(specifier_set(node.text), project.at(node))


def dynamic(project: Project, table: Node, node: Node) -> bool:
    """Take a field of `[project]` that setuptools reads from files; False where it does not."""
    # Here, since few projects have their requirements in files.
    from reqparse.requirements_txt import RequirementsReader

    where = table.get("dynamic", node.text)
    files = where.get("file") if isinstance(where.value, dict) else where
    # setuptools reads versions and classifiers from files, too: these are no requirements.
    if node.text != "dependencies" or files.value is None:
        return False
    reader = RequirementsReader(project.reading)
    for file in [files] if isinstance(files.value, str) else files.items:
        with project.reading.guard(project.at(file)):
            location = join(project.base, file.text)
            reader.read(location, project.reading.load(location))
    return True


def others(project: Project, tool: Node, known: tuple[str, ...]) -> None:
    """Note where tables of other tools name packages; what else they say is theirs."""
    for name, table in tool.table.items():
        if name in known:
            continue
        for key, node in _naming(table):
            text = f"`{key}` of `[tool.{name}]` is not used: it is for that tool"
            project.reading.note(project.at(node), text)
        table.done = True


def _naming(table: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(table.value, list):
        for node in table.value:
            yield from _naming(node)
    elif isinstance(table.value, dict):
        for key, node in table.value.items():
            # Below a key that names packages is nothing but them, so that one note says it all.
            if not _NAMES.fullmatch(key):
                yield from _naming(node)
            elif not node.taken:
                yield key, node
