"""Unpacked wheels: the files of a wheel, each checked, kept to be linked from.

What is accepted is narrower than what a zip file can be; see `_zip` and the README. Files are
unpacked without write permission, and their sizes, times and modes are remembered, so that a write
through a hard link is refused or, for a user who may do everything, noticed before the next link:
see `_changes`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pkgcache.archives import _listing
from pkgcache.archives._changes import as_listed
from pkgcache.archives.records import (
    DEFAULT_LIMITS,
    EntryPoint,
    PackageLimits,
    UnpackedFile,
    UnpackedWheel,
)
from pkgcache.lacking import lacking

if TYPE_CHECKING:
    from pathlib import Path

    from pkgcache.archives._changes import Check

__all__ = [
    "check_archive",
    "is_unpacked",
    "load",
    "unpack",
]


def unpack(archive: Path, folder: Path, *, limits: PackageLimits = DEFAULT_LIMITS) -> UnpackedWheel:
    """Check the wheel `archive` and unpack it into `folder`, which must not exist yet.

    Raises `BadArchive` with everything that is wrong with it, `OSError` where a file cannot be
    written; what was written until then stays, for the caller to remove.
    """
    from pkgcache.archives._wheel_unpack import unpack_wheel

    wheel = unpack_wheel(archive, folder / _listing.TREE, limits)
    document = {
        "name": wheel.name,
        "version": wheel.version,
        "dist_info": wheel.dist_info,
        "purelib": wheel.purelib,
        "entry_points": wheel.entry_points,
        "files": wheel.files,
    }
    _listing.write(folder, document, sum(file.size for file in wheel.files))
    return wheel


def check_archive(archive: Path, *, limits: PackageLimits = DEFAULT_LIMITS) -> None:
    """Raise `BadArchive` where `unpack` would; nothing is written."""
    from pkgcache.archives._wheel_unpack import check_wheel

    check_wheel(archive, limits)


def is_unpacked(folder: Path) -> bool:
    """Whether a wheel was unpacked into `folder`, changed or not."""
    return os.path.lexists(folder / _listing.LIST)


def load(folder: Path, check: Check = as_listed) -> UnpackedWheel | None:
    """The wheel that was unpacked into `folder`; None where it is not there or fails the check."""
    tree = folder / _listing.TREE
    try:
        wheel = _read(tree, _listing.read(folder))
    except (OSError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, OSError) and lacking(error):
            raise  # as where too many files are open: then nobody knows whether it is right
        # A power cut can leave any content behind. To unpack again costs less than to be wrong.
        return None
    return wheel if check(folder, wheel.files) else None


def _read(tree: Path, document: dict[str, Any]) -> UnpackedWheel:
    return UnpackedWheel(
        tree=tree,
        name=document["name"],
        version=document["version"],
        dist_info=document["dist_info"],
        purelib=document["purelib"],
        entry_points=tuple(EntryPoint(*script) for script in document["entry_points"]),
        files=tuple(map(UnpackedFile._make, document["files"])),
    )
