"""The lock files that uv writes: pylock.toml (PEP 751), and the annotations of requirements.txt."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packaging.tags import Tag

__all__ = ["File", "Locked", "Notes", "Vcs", "best_wheel", "plain_url", "read_lock", "read_notes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a package, at a URL without credentials or at a path."""

    filename: str
    url: str
    path: Path | None
    size: int | None
    sha256: str | None

    @property
    def is_wheel(self) -> bool:
        return self.filename.endswith(".whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vcs:
    """A commit of a repository."""

    url: str
    commit: str
    subdirectory: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A package that uv chose; `archive` and `vcs` are direct references, without a version."""

    name: str
    version: str | None
    wheels: tuple[File, ...]
    sdist: File | None
    archive: File | None
    subdirectory: str | None
    vcs: Vcs | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What uv says of a package: which others need it, and the index that it came from."""

    via: tuple[str, ...]
    index: str | None


def read_lock(text: str) -> tuple[Locked, ...]:
    """The packages of a pylock.toml."""
    return tuple(_locked(one) for one in tomllib.loads(text).get("packages", ()))


def read_notes(text: str) -> dict[str, Notes]:
    """The annotations of a requirements.txt in the `split` style, by package."""
    found: dict[str, Notes] = {}
    for block in re.split(r"\n(?=[^\s#])", "\n" + text):
        name = re.match(r"\s*([A-Za-z0-9._-]+)", block)
        if not name:
            continue
        lines = [line.strip(" #\t") for line in block.splitlines()[1:]]
        index = next((line[5:] for line in lines if line.startswith("from ")), None)
        via = [re.sub(r"^via( |$)", "", line) for line in lines if not line.startswith("from ")]
        found[canonicalize_name(name[1])] = Notes(
            via=tuple(canonicalize_name(one) for one in via if re.fullmatch(r"[\w.-]*\w", one)),
            index=plain_url(index) if index else None,
        )
    return found


def best_wheel(files: Sequence[File], tags: Mapping[Tag, int]) -> File | None:
    """The wheel whose tags come first in `tags`, then the one with the highest build number."""
    ranked = []
    for one in files:
        try:
            _, _, build, own = parse_wheel_filename(one.filename)
        except InvalidWheelFilename:
            continue
        rank = min((tags[tag] for tag in own if tag in tags), default=None)
        if rank is not None:
            ranked.append((-rank, build, one.filename, one))
    return max(ranked, key=lambda entry: entry[:3])[3] if ranked else None


def plain_url(url: str) -> str:
    """The URL without user name, password and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))


def _locked(one: Mapping[str, Any]) -> Locked:
    archive, vcs = one.get("archive"), one.get("vcs")
    return Locked(
        name=canonicalize_name(one["name"]),
        version=one.get("version"),
        wheels=tuple(_file(wheel) for wheel in one.get("wheels", ())),
        sdist=_file(one["sdist"]) if "sdist" in one else None,
        archive=_file(archive) if archive else None,
        subdirectory=archive.get("subdirectory") if archive else None,
        vcs=vcs
        and Vcs(
            url=vcs["url"], commit=vcs["commit-id"], subdirectory=vcs.get("subdirectory") or None
        ),
    )


def _file(data: Mapping[str, Any]) -> File:
    url = plain_url(data.get("url", ""))
    path = Path(data["path"]) if "path" in data else None
    filename = data.get("name") or (
        path.name if path else unquote(urlsplit(url).path.rpartition("/")[2])
    )
    return File(
        filename=filename,
        url=url,
        path=path,
        size=data.get("size"),
        sha256=data.get("hashes", {}).get("sha256"),
    )
