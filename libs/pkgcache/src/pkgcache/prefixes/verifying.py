"""Reading back what is kept: every archive, every unpacked file, every file of a prefix.

Linking only compares sizes and times, which a disk that forgets a bit does not change. Here all
bytes are read, in a process for each processor.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import posixpath
import queue
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkgcache._files import open_file
from pkgcache.archives import conda_packages, wheels
from pkgcache.archives._changes import digest, parsed
from pkgcache.local.collecting import drop, holdings, strangers
from pkgcache.locks import try_lock
from pkgcache.prefixes import _inventory
from pkgcache.progress import NoProgress
from pkgcache.threads import Threads
from pkgcache.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from pkgcache.local.cache import PackageCache
    from pkgcache.local.collecting import Holding
    from pkgcache.progress import Progress

__all__ = [
    "Damaged",
    "Verified",
    "changed_files",
    "recorded",
    "verify_cache",
    "verify_here",
    "verify_prefix",
]

_PROCESSES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """An artifact of the cache that is not what it was, with what is wrong. `dropped`: it is gone.

    `kind` is `archive`, or `pypi` or `conda` for what was unpacked, or `stranger` for what is no
    artifact at all.
    """

    kind: str
    digest: str
    path: Path
    problems: tuple[str, ...]
    dropped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was read: the number of artifacts, their bytes, and those that are damaged.

    `sound` are the devices and inodes of files that have other names too, such as those in
    prefixes, and were seen to be right.
    """

    artifacts: int
    size: int
    damaged: tuple[Damaged, ...]
    sound: frozenset[tuple[int, int]]


def verify_cache(
    cache: PackageCache, *, repair: bool = True, progress: Progress | None = None
) -> Verified:
    """Compare everything in `cache` with its hashes; with `repair`, drop what is damaged.

    What is dropped is made or fetched again by whoever needs it. Raises `CacheError`.
    """
    with cache.errors():
        kept = list(holdings(cache))
        sizes = [holding.size or 0 for holding in kept]
        task = (progress or NoProgress()).start("reading the cache", sum(sizes), "bytes")
        workers: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for _ in range(_PROCESSES):
            workers.put(Worker())

        def verify(holding: Holding) -> tuple[list[str], list[list[int]]]:
            worker = workers.get()
            try:
                answer = worker.call(
                    "pkgcache.prefixes.verifying:verify_here",
                    kind=holding.kind,
                    path=str(holding.path),
                )
            finally:
                workers.put(worker)
            task.advance(holding.size or 0)
            return answer["problems"], answer["inodes"]

        try:
            with Threads(_PROCESSES) as pool:
                answers = list(pool.map(verify, kept))
        finally:
            task.done()
            for _ in range(_PROCESSES):
                workers.get().close()
        damaged = [
            _damaged(cache, holding, problems, repair=repair)
            for holding, (problems, _) in zip(kept, answers, strict=True)
            if problems
        ]
        damaged += [
            Damaged(
                kind="stranger",
                digest="",
                path=path,
                problems=("it is none of ours; delete it by hand if it is not needed",),
                dropped=False,
            )
            for path in strangers(cache)
        ]
    return Verified(
        artifacts=sum(1 for holding in kept if holding.size),
        size=sum(sizes),
        damaged=tuple(damaged),
        sound=frozenset((device, inode) for _, inodes in answers for device, inode in inodes),
    )


def verify_prefix(prefix: Path, sound: Container[tuple[int, int]] = frozenset()) -> tuple[str, ...]:
    """What is wrong with the files that an environment was created with, a line for each.

    Packages say what they brought in `RECORD` and in `conda-meta`. Files that are `sound`, by
    device and inode, need not be read again. What came later is not looked at.
    """
    wrong, _ = _inventory.compare(prefix)
    return tuple(sorted((*wrong.values(), *changed_files(prefix, wrong, sound))))


def changed_files(
    prefix: Path,
    known: Container[str],
    sound: Container[tuple[int, int]] = frozenset(),
    *,
    only: Container[str] | None = None,
) -> tuple[str, ...]:
    """Which files, or those in `only`, do not have their hash, a line for each.

    Those that are `known` to be wrong are not looked at.
    """
    try:
        expected = recorded(prefix)
    except (OSError, ValueError, TypeError, LookupError) as error:
        return (f"a record of its packages cannot be read: {error}",)
    problems = []
    for path, digests in sorted(expected.items()):
        if path in known or (only is not None and path not in only):
            continue
        file = prefix / path
        try:
            status = file.stat()
            # Not the inode alone: the number is another file's on another disk.
            right = (status.st_dev, status.st_ino) in sound or any(
                digest(file, algorithm) == listed for algorithm, listed in digests
            )
        except OSError as error:
            problems.append(f"`{path}`: {(error.strerror or str(error)).lower()}")
        else:
            if not right:
                problems.append(f"`{path}` was changed")
    return tuple(problems)


