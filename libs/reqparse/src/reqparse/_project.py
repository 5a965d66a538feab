"""What the tables of a pyproject.toml share: places, groups and extras, dependency tables."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from envid.redaction import redact
from reqparse._conda import pep440
from reqparse._conda_table import conda_dependency
from reqparse._flaw import Flaw
from reqparse._pypi import pep508_requirement, pypi_requirement
from reqparse._url import absolute, directory, is_url
from reqparse.model import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from reqparse._node import Node
    from reqparse._reading import Reading
    from reqparse.model import Requirement

# A chain of includes, each of which is a call, must not reach Python's limit of recursion.
_DEEPEST = 100
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_SCP = re.compile(r"(?:git\+)?([\w.-]+@[\w.-]+):(?!//|\d+/)(.+)")


class Project:
    """A file being read.

    Groups and extras are offered by several tables; those that were asked for are read at the
    end, and the others noted.
    """

    def __init__(self, reading: Reading, location: str) -> None:
        self.reading = reading
        self.file = redact(location)
        self.base = absolute(directory(location))
        self.groups: dict[str, list[Callable[[], object]]] = defaultdict(list)
        self.extras: dict[str, list[Callable[[], object]]] = defaultdict(list)
        self.offered: dict[str, list[Node]] = defaultdict(list)
        self.place: Callable[[Requirement], Iterable[Requirement]] = lambda requirement: [
            requirement
        ]
        """What `[tool.uv.sources]` makes of a requirement."""
        self.at_end: list[Callable[[], object]] = []
        """What is to be looked at when all was read."""

    def at(self, node: Node) -> Origin:
        return Origin(file=self.file, line=node.line)

    def offer(self, what: str, name: str, node: Node, take: Callable[[], object]) -> None:
        """Offer a `group` or an `extra`, to be read if it was asked for."""
        offers = self.groups if what == "group" else self.extras
        offers[name].append(take)
        self.offered[f"{what} `{name}`"].append(node)

    def read_offers(self) -> None:
        """Read the groups and extras that were asked for; what nobody offers is a problem."""
        for what, wanted, offers in (
            ("group", self.reading.groups, self.groups),
            ("extra", self.reading.extras, self.extras),
        ):
            asked = dict.fromkeys(normalise(name) for name in wanted)
            for name in asked:
                if name not in offers:
                    known = ", ".join(sorted(offers)) or "none"
                    self.reading.problem(
                        Origin(file=self.file), f"no {what} `{name}`", f"there is: {known}"
                    )
                with self.reading.scope(group=name):
                    for take in offers.get(name, ()):
                        take()
            for name in offers.keys() - asked.keys():
                nodes = self.offered[f"{what} `{name}`"]
                # An environment of pixi's may have read it already.
                if not all(node.taken for node in nodes):
                    self.reading.note(self.at(nodes[0]), f"{what} `{name}` not asked for")
                for node in nodes:
                    node.done = True

    def take_offers(self, name: str, group: str | None) -> bool:
        """Read the group and the extra of a name as part of another group; False without one."""
        offered = False
        for wanted, offers in (
            (self.reading.groups, self.groups),
            (self.reading.extras, self.extras),
        ):
            offered |= name in offers
            if name not in map(normalise, wanted):  # it is read anyway
                with self.reading.scope(group=group):
                    for take in offers.get(name, ()):
                        take()
        return offered

    def finish(self, root: Node) -> None:
        """Read what was asked for of the document's offers, and note all that nobody read."""
        self.read_offers()
        for close in self.at_end:
            close()
        for key, near, node in root.misspelt():
            hint = f"did you mean `{near}`?"
            self.reading.problem(self.at(node), f"there is no key `{key}`", hint)
            node.done = True
        self.reading.note_unread(root, self.file)
        # Tables are read in an order of their own; a person reads from the top.
        self.reading.notes.sort(key=lambda note: note.origin.line or 0)

    def unused(self, table: Node, reasons: Mapping[str, str]) -> None:
        """Note the entries of a table that are known and not used, each with its reason."""
        for key, reason in reasons.items():
            node = table.get(key)
            if not node.done and node.value not in (None, [], {}):
                self.reading.note(self.at(node), f"`{key}` is not used: {reason}")
                node.done = True

    def check_read(self, node: Node, name: str) -> None:
        """See that all of a dependency's table was read. Raises Flaw."""
        # Unlike a key at the top of a tool's table, which is noted: in a dependency it may be what
        # tells two packages apart.
        for path, inner in node.unread():
            raise Flaw(f"unknown key `{'.'.join(path)}` of `{name}`", line=inner.line)

    def pypi(self, node: Node) -> None:
        """Take a PEP 508 requirement."""
        with self.reading.guard(self.at(node)):
            self.take(pep508_requirement(node.text, base=self.base), node, node.text)

    def take(self, requirement: Requirement, node: Node, original: str) -> None:
        for placed in self.place(requirement):
            self.reading.add(replace(placed, origin=self.at(node), original=redact(original)))

    def conda(self, name: str, node: Node, *, constraint: bool = False) -> None:
        """Take a conda requirement, a version or a table as pixi and conda-lock write them."""
        with self.reading.guard(self.at(node)):
            requirement = conda_dependency(name, node, self.base)
            if requirement is None:
                text = f"`{name}` is not used: it is a package to be built from its source"
                self.reading.note(self.at(node), text)
                node.done = True
                return
            self.check_read(node, name)
            original = redact(f"{name} = {_shown(node)}")
            requirement = replace(requirement, origin=self.at(node), original=original)
            self.reading.add(requirement, constraint=constraint)
            # It is a package of conda's, and states the Python that all others are for.
            if (
                requirement.name == "python"
                and not constraint
                and (version := pep440(requirement.specifier))
            ):
                self.reading.add_python(version, self.at(node))

    def named(
        self, name: str, version: str, *, extras: Iterable[str] = (), marker: str | None = None
    ) -> Requirement:
        """The requirement of a name and a PEP 440 specifier. Raises Flaw."""
        if not _NAME.fullmatch(name):
            raise Flaw(f"`{name}` is not the name of a package")
        listed = ",".join(extras)
        text = name + (f"[{listed}]" if listed else "") + specifier_set(version)
        return pep508_requirement(text + (f"; {marker}" if marker else ""), base=self.base)

    def direct(
        self, name: str, node: Node, *, extras: Iterable[str] = (), marker: str | None = None
    ) -> Requirement | None:
        """The requirement that a table with `git`, `url`, `path` or `file` makes; None without."""
        table = node.table
        if "git" in table:
            target = _git_url(node)
        elif key := next((k for k in ("url", "path", "file") if k in table), None):
            target = table[key].text
            # Behind `@` only what looks like a path counts as a path, see `check_address`.
            if key != "url" and not is_url(target) and not re.match(r"[./\\]|\w:[/\\]", target):
                target = f"./{target}"
        else:
            return None
        if not _NAME.fullmatch(name):
            raise Flaw(f"`{name}` is not the name of a package")
        if subdirectory := node.opt("subdirectory"):
            target += f"#subdirectory={subdirectory}"
        self.unused(node, {"lfs": "files of Git LFS are fetched as git itself is set up to"})
        listed = ",".join(extras)
        text = f"{name}[{listed}] @ {target}" if listed else f"{name} @ {target}"
        # White space would end the URL, and what follows be read as something else.
        if any(c.isspace() for c in target):
            raise Flaw(f"`{redact(target)}` holds a space")
        requirement = pypi_requirement(text + (f" ; {marker}" if marker else ""), base=self.base)
        editable = [key for key in ("editable", "develop") if node.get(key).flag]
        return replace(requirement, editable=True) if editable else requirement


