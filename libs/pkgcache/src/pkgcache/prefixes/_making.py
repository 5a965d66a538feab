"""What prefixes of all kinds have in common: how they come to be, are replaced, and are deleted.

An environment is built beside its place and moved there when it is complete. It is ours by its
marker, which is written last. What must run in place, after the move, runs while the marker still
has another name, so that what is interrupted then is known for what it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envid.ids import EnvId, is_id
from pkgcache._files import open_file
from pkgcache.errors import NotOurPrefix, PkgcacheError, PrefixError, PrefixExists
from pkgcache.locks import lock, try_lock
from pkgcache.prefixes import _inventory
from pkgcache.prefixes.linking import Installable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from pkgcache.local._shelves import Known
    from pkgcache.local.cache import PackageCache
    from pkgcache.progress import Progress

MARKER = ".mfenv.json"
_UNFINISHED = ".mfenv-unfinished.json"
_SCHEMA_VERSION = 1
_LONGEST_MARKER = 4096
_BESIDE = re.compile(r"\.(.+)\.mfenv-(?:new|old|gone|lock)")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSite:
    """Where an environment is built, and where it will be; `in_place` is done there, in order.

    `made` is what was made there, if anything was linked. One that is `packed` is for any
    place: what holds a prefix stays as its package brought it. Where somebody else who worked there
    was `waited` for, what was looked at before may have changed.
    """

    root: Path
    final: Path
    packed: bool = False
    waited: bool = False
    in_place: list[Callable[[], None]] = field(default_factory=list)
    made: _inventory.Made = field(default_factory=_inventory.Made)


@contextmanager
def building(
    prefix: Path, env: ResolvedEnv, *, cache: PackageCache, replace: bool, progress: Progress
) -> Iterator[BuildSite]:
    """Build `env` in the body; it is moved to `prefix` at the end of it.

    On any error `prefix` is as it was. Raises `PrefixExists`, `NotOurPrefix`, `PrefixError`.
    """
    prefix = place(prefix)
    with _working_on(prefix, cache, progress) as waited:
        if os.path.lexists(prefix):
            # Seen under the lock, so that it stays as it is until the end.
            if not replace:
                raise PrefixExists(str(prefix))
            _check_ours(prefix)
        site = BuildSite(root=_beside(prefix, "new"), final=prefix, waited=waited)
        # With what is above it: another process may have taken away what it had made there.
        site.root.mkdir(parents=True)
        yield site
        # The links moved the change times of the cache's files, which is no change of theirs.
        cache.linked(env.packages)
        if not site.in_place:
            _inventory.write(site.root, env.packages, site.made)
        # Last and synced, so that a prefix with a marker is complete, whatever was cut off when.
        _write_marker(site.root / (_UNFINISHED if site.in_place else MARKER), env.env_id)
        if os.path.lexists(prefix):
            # Renamed, not deleted: that takes a moment, however many files there are, and can be
            # undone.
            prefix.rename(_beside(prefix, "old"))
        # Whoever looks sees the old environment, for a moment none, and then all of the new one.
        site.root.rename(prefix)
        if site.in_place:
            # Programs of packages run where they will be used. The marker has another name until
            # they are done.
            for work in site.in_place:
                work()
            # These may have written into any file.
            _inventory.write(prefix, env.packages, _inventory.Made())
            (prefix / _UNFINISHED).rename(prefix / MARKER)


def remove(
    prefix: Path, *, cache: PackageCache, progress: Progress, unless: Callable[[], bool] | None
) -> bool:
    """Delete the environment at `prefix`, `unless` that says, with the prefix locked, not to.

    Returns whether it did. Raises `NotOurPrefix`.
    """
    prefix = absolute(prefix)
    with _working_on(prefix, cache, progress):
        _check_ours(prefix)
        if unless and unless():
            return False
        # Gone for everybody at once; the files are deleted at the end of `_working_on`.
        prefix.rename(_beside(prefix, "gone"))
    return True


def settled(prefix: Path, *, cache: PackageCache, progress: Progress) -> EnvId | None:
    """Which environment `prefix` is, once nobody works on it."""
    prefix = absolute(prefix)
    with _working_on(prefix, cache, progress):
        return read_marker(prefix)


def leftovers(folder: Path, cache: PackageCache, *, dry_run: bool) -> int:
    """Put right what killed processes left in `folder`, a directory of prefixes; how much it was.

    What lies beside a prefix that somebody works on is theirs.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208  names are what is asked for
    except (FileNotFoundError, NotADirectoryError):
        return 0
    owners = {name_of[1] for name in names if (name_of := _BESIDE.fullmatch(name))}
    owners.update(name for name in names if interrupted(folder / name))
    done = 0
    for name in owners:
        with try_lock(_lock_path(folder / name, cache)) as held:
            if held:
                done += 1
                if not dry_run:
                    _tidy(folder / name, cache)
    return done