def recorded(prefix: Path) -> dict[str, set[tuple[str, str]]]:
    """The algorithms and digests of the files of an environment, as the records of packages say.

    Raises `OSError`, `ValueError`, `TypeError` or `LookupError` for records that cannot be read.
    """
    expected: dict[str, set[tuple[str, str]]] = {}
    try:
        for path, listed in (*_of_conda(prefix), *_of_wheels(prefix)):
            # Two packages may list a path, and the file of either is there: either digest is right.
            expected.setdefault(path, set()).add(parsed(listed))
    except (csv.Error, AttributeError) as error:
        raise ValueError(str(error)) from None
    return expected


async def verify_here(
    *,
    report: object,  # noqa: ARG001  every handler gets it
    kind: str,
    path: str,
) -> dict[str, Any]:
    """What the processes do."""
    inodes: list[tuple[int, int]] = []
    problems = _problems(kind, Path(path), inodes)
    return {"problems": problems, "inodes": inodes}


def _damaged(
    cache: PackageCache, holding: Holding, problems: list[str], *, repair: bool
) -> Damaged:
    dropped = False
    if repair:
        with try_lock(cache.lock_path(holding.digest)) as held:
            # Somebody else may have noticed, and made it again.
            if held and _problems(holding.kind, holding.path, []):
                drop(holding.path)
            dropped = held
    return Damaged(
        kind=holding.kind,
        digest=holding.digest,
        path=holding.path,
        problems=tuple(problems),
        dropped=dropped,
    )


def _problems(kind: str, folder: Path, inodes: list[tuple[int, int]]) -> list[str]:
    """What is wrong with an artifact; the inodes of its files that are linked from elsewhere."""
    try:
        if kind == "archive":
            return _archive_problems(folder)
        return _unpacked_problems(kind, folder, inodes)
    except FileNotFoundError:  # collected since
        return []


def _archive_problems(folder: Path) -> list[str]:
    kind = "sha256" if len(folder.name) == hashlib.sha256().digest_size * 2 else "md5"
    problems = []
    for name in (entry.name for entry in folder.iterdir() if not entry.name.startswith(".")):
        try:
            right = digest(folder / name, kind) == folder.name
        except FileNotFoundError:
            raise
        except OSError as error:
            problems.append(f"`{name}` cannot be read: {(error.strerror or str(error)).lower()}")
        else:
            if not right:
                problems.append(f"`{name}` does not have its hash")
    return problems


def _unpacked_problems(kind: str, folder: Path, inodes: list[tuple[int, int]]) -> list[str]:
    files: list[tuple[str, str]] | None = None
    if kind == "pypi" and (wheel := wheels.load(folder)):
        files = [(file.path, file.hash) for file in wheel.files]
    elif kind == "conda" and (package := conda_packages.load(folder)):
        files = [(file.path, file.sha256) for file in package.files if file.kind == "hardlink"]
    if files is None:
        return ["its files, or the list of them, are not as they were unpacked"]
    problems = []
    for path, text in files:
        file = f"{folder}/tree/{path}"  # a `Path` of each would cost a quarter of the time
        algorithm, listed = parsed(text)
        if digest(file, algorithm) != listed:
            problems.append(f"`{path}` was changed")
        # Prefixes have links to this inode, so that these need not be read again.
        elif (there := os.stat(file)).st_nlink > 1:  # noqa: PTH116
            inodes.append((there.st_dev, there.st_ino))
    return problems


def _of_wheels(prefix: Path) -> Iterator[tuple[str, str]]:
    """The files of the wheels that we linked, with their digests."""
    for record in prefix.glob("lib/python3*/site-packages/*.dist-info/RECORD"):
        installer = record.with_name("INSTALLER")
        # What a user installed later is theirs, and so is what conda's own packages say in RECORD.
        if not installer.is_file() or installer.read_text().strip() != "mfenv":
            continue
        root = record.parent.parent.relative_to(prefix)
        with os.fdopen(open_file(record), encoding="utf-8", newline="") as file:
            for path, text, *_ in csv.reader(file):
                if text:
                    yield posixpath.normpath(f"{root}/{path}"), text


def _of_conda(prefix: Path) -> Iterator[tuple[str, str]]:
    """The files of conda packages, with their digests."""
    for record in prefix.glob("conda-meta/*.json"):
        with os.fdopen(open_file(record), "rb") as file:
            paths = json.loads(file.read())["paths_data"]["paths"]
        for entry in paths:
            if text := entry.get("sha256_in_prefix") or entry.get("sha256"):
                yield entry["_path"], text
