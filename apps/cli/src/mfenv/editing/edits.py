"""What `mfenv add` and `mfenv remove` make of a file, in memory."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from packaging.utils import is_normalized_name

from envid.redaction import redact
from mfenv.editing.parts import check_whole
from mfenv.errors import InvalidRequest
from mfenv.lockfile.refusing import refuse_own
from mfenv.replacing import replace_file
from reqparse import ParseErrors, parse_file, parse_requirement
from reqparse.files import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mfenv.editing.listed import Listed, Requirements
    from mfenv.request import Request
    from reqparse import Requirement, RequirementSet

__all__ = ["Edit", "Edited", "Where", "edit"]

_EDITED = ("requirements.txt", "pyproject.toml", "environment.yml", "pixi.toml", "script")
# Whose packages are conda's where nothing else is said.
_CONDA = ("environment.yml", "pixi.toml")
_BOM = "\ufeff"
# Where a pyproject.toml has none, PyPI packages have a list in pixi's tables alone.
_PROJECT = re.compile(r"^[ \t]*\[[ \t]*project[ \t]*\]", re.MULTILINE)
_NEAR = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which list of a file is meant: that of a group, of an extra, else the main one."""

    group: str | None = None
    extra: str | None = None
    conda: bool | None = None
    """The packages are conda's, or PyPI's; None for those that such a file is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A requirement that came, went or changed; `place` is FILE:LINE, where it is or was."""

    place: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.place}: + {self.after}"
        if self.after is None:
            return f"{self.place}: - {self.before}"
        return f"{self.place}: ~ {self.before} -> {self.after}"

    def to_dict(self) -> dict[str, str | None]:
        return {"place": self.place, "before": self.before, "after": self.after}


@dataclass(frozen=True, kw_only=True)
class Edited:
    """A file as it was and as it is to be, of which nothing is written yet."""

    path: Path
    kind: str
    where: Where
    before: bytes
    after: bytes
    edits: tuple[Edit, ...]

    def request(self, request: Request, *, after: bool = True) -> Request:
        """`request` with what the file asks for as it is to be, or else as it was."""
        content = ((self.path, self.after if after else self.before),)
        if self.kind == "script":
            return request._replace(scripts=(self.path,), contents=content)
        if self.kind not in ("pyproject.toml", "pixi.toml"):
            return request._replace(files=(self.path,), contents=content)
        return request._replace(
            pyprojects=(self.path,),
            groups=(self.where.group,) if self.where.group else (),
            extras=(self.where.extra,) if self.where.extra else (),
            contents=content,
        )

    @property
    def only_removes(self) -> bool:
        """Whether requirements went, and none came."""
        return bool(self.edits) and all(edit.after is None for edit in self.edits)

    def write(self) -> None:
        """Write it. Raises `InvalidRequest` where that fails, or where it is another one by now."""
        if self.path.read_bytes() != self.before:
            raise InvalidRequest(
                f"`{self.path}` has changed meanwhile, and stays as it is", "do it again"
            )
        if self.after != self.before:
            replace_file(self.path, self.after)


def edit(
    path: Path,
    how: Literal["add", "remove"],
    packages: Sequence[str],
    where: Where,
    fetch: Callable[[str], bytes],
) -> Edited:
    """A file with requirements added, or changed where they are there, or with some removed.

    Requirements are written as they stand in `packages`; what is removed is said by name. `fetch`
    gets files that it includes by their URL. Raises
    `InvalidRequest` for what is not edited, and `reqparse.ParseErrors` for what cannot be read.
    """
    before = _read(path)
    editor = _Editor(path, before, where, fetch)
    data, edits = before, []
    for package in packages:
        data, made = (editor.add if how == "add" else editor.remove)(data, package)
        edits += [made] if made else []
    return Edited(
        path=path, kind=editor.kind, where=where, before=before, after=data, edits=tuple(edits)
    )


def _read(path: Path) -> bytes:
    refuse_own(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"cannot read `{path}`: {error.strerror}", "name a file") from None


