"""Unpacked conda packages: the files of a package, each checked, kept to be linked from.

Both formats, `.conda` and `.tar.bz2`, are read here and by nothing else. Under `tree` lie regular
files and folders only: symbolic links are remembered, not made, so nothing can be written through
them. As with wheels, files have no write permission, and a change is noticed before it is
linked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pkgcache.archives import _listing
from pkgcache.archives._changes import as_listed
from pkgcache.archives.records import (
    DEFAULT_LIMITS,
    CondaFile,
    EntryPoint,
    PackageLimits,
    UnpackedConda,
)
from pkgcache.lacking import lacking

if TYPE_CHECKING:
    from pathlib import Path

    from pkgcache.archives._changes import Check

__all__ = ["check_archive", "load", "unpack"]


def unpack(archive: Path, folder: Path, *, limits: PackageLimits = DEFAULT_LIMITS) -> UnpackedConda:
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
    _listing.write(folder, document, sum(file.size for file in package.files))
    return package


def check_archive(archive: Path, *, limits: PackageLimits = DEFAULT_LIMITS) -> None:
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
            entry_points=tuple(EntryPoint(*script) for script in document["entry_points"]),
            files=tuple(map(CondaFile._make, document["files"])),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, OSError) and lacking(error):
            raise  # as where too many files are open: then nobody knows whether it is right
        # A power cut can leave any content behind. To unpack again costs less than to be wrong.
        return None
    files = [
        (file.path, file.size, file.mtime_ns, file.mode, file.sha256)
        for file in package.files
        if file.kind == "hardlink"
    ]
    return package if check(folder, files) else None
