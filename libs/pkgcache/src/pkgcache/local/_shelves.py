"""What the local cache keeps, where, and how it comes to be there.

| path | content |
|---|---|
| `archives/<2 digits>/<digest>/<file name>` | an archive; beside it `.<file name>.part` while it comes |
| `wheels-2/<2 digits>/<digest>/` | an unpacked wheel: its files in `tree/`, their list `files.json` |
| `conda-2/<2 digits>/<digest>/` | an unpacked conda package, likewise |
| `locks/` | a lock file for each artifact that was worked on |
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pkgcache.archives import _changes, conda_packages, wheels
from pkgcache.archives.records import DEFAULT_LIMITS
from pkgcache.errors import BadArchive, CacheError, NotInCache, PkgcacheError
from pkgcache.lacking import FULL, lacking
from pkgcache.locks import UNWRITABLE, lock
from pkgcache.progress import NoProgress
from pkgcache.stores import layout
from pkgcache.whole_files import contents, write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from envid.packages import Package
    from pkgcache.archives._changes import Check, File
    from pkgcache.archives.records import PackageLimits, UnpackedConda, UnpackedWheel
    from pkgcache.local._unpackers import Unpackers
    from pkgcache.progress import Progress
    from pkgcache.web.receiving import Received

    Known = dict[str, UnpackedWheel | UnpackedConda]

_FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!~-]{0,250}")
# A program that unpacks in another way uses another folder and leaves these alone.
UNPACKED = {"pypi": "wheels-2", "conda": "conda-2"}

_T = TypeVar("_T")


class Shelves:
    """What a `PackageCache` keeps, and where; see there."""

    def __init__(
        self,
        root: Path,
        *,
        limits: PackageLimits = DEFAULT_LIMITS,
        always_verify: bool = False,
    ) -> None:
        self.root = root.absolute()
        self.limits, self.always_verify = limits, always_verify
        self._mode = 0o755
        self._refusal: CacheError | None = None
        try:
            with self.errors():
                self._make_folders()
        except CacheError as error:
            cause = error.__cause__
            if not (isinstance(cause, OSError) and cause.errno in UNWRITABLE):
                raise
            # A cache on a read-only file system is of use still, and who must write in it is told
            # why not.
            self._refusal = error

    def _make_folders(self) -> None:
        self.root.parent.mkdir(parents=True, exist_ok=True)
        # Never wider than this, whatever the umask: who can write here can run code as us.
        self.root.mkdir(mode=self._mode, exist_ok=True)
        self._mode = _check_owner(self.root) & 0o2775
        for name in ("archives", *UNPACKED.values(), "locks"):
            self._make(self.root / name)

    def __repr__(self) -> str:
        return f"PackageCache({str(self.root)!r})"

    @property
    def writable(self) -> bool:
        """Whether anything can be written here."""
        return self._refusal is None and os.access(self.root / "locks", os.W_OK, effective_ids=True)

    @contextmanager
    def room_for(self, packages: Iterable[Package]) -> Iterator[None]:
        """Raise `CacheError`s in the body that say, where there is no room, how much it takes."""
        try:
            with self.errors():
                yield
        except CacheError as error:
            size = sum(package.size or 0 for package in packages if not self.has_unpacked(package))
            if lacking(error) not in FULL:
                raise
            needs = f"{error.reason}: the archives to keep there have {size / 1e6:.1f} MB"
            raise CacheError(error.path, f"{needs}, and more when unpacked") from error

    def has(self, package: Package) -> bool:
        """Whether an archive of the package is here, judged by its size."""
        return any(map(self._holds, layout.archives(package)))

    def has_unpacked(self, package: Package) -> bool:
        """Whether the package was unpacked here; `unpacked` finds out whether it changed since."""
        return wheels.is_unpacked(self._folder(package))

    def archive(self, package: Package, *, verified: bool = False) -> Path:
        """The archive, its hash checked now, unless it just was (`verified`).

        What is damaged is dropped; raises `NotInCache`.
        """
        with self.errors():
            for archive in filter(self._holds, layout.archives(package)):
                path = self.archive_path(archive)
                if (
                    verified
                    or _changes.digest(path, "sha256" if archive.hashes.sha256 else "md5")
                    == archive.digest
                ):
                    return path
                # With the lock or without: whoever wants it next fetches it again, and nobody gets
                # it damaged.
                path.unlink(missing_ok=True)
        raise NotInCache(package.filename)

    def add(self, source: Path | bytes, filename: str) -> Received:
        """Put a file that was made here, such as a built wheel, into the cache."""
        self._check_made()
        with self.errors():
            # The name of the folder is a hash that is not known before all of it is written.
            beside = self.root / "archives" / f".{secrets.token_hex(8)}.tmp"
            try:
                # On the disk before it has its name, because `_holds` judges by the size alone.
                received = _copy(source, beside)
                path = Path(self._place(received.sha256, filename))
                self._make(path.parent.parent)
                self._make(path.parent)
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
        return received

    def unpacked(self, package: Package, *, progress: Progress | None = None) -> UnpackedWheel:
        """The unpacked wheel, unpacked now if need be.

        Every file's size, time and mode are compared with what was unpacked, and its hash if it
        changed since: see `_changes`. If any differs, the wheel is unpacked again from its archive.
        Raises `NotInCache` where there is none, and `BadArchive` for a wheel that is not valid.
        """
        return self._unpacked(package, wheels.load, progress, _unpack)

    def unpacked_conda(
        self, package: Package, *, progress: Progress | None = None
    ) -> UnpackedConda:
        """The unpacked conda package, with the same checks and errors as a wheel."""
        return self._unpacked(package, conda_packages.load, progress, _unpack)

    def surely_unpacked(self, packages: Iterable[Package]) -> Known:
        """Those of many packages that are here as they were unpacked, by digest.

        That is what can be said without reading files; `unpacked` and `unpacked_conda` find out
        about the others. Two processes look at them.
        """
        with self.looking(packages) as known:
            pass
        return known

    @contextmanager
    def looking(self, packages: Iterable[Package]) -> Iterator[Known]:
        """The same while the body does something else: what is yielded is right at the end of it."""
        known: Known = {}
        looks: list[tuple[Path, Sequence[File]]] = []

        def noted(folder: Path, files: Sequence[File]) -> bool:
            looks.append((folder, files))
            return True

        if self.always_verify:
            yield known
            return
        with self.errors():
            for package in packages:
                check_name(package)
                folder = self._folder(package)
                _touch(folder)  # as in `_unpacked`
                load = conda_packages.load if package.kind == "conda" else wheels.load
                if unpacked := load(folder, noted):
                    known[package.digest] = unpacked
            with _changes.looking(looks) as doubtful:
                yield known
            for folder in doubtful:
                known.pop(folder.name, None)

    def unpack(
        self, package: Package, unpackers: Unpackers, progress: Progress, *, verified: bool
    ) -> None:
        """As `unpacked` and `unpacked_conda`, in the processes of `unpackers`.

        `verified`: the archive has just arrived, and its hash was checked on its way.
        """
        load = conda_packages.load if package.kind == "conda" else wheels.load
        self._unpacked(package, load, progress, unpackers.unpack, verified=verified)

    def check(self, package: Package, unpackers: Unpackers, *, verified: bool) -> None:
        """Raise `BadArchive` where `unpack` would, and `NotInCache`; nothing is unpacked."""
        check_name(package)
        if self.has_unpacked(package):
            return
        archive = self.archive(package, verified=verified)
        with self.errors():
            unpackers.unpack(package.kind, archive, None, self.limits)

    def _unpacked(
        self,
        package: Package,
        load: Callable[[Path, Check], _T | None],
        progress: Progress | None,
        unpack: Callable[[str, Path, Path, PackageLimits], None],
        *,
        verified: bool = False,
    ) -> _T:
        check_name(package)
        folder = self._folder(package)
        progress = progress or NoProgress()
        check = _changes.checker(progress, always=self.always_verify)
        # Before it is looked at: the collector looks at this time under the lock, so that what is
        # seen to be here stays for the hour in which it is used.
        _touch(folder)
        with self.errors():
            if unpacked := load(folder, check):
                return unpacked
            with self.locked(package, progress):
                if unpacked := load(folder, check):
                    return unpacked
                # Each attempt has a name of its own: the process that unpacked for a killed attempt
                # may live a moment longer.
                beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.new")
                for stale in folder.parent.glob(f".{folder.name}.*new"):
                    shutil.rmtree(stale, ignore_errors=True)
                _remove(folder)
                self._make(folder.parent)
                try:
                    archive = self.archive(package, verified=verified)
                    unpack(package.kind, archive, beside, self.limits)
                    self._share(beside)
                    # The mark is the last thing, since whatever changes later than it is hashed
                    # before it is used.
                    _changes.mark(beside)
                    beside.rename(folder)
                finally:
                    _remove(beside)
                # Not by `check`, which would hash what was hashed as it was written.
                if unpacked := load(folder, _changes.as_listed):
                    return unpacked
                raise CacheError(str(folder), "an unpacked package does not read back")

    def linked(self, packages: Iterable[Package]) -> None:
        """Say that unpacked packages were linked from, which is no change of what is in them."""
        _changes.linked(map(self._folder, packages))

    @contextmanager
    def unlinking(self, digests: Iterable[str]) -> Iterator[None]:
        """Have it known that links to files of these packages go in the body, and nothing else."""
        with self.errors():
            folders = [
                self.root / name / digest[:2] / digest
                for digest in digests
                for name in UNPACKED.values()
            ]
            loads = {UNPACKED["pypi"]: wheels.load, UNPACKED["conda"]: conda_packages.load}
            # Of these the mark is moved along behind the body; what was not right before must stay
            # suspicious.
            right = [
                folder
                for folder in folders
                if loads[folder.parent.parent.name](folder, _changes.surely)
            ]
            yield
            _changes.linked(right)

    def _use(self, package: Package) -> None:
        """Say that a package is used, which keeps garbage collection away from it."""
        for archive in layout.archives(package):
            _touch(os.path.dirname(self._archive(archive)))  # noqa: PTH120  of very many
        _touch(self._folder(package))

    def _holds(self, archive: Package) -> bool:
        try:
            status = os.lstat(self._archive(archive))
        except FileNotFoundError:
            return False
        size = archive.size if archive.size is not None else status.st_size
        # A power cut may leave a file of the right name that has no bytes.
        return stat.S_ISREG(status.st_mode) and status.st_size == size > 0

    def archive_path(self, package: Package) -> Path:
        """Where the archive lies, once it is here."""
        return Path(self._archive(package))

    def lock_path(self, name: str) -> Path:
        """The lock file of an artifact or a prefix."""
        return Path(f"{self.root}/locks/{name}.lock")

    @contextmanager
    def locked(self, package: Package, progress: Progress) -> Iterator[None]:
        """Hold the artifact's lock. Whoever holds it may write its archive and its tree."""
        self._check_made()
        path = self.lock_path(package.digest)
        with lock(
            path,
            waiting_for=f"whoever works on `{package.filename}` already",
            progress=progress,
        ):
            yield

    def part_path(self, package: Package) -> Path:
        """Where the archive is received; its folder exists afterwards."""
        folder, _, name = self._archive(package).rpartition("/")
        with self.errors():
            try:
                self._make(folder)
            except FileNotFoundError:
                self._make(os.path.dirname(folder))  # noqa: PTH120  of very many
                self._make(folder)
        return Path(f"{folder}/.{name}.part")

    def _folder(self, package: Package) -> Path:
        name = package.digest
        return Path(f"{self.root}/{UNPACKED[package.kind]}/{name[:2]}/{name}")

    def _archive(self, package: Package) -> str:
        # A text: it is asked for several times for each of very many, and most only look.
        return self._place(package.digest, package.filename)

    def _place(self, digest: str, filename: str) -> str:
        if not _FILENAME.fullmatch(filename):
            raise CacheError(str(self.root), f"{filename!r} is not a file name")
        return f"{self.root}/archives/{digest[:2]}/{digest}/{filename}"

    def _check_made(self) -> None:
        if self._refusal:
            raise self._refusal

    def _make(self, folder: Path | str) -> None:
        try:
            os.mkdir(folder, self._mode)  # noqa: PTH102  of very many
        except FileExistsError:
            return
        if self._mode & stat.S_IWGRP:  # which the umask may have taken away
            os.chmod(folder, self._mode)  # noqa: PTH101

    def _share(self, folder: Path) -> None:
        """Let the group delete what lies in `folder`, which the umask may have forbidden."""
        if self._mode & stat.S_IWGRP:
            for path, _, _ in os.walk(folder):
                os.chmod(path, self._mode)  # noqa: PTH101  of many

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the errors of the file system into `CacheError`."""
        try:
            yield
        except PkgcacheError:
            raise
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CacheError(str(error.filename or self.root), reason) from error


def check_name(package: Package) -> None:
    """Raise `BadArchive` for a package that is described as another than its file is of."""
    described = f"{package.name} {package.version} {package.build or ''}".rstrip()
    if package.kind == "conda":
        same = package.filename.startswith(f"{described.replace(' ', '-')}.")
    elif _plainly(package):
        same = True
    else:
        from pkgcache.archives import _dist_info

        same = _dist_info.belongs(f"{package.name}-{package.version}.dist-info", package.filename)
    if not same:
        raise BadArchive(package.filename, (f"it is described as `{described}`",))


def _plainly(package: Package) -> bool:
    """Whether a wheel is called as nearly all are, and as it is described.

    To find out about other names much has to be imported.
    """
    name, _, rest = package.filename.partition("-")
    plain = rest.startswith(f"{package.version}-") and rest.endswith(".whl")
    # With or without a build tag between the version and the three others.
    return plain and rest.count("-") in (3, 4) and re.sub("[_.]", "-", name).lower() == package.name


def _touch(folder: Path | str) -> None:
    with suppress(OSError):  # not here, or a cache that can only be read
        os.utime(folder)


def _check_owner(root: Path) -> int:
    status = root.stat()
    shared = status.st_mode & stat.S_IWGRP and status.st_gid in (os.getegid(), *os.getgroups())
    # Who can write here decides what code runs in everybody's environments.
    if status.st_mode & stat.S_IWOTH:
        hint = f"run `chmod o-w {root}`, or use another directory"
        raise CacheError(str(root), "everybody may write into it", hint=hint)
    if status.st_uid not in (os.geteuid(), 0) and not shared:
        hint = "use a directory of your own"
        raise CacheError(str(root), "it belongs to another user", hint=hint)
    return status.st_mode


def _unpack(kind: str, archive: Path, folder: Path, limits: PackageLimits) -> None:
    from pkgcache.local._unpackers import unpack  # nearly always it was done before

    unpack(kind, archive, folder, limits)


def _copy(source: Path | bytes, target: Path) -> Received:
    from pkgcache.web.receiving import Received

    digest, size = hashlib.sha256(), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(target, flags, 0o644)
    try:
        for data in contents(source):
            digest.update(data)
            write_all(descriptor, data)
            size += len(data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return Received(sha256=digest.hexdigest(), size=size)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
