"""Whether a uv.lock is of the projects beside it as they are now: uv writes down what it asked for."""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from glob import glob
from posixpath import normpath
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mfenv.importing.findings import StaleFinding
from mfenv.importing.uv_facts import PYTHONS, Asked, Section, UvFacts
from mfenv.importing.uv_manifests import differences

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["built_by_uv", "stale_project"]

# From this revision on a uv.lock has the groups that are there by default.
_HAS_DEFAULTS = 5
_BUILT = {
    "no-binary": "uv builds {} from source (`no-binary`); here a wheel of the lock is taken",
    "no-build": "uv builds nothing of {} (`no-build`); here what has no wheel is built",
}
_DYNAMIC = {"dist": "dependencies", "extra": "optional-dependencies"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Project:
    """A project that a lock is of: where it is, what it states, what the lock says of it."""

    file: Path
    folder: str
    stated: Mapping[str, Any]
    package: Mapping[str, Any]

    @property
    def uv(self) -> Mapping[str, Any]:
        return uv_table(self.stated)


def stale_project(lock: Path, project: Path) -> Iterator[StaleFinding]:
    """What the projects of a uv.lock ask for otherwise than it says that they do, a line for each."""
    try:
        locked, stated = _read(lock), _with_settings(project)
        projects, untold = _projects(lock, locked, stated)
    except (OSError, ValueError) as error:
        yield StaleFinding.untold(lock, project, error)
        return
    yield from (StaleFinding.untold(lock, project, text) for text in untold)
    yield from map(StaleFinding, _differences(lock, project, locked, stated, projects))


def _differences(
    lock: Path,
    project: Path,
    locked: Mapping[str, Any],
    stated: Mapping[str, Any],
    projects: list[_Project],
) -> Iterator[str]:
    root = next((p for p in projects if p.folder == "."), None)
    if root is None:  # a workspace of which the top is no project
        manifest = locked.get("manifest", {})
        package = {
            "metadata": {
                "requires-dist": manifest.get("requirements", ()),
                "requires-dev": manifest.get("dependency-groups", {}),
            }
        }
        root = _Project(file=project, folder=".", stated=stated, package=package)
        projects.append(root)
    names = {p.get("name"): _folder(p) or "" for p in locked.get("package", ())}
    places = {name: folder for name, folder in names.items() if folder}
    members = set(locked.get("manifest", {}).get("members", ()))
    within = [p for p in projects if p is root or p.package.get("name") in members]
    pythons = str(locked.get("requires-python", ""))
    for own in projects:
        facts = _facts(own, root if own in within else own, places, pythons)
        yield from (
            f"{own.file}: {text} is not what `{lock}` was made for" for text in _of(own, facts)
        )
    yield from _pythons(lock, project, within, pythons)
    facts = _facts(root, root, places, pythons)
    for text in differences(
        [(p.package.get("name", ""), p.uv) for p in within], root.uv, locked, facts
    ):
        yield f"{project}: {text} is not what `{lock}` was made for"
    if _members(project.parent, stated) != {places[name] for name in members & places.keys()}:
        yield f"{project}: `workspace` is not what `{lock}` was made for"
    if locked.get("revision", 0) >= _HAS_DEFAULTS and _defaults(root.uv) != _defaults(root.package):
        yield f"{project}: `default-groups` is not what `{lock}` was made for"


def _members(top: Path, stated: Mapping[str, Any]) -> set[str]:
    """The folders of a workspace's members, as its globs find them; none where it is no workspace."""
    workspace = uv_table(stated).get("workspace")
    if workspace is None:
        return set()

    def places_of(key: str) -> set[str]:
        patterns = workspace.get(key, ())
        return {
            normpath(place)
            for pattern in patterns
            for place in glob(pattern, root_dir=top, recursive=True)  # noqa: PTH207 - it may lead up
        }

    matched = places_of("members") - places_of("exclude")
    files = {place: top / place / "pyproject.toml" for place in matched - {"."}}
    members = {
        place
        for place, file in files.items()
        if file.is_file() and uv_table(_read(file)).get("managed") is not False
    }
    # Of a project by itself uv writes none.
    return members | {"."} if members and "project" in stated else members


def built_by_uv(project: Path) -> Iterator[str]:
    """A note on settings by which uv builds a package from source, or takes none that is built."""
    try:
        uv = _with_settings(project).get("tool", {}).get("uv", {})
    except (OSError, ValueError):  # told where staleness is
        return
    for key, told in _BUILT.items():
        names = ", ".join(f"`{name}`" for name in uv.get(f"{key}-package", ()))
        if whom := "every package" if uv.get(key) is True else names:
            yield f"{project}: {told.format(whom)}"


def uv_table(stated: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a pyproject.toml says to uv."""
    table: Mapping[str, Any] = stated.get("tool", {}).get("uv", {})
    return table


def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8-sig"))


def _with_settings(project: Path) -> dict[str, Any]:
    """A pyproject.toml; a uv.toml beside it goes before the settings in it.

    Of a script, what its metadata (PEP 723) says, as a project would say it.
    """
    if project.suffix == ".py":
        from reqparse.pyproject import script_blocks

        blocks = script_blocks(project.read_text(encoding="utf-8-sig"))
        said = tomllib.loads("\n".join(content for _, content in blocks))
        return {"project": said, "tool": said.pop("tool", {})}
    stated = _read(project)
    file = project.with_name("uv.toml")
    if file.is_file():
        tool = stated.get("tool", {})
        stated["tool"] = {**tool, "uv": {**tool.get("uv", {}), **_read(file)}}
    return stated


def _folder(package: Mapping[str, Any]) -> str | None:
    source = package.get("source", {})
    kinds = ("editable", "virtual", "directory")
    return next((normpath(source[kind]) for kind in kinds if kind in source), None)


def _projects(
    lock: Path, locked: Mapping[str, Any], stated: Mapping[str, Any]
) -> tuple[list[_Project], list[str]]:
    """All that a lock has as directories and that says what it asks for, and what does not."""
    projects, untold = [], []
    for package in locked.get("package", ()):
        folder = _folder(package)
        if folder is None:
            continue
        file = lock.parent / folder / "pyproject.toml"
        own = stated if folder == "." else _read(file) if file.is_file() else {}
        if "project" in own:
            projects.append(_Project(file=file, folder=folder, stated=own, package=package))
        # A directory without `[project]`, such as one with a setup.py, is built as one whose
        # dependencies are `dynamic`.
        if "dependencies" in own.get("project", {"dynamic": ["dependencies"]}).get("dynamic", ()):
            untold.append(f"what `{file.parent}` asks for is known where it is built")
    return projects, untold


def _facts(own: _Project, root: _Project, places: Mapping[str, str], pythons: str) -> UvFacts:
    sources = {**root.uv.get("sources", {}), **own.uv.get("sources", {})}
    listed = [*root.uv.get("index", ()), *own.uv.get("index", ())]
    allowed = SpecifierSet(pythons)
    return UvFacts(
        sources={canonicalize_name(name): source for name, source in sources.items()},
        # A source that a workspace hands down is relative to its top.
        folders={
            canonicalize_name(name): own.folder if name in own.uv.get("sources", {}) else "."
            for name in sources
        },
        indexes={index["name"]: index["url"] for index in listed if "name" in index},
        places=places,
        pythons=tuple(v for v in PYTHONS if any(allowed.contains(f"{v}.{p}") for p in range(30))),
    )


def _of(own: _Project, facts: UvFacts) -> Iterator[str]:
    """What of a project is not as its lock says."""
    table = own.stated.get("project", {})
    dynamic = table.get("dynamic", ())
    if own.package.get("name", "") != canonicalize_name(table.get("name", "")):
        yield f'`name = "{table.get("name", "")}"`'
    if not _same_version(table.get("version"), own.package.get("version"), "version" in dynamic):
        yield f'`version = "{table.get("version", "")}"`'
    now, then = _of_project(own, facts), _of_lock(own, facts)
    for section in sorted({*now, *then}):
        # What is dynamic is known where it is built.
        if _DYNAMIC.get(section[0]) in dynamic:
            continue
        what = " ".join(filter(None, section)).replace("dist", "the project")
        for name in sorted(now[section].keys() | then[section].keys()):
            if now[section].get(name) != then[section].get(name):
                yield f"what {what} asks of `{name}`"


def _same_version(stated: str | None, locked: str | None, dynamic: bool) -> bool:
    if dynamic or stated is None or locked is None:
        # Only what is stated and not locked differs: what is dynamic, the lock need not say.
        return dynamic or stated is None or locked is not None
    try:
        return Version(stated) == Version(locked)
    except InvalidVersion:
        return stated == locked


def _of_project(own: _Project, facts: UvFacts) -> dict[Section, Asked]:
    table = own.stated.get("project", {})
    sections: dict[Section, list[tuple[str, str]]] = {
        ("dist", ""): [(text, "") for text in table.get("dependencies", ())]
    }
    for extra, texts in table.get("optional-dependencies", {}).items():
        sections["extra", canonicalize_name(extra)] = [(text, "") for text in texts]
    groups: dict[str, Any] = {
        str(canonicalize_name(k)): v for k, v in own.stated.get("dependency-groups", {}).items()
    }
    pythons: dict[str, str] = {
        str(canonicalize_name(k)): v.get("requires-python", "")
        for k, v in own.uv.get("dependency-groups", {}).items()
    }
    for group in groups:
        sections["group", group] = list(_of_group(group, groups, pythons))
    # uv's own from before there were groups (PEP 735); it adds them to that of this name.
    if legacy := own.uv.get("dev-dependencies"):
        sections["group", "dev"] = [
            *sections.get(("group", "dev"), ()),
            *((text, pythons.get("dev", "")) for text in legacy),
        ]
    asked: dict[Section, Asked] = defaultdict(dict)
    return asked | {section: facts.stated(texts, section) for section, texts in sections.items()}


def _of_group(
    group: str, groups: Mapping[str, Any], pythons: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """The requirements of a dependency group (PEP 735), with the Pythons that uv has them for."""
    # Each group once for the Pythons that it is reached with: so a circle ends, which is uv's to
    # refuse, and groups that include each other twice are not read a million times.
    seen: set[tuple[str, frozenset[str]]] = set()
    left: list[tuple[str, tuple[str, ...]]] = [(group, ())]
    while left:
        name, outer = left.pop()
        held = tuple(dict.fromkeys(filter(None, (*outer, pythons.get(name, "")))))
        if (name, frozenset(held)) in seen:
            continue
        seen.add((name, frozenset(held)))
        for entry in groups.get(name, ()):
            if isinstance(entry, str):
                yield entry, ",".join(held)
            else:
                left.append((canonicalize_name(entry.get("include-group", "")), held))


def _of_lock(own: _Project, facts: UvFacts) -> dict[Section, Asked]:
    metadata = own.package.get("metadata", {})
    asked: dict[Section, Asked] = defaultdict(dict)
    asked |= facts.locked(metadata.get("requires-dist", ()), ("dist", ""))
    for group, entries in metadata.get("requires-dev", {}).items():
        asked |= facts.locked(entries, ("group", group))
    return asked


def _defaults(table: Mapping[str, Any]) -> str | list[str]:
    stated: str | list[str] = table.get("default-groups", ["dev"])
    return stated if isinstance(stated, str) else sorted(map(canonicalize_name, stated))


def _pythons(lock: Path, file: Path, projects: list[_Project], locked: str) -> Iterator[str]:
    """A line where the Pythons that all of a workspace's projects allow are others."""
    texts = [str(p.stated.get("project", {}).get("requires-python", "")) for p in projects]
    allowed = ",".join(dict.fromkeys(filter(None, texts)))
    if allowed and not _same_pythons(allowed, locked):
        yield f'{file}: `requires-python = "{allowed}"` is not what `{lock}` was made for'


def _same_pythons(stated: str, locked: str) -> bool:
    try:
        ours, theirs = SpecifierSet(stated), SpecifierSet(locked)
    except InvalidSpecifier:
        return stated == locked
    # By trying all: two specifiers may mean the same in other words.
    releases = [f"{version}.{patch}" for version in PYTHONS for patch in range(30)]
    return [ours.contains(r) for r in releases] == [theirs.contains(r) for r in releases]
