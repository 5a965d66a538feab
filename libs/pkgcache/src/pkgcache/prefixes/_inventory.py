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
    from pkgcache.archives.records import PackagedFile

    Listed = tuple[str, int, int, bool]

LIST = ".mfenv-files.json"
_NOT_LISTED = ("conda-meta/history", "conda-meta/state", ".mfenv-unfinished.json")
_PYTHON = "bin/python"
_SECOND = 10**9


class Made:
    """What was made in an environment: what is `linked` is what it is in its package.

    That is by folder and name. `others` are the paths of all other files and links; not those below
    a `__pycache__`.
    """

    def __init__(self) -> None:
        self.linked: dict[str, dict[str, Listed]] = {}
        self.others: list[str] = []

    def links(self, files: Iterable[tuple[str, PackagedFile]]) -> None:
        """Take down what is linked, by path."""
        linked = self.linked
        for path, file in files:
            folder, _, name = path.rpartition("/")
            own = linked.get(folder)
            if own is None:
                own = linked[folder] = {}
            runs = bool(file.mode & stat.S_IXUSR)
            own[name] = (name, file.size, file.mtime_ns // _SECOND, runs)

    def not_linked(self, path: str) -> None:
        """Strike out what could not be linked."""
        folder, _, name = path.rpartition("/")
        self.linked.get(folder, {}).pop(name, None)


def write(root: Path, packages: Iterable[Package], made: Made) -> None:
    """List what is in `root`, an environment that is complete but for its marker.

    What was linked is a file of the cache, which was looked at before, and not once more here;
    where nothing was, all that is there is looked for.
    """
    files = {folder: list(own.values()) for folder, own in made.linked.items()}
    for path in made.others if made.linked else walked(root):
        if path not in _NOT_LISTED:
            status = os.lstat(f"{root}/{path}")
            folder, _, name = path.rpartition("/")
            moment = status.st_mtime_ns // _SECOND
            listed = (name, status.st_size, moment, _runs(status.st_mode))
            files.setdefault(folder, []).append(listed)
    for folder in [folder for folder in files if "__pycache__" in folder.split("/")]:
        del files[folder]
    total = sum(size for own in files.values() for _, size, _, _ in own)
    digests = [package.digest for package in packages]
    _listing.write(root, {"packages": digests, "files": files}, total, name=LIST)


def walked(root: Path) -> Iterator[str]:
    """The files and links in a folder and those below it, but for compiled modules."""
    todo = [""]
    while todo:
        start = todo.pop()
        with os.scandir(f"{root}/{start}") as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    yield start + entry.name
                elif entry.name != "__pycache__":
                    todo.append(f"{start}{entry.name}/")


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
            if not is_file or (status.st_size, _runs(status.st_mode)) != (size, runs):
                wrong[path] = f"`{path}` was changed"
            # In whole seconds, which copies and backups of an environment keep at least.
            elif status.st_mtime_ns // _SECOND != mtime:
                doubtful.add(path)
    # A virtual environment links to an interpreter that somebody else may remove.
    own = os.path.lexists(f"{prefix}/{_PYTHON}")
    if own and not os.path.exists(f"{prefix}/{_PYTHON}"):  # noqa: PTH110  as the others
        wrong[_PYTHON] = f"`{_PYTHON}` leads to where nothing is"
    return wrong, doubtful


def _runs(mode: int) -> bool:
    return bool(mode & stat.S_IXUSR)
