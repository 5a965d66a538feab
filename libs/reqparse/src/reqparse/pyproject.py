"""pyproject.toml: the project's own dependencies and groups, and the tables of the tools.

Follows PEP 621 (`[project]`), PEP 735 (`[dependency-groups]`), and the documentation of uv,
poetry, pdm, flit, conda-lock and pixi for the parts of their tables that say dependencies.
A PEP 723 script's metadata and a pixi.toml have the same tables and are read here too.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from reqparse import _conda_lock_table, _pixi_table, _poetry, _uv_table
from reqparse._flaw import Flaw
from reqparse._lines import decode
from reqparse._project import Project, normalise, specifier_set, take_list
from reqparse._toml import load_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._job import Job
    from reqparse._node import Node

__all__ = ["read", "read_pixi", "read_script"]

_FIXED = "dependencies"


def read(job: Job, location: str, data: bytes) -> None:
    """Read a pyproject.toml, with the groups and extras that the job asks for, into a job."""
    root = load_toml(decode(data, pep263=False))
    project = Project(job, location)
    tool = root.get("tool")
    _uv_table.read(project, tool.get("uv"))
    if not _conda_lock_table.read(project, tool.get("conda-lock")):
        _Pep621(project, root).read()
        _poetry.read(project, tool.get("poetry"), root.get("project"))
        _legacy(project, tool)
    _pixi_table.read(project, tool.get("pixi"))
    project.read_offers()


def read_pixi(job: Job, location: str, data: bytes) -> None:
    """Read a pixi.toml into a job."""
    project = Project(job, location)
    _pixi_table.read(project, load_toml(decode(data, pep263=False)))
    project.read_offers()


def read_script(job: Job, location: str, data: bytes) -> None:
    """Read the inline metadata of a Python script (PEP 723) into a job."""
    lines = decode(data).replace("\r\n", "\n").split("\n")
    blocks = list(_script_blocks(lines))
    if not blocks:
        raise Flaw("no `# /// script` block", "write one as PEP 723 says")
    if len(blocks) > 1:
        raise Flaw("a second `# /// script` block", "keep one", blocks[1][0])
    start, end = blocks[0]
    root = load_toml("\n" * start + "\n".join(line[2:] for line in lines[start:end]))
    project = Project(job, location)
    _uv_table.read(project, root.get("tool", "uv"))
    _python(project, root)
    for node in root.get(_FIXED).items:
        project.pypi(node)
    project.read_offers()


def _script_blocks(lines: list[str]) -> Iterator[tuple[int, int]]:
    """The first and last index of each block's content.

    A block ends at the last `# ///` of the comment lines that follow its start. The regular
    expression in PEP 723 says the same, but takes quadratic time where no end comes.
    """
    at = 0
    while at < len(lines):
        if lines[at] != "# /// script":
            at += 1
            continue
        stop = at + 1
        while stop < len(lines) and re.match(r"#(?: |$)", lines[stop]):
            stop += 1
        ends = [i for i in range(at + 1, stop) if lines[i] == "# ///"]
        if ends:
            yield at + 1, ends[-1]
        at = stop


def _python(project: Project, table: Node) -> None:
    """Take the `requires-python` of a table."""
    node = table.get("requires-python")
    if node.value is not None:
        with project.job.guard(project.at(node)):
            project.job.add_python(specifier_set(node.text), project.at(node))


class _Pep621:
    """`[project]` and `[dependency-groups]`."""

    def __init__(self, project: Project, root: Node) -> None:
        self._project = project
        self._table = root.get("project")
        self._groups: dict[str, Node] = {}
        self._root = root
        self._name = ""

    def read(self) -> None:
        project, job = self._project, self._project.job
        with job.guard(project.at(self._table)):
            if name := self._table.opt("name"):
                job.facts["name"] = name
                self._name = normalise(name)
            _python(project, self._table)
            for node in self._table.get(_FIXED).items:
                project.pypi(node)
            for node in self._table.get("dynamic").items:
                if node.text in (_FIXED, "optional-dependencies", "requires-python"):
                    job.note(project.at(node), f"`{node.text}` is dynamic: only a build tells it")
            self._offer_extras()
        with job.guard(project.at(self._root)):
            self._offer_groups()

    def _offer_extras(self) -> None:
        extras = {
            normalise(k): v for k, v in self._table.get("optional-dependencies").table.items()
        }
        for name, node in extras.items():
            self._project.offer("extra", name, node, partial(self._extra, name, extras, {}))

    def _extra(self, name: str, extras: dict[str, Node], seen: dict[str, None]) -> None:
        """Take an extra; in it, `thisproject[other]` means the other extra."""
        if name in seen:
            return
        seen[name] = None
        for node in extras[name].items:
            own = re.fullmatch(r"\s*([\w.-]+)\s*\[([^\]]*)\]\s*", node.text)
            if own and normalise(own[1]) == self._name:
                for other in map(normalise, map(str.strip, own[2].split(","))):
                    if other in extras:
                        self._extra(other, extras, seen)
                    else:
                        self._project.job.problem(self._project.at(node), f"no extra `{other}`")
            else:
                self._project.pypi(node)

    def _offer_groups(self) -> None:
        for written, node in self._root.get("dependency-groups").table.items():
            name = normalise(written)
            if name in self._groups:
                self._project.job.problem(
                    self._project.at(node), f"the group `{written}` is there twice", "rename one"
                )
            self._groups[name] = node
            self._project.offer("group", name, node, partial(self._group, name, (name,)))

    def _group(self, name: str, path: tuple[str, ...]) -> None:
        """Take a group and those it includes."""
        for node in self._groups[name].items:
            with self._project.job.guard(self._project.at(node)):
                if isinstance(node.value, str):
                    self._project.pypi(node)
                    continue
                other = normalise(node.get("include-group").text)
                if len(node.table) != 1:
                    raise Flaw("only `include-group` may be in a group's table")
                if other in path:
                    cycle = " -> ".join([*path[path.index(other) :], other])
                    raise Flaw(f"the group includes itself: {cycle}", "remove an include")
                if other not in self._groups:
                    raise Flaw(
                        f"no group `{other}`", f"there is: {', '.join(sorted(self._groups))}"
                    )
                self._group(other, (*path, other))


def _legacy(project: Project, tool: Node) -> None:
    """What flit and pdm had before PEP 621 and PEP 735."""
    metadata = tool.get("flit", "metadata")
    with project.job.guard(project.at(metadata)):
        _python(project, metadata)
        for node in metadata.get("requires").items:
            project.pypi(node)
        for what, table in (
            ("extra", metadata.get("requires-extra")),
            ("group", tool.get("pdm", "dev-dependencies")),
        ):
            for name, node in table.table.items():
                project.offer(what, normalise(name), node, partial(take_list, project, node))