class _Editor:
    def __init__(
        self, path: Path, data: bytes, where: Where, fetch: Callable[[str], bytes]
    ) -> None:
        self._path, self._where, self._fetch = path, where, fetch
        self.kind = kind = kind_of(str(path), data)
        self._file = redact(str(path))
        self._conda = kind in _CONDA if where.conda is None else where.conda
        self._mark = _BOM if data.startswith(_BOM.encode()) else ""
        if kind not in _EDITED:
            raise InvalidRequest(
                f"`{path}` is read as {kind}, which is not edited here",
                f"edit it by hand; edited are {', '.join(_EDITED)}",
            )
        if kind != "pyproject.toml" and (where.group or where.extra):
            raise InvalidRequest(
                "groups and extras are of a pyproject.toml", "leave out `--group` and `--extra`"
            )
        if kind == "script" and self._conda:
            raise InvalidRequest("the list of a script is PyPI's", "leave out `--conda`")
        if kind == "pyproject.toml" and self._conda and (where.group or where.extra):
            raise InvalidRequest("groups and extras are PyPI's", "leave out `--conda`")

    def add(self, data: bytes, package: str) -> tuple[bytes, Edit | None]:
        wanted = self._wanted(package)
        said, listed = self._open(data)
        same = self._named(said, listed, str(wanted.name))
        if not same:
            after = listed.append(package)
        elif same[0].requirement.text == wanted.text:
            return data, None
        else:
            # First, since some kinds of files have no words for what would be typed again.
            after = listed.replace(same[0], package)
            check_whole(same[0].requirement, wanted, same[0].place)
        new, there = self._checked(said, after, str(wanted.name))
        named = [entry for entry in there.listed if entry.requirement.name == wanted.name]
        if [entry.requirement.text for entry in named] != [wanted.text]:
            raise self._not_safe(package)
        before = same[0].requirement.original if same else None
        # What is typed may hold a login, which is for the file alone; what was read has none.
        return new, Edit(place=named[0].place, before=before, after=redact(package))

    def remove(self, data: bytes, package: str) -> tuple[bytes, Edit]:
        wanted = self._wanted(package)
        name = str(wanted.name)
        if wanted.text != name:
            raise InvalidRequest(f"`{package}` is more than a name", f"say `{name}`")
        try:
            said, listed = self._open(data)
        except InvalidRequest:
            # What has no list has not got it either.
            if any(requirement.name == name for requirement in self._parsed(data).requirements):
                raise
            raise self._absent(package, name, self._parsed(data), ()) from None
        same = self._named(said, listed, name)
        if not same:
            other = _other_list(data, self._file, name) if self.kind == "pyproject.toml" else ""
            raise self._absent(package, name, said, listed.listed, other)
        new, there = self._checked(said, listed.remove(same[0]), name)
        if any(entry.requirement.name == name for entry in there.listed):
            raise self._not_safe(package)
        original = same[0].requirement.original
        return new, Edit(place=same[0].place, before=original, after=None)

    def _wanted(self, package: str) -> Requirement:
        if len(package.splitlines()) != 1 or package.strip() != package:
            raise InvalidRequest(f"{package!r} is not one line", "name a package, as `numpy>=2`")
        wanted = parse_requirement(package, category="conda" if self._conda else "pypi")
        if wanted.name is None:
            raise InvalidRequest(f"`{package}` says no name", "write `NAME @ URL`")
        if wanted.hashes:
            raise InvalidRequest(
                f"`{package}` has a hash: files with hashes are compiled, not edited",
                "leave the hash out",
            )
        if wanted.category == "pypi" and not is_normalized_name(wanted.name):
            raise InvalidRequest(
                f"`{package}` is no name of a PyPI package", "names end with a letter or a digit"
            )
        if wanted.name == "python":
            raise InvalidRequest(
                "the version of Python is no package",
                "say it with `--python`, or by hand in the file",
            )
        return wanted

    def _open(self, data: bytes) -> tuple[RequirementSet, Requirements]:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InvalidRequest(f"`{self._path}` is not UTF-8", "save it as UTF-8") from None
        # First, since it says of every file what is wrong with it.
        said = self._parsed(data)
        group, extra = self._where.group, self._where.extra
        if self.kind == "requirements.txt":
            from mfenv.editing.requirements_txt import RequirementsText

            self._check_written(said)
            return said, RequirementsText(text, said, self._file, conda=self._conda)
        if self.kind == "environment.yml":
            from mfenv.editing.environment_yml import EnvironmentText

            return said, EnvironmentText(text, self._file, conda=self._conda)
        if self.kind == "script":
            from mfenv.editing.script import ScriptArray

            return said, ScriptArray(text, self._file)
        if table := self._pixi(text, said):
            return said, table
        from mfenv.editing.project import ProjectArray

        listed = ProjectArray(text, self._file, group=group, extra=extra)
        if (group or extra) and not listed.is_new:
            said = self._parsed(data, (group,) if group else (), (extra,) if extra else ())
        return said, listed

    def _pixi(self, text: str, said: RequirementSet) -> Requirements | None:
        """The table of pixi that is meant; None where that of the project is."""
        from mfenv.editing.pixi import PixiTable, has_pixi

        inside = self.kind == "pyproject.toml"
        if inside:
            known = has_pixi(text)
            if self._conda and not known:
                raise InvalidRequest(
                    "the lists of a pyproject.toml are PyPI's, but for those in `[tool.pixi]`",
                    "leave out `--conda`",
                )
            own = self._where.group or self._where.extra or _PROJECT.search(text)
            if not self._conda and (own or not known):
                return None
        return PixiTable(text, said, self._file, conda=self._conda, inside=inside)

    def _parsed(
        self, data: bytes, groups: tuple[str, ...] = (), extras: tuple[str, ...] = ()
    ) -> RequirementSet:
        return parse_file(
            self._path, kind=self.kind, data=data, fetch=self._fetch, groups=groups, extras=extras
        )

    def _check_written(self, said: RequirementSet) -> None:
        """Raise `InvalidRequest` for what another program wrote, and would write again."""
        own = [
            requirement
            for requirement in said.requirements
            if requirement.origin.file == self._file
        ]
        hashed = next((str(requirement.origin) for requirement in own if requirement.hashes), "")
        if said.compiled or hashed or said.require_hashes:
            reason = f"{hashed} has hashes" if hashed else f"`{self._path}` is compiled"
            raise InvalidRequest(
                f"{reason}: compiled files are not edited",
                "edit the file that it was made from, and compile that again",
            )

    def _named(self, said: RequirementSet, listed: Requirements, name: str) -> list[Listed]:
        """Those of a name in the list, at most one."""
        same = [entry for entry in listed.listed if entry.requirement.name == name]
        if len(same) > 1:
            places = ", ".join(f"{entry.place} `{entry.requirement.original}`" for entry in same)
            raise InvalidRequest(f"`{name}` is there more than once: {places}", "edit it by hand")
        # There other groups and extras may well have it, too.
        if same or self.kind == "pyproject.toml":
            return same
        for other in said.requirements:
            if other.name != name:
                continue
            if other.origin.file != self._file:
                raise InvalidRequest(
                    f"`{other.original}` stands in {other.origin}, which is included",
                    f"edit `{other.origin.file}` in place of `{self._file}`",
                )
            if (other.category == "pypi") != self._conda:
                raise InvalidRequest(
                    f"{other.origin}: `{other.original}` has no line of its own in a list",
                    "edit it by hand",
                )
            raise InvalidRequest(
                f"{other.origin}: `{name}` is asked of {'PyPI' if self._conda else 'conda'}",
                f"say `{'--pypi' if self._conda else '--conda'}`",
            )
        return same

    def _checked(self, said: RequirementSet, after: str, name: str) -> tuple[bytes, Requirements]:
        """An edited text, read again: it says of everything else what it said before."""
        data = (self._mark + after).encode()
        try:
            again, listed = self._open(data)
        except ParseErrors:
            raise self._not_safe(name) from None
        if _others(again, name) != _others(said, name):
            raise self._not_safe(name)
        for requirement in again.requirements:
            if requirement.name == name and requirement.platforms is not None:
                # By a selector beside it, or beside its list, which an edit would leave there.
                raise InvalidRequest(
                    f"{requirement.origin}: `{name}` is asked for on some platforms alone,"
                    f" {', '.join(requirement.platforms) or 'none known'}",
                    "edit it by hand",
                )
        unread = [entry for entry in listed.listed if entry.requirement.name == name]
        if unread and name not in {requirement.name for requirement in again.requirements}:
            # A tool's table may say that a project's own list is not meant.
            raise InvalidRequest(
                f"{unread[0].place}: what stands there is not asked for", "edit it by hand"
            )
        return data, listed

    def _not_safe(self, package: str) -> InvalidRequest:
        return InvalidRequest(
            f"`{self._path}` would not say what it should with an edit for `{package}`",
            "edit it by hand",
        )

    def _absent(
        self,
        package: str,
        name: str,
        said: RequirementSet,
        listed: Sequence[Listed],
        other: str = "",
    ) -> InvalidRequest:
        bound = next(
            (constraint for constraint in said.constraints if constraint.name == name), None
        )
        if bound:
            return InvalidRequest(
                f"`{package}` is only constrained, in {bound.origin}", "edit that by hand"
            )
        if other:
            return InvalidRequest(f"`{package}` is not in this list of `{self._path}`", other)
        names = {str(entry.requirement.name) for entry in listed}
        near = get_close_matches(name, names, n=1, cutoff=_NEAR)
        known = f"there is: {', '.join(sorted(names))}" if names else "the list is empty"
        return InvalidRequest(
            f"`{package}` is not in `{self._path}`", f"did you mean `{near[0]}`?" if near else known
        )


def _other_list(data: bytes, file: str, name: str) -> str:
    """How to say the list of a pyproject.toml that has a package; empty for none."""
    import tomlkit

    from mfenv.editing.project import ProjectArray

    text = data.decode("utf-8-sig")
    document = tomlkit.parse(text).unwrap()
    extras = document.get("project", {}).get("optional-dependencies", {})
    lists: list[tuple[str, str | None, str | None]] = [
        *(
            (f"say `--group {group}`", group, None)
            for group in document.get("dependency-groups", ())
        ),
        *((f"say `--extra {extra}`", None, extra) for extra in extras),
        ("leave out `--group` and `--extra`", None, None),
    ]
    for hint, group, extra in lists:
        with suppress(InvalidRequest):
            listed = ProjectArray(text, file, group=group, extra=extra).listed
            if any(entry.requirement.name == name for entry in listed):
                return hint
    return ""


def _others(said: RequirementSet, name: str) -> tuple[object, ...]:
    """All that is said but for the requirements of a name."""
    rest = tuple(requirement for requirement in said.requirements if requirement.name != name)
    return rest, replace(said, requirements=())