def read_marker(prefix: Path) -> EnvId | None:
    """Which environment `prefix` is, None where it is none of ours."""
    return _read(prefix / MARKER)


def interrupted(prefix: Path) -> bool:
    """Whether `prefix` is one of ours that was never finished; whoever works there discards it."""
    return not read_marker(prefix) and _read(prefix / _UNFINISHED) is not None


def absolute(prefix: Path) -> Path:
    """The absolute path of a prefix; raises `NotOurPrefix` for the root of everything."""
    # Not resolve(): on a cluster only the name that the user gave may hold everywhere.
    path = Path(os.path.abspath(prefix))  # noqa: PTH100
    if not path.name:
        raise NotOurPrefix(str(path), "is not only an environment")
    return path


def place(prefix: Path) -> Path:
    """The absolute path of a prefix that shall be; raises `PrefixError` where none can be."""
    try:
        return absolute(prefix)
    except NotOurPrefix as error:
        raise PrefixError(
            error.path, "is no place for an environment", hint="choose a directory below it"
        ) from None


def installables(
    packages: Iterable[Package], known: Known, cache: PackageCache, progress: Progress
) -> list[Installable]:
    """Wheels of the cache with what must be known to install them."""
    from pkgcache.archives.records import UnpackedWheel  # where environments are made

    wheels = []
    for package in packages:
        wheel = known.get(package.digest)
        if not isinstance(wheel, UnpackedWheel):
            wheel = cache.unpacked(package, progress=progress)
        wheels.append(Installable(wheel=wheel, direct_url=_direct_url(package)))
    return wheels


def _beside(prefix: Path, what: str) -> Path:
    """Where a prefix that is `new`, `old` or `gone` lies while somebody works on it."""
    return prefix.with_name(f".{prefix.name}.mfenv-{what}")


def _lock_path(prefix: Path, cache: PackageCache) -> Path:
    # There is nowhere else that all who work on this prefix would look.
    if not cache.writable:
        return _beside(prefix, "lock")
    # Two paths to a prefix have one lock; the last part may be a link, which is refused elsewhere.
    real = prefix.parent.resolve() / prefix.name
    return cache.lock_path(f"prefix-{hashlib.sha256(os.fsencode(real)).hexdigest()}")


@contextmanager
def _working_on(prefix: Path, cache: PackageCache, progress: Progress) -> Iterator[bool]:
    """Hold the lock of a prefix; yields whether somebody else had it.

    What is left beside it is put right before and afterwards. Directories above it that were made
    for it, and have nothing in the end, are gone then.
    """
    try:
        waiting_for = f"another process that works on `{prefix}`"
        with (
            _above(prefix),
            lock(_lock_path(prefix, cache), waiting_for=waiting_for, progress=progress) as waited,
        ):
            _tidy(prefix, cache)
            try:
                yield waited
            finally:
                _tidy(prefix, cache)
                # Whoever waits for it sees that it has no name any more, and makes another.
                _beside(prefix, "lock").unlink(missing_ok=True)
    except PkgcacheError:
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        at = error.filename if isinstance(error.filename, str) else ""
        inside = Path(at).is_relative_to(prefix) or not at
        raise PrefixError(str(prefix), reason if inside else f"`{at}`: {reason}") from error


