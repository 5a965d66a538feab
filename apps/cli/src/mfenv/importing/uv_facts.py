"""What requirements of uv's projects say, in whatever words: uv writes each in its own."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from posixpath import normpath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urldefrag, urlsplit

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from mfenv.python_statements import MARKER_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["PYTHONS", "Asked", "Section", "UvFacts", "holds_for", "plain_address"]

Section = tuple[str, str]
"""`dist` and nothing, `extra` and its name, or `group` and its name."""

Asked = dict[str, set[tuple[Any, ...]]]
"""What is asked of each name."""

Place = tuple[Any, ...]

# Markers are compared by where they hold, on each of these and of the platforms: uv simplifies what
# it writes.
PYTHONS = [f"3.{minor}" for minor in range(7, 16)]
# No platform of ours, but locks have markers that differ there alone.
_WINDOWS = {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows"}
_EXTRA = re.compile(r"""\bextra\s*==\s*['"]([^'"]+)['"]""")
_LOCAL = ("editable", "virtual", "directory", "path")
_KINDS = ("extra", "group")
_GIT = ("rev", "tag", "branch", "subdirectory")


@dataclass(frozen=True, slots=True, kw_only=True)
class UvFacts:
    """Reads what one project states and what its lock says of that, so that they compare.

    `sources` are those of uv by canonical name, `folders` says to which directory, as seen from the
    lock, the path of each is relative; `indexes` have URLs by name, `places` the directories of
    local packages.
    """

    sources: Mapping[str, Any]
    folders: Mapping[str, str]
    indexes: Mapping[str, str]
    places: Mapping[str, str]
    pythons: tuple[str, ...]

    def stated(self, texts: Iterable[tuple[str, str]], section: Section = ("dist", "")) -> Asked:
        """What requirements say, each with the Pythons that its group is for."""
        asked: Asked = defaultdict(set)
        for text, pythons in texts:
            try:
                requirement = Requirement(text)
            except InvalidRequirement:  # uv says so itself
                continue
            name = canonicalize_name(requirement.name)
            for source, marker in self._sources(name, requirement.url, section):
                place = self._place(name, source)
                if self._is_rest(name, place):
                    continue
                markers = [m for m in (str(requirement.marker or ""), marker) if m]
                fact = self._fact(requirement.extras, str(requirement.specifier), place)
                # A place that holds nowhere is not written down.
                if any(holds := self._truth(markers, section, pythons)):
                    asked[name].add((*fact, holds))
        return asked

    def locked(
        self, entries: Iterable[Mapping[str, Any]], section: Section
    ) -> dict[Section, Asked]:
        """What a lock says of them, by section: those of extras have it in their markers."""
        asked: dict[Section, Asked] = defaultdict(lambda: defaultdict(set))
        for entry in entries:
            marker = entry.get("marker", "")
            extra = _EXTRA.search(marker)
            own = ("extra", canonicalize_name(extra[1])) if extra else section
            name = canonicalize_name(entry["name"])
            place = _locked_place(entry)
            if self._is_rest(name, place):
                continue
            fact = self._fact(entry.get("extras", ()), entry.get("specifier", ""), place)
            if any(holds := self._truth([marker] if marker else [], own, "")):
                asked[own][name].add((*fact, holds))
        return asked

    def _sources(
        self, name: str, url: str | None, section: Section
    ) -> Iterator[tuple[Mapping[str, Any], str]]:
        """The sources of a requirement, each with its marker; where none is, any index's."""
        stated = self.sources.get(name, ())
        tables = [stated] if isinstance(stated, dict) else list(stated)
        tables = [t for t in tables if all(t.get(k, section[1]) == section[1] for k in _KINDS)]
        if url or not tables:
            yield ({"at": url} if url else {}), ""
            return
        for table in tables:
            yield table, table.get("marker", "")

    def _is_rest(self, name: str, place: Place) -> bool:
        """Whether a requirement is for where none of several sources is: uv makes its marker."""
        return not place and isinstance(self.sources.get(name), list)

    def _place(self, name: str, source: Mapping[str, Any]) -> Place:
        """Where a source of the project is; nothing for any index."""
        if source.get("workspace"):
            return ("local", self.places.get(name, name))
        if "index" in source:
            url = self.indexes.get(source["index"])
            return ("index", plain_address(url) if url else source["index"])
        if "path" in source:
            return ("local", normpath(f"{self.folders[name]}/{source['path']}"))
        if "git" in source:
            return _git(source["git"], source)
        if address := source.get("url") or source.get("at"):
            return _of_url(address)
        return ()

    def _fact(self, extras: Iterable[str], specifier: str, place: Place) -> tuple[Any, ...]:
        if place and place[0] != "index":
            # uv writes none for what has a place of its own.
            specifier = ""
        try:
            # These are alike where their versions are: 1 and 1.0.
            specifiers: frozenset[object] = frozenset(SpecifierSet(specifier))
        except InvalidSpecifier:
            specifiers = frozenset({specifier})
        return frozenset(map(canonicalize_name, extras)), specifiers, place

    def _truth(self, markers: Iterable[str], section: Section, pythons: str) -> tuple[bool, ...]:
        extra = section[1] if section[0] == "extra" else ""
        allowed = SpecifierSet(pythons)
        parts = [holds_for(marker, self.pythons, extra) for marker in markers]
        group = tuple(allowed.contains(f"{version}.0") for version in self.pythons)
        return tuple(
            all(holds) for holds in zip(*parts, group * (len(MARKER_VARIABLES) + 1), strict=True)
        )


def holds_for(marker: str, pythons: Iterable[str], extra: str = "") -> tuple[bool, ...]:
    """Where a marker holds, of all that markers usually tell apart."""
    parsed = Marker(marker)
    return tuple(
        parsed.evaluate({**place, **_python(version), "extra": extra})
        for place in (*MARKER_VARIABLES.values(), {**_WINDOWS, "platform_machine": "AMD64"})
        for version in pythons
    )


def _python(version: str) -> dict[str, str]:
    return {
        "python_version": version,
        "python_full_version": f"{version}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def _locked_place(entry: Mapping[str, Any]) -> Place:
    for kind in _LOCAL:
        if kind in entry:
            return ("local", normpath(entry[kind]))
    if "index" in entry:
        return ("index", plain_address(entry["index"]))
    if "git" in entry:
        address, _, query = urldefrag(entry["git"])[0].partition("?")
        return _git(address, dict(parse_qsl(query)))
    return _of_url(entry["url"]) if "url" in entry else ()


def _of_url(text: str) -> Place:
    """A URL as it stands in a requirement or a source."""
    address, fragment = urldefrag(text)
    if not address.startswith("git+"):
        return ("url", plain_address(address))
    parts = dict(parse_qsl(fragment))
    repository, at, reference = address.rpartition("@")
    # The `@` of a login is before the path.
    if not at or "/" not in repository.partition("://")[2]:
        return _git(address, parts)
    return _git(repository, {**parts, "rev": reference})


def _git(address: str, parts: Mapping[str, Any]) -> Place:
    place = plain_address(address.removeprefix("git+")).removesuffix(".git")
    return ("git", place, tuple((key, parts[key]) for key in _GIT if key in parts))


def plain_address(url: str) -> str:
    """A URL without its login, which no lock has."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
