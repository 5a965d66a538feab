"""Garbage collection of a local cache: what nothing refers to, and what limits leave no room for.

Whoever uses an artifact touches its folder, so that what was used within the last hour
(`GRACE`) is never collected; an artifact in somebody's hands, which is to say locked, neither.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pkgcache.archives import _listing
from pkgcache.local._shelves import UNPACKED
from pkgcache.locks import remove_unheld, try_lock

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from pkgcache.local.cache import PackageCache

__all__ = [
    "GRACE",
    "CacheLimits",
    "Collected",
    "Holding",
    "collect",
    "holdings",
    "measure",
    "remove_unheld",
]

GRACE = 3600.0
"""For how many seconds whatever was used stays."""

# md5 where a channel gives nothing better, else sha256.
_DIGEST = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
_KINDS = {"archive": "archives", **UNPACKED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An artifact in the cache: an archive, also while it comes, or an unpacked package.

    `kind` is `archive`, or `pypi` or `conda` for what was unpacked. `size` is that of its files in
    bytes, None for a package that cannot be used as it is. `used` is the POSIX time at which it
    came or was last used.
    """

    kind: str
    digest: str
    path: Path
    size: int | None
    used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLimits:
    """What a cache may hold: `size` in bytes, `age` in seconds since the last use."""

    size: int | None = None
    age: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was collected, or would be: artifacts, leftovers of killed processes, bytes freed.

    `recent` counts what nothing refers to and stays because it was just used.
    """

    holdings: tuple[Holding, ...] = ()
    leftovers: int = 0
    freed: int = 0
    recent: int = 0


def holdings(cache: PackageCache) -> Iterator[Holding]:
    """All artifacts of a cache, at the cost of a look at each folder, not at each file."""
    for kind, name in _KINDS.items():
        for folder in _folders(cache.root / name):
            for entry in _folders(folder):
                if _DIGEST.fullmatch(entry.name):
                    with suppress(FileNotFoundError):  # dropped since
                        yield _holding(kind, entry)


def strangers(cache: PackageCache) -> Iterator[Path]:
    """What lies where artifacts do, and is none."""
    for name in _KINDS.values():
        for entry in _entries(cache.root / name):
            is_folder = entry.is_dir(follow_symlinks=False)
            for inner in _entries(entry) if is_folder else [entry]:
                is_ours = inner.is_dir(follow_symlinks=False) and _DIGEST.fullmatch(inner.name)
                if not inner.name.startswith(".") and not is_ours:
                    yield Path(inner.path)


def collect(
    cache: PackageCache,
    needed: Container[str] | None,
    *,
    only_copies: Container[str] = frozenset(),
    limits: CacheLimits = CacheLimits(),
    beside: Iterable[Path] = (),
    now: float | None = None,
    dry_run: bool = False,
) -> Collected:
    """Remove from `cache` what is not `needed`, by digest, and enforce `limits` on the rest.

    With None all is needed. Where there is not enough room, what was used longest ago goes first.
    `only_copies` are digests that no store and no URL has: these stay, whatever the limits. What
    is `freed` includes the folders `beside`, which the caller removes. Raises `CacheError`.
    """
    now = time.time() if now is None else now
    before = now - GRACE
    with cache.errors():
        leftovers = _leftovers(cache, before, dry_run=dry_run)
        unneeded: list[Holding] = []
        kept: list[Holding] = []
        for holding in holdings(cache):
            # One without a size cannot be used, and is made again by whoever needs it.
            keep = holding.size is not None and (needed is None or holding.digest in needed)
            (kept if keep else unneeded).append(holding)
        garbage = [holding for holding in unneeded if holding.used < before]
        recent = [holding for holding in unneeded if holding.used >= before]
        total = sum(holding.size or 0 for holding in (*kept, *recent))
        spare = (
            holding
            for holding in kept
            if holding.used < before and holding.digest not in only_copies
        )
        garbage += _beyond(spare, limits, total, now)
        # Before anything is gone, since a file counts once all of its names are among these.
        freed = measure([*beside, *(holding.path for holding in garbage)])
        if not dry_run:
            garbage = [holding for holding in garbage if _remove(cache, holding, before)]
            remove_unheld(cache.root / "locks")
    return Collected(holdings=tuple(garbage), leftovers=leftovers, freed=freed, recent=len(recent))


def measure(paths: Iterable[Path]) -> int:
    """The bytes on disk that are free once all of these are gone.

    Files that have other names beside stay.
    """
    links: Counter[tuple[int, int]] = Counter()
    files: dict[tuple[int, int], os.stat_result] = {}
    for path in paths:
        for status in _files(path):
            key = status.st_dev, status.st_ino
            links[key] += 1
            files[key] = status
    return sum(
        status.st_blocks * 512 for key, status in files.items() if links[key] >= status.st_nlink
    )


def disk_use(paths: Iterable[Path]) -> int:
    """The bytes on disk of all files below `paths`, each once, however many names it has."""
    files = {
        (status.st_dev, status.st_ino): status.st_blocks
        for path in paths
        for status in _files(path)
    }
    return sum(files.values()) * 512


def drop(folder: Path) -> None:
    """Delete an artifact whose lock is held: gone at once for everybody else, then file by file."""
    # A name that is hidden and that `_leftovers` knows, should this process not get to the end.
    aside = folder.with_name(f".{folder.name}.gone")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _beyond(
    spare: Iterable[Holding], limits: CacheLimits, total: int, now: float
) -> Iterator[Holding]:
    """What is too old, or too much."""
    for holding in sorted(spare, key=lambda holding: holding.used):
        old = limits.age is not None and holding.used < now - limits.age
        if old or (limits.size is not None and total > limits.size):
            total -= holding.size or 0
            yield holding


def _remove(cache: PackageCache, holding: Holding, before: float) -> bool:
    """Remove an artifact unless somebody works on it or used it in the meantime."""
    with try_lock(cache.lock_path(holding.digest)) as held:
        try:
            # Looked at again under the lock: somebody may have come to use it since it was listed.
            if not held or _used(holding.kind, holding.path) >= before:
                return False
            drop(holding.path)
        except FileNotFoundError:
            return False
    return True


def _leftovers(cache: PackageCache, before: float, *, dry_run: bool) -> int:
    """What killed processes left: half unpacked and half deleted packages, temporary files."""
    count = 0
    # These have no lock, since their digest is not known before they are complete: their age must
    # do.
    for entry in _hidden(cache.root / "archives"):
        with suppress(FileNotFoundError):  # whoever wrote it is done
            if entry.stat(follow_symlinks=False).st_mtime < before:
                count += 1
                if not dry_run:
                    Path(entry.path).unlink(missing_ok=True)
    folders = (folder for kind in _KINDS.values() for folder in _folders(cache.root / kind))
    for folder in (cache.root, *folders):
        for entry in _hidden(folder):
            name = entry.name.split(".")[1]
            # Whoever unpacks, deletes or publishes holds the lock of what it is.
            with try_lock(cache.lock_path(name)) as held:
                if held:
                    count += 1
                    if not dry_run:
                        shutil.rmtree(entry.path, ignore_errors=True)
    return count


def _holding(kind: str, entry: os.DirEntry[str]) -> Holding:
    path = Path(entry.path)
    if kind == "archive":
        size: int | None = sum(status.st_size for status in _files(path))
    else:
        size = _listing.size(path)
    return Holding(kind=kind, digest=entry.name, path=path, size=size, used=_used(kind, path))


def _used(kind: str, path: Path) -> float:
    # A download writes for hours in a folder that it touched at its beginning.
    times = [status.st_mtime for status in _files(path)] if kind == "archive" else []
    return max(path.lstat().st_mtime, *times, 0)


def _entries(path: os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _folders(path: os.PathLike[str]) -> list[os.DirEntry[str]]:
    return [entry for entry in _entries(path) if entry.is_dir(follow_symlinks=False)]


def _hidden(path: os.PathLike[str]) -> list[os.DirEntry[str]]:
    return [entry for entry in _entries(path) if entry.name.startswith(".")]


def _files(path: Path) -> Iterator[os.stat_result]:
    for entry in _entries(path):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            with suppress(FileNotFoundError):
                yield entry.stat(follow_symlinks=False)
