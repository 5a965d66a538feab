"""A lock file read back, and checked against its own ids: each error says the line."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from envid.errors import EnvidError, InvalidDescription
from envid.ids import is_id
from envid.platforms import PLATFORMS
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec
from mfenv.errors import InvalidLock, InvalidRequest
from mfenv.lockfile.inputs import Inputs
from mfenv.lockfile.lines import KINDS, content_of, read_package
from mfenv.lockfile.model import (
    RESOLVED_AT,
    RESOLVED_BY,
    LockedEnv,
    LockFile,
    check_name,
)
from mfenv.lockfile.toml import Section, parse
from mfenv.lockfile.writing import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envid.packages import Package
    from mfenv.lockfile.lines import Place
    from mfenv.lockfile.toml import Document, TomlValue

__all__ = ["read"]

_OF_PLATFORMS = tuple((platform,) for platform in PLATFORMS)
_TABLES = ((), ("from",), ("asked",), ("requirements",))
_IDS = {"req_id": "what it asks for", "full_id": "its platforms"}
_FACTS = ("digest", "content", "packages", "python")
_UPGRADE = "upgrade mfenv, or have it locked by the version that reads it here"


def read(text: str, where: str = "mfenv.lock", *, forgiving: bool = False) -> LockFile:
    """The environments of a lock file that is called `where` in errors.

    Raises `InvalidLock` for what `mfenv lock` does not write, and for what does not match its ids.
    `forgiving`, it gives what can be made out in a file that was edited or merged, for the next
    lock to begin with: ids are not compared then.
    """
    return _Reader(parse(text, where, forgiving=forgiving), where, forgiving=forgiving).read()


class _Reader:
    def __init__(self, document: Document, where: str, *, forgiving: bool) -> None:
        self._document, self._where, self._forgiving = document, where, forgiving

    def read(self) -> LockFile:
        self._check_version()
        tables = self._tables()
        heads = {name: _Head(self, name, own[()]) for name, own in tables.items()}
        held = self._packages({name: set(head.pythons) for name, head in heads.items()})
        return LockFile(
            environments=tuple(
                self._environment(heads[name], own, held) for name, own in sorted(tables.items())
            )
        )

    def wrong(self, line: int, reason: str, hint: str | None = None) -> InvalidLock:
        """What is wrong in a line."""
        return InvalidLock(self._where, line, reason, hint)

    def pass_over(self, error: InvalidLock) -> None:
        """Raise an error, unless this reader forgives."""
        if not self._forgiving:
            raise error

    def _check_version(self) -> None:
        top = self._document[()]
        version = top.entries.get("version")
        number = version.value if version else None
        line = version.line if version else 1
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise self.wrong(line, "says no version of a lock file", "is it one of `mfenv lock`?")
        if number > VERSION:
            # Not even to lock again: what a newer version says there would be lost.
            raise self.wrong(line, f"is of version {number}, and {VERSION} is known", _UPGRADE)
        for name, entry in top.entries.items():
            if name != "version":
                self.pass_over(self.wrong(entry.line, f"there is no key `{name}`"))

    def _tables(self) -> dict[str, dict[tuple[str, ...], Section]]:
        """The tables of each environment by what they say of it; that of nothing is its head."""
        tables: dict[str, dict[tuple[str, ...], Section]] = defaultdict(dict)
        for path, section in self._document.items():
            if path in ((), ("packages",)):
                continue
            top, name, rest = path[0], path[1:2], path[2:]
            of_platform = rest[:1] == ("requirements",) and rest[1:] in _OF_PLATFORMS
            if top != "environment" or not name or not (rest in _TABLES or of_platform):
                shown = ".".join(path)
                self.pass_over(self.wrong(section.line, f"there is no table `{shown}`"))
                continue
            tables[name[0]][rest] = section
        for called, own in tables.items():
            first = min(section.line for section in own.values())
            try:
                check_name(called)
            except InvalidRequest as error:
                raise self.wrong(first, str(error), error.hint) from None
            if () not in own:
                self.pass_over(self.wrong(first, f"environment `{called}` has no ids"))
                own[()] = Section(line=first)
        return tables

    # packages

    def _packages(self, platforms: Mapping[str, set[str]]) -> dict[Place, list[Package]]:
        held: dict[Place, dict[tuple[str, str], tuple[int, Package]]] = defaultdict(dict)
        section = self._document.get(("packages",))
        if section is None:
            self.pass_over(self.wrong(0, "has no table `packages`"))
            section = Section(line=0)
        for kind, entry in section.entries.items():
            if kind not in KINDS:
                self.pass_over(self.wrong(entry.line, f"there is no kind `{kind}` of packages"))
                continue
            for row in self.rows(entry, kind):
                for place, package in self._places(kind, row, platforms):
                    name, on = place
                    known = held[place].get((kind, package.name))
                    if known:
                        reason = f"`{package.name}` is in environment `{name}` on {on} already, by"
                        self.pass_over(self.wrong(row.line, f"{reason} line {known[0]}"))
                    held[place][kind, package.name] = row.line, package
        return {
            place: [package for _, package in packages.values()] for place, packages in held.items()
        }

    def _places(
        self, kind: str, row: TomlValue, platforms: Mapping[str, set[str]]
    ) -> list[tuple[Place, Package]]:
        try:
            package, names, on = read_package(kind, row.value)
            chosen = self._chosen("in", names, set(platforms))
            there = set().union(*(platforms[name] for name in chosen))
            where = self._chosen("on", on, there)
        except EnvidError as error:
            self.pass_over(self.wrong(row.line, str(error)))
            return []
        return [((name, p), package) for name in chosen for p in sorted(platforms[name] & where)]

    def _chosen(self, key: str, said: Any, known: set[str]) -> set[str]:
        if said is None:
            return known
        if not isinstance(said, list) or not said or not all(isinstance(s, str) for s in said):
            raise InvalidDescription(key, "is not a list of names")
        unknown = [name for name in said if name not in known]
        if unknown and not self._forgiving:
            raise InvalidDescription(key, f"`{unknown[0]}` is not in this file")
        return known.intersection(said)

    # environments

    def _environment(
        self,
        head: _Head,
        own: Mapping[tuple[str, ...], Section],
        held: Mapping[Place, list[Package]],
    ) -> LockedEnv:
        spec = self._spec(head, own)
        chosen = {
            platform: (python, held.get((head.name, platform), []))
            for platform, python in head.pythons.items()
        }
        envs: tuple[ResolvedEnv, ...] = ()
        if chosen:
            try:
                envs = ResolvedEnv.co_resolve(
                    spec,
                    chosen,
                    resolved_by=RESOLVED_BY,
                    # Not when and by whom: two who lock the same would write different files.
                    resolved_at=RESOLVED_AT,
                    notes=head.notes,
                )
            except EnvidError as error:
                self.pass_over(self.wrong(head.line, str(error)))
        else:
            self.pass_over(self.wrong(head.line, f"environment `{head.name}` has no platform"))
        # Platforms whose packages are not in this file, but that were resolved together: the
        # `full_id` is over them as well.
        elsewhere = {p: digest for p, digest in head.digests.items() if p not in chosen}
        envs = tuple(
            replace(env, co_resolved=dict(sorted({**env.co_resolved, **elsewhere}.items())))
            for env in envs
        )
        if not self._forgiving:
            head.check(envs)
        made_from = own.get(("from",))
        inputs = None
        if made_from is not None:
            said = {key: self.plain(entry) for key, entry in made_from.entries.items()}
            lines = {key: entry.line for key, entry in made_from.entries.items()}
            try:
                inputs = Inputs.from_table(said)
            except InvalidDescription as error:
                self.pass_over(self.wrong(lines[error.path], str(error)))
        return LockedEnv(name=head.name, envs=envs, inputs=inputs)

    def _spec(self, head: _Head, own: Mapping[tuple[str, ...], Section]) -> EnvSpec:
        asked = own.get(("asked",), Section(line=head.line))
        data = {key: self.plain(entry) for key, entry in asked.entries.items()}
        options = data.get("options")
        if isinstance(options, dict):
            # What is None has no word in TOML, and is left out there.
            data["options"] = {"exclude_newer": None, "pypi_names": None, **options}
        requirements: dict[str, Any] = {}
        by_platform: dict[str, Any] = {}
        for path, section in own.items():
            if path[:1] == ("requirements",):
                texts = {key: self.plain(entry) for key, entry in section.entries.items()}
                if path[1:]:
                    by_platform[path[1]] = texts
                else:
                    requirements = texts
        data = {"base": None, **data}
        try:
            return EnvSpec.from_dict(
                {**data, "requirements": requirements, "platform_requirements": by_platform}
            )
        except EnvidError as error:
            self.pass_over(self.wrong(asked.line, f"environment `{head.name}`: {error}"))
            return EnvSpec.make(requirements={}, python="")

    # values

    def rows(self, entry: TomlValue, name: str) -> list[TomlValue]:
        """The entries of a list."""
        if entry.rows is None:
            self.pass_over(self.wrong(entry.line, f"`{name}` has no line for each entry"))
        return entry.rows or []

    def plain(self, entry: TomlValue) -> Any:
        """The value of a key, be it a list."""
        return entry.value if entry.rows is None else [row.value for row in entry.rows]


class _Head:
    """The ids of an environment, and what holds on each of its platforms."""

    def __init__(self, reader: _Reader, name: str, section: Section) -> None:
        self._reader, self.name, self.line = reader, name, section.line
        self._section = section
        self.pythons: dict[str, str] = {}
        self.digests: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._contents: dict[str, str] = {}
        self._noted: list[TomlValue] = []
        for key, entry in section.entries.items():
            if key in PLATFORMS:
                self._read_platform(key, entry)
            elif key == "notes":
                self._noted = reader.rows(entry, key)
            elif key not in _IDS:
                reader.pass_over(reader.wrong(entry.line, f"there is no key `{key}` or platform"))
        self.notes = self._notes()

    def _read_platform(self, platform: str, entry: TomlValue) -> None:
        facts = entry.value if isinstance(entry.value, dict) else {}
        digest, content, count, python = (facts.get(name) for name in _FACTS)
        # It was resolved together with these, and its packages are not in this file.
        elsewhere = facts.keys() == {"digest"}
        typed = isinstance(count, int) and isinstance(python, str) and isinstance(content, str)
        whole = typed and facts.keys() == {*_FACTS}
        if not isinstance(digest, str) or not is_id(digest) or not (elsewhere or whole):
            reason = f"`{platform}` does not say {', '.join(_FACTS)}"
            self._reader.pass_over(self._reader.wrong(entry.line, reason))
            # To lock again, its packages are to be known; no id is compared then.
            if isinstance(python, str):
                self.pythons[platform] = python
            return
        self.digests[platform] = digest
        if whole:
            self.pythons[platform], self._counts[platform] = str(python), int(count or 0)
            self._contents[platform] = str(content)

    def _notes(self) -> dict[str, list[str]]:
        notes: dict[str, list[str]] = {platform: [] for platform in self.pythons}
        for row in self._noted:
            said = row.value if isinstance(row.value, dict) else {}
            text, on = said.get("text"), said.get("on")
            fits = said.keys() <= {"text", "on"} and isinstance(text, str)
            if not fits or (on is not None and on not in notes):
                self._reader.pass_over(self._reader.wrong(row.line, "is no note"))
                continue
            for platform in notes if on is None else (on,):
                notes[platform].append(str(text))
        return notes

    def check(self, envs: tuple[ResolvedEnv, ...]) -> None:
        """Raise `InvalidLock` where content and ids differ, by the name of what differs."""
        who = f"environment `{self.name}`"
        for env in envs:
            platform, line = env.platform, self._section.entries[env.platform].line
            # The digest would tell as well, but not that lines were lost, as by a merge.
            count, meant = len(env.packages), self._counts[platform]
            if count != meant:
                reason = f"{who} has {count} packages on {platform}, and {meant} were locked"
                raise self._reader.wrong(line, reason)
            if env.co_resolved[platform] != self.digests[platform]:
                reason = f"{who} has other packages on {platform} than were locked"
                raise self._reader.wrong(line, f"{reason}: their digest differs")
            if content_of(env) != self._contents[platform]:
                reason = f"{who} does not say of its packages on {platform} what was locked"
                more = "a URL, a source, a size, a hash, a need or a note is another"
                raise self._reader.wrong(line, f"{reason}: {more}")
        for key, what in _IDS.items():
            entry = self._section.entries.get(key)
            if entry is None:
                raise self._reader.wrong(self.line, f"{who} has no {key}")
            if entry.value != getattr(envs[0], key):
                raise self._reader.wrong(entry.line, f"{who}: its {key} is not that of {what}")