def _above(prefix: Path) -> AbstractContextManager[None]:
    if prefix.parent.is_dir():
        return nullcontext()
    from pkgcache.whole_files import made_folder

    return made_folder(prefix.parent)


def _tidy(prefix: Path, cache: PackageCache) -> None:
    old, gone = _beside(prefix, "old"), _beside(prefix, "gone")
    if interrupted(prefix):
        _check_place(prefix)
        _discard(gone, cache)
        prefix.rename(gone)
    if not os.path.lexists(prefix) and read_marker(old):
        old.rename(prefix)  # interrupted before the end of a replacement
    for path in (_beside(prefix, "new"), old, gone):
        _discard(path, cache)


def _discard(path: Path, cache: PackageCache) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        # A link that goes moves the change time of a file of the cache.
        with cache.unlinking(_inventory.packages(path)):
            shutil.rmtree(path)


def _check_ours(prefix: Path) -> None:
    _check_place(prefix)
    if read_marker(prefix):
        return
    document = _document(prefix / MARKER)
    version = document.get("schema_version") if isinstance(document, dict) else None
    # What a newer version wrote cannot be judged here, nor what it keeps beside it.
    if isinstance(version, int) and version > _SCHEMA_VERSION:
        raise NotOurPrefix(str(prefix), "was made by a newer mfenv")
    # Where somebody damaged the marker, the list of files tells that it is ours.
    if not _inventory.packages(prefix):
        raise NotOurPrefix(str(prefix))


def _check_place(prefix: Path) -> None:
    if prefix.is_symlink():
        raise NotOurPrefix(str(prefix), "is a symbolic link")
    if not prefix.is_dir():
        raise NotOurPrefix(str(prefix), "is not a directory")
    # Path.expanduser() fails for a user who has no home, as in many containers.
    home = Path(os.path.expanduser("~")).resolve()  # noqa: PTH111
    prefix = prefix.resolve()
    if prefix in (home, *home.parents) or prefix.is_mount():
        raise NotOurPrefix(str(prefix), "is not only an environment")


def _read(marker: Path) -> EnvId | None:
    document = _document(marker)
    try:
        if document["schema_version"] != _SCHEMA_VERSION:
            return None
        env_id = EnvId(document["req_id"], document["full_id"], document["platform"])
    except (TypeError, KeyError):
        return None
    valid = all(isinstance(value, str) for value in env_id)
    return env_id if valid and is_id(env_id.req_id) and is_id(env_id.full_id) else None


def _document(marker: Path) -> Any:
    try:
        with os.fdopen(open_file(marker, follow=False), "rb") as file:
            # A file of this name that is not ours may be of any size.
            return json.loads(file.read(_LONGEST_MARKER))
    except (OSError, ValueError, RecursionError):
        return None


def _write_marker(marker: Path, env_id: EnvId) -> None:
    document = {"schema_version": _SCHEMA_VERSION, **env_id._asdict()}
    with marker.open("x", encoding="utf-8") as file:
        json.dump(document, file, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())


def _direct_url(package: Package) -> bytes | None:
    """PEP 610, for what was built from a repository or a directory; an sdist is no direct URL."""
    origin = package.built_from
    if not origin or origin.kind == "sdist":
        return None
    document: dict[str, Any] = {"url": origin.url.removeprefix("git+")}
    if origin.kind == "vcs":
        document["vcs_info"] = {"vcs": "git", "commit_id": origin.commit}
    else:
        document["dir_info"] = {}
    if origin.subdirectory:
        document["subdirectory"] = origin.subdirectory
    return json.dumps(document).encode()
