"""Unpacked conda packages: the files of a package, checked one by one, kept to be linked from.

Both formats, `.conda` and `.tar.bz2`, are read here and by nothing else. Under `tree` lie regular
files and folders only: symbolic links are remembered, not made, so nothing can be written through
one. As with wheels, files have no write permission, and a changed one is noticed before it is
linked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pkgcache.archives import _listing
from pkgcache.archives._changes import as_listed
from pkgcache.archives.wheels import DEFAULT_LIMITS, EntryPoint

if TYPE_CHECKING:
    from pathlib import Path

    from pkgcache.archives._changes import Check
    from pkgcache.archives.wheels import Limits

__all__ = ["CondaFile", "FileMode", "UnpackedConda", "check_archive", "load", "unpack"]

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


def unpack(archive: Path, folder: Path, *, limits: Limits = DEFAULT_LIMITS) -> UnpackedConda:
    """Check the conda package `archive` and unpack it into `folder`, which must not exist yet.

    Raises `BadArchive` with what is wrong with it, `OSError` where a file cannot be written; what
    was written until then stays, for the caller to remove.
    """
    from pkgcache.archives._conda_unpack import unpack_conda

    package = unpack_conda(archive, folder / _listing.TREE, limits)
    document = {
        "index": package.index,
        "entry_points": package.entry_points,
        "files": package.files,
    }
    _listing.write(folder, document, sum(one.size for one in package.files))
    return package


def check_archive(archive: Path, *, limits: Limits = DEFAULT_LIMITS) -> None:
    """Raise `BadArchive` where `unpack` would; nothing is written."""
    from pkgcache.archives._conda_unpack import CondaWalk

    CondaWalk(archive, limits).run()


def load(folder: Path, check: Check = as_listed) -> UnpackedConda | None:
    """The package that was unpacked into `folder`; None where it is not there, or not right."""
    tree = folder / _listing.TREE
    try:
        document = _listing.read(folder)
        package = UnpackedConda(
            tree=tree,
            index=document["index"],
            entry_points=tuple(EntryPoint(*one) for one in document["entry_points"]),
            files=tuple(map(CondaFile._make, document["files"])),
        )
    except (OSError, ValueError, TypeError, KeyError):
        # A power cut can leave any content behind. To unpack again costs less than to be wrong.
        return None
    files = [
        (one.path, one.size, one.mtime_ns, one.mode, one.sha256)
        for one in package.files
        if one.kind == "hardlink"
    ]
    return package if check(folder, files) else None
