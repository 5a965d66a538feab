"""uv's workspaces: the projects of one repository that ask for each other by name.

Follows uv's documentation of workspaces: the root is the file with `[tool.uv.workspace]`, of the
project itself or of a directory above it; members are what its globs match and `exclude` does not;
its `[tool.uv.sources]` hold for the members, too, where they do not say otherwise.
"""

from __future__ import annotations

import glob
import os
import re
from typing import TYPE_CHECKING

from reqparse._flaw import Flaw
from reqparse._lines import decode
from reqparse._node import Node
from reqparse._project import normalise
from reqparse._pypi import both_markers, pep508_requirement
from reqparse._toml import load_toml
from reqparse._url import is_remote, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._project import Project

__all__ = ["Workspace"]

_FILE = "pyproject.toml"
_Asked = tuple[str, tuple[str, ...], tuple[str, ...]]
"""A member, its extras, and the markers that must hold all."""
_GLOB = re.compile(r"[*?\[]")


class Workspace:
    """The workspace that a project is in; `table` is the project's own `[tool.uv]`."""

    def __init__(self, project: Project, table: Node) -> None:
        self._project, self._base = project, project.base
        self._root, self._uv = self._find(table)
        self._files: dict[str, Node] = {}
        self._members: dict[str, str] | None = None

    def inherited(self) -> dict[str, Node]:
        """The sources of the root that hold for this project, which is a member of it."""
        # What lies below a workspace is a member only if its globs say so; its root may be a
        # directory that has nothing to do with it.
        if self._root in (None, self._base) or not self._holds(self._base):
            return {}
        return _sources(self._uv)

    def directory(self, name: str) -> str:
        """Where a member lies. Raises Flaw where there is no such member."""
        # Once, and only where somebody asks: globs over a large repository take their time.
        if self._members is None:
            self._members = self._listed()
        if place := self._members.get(normalise(name)):
            return place
        known = ", ".join(f"`{member}`" for member in sorted(self._members)) or "none"
        raise Flaw(
            f"no member `{name}` of the workspace, from which it is to come",
            f"add its directory to `members` of `[tool.uv.workspace]`; there is: {known}",
        )

    def needed(
        self, name: str, extras: tuple[str, ...], marker: str | None
    ) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
        """The members that a member asks for, and those that these ask for, with their markers.

        Who builds a member does not read its sources: asked for by name alone, such a package
        would come from an index.
        """
        start = (normalise(name), extras, (marker,) if marker else ())
        seen: list[_Asked] = [start]
        left: list[_Asked] = [start]
        while left:
            for asked in self._asked(*left.pop()):
                # Where fewer markers hold, it is there already; so members in a circle end.
                if not any(_says(known, asked) for known in seen):
                    seen.append(asked)
                    left.append(asked)
                    member, wanted, markers = asked
                    yield member, wanted, _joined(markers)

    def _asked(
        self, name: str, extras: tuple[str, ...], markers: tuple[str, ...]
    ) -> Iterator[_Asked]:
        place = self.directory(name)
        root = self._read(place)
        table = root.get("project")
        # What a member says itself goes before what the root says for all.
        sources = {**_sources(self._uv), **_sources(root.get("tool", "uv"))}
        optional = {normalise(k): v for k, v in table.get("optional-dependencies").table.items()}
        lists = [table.get("dependencies"), *(optional[e] for e in extras if e in optional)]
        for text in (text for listed in lists for text in listed.texts()):
            needed = pep508_requirement(text, base=place)
            source = sources.get(needed.name or "")
            if source is None or needed.url:
                continue
            entries = source.each
            for entry in entries:
                # Only who builds that member reads its sources; here it is asked for by name, from
                # an index.
                if not entry.get("workspace").flag:
                    note = f"the source of `{needed.name}`, which the member `{name}` has"
                    self._project.reading.note(
                        self._project.at(Node(None, 1)), f"{note}, is not used: name it here, too"
                    )
                    continue
                more = (needed.marker, both_markers(None, entry.opt("marker")))
                held = dict.fromkeys((*markers, *filter(None, more)))
                wanted = tuple(sorted(map(normalise, needed.extras)))
                yield needed.name or "", wanted, tuple(held)

    def _find(self, table: Node) -> tuple[str | None, Node]:
        """The directory of the root and its `[tool.uv]`."""
        if table.get("workspace").value is not None:
            return self._base, table
        if is_remote(self._base):
            return None, Node(None, 1)
        above = os.path.dirname(self._base)  # noqa: PTH120 - paths stay strings here
        while True:
            if os.path.isfile(join(above, _FILE)):  # noqa: PTH113 - as above
                try:
                    uv = self._load(above).get("tool", "uv")
                    if uv.get("workspace").value is not None:
                        return above, uv
                except Flaw:
                    pass  # a file that nobody named, and that is no root of a workspace
            if (parent := os.path.dirname(above)) == above:  # noqa: PTH120 - as above
                return None, Node(None, 1)
            above = parent

    def _listed(self) -> dict[str, str]:
        if is_remote(self._base):
            raise Flaw("the members of a workspace lie beside a file, and this one is at a URL")
        if self._root is None or not self._holds(self._base):
            raise Flaw(
                "the project is in no workspace, from which a package is to come",
                "`[tool.uv.workspace]` of its own file or of one above it lists the members",
            )
        members: dict[str, str] = {}
        # Globs match what is no project as well, such as a directory of documentation.
        for place in (self._root, *self._places()):
            if not os.path.isfile(join(place, _FILE)):  # noqa: PTH113 - as above
                continue
            name = self._read(place).get("project").opt("name")
            if name is None:
                continue
            if members.setdefault(normalise(name), place) != place:
                raise Flaw(f"two members of the workspace are called `{name}`", "rename one")
        return members

    def _holds(self, place: str) -> bool:
        return place == self._root or place in self._places()

    def _places(self) -> list[str]:
        """The directories of the members, without the root's."""
        workspace = self._uv.get("workspace")
        left_out = set(self._matches(workspace.get("exclude")))
        return [place for place in self._matches(workspace.get("members")) if place not in left_out]

    def _matches(self, patterns: Node) -> list[str]:
        root = self._root or ""
        # A member that two globs match is one.
        matched: dict[str, None] = {}
        for pattern in patterns.texts():
            # A name with no glob in it is taken as it is, whatever characters it has.
            plain = not _GLOB.search(pattern)
            matches = [pattern] if plain else glob.glob(pattern, root_dir=root, recursive=True)  # noqa: PTH207 - as above
            matched.update(dict.fromkeys(join(root, place) for place in sorted(matches)))
        return list(matched)

    def _read(self, place: str) -> Node:
        if place not in self._files:
            self._files[place] = self._load(place)
        return self._files[place]

    def _load(self, place: str) -> Node:
        file = join(place, _FILE)
        try:
            return load_toml(decode(self._project.reading.load(file), pep263=False))
        except Flaw as flaw:
            raise Flaw(f"`{file}`: {flaw.message}", flaw.hint) from None


def _sources(uv: Node) -> dict[str, Node]:
    return {normalise(name): node for name, node in uv.get("sources").table.items()}


def _says(known: _Asked, asked: _Asked) -> bool:
    return known[:2] == asked[:2] and set(known[2]) <= set(asked[2])


def _joined(markers: tuple[str, ...]) -> str | None:
    joined: str | None = None
    for marker in markers:
        joined = both_markers(joined, marker)
    return joined
