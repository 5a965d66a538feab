"""What the tables of a pyproject.toml share: places, groups and extras, dependency tables."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from envid.redaction import redact
from reqparse._conda import conda_requirement, pep440
from reqparse._flaw import Flaw
from reqparse._pypi import pep508_requirement, pypi_requirement
from reqparse._url import absolute, directory
from reqparse.model import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reqparse._job import Job
    from reqparse._node import Node
    from reqparse.model import Requirement

_SCP = re.compile(r"(?:git\+)?([\w.-]+@[\w.-]+):(?!//|\d+/)(.+)")


class Project:
    """One file being read.

    Groups and extras are offered by several tables; those that were asked for are read at the
    end, and the others noted.
    """

    def __init__(self, job: Job, location: str) -> None:
        self.job = job
        self.file = redact(location)
        self.base = absolute(directory(location))
        self.groups: dict[str, list[Callable[[], object]]] = defaultdict(list)
        self.extras: dict[str, list[Callable[[], object]]] = defaultdict(list)
        self.lines: dict[str, int] = {}
        self.place: Callable[[Requirement], Iterable[Requirement]] = lambda found: [found]
        """What `[tool.uv.sources]` makes of a requirement."""

    def at(self, node: Node) -> Origin:
        return Origin(file=self.file, line=node.line)

    def offer(self, what: str, name: str, node: Node, take: Callable[[], object]) -> None:
        """Offer a `group` or an `extra`, to be read if it was asked for."""
        offers = self.groups if what == "group" else self.extras
        offers[name].append(take)
        self.lines.setdefault(f"{what} `{name}`", node.line)

    def read_offers(self) -> None:
        """Read the groups and extras that were asked for; one that nobody offers is a problem."""
        for what, wanted, offers in (
            ("group", self.job.groups, self.groups),
            ("extra", self.job.extras, self.extras),
        ):
            asked = dict.fromkeys(normalise(name) for name in wanted)
            for name in asked:
                if name not in offers:
                    known = ", ".join(sorted(offers)) or "none"
                    self.job.problem(
                        Origin(file=self.file), f"no {what} `{name}`", f"there is: {known}"
                    )
                with self.job.scope(group=name):
                    for take in offers.get(name, ()):
                        take()
            for name in offers.keys() - asked.keys():
                line = self.lines[f"{what} `{name}`"]
                self.job.note(Origin(file=self.file, line=line), f"{what} `{name}` not asked for")
        self.job.notes.sort(key=lambda note: note.origin.line or 0)

    def pypi(self, node: Node) -> None:
        """Take a PEP 508 requirement."""
        with self.job.guard(self.at(node)):
            self.take(pep508_requirement(node.text, base=self.base), node, node.text)

    def take(self, found: Requirement, node: Node, original: str) -> None:
        for placed in self.place(found):
            self.job.add(replace(placed, origin=self.at(node), original=redact(original)))

    def conda(self, name: str, node: Node) -> None:
        """Take a conda requirement, a version or a table as pixi and conda-lock write them."""
        with self.job.guard(self.at(node)):
            found = conda_requirement(conda_text(name, node), base=self.base)
            self.take(found, node, f"{name} = {_shown(node)}")
            if found.name == "python" and (version := pep440(found.specifier)):
                self.job.add_python(version, self.at(node))

    def direct(
        self, name: str, node: Node, *, extras: Iterable[str] = (), marker: str | None = None
    ) -> Requirement | None:
        """The requirement that a table with `git`, `url`, `path` or `file` makes; None without."""
        table = node.table
        if "git" in table:
            target = _git_url(node)
        elif key := next((k for k in ("url", "path", "file") if k in table), None):
            target = table[key].text
        else:
            return None
        if subdirectory := node.opt("subdirectory"):
            target += f"#subdirectory={subdirectory}"
        listed = ",".join(extras)
        text = f"{name}[{listed}] @ {target}" if listed else f"{name} @ {target}"
        if any(c.isspace() for c in target):
            raise Flaw(f"`{redact(target)}` holds a space")
        found = pypi_requirement(text + (f" ; {marker}" if marker else ""), base=self.base)
        editable = node.get("editable").value is True or node.get("develop").value is True
        return replace(found, editable=True) if editable else found


def normalise(name: str) -> str:
    """A name of a package, extra or group as PEP 503 and PEP 685 compare it."""
    return canonicalize_name(name)


def take_list(project: Project, listed: Node) -> None:
    """Take a list of PEP 508 requirements."""
    with project.job.guard(project.at(listed)):
        for node in listed.items:
            project.pypi(node)


def specifier_set(text: str) -> str:
    """A PEP 440 specifier in canonical order. Raises Flaw."""
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        raise Flaw(f"`{text}` is not a version specifier", "write for example `>=3.10`") from None


def conda_text(name: str, node: Node) -> str:
    """The MatchSpec of a dependency's name and its version or table. Raises Flaw."""
    if isinstance(node.value, str):
        return name if node.value in ("", "*") else f"{name} {node.value}"
    unknown = [k for k in ("git", "path") if k in node.table]
    if unknown:
        raise Flaw(f"conda package `{name}` from a source directory or repository", "name a build")
    keys = {k.replace("-", "_"): v for k, v in node.table.items() if k not in _NOT_CONDA}
    if "url" in keys and set(keys) <= {"url", "sha256", "md5"}:
        return keys["url"].text
    inside = ",".join(f'{k}="{v.text}"' for k, v in keys.items() if v.text != "*")
    return f"{name}[{inside}]" if inside else name


_NOT_CONDA = ("source", "optional", "category", "extras", "manager")


def _git_url(node: Node) -> str:
    url = node.get("git").text
    if found := _SCP.fullmatch(url):
        url = f"ssh://{found[1]}/{found[2]}"
    if not url.startswith("git+"):
        url = f"git+{url}"
    revision = node.opt("rev") or node.opt("tag") or node.opt("branch")
    return f"{url}@{revision}" if revision else url


def _shown(node: Node) -> str:
    if isinstance(node.value, dict):
        return "{" + ", ".join(f"{k} = {_shown(v)}" for k, v in node.value.items()) + "}"
    return str(node.value)
