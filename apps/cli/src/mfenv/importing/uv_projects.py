"""Whether a uv.lock is of the project beside it as that is now: uv writes down what it asked for."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from mfenv.python_statements import MARKERS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["stale_project"]

_WINDOWS = {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows"}
_PYTHONS = [f"3.{minor}" for minor in range(7, 16)]
_EXTRA = re.compile(r"""\bextra\s*==\s*['"]([^'"]+)['"]""")

Section = tuple[str, str]
"""`dist` and nothing, `extra` and its name, or `group` and its name."""


def stale_project(lock: Path, project: Path) -> Iterator[str]:
    """What a pyproject.toml asks for otherwise than its uv.lock says that it does, a line for each."""
    try:
        locked = tomllib.loads(lock.read_text(encoding="utf-8"))
        stated = tomllib.loads(project.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield f"whether `{lock}` is behind `{project}` cannot be told: {error}"
        return
    root = next((p for p in locked.get("package", ()) if _is_root(p)), None)
    table = stated.get("project")
    if root is None or table is None or "dependencies" in table.get("dynamic", ()):
        return
    apart = {canonicalize_name(name) for name in _uv(stated).get("sources", {})}
    now, then = _of_project(stated, apart), _of_lock(root.get("metadata", {}), apart)
    for section in sorted({*now, *then}):
        what = " ".join(filter(None, section)).replace("dist", "the project")
        for name in sorted(now[section].keys() | then[section].keys()):
            if now[section].get(name) != then[section].get(name):
                yield f"{project}: what {what} asks of `{name}` is not what `{lock}` was made for"
    if "workspace" not in _uv(stated) and not _same_pythons(
        str(table.get("requires-python", "")), str(locked.get("requires-python", ""))
    ):
        yield (
            f'{project}: `requires-python = "{table.get("requires-python", "")}"` is not what'
            f" `{lock}` was made for"
        )


def _uv(stated: Mapping[str, Any]) -> Mapping[str, Any]:
    table: Mapping[str, Any] = stated.get("tool", {}).get("uv", {})
    return table


def _is_root(package: Mapping[str, Any]) -> bool:
    source = package.get("source", {})
    return "." in (source.get("editable"), source.get("virtual"), source.get("directory"))


def _of_project(
    stated: Mapping[str, Any], apart: Iterable[str]
) -> dict[Section, dict[str, set[tuple[Any, ...]]]]:
    project = stated["project"]
    sections: dict[Section, list[str]] = {("dist", ""): project.get("dependencies", [])}
    for extra, texts in project.get("optional-dependencies", {}).items():
        sections["extra", canonicalize_name(extra)] = texts
    groups: dict[str, Any] = {
        canonicalize_name(k): v for k, v in stated.get("dependency-groups", {}).items()
    }
    for group in groups:
        sections["group", group] = list(_of_group(group, groups, ()))
    if legacy := _uv(stated).get("dev-dependencies"):
        sections["group", "dev"] = [*sections.get(("group", "dev"), ()), *legacy]
    asked: dict[Section, dict[str, set[tuple[Any, ...]]]] = defaultdict(lambda: defaultdict(set))
    for section, texts in sections.items():
        for text in texts:
            try:
                requirement = Requirement(text)
            except InvalidRequirement:  # uv says so itself
                continue
            name = canonicalize_name(requirement.name)
            asked[section][name].add(
                _fact(
                    requirement.extras,
                    "" if name in apart or requirement.url else str(requirement.specifier),
                    str(requirement.marker or ""),
                    section,
                )
            )
    return asked


def _of_group(group: str, groups: Mapping[str, Any], within: tuple[str, ...]) -> Iterator[str]:
    """The requirements of a dependency group (PEP 735)."""
    for entry in groups.get(group, ()):
        if isinstance(entry, str):
            yield entry
        elif (other := canonicalize_name(entry.get("include-group", ""))) not in within:
            yield from _of_group(other, groups, (*within, group))


def _of_lock(
    metadata: Mapping[str, Any], apart: Iterable[str]
) -> dict[Section, dict[str, set[tuple[Any, ...]]]]:
    asked: dict[Section, dict[str, set[tuple[Any, ...]]]] = defaultdict(lambda: defaultdict(set))
    groups = [
        (("group", name), entries) for name, entries in metadata.get("requires-dev", {}).items()
    ]
    for section, entries in ((("dist", ""), metadata.get("requires-dist", ())), *groups):
        for entry in entries:
            marker = entry.get("marker", "")
            extra = _EXTRA.search(marker)
            place = ("extra", canonicalize_name(extra[1])) if extra else section
            name = canonicalize_name(entry["name"])
            specifier = "" if name in apart else entry.get("specifier", "")
            asked[place][name].add(_fact(entry.get("extras", ()), specifier, marker, place))
    return asked


def _fact(extras: Iterable[str], specifier: str, marker: str, section: Section) -> tuple[Any, ...]:
    """What a requirement says, in whatever words: uv writes markers in its own."""
    try:
        specifiers = frozenset(map(str, SpecifierSet(specifier)))
    except InvalidSpecifier:
        specifiers = frozenset({specifier})
    extra = section[1] if section[0] == "extra" else ""
    return frozenset(map(canonicalize_name, extras)), specifiers, _truth(marker, extra)


def _truth(marker: str, extra: str) -> tuple[bool, ...]:
    """Where a marker holds, of all that markers usually tell apart."""
    if not marker:
        return ()
    parsed = Marker(marker)
    places = [*MARKERS.values(), {**_WINDOWS, "platform_machine": "AMD64"}]
    holds = tuple(
        parsed.evaluate({**place, **_python(version), "extra": extra})
        for place in places
        for version in _PYTHONS
    )
    return () if all(holds) else holds


def _python(version: str) -> dict[str, str]:
    return {
        "python_version": version,
        "python_full_version": f"{version}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def _same_pythons(stated: str, locked: str) -> bool:
    try:
        one, other = SpecifierSet(stated), SpecifierSet(locked)
    except InvalidSpecifier:
        return stated == locked
    releases = [f"{version}.{patch}" for version in _PYTHONS for patch in range(30)]
    return [one.contains(r) for r in releases] == [other.contains(r) for r in releases]
