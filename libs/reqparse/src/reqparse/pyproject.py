"""pyproject.toml: the project's own dependencies and groups, and the tables of the tools.

Follows PEP 621 (`[project]`), PEP 735 (`[dependency-groups]`), and the documentation of uv,
poetry, pdm, flit, conda-lock and pixi for the parts of their tables that say dependencies.
A PEP 723 script's metadata and a pixi.toml have the same tables and are read here too.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from envid.redaction import redact
from reqparse import _conda_lock_table, _other_tools, _pixi_table, _poetry, _uv_table
from reqparse._flaw import Flaw
from reqparse._lines import decode
from reqparse._project import Included, Project, normalise, take_list
from reqparse._strange import check_file, check_keys
from reqparse._toml import load_toml
from reqparse.model import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._node import Node
    from reqparse._reading import Reading

__all__ = ["read", "read_pixi", "read_script", "script_blocks"]

_FIXED = "dependencies"
_METADATA = (
    *("authors", "classifiers", "description", "entry-points", "gui-scripts", "import-names"),
    *("import-namespaces", "keywords", "license", "license-files", "maintainers", "readme"),
    *("scripts", "urls", "version"),
)
_NAME = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
_OWN = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*\[([^\]]*)\](?!\s*@)")
_TABLES = ("project", "dependency-groups", "tool", "build-system")
_TOOLS = ("conda-lock", "flit", "pdm", "pixi", "poetry", "uv")


def read(reading: Reading, location: str, data: bytes) -> None:
    """Add what a pyproject.toml says to `reading`, with the groups and extras that it asks for."""
    check_file(location, data, "pyproject.toml")
    root = load_toml(decode(data, pep263=False))
    check_keys(root.table, _TABLES, "pyproject.toml", "`[project]` or a table of a tool")
    project = Project(reading, location)
    tool = root.get("tool")
    root.get("build-system").done = True  # the project itself is not installed
    # First: it says where each package that is taken from now on comes from (`Project.place`).
    _uv_table.read(project, tool.get("uv"))
    if _conda_lock_table.read(project, tool.get("conda-lock")):
        _skip(project, root)
    else:
        _other_tools.pdm(project, tool.get("pdm"))
        _Pep621(project, root).read()
        # After `[project]`, of whose dependencies it may say more.
        _poetry.read(project, tool.get("poetry"), root.get("project"))
        _other_tools.flit(project, tool.get("flit"))
    _pixi_table.read(project, tool.get("pixi"))
    _other_tools.others(project, tool, _TOOLS)
    project.finish(root)


def _skip(project: Project, root: Node) -> None:
    """Leave out what the project itself depends on."""
    text = "the project's own dependencies are not asked for"
    project.reading.note(project.at(root.get("tool", "conda-lock", "skip-non-conda-lock")), text)
    for node in (root.get("project"), root.get("dependency-groups")):
        node.done = True
    for name in ("flit", "pdm", "poetry"):
        root.get("tool", name).done = True


def read_pixi(reading: Reading, location: str, data: bytes) -> None:
    """Add what a pixi.toml says to `reading`."""
    project = Project(reading, location)
    root = load_toml(decode(data, pep263=False))
    _pixi_table.read(project, root)
    project.finish(root)


def read_script(reading: Reading, location: str, data: bytes) -> None:
    """Add what the inline metadata of a Python script (PEP 723) says to `reading`."""
    check_file(location, data, "script")
    text = decode(data).replace("\r\n", "\n")
    blocks = list(script_blocks(text))
    for number, line in enumerate(text.split("\n"), start=1):
        if (other := re.fullmatch(r"# /// (?!script$)([a-zA-Z0-9-]+)", line)) is not None:
            origin = Origin(file=redact(location), line=number)
            reading.note(origin, f"the block `{other[1]}` is not used: `script` is read")
    if not blocks:
        raise Flaw(
            "no `# /// script` block",
            'begin with `# /// script`, `# dependencies = ["NAME"]`, `# ///` (PEP 723)',
        )
    if len(blocks) > 1:
        raise Flaw("a second `# /// script` block", "keep one", blocks[1][0])
    start, content = blocks[0]
    # With as many empty lines in front, lines keep their numbers.
    root = load_toml("\n" * start + content)
    project = Project(reading, location)
    tool = root.get("tool")
    _uv_table.read(project, tool.get("uv"))
    _other_tools.python(project, root)
    take_list(project, root.get(_FIXED))
    _pixi_table.read(project, tool.get("pixi"))
    _other_tools.others(project, tool, ("uv", "pixi"))
    project.finish(root)


def script_blocks(text: str) -> Iterator[tuple[int, str]]:
    """The `script` blocks of a script (PEP 723): how many lines are before the TOML of each, and it.

    A block ends at the last `# ///` of the comment lines that follow its start. The regular
    expression in PEP 723 says the same, but takes quadratic time where no end comes.
    """
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        if lines[at] != "# /// script":
            at += 1
            continue
        stop = at + 1
        while stop < len(lines) and re.match(r"#(?: |$)", lines[stop]):
            stop += 1
        # The last one, by PEP 723: a comment inside of the block may look like its end.
        ends = [i for i in range(at + 1, stop) if lines[i] == "# ///"]
        if ends:
            yield at + 1, "\n".join(line[2:] for line in lines[at + 1 : ends[-1]])
        at = stop


class _Pep621:
    """`[project]` and `[dependency-groups]`."""

    def __init__(self, project: Project, root: Node) -> None:
        self._project = project
        self._table = root.get("project")
        self._groups: dict[str, Node] = {}
        self._extras: dict[str, Node] = {}
        self._root = root
        self._name = ""

    def read(self) -> None:
        project, reading = self._project, self._project.reading
        with reading.guard(project.at(self._table)):
            if name := self._table.opt("name"):
                reading.facts["name"] = name
                self._name = normalise(name)
            for key in _METADATA:
                self._table.get(key).done = True
            _other_tools.python(project, self._table)
            self._offer_extras()
            with reading.guard(project.at(self._table.get(_FIXED))):
                path = Included()
                for node in self._table.get(_FIXED).items:
                    self._item(node, path)
            for node in self._table.get("dynamic").items:
                self._dynamic(node)
        with reading.guard(project.at(self._root)):
            self._offer_groups()

    def _dynamic(self, node: Node) -> None:
        """Say what is to be found out by a build, unless a tool says where it is written."""
        if node.text not in (_FIXED, "optional-dependencies", "requires-python"):
            return
        tool = self._root.get("tool")
        if "dependencies" in tool.get("poetry").table or _other_tools.dynamic(
            self._project, tool.get("setuptools"), node
        ):
            return
        text = f"`{node.text}` is dynamic: only a build tells it"
        self._project.reading.note(self._project.at(node), text)
        # What pixi's tables ask for is not all of it either, but it is what pixi itself takes.
        if node.text == _FIXED and not tool.get("pixi").table:
            self._project.reading.facts["dynamic"] = self._project.at(node)

    def _offer_extras(self) -> None:
        optional = self._table.get("optional-dependencies").table
        self._extras = {normalise(key): node for key, node in optional.items()}
        for name, node in self._extras.items():
            self._project.offer("extra", name, node, partial(self._extra, name))

    def _extra(self, name: str, path: Included | None = None) -> None:
        """Take an extra once."""
        path = path or Included()
        if not path.enter(name):
            return
        for node in self._extras[name].items:
            self._item(node, path)
        path.leave()

    def _item(self, node: Node, path: Included) -> None:
        """Take a requirement; `thisproject[extra]` means what the extra lists, wherever it is."""
        # By PEP 621 alone `thisproject[extra]` would be a package of an index, which may be
        # somebody else's.
        own = _OWN.match(node.text)
        if not own or normalise(own[1]) != self._name:
            self._project.pypi(node)
            if (named := _NAME.match(node.text)) and normalise(named[1]) == self._name:
                text = f"`{node.text}` has the project's own name, and is asked for as a package"
                self._project.reading.note(self._project.at(node), text)
            return
        with self._project.reading.guard(self._project.at(node)):
            if node.text[own.end() :].strip():
                hint = "leave out what stands behind the extras"
                raise Flaw(f"`{node.text}` is on the project itself, in part", hint)
            for extra in map(normalise, map(str.strip, own[2].split(","))):
                if extra not in self._extras:
                    raise Flaw(f"no extra `{extra}`")
                self._extra(extra, path)

    def _offer_groups(self) -> None:
        for written, node in self._root.get("dependency-groups").table.items():
            name = normalise(written)
            if name in self._groups:
                self._project.reading.problem(
                    self._project.at(node), f"the group `{written}` is there twice", "rename one"
                )
            self._groups[name] = node
            self._project.offer("group", name, node, partial(self._group, name))

    def _group(self, name: str, path: Included | None = None) -> None:
        """Take a group and those it includes, each once."""
        path = path or Included()
        if not path.enter(name):
            return
        for node in self._groups[name].items:
            with self._project.reading.guard(self._project.at(node)):
                if isinstance(node.value, str):
                    # A path of its own, since extras are named apart from groups.
                    self._item(node, Included())
                    continue
                node.done = True
                other = normalise(node.get("include-group").text)
                if others := [key for key in node.table if key != "include-group"]:
                    reason = f"`{others[0]}` in a group's table"
                    raise Flaw(reason, "only `include-group` may be there")
                # Before `_group`, which passes over what it has read, and so would over a circle.
                path.check(other, self._groups)
                self._group(other, path)
        path.leave()
