"""What an unpacked package is: records of it and of its files, and where an archive is a bomb."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "DEFAULT_LIMITS",
    "CondaFile",
    "EntryPoint",
    "FileMode",
    "PackageLimits",
    "PackagedFile",
    "UnpackedConda",
    "UnpackedFile",
    "UnpackedWheel",
]


_RATIO_FLOOR = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageLimits:
    """Where an archive counts as a bomb: its files, their bytes, and bytes per packed byte.

    Small packages may be packed well, so that the ratio only counts beyond 64 MiB.
    """

    files: int = 200_000
    size: int = 32 << 30
    ratio: int = 200

    def largest(self, packed: int) -> int:
        """The most bytes that an archive of `packed` bytes may unpack to."""
        return min(self.size, max(_RATIO_FLOOR, packed * self.ratio))


DEFAULT_LIMITS = PackageLimits()


class EntryPoint(NamedTuple):
    """A script that calls `attribute` of `module`."""

    name: str
    module: str
    attribute: str


class UnpackedFile(NamedTuple):
    """A file as it was unpacked. `hash` is written as in RECORD: `sha256=...`."""

    path: str
    size: int
    mtime_ns: int
    mode: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedWheel:
    """A wheel whose files lie under `tree`; `dist_info` is the name of its metadata folder."""

    tree: Path
    name: str
    version: str
    dist_info: str
    purelib: bool
    entry_points: tuple[EntryPoint, ...]
    files: tuple[UnpackedFile, ...]


FileMode = Literal["text", "binary"]
"""How a placeholder is replaced: anywhere, or inside of strings that end with NUL."""


class CondaFile(NamedTuple):
    """A path of a package, as it was unpacked.

    `kind` is `hardlink` for a file, `softlink` for a symbolic link to `link`, or `directory`.
    `sha256` is in hex. A file with a `placeholder` holds the prefix it was built in.
    """

    path: str
    kind: str
    size: int
    mtime_ns: int
    mode: int
    sha256: str
    link: str
    placeholder: str
    file_mode: FileMode
    no_link: bool


PackagedFile: TypeAlias = UnpackedFile | CondaFile
"""A file of an unpacked package of either kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedConda:
    """A conda package whose files lie under `tree`; `index` is its checked `info/index.json`."""

    tree: Path
    index: dict[str, Any]
    entry_points: tuple[EntryPoint, ...]
    files: tuple[CondaFile, ...]

    @property
    def name(self) -> str:
        return str(self.index["name"])

    @property
    def noarch(self) -> str | None:
        """`python`, `generic`, or None for a package of one platform."""
        return self.index.get("noarch")
