"""The list of what an environment was created with, `.mfenv-files.json`: its files and packages.

Compiled modules are not in it, since they come and go, and neither is what conda writes later.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pkgcache.archives import _listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from envid.packages import Package

LIST = ".mfenv-files.json"
_NOT_LISTED = ("conda-meta/history", "conda-meta/state", ".mfenv-unfinished.json")
_PYTHON = "bin/python"


def write(root: Path, packages: Iterable[Package]) -> None:
    """List what is in `root`, an environment that is complete but for its marker."""
    files: dict[str, list[tuple[str, int, int, bool]]] = {}
    for path, status in _walk(str(root), ""):
        folder, _, name = path.rpartition("/")
        if path not in _NOT_LISTED:
            entry = (name, status.st_size, int(status.st_mtime), _runs(status))
            files.setdefault(folder, []).append(entry)
    size = sum(entry[1] for entries in files.values() for entry in entries)
    digests = [package.digest for package in packages]
    _listing.write(root, {"packages": digests, "files": files}, size, name=LIST)


def packages(prefix: Path) -> list[str]:
    """The digests of the packages that it was made of, as far as they are known."""
    try:
        return [str(digest) for digest in _listing.read(prefix, LIST)["packages"]]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def compare(prefix: Path) -> tuple[dict[str, str], set[str]]:
    """What is wrong with which path, and the paths that may be: their times are others."""
    try:
        files = _listing.read(prefix, LIST)["files"]
    except (OSError, ValueError, TypeError, KeyError):
        return {LIST: "the list of its files cannot be read"}, set()
    wrong, doubtful = {}, set()
    for folder, entries in files.items():
        start = f"{folder}/" if folder else ""
        for name, size, mtime, runs in entries:
            path = start + name
            try:
                status = os.lstat(f"{prefix}/{path}")
            except OSError:
                wrong[path] = f"`{path}` is gone"
                continue
            kind = stat.S_IFMT(status.st_mode)
            is_file = kind in (stat.S_IFREG, stat.S_IFLNK)
            if not is_file or (status.st_size, _runs(status)) != (size, runs):
                wrong[path] = f"`{path}` was changed"
            # In whole seconds, which copies and backups of an environment keep at least.
            elif int(status.st_mtime) != mtime:
                doubtful.add(path)
    # A virtual environment links to an interpreter that somebody else may remove.
    own = os.path.lexists(f"{prefix}/{_PYTHON}")
    if own and not os.path.exists(f"{prefix}/{_PYTHON}"):  # noqa: PTH110  as the others
        wrong[_PYTHON] = f"`{_PYTHON}` leads to where nothing is"
    return wrong, doubtful


def _runs(status: os.stat_result) -> bool:
    return bool(status.st_mode & stat.S_IXUSR)


def _walk(root: str, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(f"{root}/{folder}") as entries:
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not entry.is_dir(follow_symlinks=False):
                yield path, entry.stat(follow_symlinks=False)
            elif entry.name != "__pycache__":
                yield from _walk(root, path)