class Included:
    """The groups that are being read, one inside another, and those that were read."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._seen: set[str] = set()

    def enter(self, name: str) -> bool:
        """Begin to read a group; False where that was done. Raises Flaw where it lies too deep."""
        if name in self._seen:
            return False
        if len(self._path) >= _DEEPEST:
            raise Flaw(f"groups included one in another, more than {_DEEPEST}", "list them in one")
        self._seen.add(name)
        self._path.append(name)
        return True

    def leave(self) -> None:
        self._path.pop()

    def check(self, name: str, groups: Collection[str]) -> None:
        """See that a group can be included. Raises Flaw."""
        if name in self._path:
            cycle = " -> ".join([*self._path[self._path.index(name) :], name])
            raise Flaw(f"the group includes itself: {cycle}", "remove an include")
        if name not in groups:
            raise Flaw(f"no group `{name}`", f"there is: {', '.join(sorted(groups))}")


def normalise(name: str) -> str:
    """A name of a package, extra or group as PEP 503 and PEP 685 compare it."""
    return canonicalize_name(name)


def take_list(project: Project, listed: Node) -> None:
    """Take a list of PEP 508 requirements."""
    with project.reading.guard(project.at(listed)):
        for node in listed.items:
            project.pypi(node)


def specifier_set(text: str) -> str:
    """A PEP 440 specifier in canonical order. Raises Flaw."""
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        raise Flaw(f"`{text}` is not a version specifier", "write for example `>=3.10`") from None


def _git_url(node: Node) -> str:
    url = node.get("git").text
    # git's own short form is no URL, and `host:path` would be read as a host and its port.
    if scp := _SCP.fullmatch(url):
        url = f"ssh://{scp[1]}/{scp[2]}"
    if not url.startswith("git+"):
        url = f"git+{url}"
    revisions = [text for key in ("rev", "tag", "branch") if (text := node.opt(key))]
    if len(revisions) > 1:
        raise Flaw("more than one of `rev`, `tag` and `branch`", "keep one")
    return f"{url}@{revisions[0]}" if revisions else url


def _shown(node: Node) -> str:
    if isinstance(node.value, dict):
        return "{" + ", ".join(f"{k} = {_shown(v)}" for k, v in node.value.items()) + "}"
    return str(node.value)
