"""One pool for everything that a publish needs: look, bring, transmute, upload, describe."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from envid.errors import UnknownSchemaVersion
from envid.packages import Transmuted
from pkgcache._jobs import Job, Step, run_jobs
from pkgcache.errors import Conflict, DamagedObject, NotInCache, NotInStore
from pkgcache.local._fetch import LOCAL, NETWORK, Fetcher, interleaved
from pkgcache.local._shelves import check_name
from pkgcache.locks import try_lock
from pkgcache.stores import layout
from pkgcache.web.receiving import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from envid.ids import EnvId
    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from pkgcache.local._fetched import Fetched
    from pkgcache.local.cache import PackageCache
    from pkgcache.progress import Progress, Task
    from pkgcache.share._claims import Claims
    from pkgcache.share._records import SharedRecords
    from pkgcache.web.download import Downloader

_T = TypeVar("_T")

_CHECK, _UPLOAD, _UPLOADS = "check", "upload", 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a publish added to the store; `size` is in bytes.

    `envs` are the environments as the store describes them, in the order they were given.
    """

    environments: int = 0
    packages: int = 0
    size: int = 0
    envs: tuple[ResolvedEnv, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmuting:
    """The format that a store should hold conda packages in: `conda`, `tar.bz2`, or any.

    `level` is the zstd level of `.conda`, `memory` what the work may take in bytes.
    """

    to: str = ""
    level: int = 3
    memory: int = 100 << 20


@dataclass(slots=True)
class _Wanted:
    """A package, and the format `to` which it has to be transmuted, if any.

    `replacing`: what the store says of that is wrong.
    """

    package: Package
    to: str
    replacing: bool = False

    @property
    def original(self) -> Package:
        return self.package._replace(transmuted=None)


@dataclass(slots=True)
class _Description:
    """An environment on its way: `there` is what the store said, `missing` what it waits for."""

    key: str
    env: ResolvedEnv
    there: ResolvedEnv | None
    damaged: bool
    missing: set[str] = field(default_factory=set)


class Publishing:
    """One run of `EnvStore.publish`."""

    def __init__(
        self,
        shared: SharedRecords,
        cache: PackageCache,
        downloader: Downloader,
        *,
        transmuting: Transmuting,
        verify: bool,
        alike: Iterable[EnvId],
        progress: Progress,
    ) -> None:
        self._shared, self._store, self._cache = shared, shared.store, cache
        self._claims = shared.claims
        self._verify, self._progress = verify, progress
        self._transmuting = transmuting
        self._alike = tuple(alike)
        # What environments that the store describes have, which is there as long as they are.
        self._described: dict[str, Package] = {}
        # Without the store: what is brought is what that lacks, or has wrong.
        self._fetcher = Fetcher(cache, downloader, None, progress=progress)
        # One transmutation at a time, which takes all processors and bounded memory.
        lanes = self._fetcher.lanes
        self._lanes = {**lanes, LOCAL: 1, _CHECK: lanes[LOCAL], _UPLOAD: _UPLOADS}
        self._lock = threading.Lock()
        self._placed: dict[str, Package] = {}
        self._environments = self._uploads = self._size = 0

    def run(self, envs: Iterable[ResolvedEnv]) -> Published:
        """Publish what is not there."""
        wanted = {layout.description_key(env.env_id): env for env in envs}
        # Before they are asked for: what is there when it is claimed stays until it is relied on.
        self._claims.claim(*wanted)
        descriptions = self._jobs(
            [Job(NETWORK, partial(self._ask, *item)) for item in wanted.items()]
        )
        self._open = [
            description for description in descriptions if description.there is None or self._verify
        ]
        packages = {
            _name(package): package
            for description in self._open
            for package in description.env.packages
        }
        for description in self._open:
            description.missing = set(map(_name, description.env.packages))
        for package in packages.values():
            check_name(package)
        if self._open and not self._verify:
            self._read_alike(description.there for description in descriptions)
        if self._open:
            with self._cache.room_for(packages.values()):
                self._put(packages)
        published = {description.key: description.env for description in descriptions}
        return Published(
            environments=self._environments,
            packages=self._uploads,
            size=self._size,
            envs=tuple(published[key] for key in wanted),
        )

    def _put(self, packages: dict[str, Package]) -> None:
        start = self._progress.start
        self._checks = start("publishing packages", len(packages), "packages")
        self._downloads = start("downloading", None, "bytes")
        sending = start("uploading", None, "bytes")
        self._sending = _Stoppable(sending, self._fetcher.stop, self._claims)
        try:
            with _scratch(self._cache) as self._folder:
                # Those without packages: nothing comes later that could be their last.
                self._describe()
                every = [
                    _Wanted(package, self._format(package))
                    for package in interleaved(packages.values())
                ]
                self._jobs([Job(NETWORK, partial(self._look, wanted)) for wanted in every])
        finally:
            self._fetcher.unpackers.close()
            for task in (self._checks, self._downloads, sending):
                task.done()

    def _jobs(self, jobs: list[Job[_T]]) -> list[_T]:
        return run_jobs(jobs, self._lanes, self._fetcher.end)

    def _ask(self, key: str, env: ResolvedEnv) -> _Description:
        """Whether the store describes an environment. One request."""
        there, damaged = None, False
        try:
            there = self._shared.fetch_description(env.env_id)
        except DamagedObject as error:
            if isinstance(error.__cause__, UnknownSchemaVersion):
                raise  # a newer version of this library can read it
            self._progress.note(f"{error}; publishing it again")
            damaged = True
        return _Description(key=key, env=there or env, there=there, damaged=damaged)

    def _read_alike(self, there: Iterable[ResolvedEnv | None]) -> None:
        """Learn which packages are there from descriptions, of which each costs a request at most.

        What a description names is listed as garbage a pass after the description at the earliest
        (see `sweeping`): one that is claimed, and then found, keeps its packages.
        """
        self._claims.claim(*map(layout.description_key, self._alike))
        jobs = [Job(NETWORK, partial(self._alike_there, env_id)) for env_id in self._alike]
        for env in (*there, *self._jobs(jobs)):
            for package in env.packages if env else ():
                self._described.setdefault(_name(package), package)

    def _alike_there(self, env_id: EnvId) -> ResolvedEnv | None:
        try:
            return self._shared.fetch_description(env_id)
        except DamagedObject:  # then its packages are asked for one by one
            return None

    def _format(self, package: Package) -> str:
        """The format that a package has to be transmuted to; empty if it has not."""
        if package.transmuted:
            return _format_in(package)
        if package.kind != "conda" or _format_of(package.filename) == self._transmuting.to:
            return ""
        return self._transmuting.to

    def _look(self, wanted: _Wanted) -> Step[None]:
        """Whether the store has a package, in the format it should. One request at most."""
        described = self._described.get(_name(wanted.package))
        if described and _format_in(described) == wanted.to:
            there = wanted.package._replace(transmuted=described.transmuted)
            self._claims.claim(layout.package_key(there))
            self._place(wanted, there)
            return None
        placed: Package | None = wanted.package
        if wanted.to:
            placed = self._transmuted(wanted)
        if placed and self._is_there(placed, named=bool(wanted.to)):
            self._place(wanted, placed)
            return None
        # The store names what it became, and does not have that: the name has to be replaced as
        # well.
        wanted.replacing |= placed is not None
        return self._bring(wanted)

    def _transmuted(self, wanted: _Wanted) -> Package | None:
        self._claims.claim(layout.transmuted_key(wanted.package, wanted.to))
        try:
            other = self._shared.transmuted(wanted.package, wanted.to)
        except DamagedObject as error:
            self._progress.note(f"{error}; writing it again")
            wanted.replacing = True
            return None
        return wanted.package._replace(transmuted=other) if other else None

    def _is_there(self, package: Package, *, named: bool) -> bool:
        """Whether an archive is in the store, and, where that is to be verified, whole.

        What is `named` by another object is there.
        """
        key, archive = layout.package_key(package), layout.archives(package)[-1]
        self._claims.claim(key)
        if self._verify:
            sink = _Hashing(archive, self._fetcher.stop)
            try:
                self._store.get(key, sink)
            except NotInStore:
                return False
            return sink.digest == archive.digest
        if named:
            return True
        # The key has the hash in it, and only what was checked is put: its size is proof enough.
        info = self._store.head(key)
        return info is not None and archive.size in (None, info.size)

    def _bring(self, wanted: _Wanted) -> Job[None]:
        return self._fetcher.job(wanted.original, self._downloads, partial(self._arrived, wanted))

    def _arrived(self, wanted: _Wanted, fetched: Fetched) -> Step[None]:
        """The archive is in the cache."""
        try:
            archive = self._cache.archive(wanted.original, verified=not fetched.cached)
        except NotInCache:  # it was, until its hash was checked
            if not fetched.cached:
                raise
            return self._bring(wanted)
        if wanted.to:
            return Job(LOCAL, partial(self._transmute, wanted, archive))
        return Job(_CHECK, partial(self._check, wanted, archive))

    def _check(self, wanted: _Wanted, archive: Path) -> Step[None]:
        """What no environment can be created from is not published."""
        self._cache.check(wanted.original, self._fetcher.unpackers, verified=True)
        return Job(_UPLOAD, partial(self._upload, wanted, archive))

    def _transmute(self, wanted: _Wanted, archive: Path) -> Step[None]:
        from pkgcache.archives.transmute import transmute

        folder = self._folder / wanted.package.digest
        folder.mkdir()
        made = transmute(
            archive,
            folder,
            to=wanted.to,
            level=self._transmuting.level,
            memory=self._transmuting.memory,
            limits=self._cache.limits,
        )
        other = Transmuted(filename=made.path.name, sha256=made.sha256, size=made.size)
        return Job(_UPLOAD, partial(self._upload, wanted, made.path, other))

    def _upload(self, wanted: _Wanted, archive: Path, other: Transmuted | None = None) -> None:
        package = wanted.package._replace(transmuted=other)
        self._send(layout.package_key(package), archive)
        if other:
            # At once, since a big environment has many, and the disk of the cache need not hold
            # all.
            shutil.rmtree(archive.parent)
            # The archive is there before it is named, as with everything here. Somebody else may
            # have made and named another in the meantime.
            other = self._shared.set_transmuted(package, wanted.to, other, replace=wanted.replacing)
            package = package._replace(transmuted=other)
        self._place(wanted, package)

    def _send(self, key: str, archive: Path) -> None:
        self._claims.claim(key)
        size = self._store.put(key, archive, task=self._sending).size
        with self._lock:
            self._uploads += 1
            self._size += size

    def _place(self, wanted: _Wanted, placed: Package) -> None:
        """A package is in the store; so may now be all those of an environment."""
        name = _name(wanted.package)
        self._checks.advance()
        with self._lock:
            self._placed[name] = placed
            for description in self._open:
                description.missing.discard(name)
        self._describe()

    def _describe(self) -> None:
        """Put the descriptions of all environments whose packages are there."""
        with self._lock:
            # Taken out under the lock, so that of two threads with the last packages one describes.
            ready = [description for description in self._open if not description.missing]
            self._open = [description for description in self._open if description.missing]
        for description in ready:
            packages = tuple(self._placed[_name(package)] for package in description.env.packages)
            description.env = replace(description.env, packages=packages)
            # What the store says is right already; it was read back because of `verify`.
            if description.env == description.there:
                continue
            replacing = description.damaged or description.there is not None
            self._claims.beat()
            try:
                # Where nothing was, whatever has come since stays: a description is written once.
                self._store.put(
                    description.key, description.env.to_json().encode(), if_absent=not replacing
                )
            except Conflict:  # somebody else was as fast
                continue
            with self._lock:
                self._environments += 1


@contextmanager
def _scratch(cache: PackageCache) -> Iterator[Path]:
    """A folder that is collected once nobody holds its lock."""
    token = secrets.token_hex(8)
    folder = cache.root / f".{token}.new"
    with try_lock(cache.lock_path(token)):
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            cache.lock_path(token).unlink(missing_ok=True)


class _Stoppable:
    """A task that ends what reports to it; claims stay alive while it goes on."""

    def __init__(self, task: Task, stop: threading.Event, claims: Claims) -> None:
        self._task, self._stop, self._claims = task, stop, claims

    def advance(self, amount: int = 1) -> None:
        if self._stop.is_set():
            raise Cancelled
        # An upload may take longer than what was seen can be relied on.
        self._claims.beat()
        self._task.advance(amount)

    def done(self) -> None:
        self._task.done()


class _Hashing:
    """A sink that keeps nothing."""

    def __init__(self, archive: Package, stop: threading.Event) -> None:
        kind = "sha256" if archive.hashes.sha256 else "md5"
        self._digest, self._stop = hashlib.new(kind, usedforsecurity=False), stop

    def write(self, data: bytes) -> None:
        if self._stop.is_set():
            raise Cancelled
        self._digest.update(data)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


def _name(package: Package) -> str:
    return layout.archive_key(package.digest, package.filename)


def _format_in(package: Package) -> str:
    """The format that a package was transmuted to; empty if it was not."""
    return _format_of(package.transmuted.filename) if package.transmuted else ""


def _format_of(filename: str) -> str:
    return "tar.bz2" if filename.endswith(".tar.bz2") else "conda"
