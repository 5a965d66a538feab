"""What pip says that it would install (`--report`), as the target sees it.

pip reads markers as the interpreter that it runs under does, whatever platform it is asked about.
So all requirements are read again here, by the markers of the target: what they need beside, pip is
asked for by name, and what only this machine needs is left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from resolvers._lock import File, UvPackage, Vcs, plain_url
from resolvers.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolvers._markers import Markers

__all__ = ["PipReport", "plain"]

# How hashes are written, by their kind, and commits (SHA-1, SHA-256).
_HASHES = {"md5": 32, "sha256": 64}
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# What a URL may hold, in any of its parts, and `%` of what is quoted.
_AS_IT_IS = "%/:?#[]@!$&'()*+,;=~"
_ARCHIVE = re.compile(r"\.(?:tar(?:\.\w+)?|tgz|tbz|zip)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipReport:
    """The packages by name, what they require, and which were withdrawn."""

    packages: Mapping[str, UvPackage]
    requires: Mapping[str, tuple[Requirement, ...]]
    requested: frozenset[str]
    yanked: frozenset[str]

    @classmethod
    def read(cls, data: Mapping[str, Any], yanked: frozenset[str]) -> PipReport:
        """Read the JSON of pip, which does not always say what was withdrawn; raises `AttributeError`, `KeyError`, `TypeError` or `ValueError` for what is not pip's."""
        if data.get("version", "1") != "1":
            raise ValueError(data["version"])
        items = [
            (canonicalize_name(item["metadata"]["name"], validate=True), item)
            for item in data["install"]
        ]
        return cls(
            packages={name: _locked(name, item) for name, item in items},
            requires={
                name: tuple(_requirements(item["metadata"].get("requires_dist") or ()))
                for name, item in items
            },
            requested=frozenset(name for name, item in items if item["requested"]),
            yanked=yanked,
        )

    def walk(self, lines: Iterable[str], added: Iterable[str], markers: Markers) -> PipWalk:
        """What the lines need of these packages, by the markers; `added` are lines of ours."""
        walk = PipWalk()
        asked = [*_requirements(lines)]
        ours = {canonicalize_name(requirement.name) for requirement in _requirements(added)}
        # What has no name in its line, such as a bare URL, pip has found the name of.
        pending = [(name, "") for name in sorted(self.requested - ours)]
        for requirement in asked:
            pending += [
                (canonicalize_name(requirement.name), extra) for extra in ("", *requirement.extras)
            ]
        seen = set(pending)
        while pending:
            name, extra = pending.pop()
            if name not in self.packages:
                continue
            walk.needed.add(name)
            for requirement in self.requires[name]:
                if not markers.hold(requirement, extra):
                    continue
                other = canonicalize_name(requirement.name)
                walk.via[other].add(name)
                if not self._meets(requirement):
                    walk.lacking.append(plain(requirement))
                more = {(other, wanted) for wanted in ("", *requirement.extras)} - seen
                seen |= more
                pending += sorted(more)
        return walk

    def _meets(self, requirement: Requirement) -> bool:
        chosen = self.packages.get(canonicalize_name(requirement.name))
        if chosen is None or chosen.version is None:
            return chosen is not None
        return requirement.specifier.contains(chosen.version, prereleases=True)


@dataclass(slots=True)
class PipWalk:
    """What is `needed`, by whom (`via`), and the requirements that nothing meets."""

    needed: set[str] = field(default_factory=set)
    via: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    lacking: list[str] = field(default_factory=list)


def plain(requirement: Requirement) -> str:
    """A requirement without its marker."""
    # A copy: that one keeps its marker.
    own = Requirement(str(requirement))
    own.marker = None
    return str(own)


def _requirements(texts: Iterable[str]) -> Sequence[Requirement]:
    requirements = []
    for text in texts:
        try:
            requirements.append(Requirement(text))
        except InvalidRequirement:  # a bare URL, or old metadata; the last check reads that again
            continue
    return requirements


def _check_name(file: File, name: str, version: str | None) -> None:
    """Raise `EngineFailed` for a file that is called like another package or version."""
    if not version:
        return
    right = True
    if file.is_wheel:
        # What has no name of a wheel is refused where it is chosen.
        with suppress(InvalidWheelFilename):
            right = parse_wheel_filename(file.filename)[:2] == (name, Version(version))
    else:
        # Old ones have any dashes in their names and versions.
        stem = _ARCHIVE.sub("", file.filename)
        cuts = [at for at, letter in enumerate(stem) if letter == "-"]
        right = any(
            canonicalize_name(stem[:at]) == name and _is(stem[at + 1 :], version) for at in cuts
        )
    if not right:
        reason = f"it says that `{file.filename}` is {name} {version}"
        raise EngineFailed("pip", reason, hint="set `pypi_resolver` to `uv`")


def _is(text: str, version: str) -> bool:
    try:
        return Version(text) == Version(version)
    except InvalidVersion:
        return False


def _version(text: str) -> str:
    """The version as it is written; raises `InvalidVersion` or `TypeError` for none."""
    Version(text)
    return text


def _hashes(archive: Mapping[str, Any]) -> dict[str, str]:
    """The hashes by their kind; raises `AttributeError`, `TypeError` or `ValueError` for none."""
    hashes = {kind: digest.lower() for kind, digest in (archive.get("hashes") or {}).items()}
    for kind, length in _HASHES.items():
        if kind in hashes and not re.fullmatch(rf"[0-9a-f]{{{length}}}", hashes[kind]):
            raise ValueError(hashes)
    return hashes


def _locked(name: str, item: Mapping[str, Any]) -> UvPackage:
    info = item["download_info"]
    url, archive, vcs = plain_url(info["url"]), info.get("archive_info"), info.get("vcs_info")
    base = UvPackage(
        name=name,
        version=_version(item["metadata"]["version"]),
        wheels=(),
        sdist=None,
        direct=bool(item["is_direct"]),
        subdirectory=info.get("subdirectory"),
        path=None,
        vcs=None,
    )
    if vcs:
        if vcs["vcs"] != "git" or not _COMMIT.fullmatch(vcs["commit_id"]):
            raise ValueError(vcs)
        # Of a `file:` URL pip says the path as it is, with its blanks.
        commit = Vcs(
            url=quote(info["url"], safe=_AS_IT_IS),
            commit=vcs["commit_id"],
            subdirectory=info.get("subdirectory"),
        )
        return replace(base, vcs=commit)
    hashes = _hashes(archive or {})
    file = File(
        filename=unquote(urlsplit(url).path).rpartition("/")[2], url=url, size=None, hashes=hashes
    )
    # What is asked for by its URL may be called anything, unless it is a wheel.
    if file.is_wheel or not base.direct:
        _check_name(file, name, base.version)
    local = Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") else None
    return replace(
        base,
        wheels=(file,) if file.is_wheel else (),
        sdist=None if file.is_wheel else file,
        path=local if base.direct else None,
    )
