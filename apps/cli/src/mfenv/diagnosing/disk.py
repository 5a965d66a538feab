"""The disks below the home: room, rights, and what their file systems can do."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mfenv.diagnosing.findings import failure, ok, skipped, warning
from mfenv.diagnosing.subject import existing
from mfenv.wording import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mfenv.diagnosing.findings import Finding
    from mfenv.diagnosing.subject import Subject

__all__ = ["check_disk", "check_files", "file_system"]

# Bytes and files, below which an environment of usual size has no room.
_LITTLE, _FEW = 2_000_000_000, 100_000
# As the table of mounts calls them.
_NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "lustre", "beegfs", "gpfs", "ceph"),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.gcsfuse", "fuse.juicefs"),
}
_PREFIX = ".mfenv-doctor-"


def check_disk(subject: Subject) -> Iterator[Finding]:
    """Write a file, and look at the room, where mfenv keeps what it has."""
    home = subject.site.home
    seen = set()
    for name, place in (("home", home), ("cache", home / "cache"), ("environments", home / "envs")):
        there = existing(place)
        device = there.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        try:
            with tempfile.TemporaryFile(prefix=_PREFIX, dir=there) as file:
                file.write(bytes(1 << 16))
                file.flush()
        except OSError as error:
            error.filename = str(there)
            message, hint = words(error)
            yield failure(
                f"the {name} `{place}` cannot be written: {message}",
                hint or "set MFENV_HOME to a directory that can be written",
            )
            continue
        yield _room(name, place, there)
    with suppress(OSError):
        tempfile.gettempdir()
        return
    yield failure("no directory for temporary files can be written", "set TMPDIR to one that can")


def _room(name: str, place: Path, there: Path) -> Finding:
    usage = os.statvfs(there)
    free = usage.f_bavail * usage.f_frsize
    told = f"the {name} `{place}` has room for {free / 1e9:.1f} GB"
    if usage.f_files and usage.f_favail < _FEW:
        told += f" and {usage.f_favail} files (inodes)"
    elif free >= _LITTLE:
        return ok(told)
    return warning(told, "make some, which `mfenv gc` may help with, or set MFENV_HOME")


def check_files(subject: Subject) -> Iterator[Finding]:
    """Try out links, names, renames and locks, in a directory that is deleted again."""
    home = subject.site.home
    cache, envs = existing(home / "cache"), existing(home / "envs")
    try:
        with (
            tempfile.TemporaryDirectory(prefix=_PREFIX, dir=cache) as first,
            tempfile.TemporaryDirectory(prefix=_PREFIX, dir=envs) as second,
        ):
            wrong = [
                *_links(Path(first), Path(second)),
                *_names(Path(second)),
                *_locks(Path(first)),
            ]
    except OSError as error:
        yield skipped(f"nothing can be tried out in `{home}`: {words(error)[0]}")
        return
    kind = file_system(cache)
    if kind in _NETWORK:
        yield warning(
            f"`{home}` is on {kind}: the registry is a SQLite database, which several machines must"
            " not write at a time",
            "set MFENV_HOME to a disk of this machine; a store is what machines share",
        )
    yield from wrong
    if not wrong:
        yield ok(f"hard links, names, renames and locks work in `{home}` ({kind or 'unknown'})")


def _links(cache: Path, envs: Path) -> Iterator[Finding]:
    (cache / "file").write_bytes(b"x")
    try:
        os.link(cache / "file", envs / "linked")
    except OSError as error:
        why = (
            "they are on different file systems" if error.errno == errno.EXDEV else words(error)[0]
        )
        yield warning(
            f"environments are copied from the cache, not linked: {why}",
            f"have `{cache.parent}` and `{envs.parent}` on one file system that has hard links",
        )


def _names(folder: Path) -> Iterator[Finding]:
    (folder / "name").write_bytes(b"x")
    if (folder / "NAME").exists():
        yield warning(
            "names that differ in case alone are one here, and a few conda packages need both",
            "set MFENV_HOME to a file system that tells them apart",
        )
    with open(folder / "new", "wb") as file:  # noqa: PTH123 - is to be synchronised
        file.write(b"y")
        file.flush()
        os.fsync(file.fileno())
    (folder / "new").replace(folder / "name")
    if (folder / "name").read_bytes() != b"y":
        yield failure("a file that was renamed over another is not in its place", _ELSEWHERE)


def _locks(folder: Path) -> Iterator[Finding]:
    from pkgcache.locks import hold, try_lock

    try:
        with hold(folder / "lock"), try_lock(folder / "lock") as again:
            if again:
                yield failure("a lock that is held is given to others, too", _ELSEWHERE)
    except OSError as error:
        yield failure(f"files cannot be locked: {error}", _ELSEWHERE)


_ELSEWHERE = "set MFENV_HOME to another file system, such as a disk of this machine"


def file_system(path: Path, mounts: str | None = None) -> str | None:
    """The kind of file system that a path is on, by a table of mounts (Linux); None: unknown."""
    if mounts is None:
        if sys.platform != "linux":
            return None
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    kinds = {}
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split()
        kinds[place.replace("\\040", " ")] = kind  # of several mounts on a place, the last is seen
    real = path.resolve()
    return next((kinds[str(place)] for place in (real, *real.parents) if str(place) in kinds), None)
