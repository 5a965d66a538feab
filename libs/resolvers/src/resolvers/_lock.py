"""The lock files that uv writes: pylock.toml (PEP 751), and the annotations of requirements.txt."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.tags import Tag
    from packaging.utils import BuildTag

__all__ = [
    "ChosenWheels",
    "File",
    "Notes",
    "UvPackage",
    "Vcs",
    "best_wheel",
    "plain_url",
    "read_lock",
    "read_notes",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a package, at a URL without credentials."""

    filename: str
    url: str
    size: int | None
    hashes: Mapping[str, str]

    @property
    def sha256(self) -> str | None:
        return self.hashes.get("sha256")

    @property
    def digests(self) -> tuple[str, ...]:
        """The hashes as pip writes them, such as `sha256:hex`."""
        return tuple(f"{kind}:{value}" for kind, value in self.hashes.items())

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
class UvPackage:
    """A package that uv chose. A direct reference may lack a version; `path` is a local file's."""

    name: str
    version: str | None
    wheels: tuple[File, ...]
    sdist: File | None
    direct: bool
    subdirectory: str | None
    path: Path | None
    vcs: Vcs | None

    @property
    def files(self) -> tuple[File, ...]:
        return (*self.wheels, self.sdist) if self.sdist else self.wheels


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What uv says of a package: which others need it, and the index that it came from."""

    via: tuple[str, ...]
    index: str | None


class ChosenWheels(NamedTuple):
    """An engine's answer: the packages, who needs each and where it is from, and what it warns of."""

    locked: tuple[UvPackage, ...]
    notes: Mapping[str, Notes]
    warnings: tuple[str, ...]


def read_lock(text: str) -> tuple[UvPackage, ...]:
    """The packages of a pylock.toml."""
    return tuple(_locked(package) for package in tomllib.loads(text).get("packages", ()))


def read_notes(text: str) -> dict[str, Notes]:
    """The annotations of a requirements.txt in the `split` style, by package."""
    by_name: dict[str, Notes] = {}
    # A block is a requirement and the comments below it, up to the next that is neither
    # indented nor a comment.
    for block in re.split(r"\n(?=[^\s#])", "\n" + text):
        name = re.match(r"\s*([A-Za-z0-9._-]+)", block)
        if not name:
            continue
        lines = [line.strip().removeprefix("#") for line in block.splitlines()[1:]]
        index = next((line[6:].strip() for line in lines if line.startswith(" from ")), None)
        # `# via NAME`, or `# via` and names below it that are indented: one may be `via`.
        via = [
            re.sub(r"^ via( |$)", "", line).strip()
            for line in lines
            if not line.startswith(" from ")
        ]
        by_name[canonicalize_name(name[1])] = Notes(
            # Beside names there are inputs, such as `-r -`.
            via=tuple(canonicalize_name(text) for text in via if re.fullmatch(r"[\w.-]*\w", text)),
            index=plain_url(index) if index else None,
        )
    return by_name


def best_wheel(files: Iterable[File], ranks: Mapping[Tag, int]) -> File | None:
    """The wheel whose tags have the lowest rank, then the one with the highest build number."""
    ranked = []
    for file in files:
        try:
            build, own = _tagged(file.filename)
        except InvalidWheelFilename:
            continue
        rank = min((ranks[tag] for tag in own if tag in ranks), default=None)
        if rank is not None:
            ranked.append((-rank, build, file.filename, file))
    # The name decides between equals, so that the order of an index does not.
    return max(ranked, key=lambda entry: entry[:3])[3] if ranked else None


# Each is asked about a few times in a resolve.
@lru_cache(maxsize=4096)
def _tagged(filename: str) -> tuple[BuildTag, frozenset[Tag]]:
    """The build number and the tags of a wheel by its name; raises `InvalidWheelFilename`."""
    return parse_wheel_filename(filename)[2:]


def plain_url(url: str) -> str:
    """The URL without user name, password and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))


def _locked(package: Mapping[str, Any]) -> UvPackage:
    # An `archive` is what a URL or a path leads to: a wheel or an sdist, as its name says.
    archive, vcs = package.get("archive", {}), package.get("vcs")
    files = [
        _file(data) for data in (*package.get("wheels", ()), *_some(package.get("sdist"), archive))
    ]
    return UvPackage(
        name=canonicalize_name(package["name"]),
        version=package.get("version"),
        wheels=tuple(file for file in files if file.is_wheel),
        sdist=next((file for file in files if not file.is_wheel), None),
        direct=bool(archive or vcs),
        subdirectory=archive.get("subdirectory"),
        path=Path(archive["path"]) if "path" in archive else None,
        vcs=vcs
        and Vcs(url=vcs["url"], commit=vcs["commit-id"], subdirectory=vcs.get("subdirectory")),
    )


def _some(*values: Any) -> tuple[Any, ...]:
    return tuple(value for value in values if value)


def _file(data: Mapping[str, Any]) -> File:
    url = Path(data["path"]).absolute().as_uri() if "path" in data else plain_url(data["url"])
    # Taken apart last, so that no encoded slash is left in it.
    name = unquote(data.get("name") or urlsplit(url).path).rpartition("/")[2]
    return File(
        filename=name,
        url=url,
        size=data.get("size"),
        hashes=data.get("hashes", {}),
    )
