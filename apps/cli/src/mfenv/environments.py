"""The use cases, as one Python API: resolve, publish, find, name, create and remove environments.

`mfenv`'s commands and Metaflow's extension call this and nothing below it.
"""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from envid.aliases import Alias, FullRef, parse_alias
from envid.errors import InvalidAlias
from envid.ids import EnvId
from envid.platforms import host_platform
from mfenv.errors import ImmutableAlias, InvalidRequest, UnknownEnvironment
from mfenv.finding import Finder
from mfenv.registry import Registry
from mfenv.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from mfenv.finding import StepFinder, Target
    from mfenv.request import Prepared, Request
    from pkgcache.cache import PackageCache
    from pkgcache.credentials import Credentials
    from pkgcache.download import Downloader
    from pkgcache.progress import Progress
    from pkgcache.shared import EnvStore
    from pkgcache.worker import Worker

__all__ = ["Created", "Environments", "Removed", "Resolved"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What a resolve gave: an environment per platform. `known`: no resolver had to run.

    `seconds` says how long each phase took, `notes` what was read in files and not used.
    """

    envs: tuple[ResolvedEnv, ...]
    known: bool
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Created:
    """A prefix. `new`: it was made by this call; `seconds` says how long each phase took."""

    prefix: Path
    name: str | None
    env_id: EnvId
    new: bool
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What was deleted here: directories, and the environment that was forgotten, if any."""

    prefixes: tuple[Path, ...]
    forgotten: Target | None = None


class Environments:
    """The environments of one user under one set of settings.

    Safe to use from several processes on one home and one store. A context manager, which closes
    connections at its end. `credentials` are logins beside those that the settings hold, and
    `step` finds the environments of Metaflow's steps.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        progress: Progress | None = None,
        credentials: Credentials | None = None,
        step: StepFinder | None = None,
    ) -> None:
        from pkgcache.credentials import Credentials
        from pkgcache.progress import NoProgress

        self.credentials = credentials or Credentials()
        self.settings = settings or Settings.load()
        self.progress = progress or NoProgress()
        self.home = self.settings.home_path
        self.registry = Registry(self.home / "registry.sqlite")
        self._finder = Finder(self.registry, self.settings.store, lambda: self.store, step)

    def __enter__(self) -> Environments:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the registry, and end the worker."""
        self.registry.close()
        if "worker" in self.__dict__:
            self.worker.close()

    @cached_property
    def cache(self) -> PackageCache:
        """The local package cache."""
        from pkgcache.cache import PackageCache

        return PackageCache(self.home / "cache")

    @cached_property
    def worker(self) -> Worker:
        """The process for what must not run in this one; it starts with its first call."""
        from pkgcache.worker import Worker

        return Worker()

    @cached_property
    def store(self) -> EnvStore | None:
        """The shared store of the settings, None where none is set."""
        if not self.settings.store:
            return None
        from pkgcache.shared import EnvStore
        from pkgcache.store import open_store

        return EnvStore(open_store(self.settings.store))

    # resolving

    def resolve(
        self,
        request: Request,
        *,
        aliases: Sequence[str] = (),
        update: Sequence[str] = (),
        force: bool = False,
        dry_run: bool = False,
        set_default: bool = True,
    ) -> Resolved:
        """Find the exact packages of a request, for all its platforms at once.

        A request that is known is answered from the registry, unless `force` asks otherwise;
        `update` names packages of the known answer that may change, while the others stay where
        they can. An environment that a request derives from is the answer itself if it is enough.
        With a store in the settings, packages and descriptions are published there. `aliases` are
        given last, to what everybody can then create. `dry_run` records nothing.

        Raises the errors of reading a request (`reqparse`, `mfenv.errors`), of resolving
        (`resolvers.errors`), of moving packages (`pkgcache.errors`).
        """
        from mfenv.request import prepare

        names = [parse_alias(text) for text in aliases]
        prepared = prepare(request, self.settings, self.find, self.credentials)
        enough = bool(request.using) and not force and self._enough(prepared)
        req_id = prepared.bases[0].req_id if enough else prepared.spec.req_id
        for name in names:
            if (held := self._held(name)) and held[0] != req_id:
                raise _taken(name, held)
        seconds: dict[str, float] = {}
        preferred = self._all_but(update, prepared) if update else {}
        known = None if force or update else self._known(req_id, prepared.platforms)
        if enough:
            known = prepared.bases
        envs = known
        if envs is None or (self._unpublished(envs) and not dry_run):
            with self._alone(f"resolve-{req_id}", "another process that resolves the same"):
                if envs is None and not (force or update):
                    # Whoever held the lock may have done what we are about to do.
                    envs = known = self._known(req_id, prepared.platforms)
                if envs is None:
                    from mfenv.resolving import find_packages

                    with _timed(seconds, "resolve"):
                        envs = find_packages(self, prepared, preferred=preferred, dry_run=dry_run)
                if not dry_run:
                    if self._unpublished(envs):
                        with _timed(seconds, "publish"):
                            self.publish(
                                envs, default=set_default, credentials=prepared.credentials
                            )
                    if known is None:
                        self.registry.add(envs, default=set_default)
        if not dry_run:
            for name in names:
                self._give(name, FullRef(req_id=req_id, full_id=envs[0].full_id))
        return Resolved(envs=envs, known=known is not None, notes=prepared.notes, seconds=seconds)

    def _enough(self, prepared: Prepared) -> bool:
        from resolvers.satisfied import satisfies

        return all(satisfies(base, prepared.spec) for base in prepared.bases)

    def _all_but(self, names: Sequence[str], prepared: Prepared) -> dict[str, tuple[Package, ...]]:
        """The packages of a known request without those to update, by platform."""
        envs = self._known(prepared.spec.req_id, prepared.platforms)
        if envs is None:
            raise InvalidRequest(
                "there is nothing to update: this request was not resolved for these platforms",
                "leave out `--update`",
            )
        there = {package.name for env in envs for package in env.packages}
        for name in names:
            if name not in there:
                raise InvalidRequest(f"there is no package `{name}` to update")
        return {
            env.platform: tuple(one for one in env.packages if one.name not in names)
            for env in envs
        }

    def _known(self, req_id: str, platforms: Sequence[str]) -> tuple[ResolvedEnv, ...] | None:
        """The default environments of a request, if they were resolved together."""
        defaults = self.registry.defaults(req_id)
        full_ids = {defaults.get(platform) for platform in platforms}
        full_id = full_ids.pop()
        if full_ids or full_id is None:
            return None
        found = [self._finder.get(EnvId(req_id, full_id, platform)) for platform in platforms]
        return tuple(one for one in found if one) if all(found) else None

    def publish(
        self,
        envs: Sequence[ResolvedEnv],
        *,
        default: bool = True,
        credentials: Credentials | None = None,
    ) -> None:
        """Put environments into the store, if there is one: packages, then descriptions.

        What this machine knows to be there costs no request.
        """
        missing = self._unpublished(envs)
        if not missing or (store := self.store) is None:
            return
        with self._downloader(credentials) as downloader:
            store.publish(missing, cache=self.cache, downloader=downloader, progress=self.progress)
        if default:
            for env in missing:
                store.set_default(env.env_id)
        self.registry.set_published(self.settings.store, [env.env_id for env in missing])

    def _unpublished(self, envs: Sequence[ResolvedEnv]) -> list[ResolvedEnv]:
        url = self.settings.store
        return [one for one in envs if url and not self.registry.is_published(url, one.env_id)]

    # finding and naming

    def find(self, name: str, platforms: Sequence[str] = ()) -> tuple[ResolvedEnv, ...]:
        """The environments that a text names: for `platforms`, or for all that are known.

        Looks in the registry, then in the store; what the store has is remembered here. Raises
        `UnknownEnvironment`, `Ambiguous` for a prefix of several ids, and `envid.errors` for a
        text that can name nothing.
        """
        return self._finder.find(name, platforms)

    def alias(self, name: str, alias: str) -> tuple[Alias, FullRef]:
        """Give the environment that `name` names another name.

        Raises `ImmutableAlias` or `pkgcache.errors.AliasTaken` if another environment holds it and
        it never changes.
        """
        given = parse_alias(alias)
        found = self.find(name)[0]
        target = FullRef(req_id=found.req_id, full_id=found.full_id)
        self._give(given, target)
        return given, target

    def _give(self, alias: Alias, target: FullRef) -> None:
        ids = (target.req_id, target.full_id)
        held = self._held(alias)
        if not held or held == ids:
            if self.store:
                self.store.set_alias(alias, target)
            held = self.registry.set_alias(str(alias), ids, mutable=alias.mutable)
        if held and held != ids:
            raise _taken(alias, held)

    def _held(self, alias: Alias) -> Target | None:
        """The environment that an alias is given to for ever, here or in the store."""
        if alias.mutable:
            return None
        if here := self.registry.alias(str(alias)):
            return here
        there = self.store.alias(alias) if self.store else None
        return (there.req_id, there.full_id) if there else None

    # prefixes

    def create(
        self,
        name: str,
        *,
        as_name: str | None = None,
        prefix: Path | None = None,
        force: bool = False,
        exist_ok: bool = False,
    ) -> Created:
        """Create the prefix of an environment for this machine's platform.

        It lies in `prefix`, under `as_name` in the home, or in a place of its own that is used
        again when it is there. `exist_ok` keeps a prefix that holds this very environment; `force`
        replaces a prefix, if mfenv created it. Raises `pkgcache.errors.PrefixExists`, and the
        errors of finding the environment, of fetching its packages and of finding its Python.
        """
        from pkgcache.errors import PrefixExists
        from pkgcache.prefix import interrupted, read_marker

        (env,) = self.find(name, (host_platform(),))
        path = self._prefix_path(env, as_name, prefix)
        # A whole prefix that the registry does not know is what an interrupted create left.
        own = prefix is None and as_name is None
        keep = (exist_ok or own or not self.registry.prefix_at(path)) and not force
        seconds: dict[str, float] = {}
        new = not (keep and read_marker(path) == env.env_id)
        if new:
            if path.exists() and not force and not interrupted(path):
                raise PrefixExists(str(path))
            with _timed(seconds, "fetch"):
                self.fetch(env)
            try:
                with _timed(seconds, "create"):
                    self._link(env, path, replace=force)
            except PrefixExists:
                # Another process may have made the very same in the meantime.
                if not (keep and read_marker(path) == env.env_id):
                    raise
                new = False
        self.registry.add_prefix(path, as_name, env.env_id)
        return Created(prefix=path, name=as_name, env_id=env.env_id, new=new, seconds=seconds)

    def _prefix_path(self, env: ResolvedEnv, as_name: str | None, prefix: Path | None) -> Path:
        if prefix:
            return prefix.expanduser().absolute()
        if as_name is not None and not _NAME.fullmatch(as_name):
            raise InvalidRequest(
                f"`{as_name}` cannot name a prefix",
                "a name is made of letters, digits, `_`, `-` and `.`; `--prefix` takes a directory",
            )
        return self.home / "envs" / (as_name or f"{env.req_id[:16]}-{env.full_id[:16]}")

    def fetch(self, env: ResolvedEnv, credentials: Credentials | None = None) -> None:
        """Bring the packages of an environment into the cache, ready to be linked."""
        store = self.store.store if self.store else None
        with self._downloader(credentials) as downloader:
            self.cache.fetch(
                env.packages,
                downloader=downloader,
                store=store,
                unpack=True,
                progress=self.progress,
            )

    def _link(self, env: ResolvedEnv, prefix: Path, *, replace: bool) -> None:
        from pkgcache.conda_prefix import create_conda_env
        from pkgcache.prefix import create_venv

        create = (
            partial(create_venv, python=self._python(env))
            if env.spec.options.python_provider == "system"
            else partial(create_conda_env, link_scripts=self.settings.link_scripts)
        )
        create(
            env,
            prefix,
            cache=self.cache,
            replace=replace,
            compile=self.settings.compile_bytecode,
            progress=self.progress,
        )

    def _python(self, env: ResolvedEnv) -> Path:
        minor = ".".join(env.python.split(".")[:2])
        if minor == f"{sys.version_info.major}.{sys.version_info.minor}":
            # The one that runs us is there for certain, and takes no process to find.
            return Path(getattr(sys, "_base_executable", sys.executable))
        from resolvers.pythons import find_python
        from resolvers.request import ResolveContext

        return find_python(f"=={minor}.*", ResolveContext(cache_dir=self.home / "engines")).path

    def prefix_for(self, name: str) -> Path:
        """The prefix that `name` names: a created one by its name, or that of an environment."""
        row = self.registry.prefix_named(name)
        if row is None:
            return self.create(name).prefix
        if Path(row.path).is_dir():
            return Path(row.path)
        # Deleted by hand, or moved aside by a replacement that was killed.
        full = f"{row.env_id.req_id}:{row.env_id.full_id}"
        return self.create(full, as_name=name, exist_ok=True).prefix

    def activation(self, prefix: Path) -> dict[str, str]:
        """The variables of a process that runs in `prefix`: those of this one, led there.

        Raises `InvalidRequest` where activation files of the prefix cannot be used.
        """
        from mfenv.activation import activated

        return activated(prefix, os.environ)

    def remove(self, name: str) -> Removed:
        """Delete a prefix by its name or directory, or all that is here of an environment.

        Raises `pkgcache.errors.NotOurPrefix` for a directory that mfenv did not create.
        """
        row = self.registry.prefix_named(name)
        if row:
            return Removed(prefixes=(self._remove_prefix(Path(row.path)),))
        path = Path(name).expanduser().absolute()
        try:
            target = self._finder.target(name)
        except (UnknownEnvironment, InvalidAlias):
            if not os.path.lexists(path):
                raise
            return Removed(prefixes=(self._remove_prefix(path),))
        if not self.registry.platforms(*target):
            raise UnknownEnvironment(
                f"`{name}` is not on this machine", "`mfenv list` shows what is known here"
            )
        rows = self.registry.prefixes_of(*target)
        removed = tuple(self._remove_prefix(Path(one.path)) for one in rows)
        self.registry.forget(*target)
        return Removed(prefixes=removed, forgotten=target)

    def _remove_prefix(self, path: Path) -> Path:
        from pkgcache.errors import NotOurPrefix
        from pkgcache.prefix import remove_prefix

        try:
            remove_prefix(path, cache=self.cache, progress=self.progress)
        except NotOurPrefix:
            if os.path.lexists(path):  # else an interrupted removal was brought to its end
                raise
        self.registry.remove_prefix(path)
        return path

    # common

    def _downloader(self, credentials: Credentials | None = None) -> Downloader:
        from pkgcache.download import Downloader

        known = credentials or self.credentials
        settings = self.settings
        for url in (
            *(settings.index_url, *settings.extra_index_url, *settings.find_links),
            *(*settings.channels, settings.channel_alias),
        ):
            known.add(url)
        return Downloader(known, workers=settings.downloads)

    @contextmanager
    def _alone(self, name: str, other: str) -> Iterator[None]:
        """Hold a lock of this home; it is gone when its holder is."""
        from filelock import FileLock, Timeout

        folder = self.home / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        mutex = FileLock(folder / f"{name}.lock")
        try:
            mutex.acquire(timeout=0)
        except Timeout:
            self.progress.note(f"waiting for {other}")
            mutex.acquire()
        try:
            yield
        finally:
            mutex.release()


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[phase] = time.monotonic() - started


def _taken(alias: Alias, held: Target) -> ImmutableAlias:
    return ImmutableAlias(
        f"`{alias}` is given to {':'.join(held)} for ever",
        "choose another tag; `latest`, `candidate` and `stable` may move",
    )
