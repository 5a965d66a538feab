"""The use cases, as one Python API: resolve, publish, find, name, create and remove environments.

`mfenv`'s commands and Metaflow's extension call this and nothing below it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from envid.aliases import Alias, FullRef, parse_alias, parse_ref
from envid.errors import InvalidAlias
from envid.platforms import host_platform
from mfenv.errors import NoStore, NotHere, StillNamed, UnknownEnvironment
from mfenv.finding import Finder, taken
from mfenv.prefixes import Created, Prefixes, timed
from mfenv.publishing import Publisher, refuse_taken
from mfenv.registry import Registry
from mfenv.settings import Settings, package_limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from mfenv.finding import StepFinder, Target
    from mfenv.request import Prepared, Request
    from pkgcache.cache import PackageCache
    from pkgcache.credentials import Credentials
    from pkgcache.download import Downloader
    from pkgcache.progress import Progress
    from pkgcache.shared import EnvStore, Published
    from pkgcache.worker import Worker

__all__ = ["Created", "Environments", "Removed", "Resolved"]


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What a resolve gave: an environment per platform.

    `known`: no resolver had to run; `from_store`: because the store had it, and this machine did
    not. `seconds` says how long each phase took. `notes` are what was read in files and not used,
    and what is known of the environments: the same whether they were resolved just now or not.
    """

    envs: tuple[ResolvedEnv, ...]
    known: bool
    from_store: bool = False
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What was deleted here: directories, and the environment that was forgotten, if any."""

    prefixes: tuple[Path, ...]
    forgotten: Target | None = None


class Environments:
    """The environments of one user under one set of settings.

    Safe to use from several processes on one home and one store. A context manager, which closes
    connections at its end. `credentials` are logins beside those in the settings and in what is
    asked for, which are added to them; `step` finds the environments of Metaflow's steps.
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
        self.settings = settings = settings or Settings.load()
        for url in (
            *(settings.index_url, *settings.extra_index_url, *settings.find_links),
            *(*settings.channels, settings.channel_alias),
        ):
            self.credentials.add(url)
        self.progress = progress or NoProgress()
        for note in settings.notes:
            self.progress.note(f"note: {note}")
        self.home = self.settings.home_path
        self.registry = Registry(self.home / "registry.sqlite")
        self.store_url = "" if self.settings.local_only else self.settings.store
        self._step = step
        self._finder = Finder(
            self.registry, self.settings, lambda: self.store, step, note=self.progress.note
        )
        self._publisher = Publisher(self)
        self._prefixes = Prefixes(self)

    def __enter__(self) -> Environments:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the registry, and end the worker; the limits of the cache come into force."""
        if "cache" in self.__dict__:
            self._enforce_limits()
        self.registry.close()
        if "worker" in self.__dict__:
            self.worker.close()

    def _enforce_limits(self) -> None:
        from mfenv.collecting import enforce_limits
        from pkgcache.errors import CacheError

        try:
            enforce_limits(self)
        except CacheError as error:  # what was asked for is done
            self.progress.note(f"{error}; its limits are not enforced")

    @cached_property
    def cache(self) -> PackageCache:
        """The local package cache."""
        from pkgcache.cache import PackageCache

        return PackageCache(self.home / "cache", limits=package_limits(self.settings))

    @cached_property
    def worker(self) -> Worker:
        """The process for what must not run in this one; it starts with its first call."""
        from pkgcache.worker import Worker

        return Worker()

    @cached_property
    def store(self) -> EnvStore | None:
        """The shared store of the settings; None where none is set, or `local_only` forbids it."""
        if not self.store_url:
            return None
        from pkgcache.shared import EnvStore
        from pkgcache.store import open_store

        return EnvStore(open_store(self.store_url))

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

        A request that is known is answered from the registry, else from the store where
        `use_remote_latest` says so, unless `force` asks otherwise; `update` names packages of the
        known answer that may change, while the others stay where they can. An environment that a
        request derives from is the answer itself if it is enough. With a store in the settings,
        packages and descriptions are published there. `aliases` are given last, to what everybody
        can then create. `dry_run` records nothing.

        Raises the errors of reading a request (`reqparse`, `mfenv.errors`), of resolving
        (`resolvers.errors`), of moving packages (`pkgcache.errors`).
        """
        from mfenv.request import prepare

        names = [parse_alias(text) for text in aliases]
        prepared = prepare(request, self.settings, self.find, self.credentials)
        fresh = force or bool(update)
        enough = not force and self._enough(prepared)
        req_id = prepared.bases[0].req_id if enough else prepared.spec.req_id
        held = {name: holder for name in names if (holder := self._publisher.held(name))}
        for name, holder in held.items():
            if holder[0] != req_id:
                raise taken(name, holder)
        preferred: Mapping[str, Sequence[Package]] = {}
        if update:
            from mfenv.resolving import all_but

            preferred = all_but(update, self._known(prepared))
        known = prepared.bases if enough else None if fresh else self._known(prepared)
        if known:
            refuse_taken(held, known)
        if known and (dry_run or not self._publisher.unpublished(known)):
            found = Resolved(envs=known, known=True, notes=_notes(prepared, known))
        else:
            with self._alone(f"resolve-{req_id}", "another process that resolves the same"):
                if not known and not fresh:
                    # Whoever held the lock may have done what we are about to do.
                    known = self._known(prepared)
                found = self._answer(
                    prepared,
                    known,
                    latest=not fresh,
                    preferred=preferred,
                    held=held,
                    dry_run=dry_run,
                    default=set_default,
                )
        if not dry_run:
            self.registry.use(found.envs)
            for name in names:
                self._publisher.give(name, found.envs)
        return found

    def _answer(
        self,
        prepared: Prepared,
        known: tuple[ResolvedEnv, ...] | None,
        *,
        latest: bool,
        preferred: Mapping[str, Sequence[Package]],
        held: Mapping[Alias, Target],
        dry_run: bool,
        default: bool,
    ) -> Resolved:
        """The known answer, else that of the store, else a resolver's: published, and recorded."""
        seconds: dict[str, float] = {}
        stored = None
        if latest and not known:
            stored = self._finder.latest(prepared.spec.req_id, prepared.platforms)
        envs = known or stored
        if envs is None:
            from mfenv.resolving import find_packages

            with timed(seconds, "resolve"):
                envs = find_packages(self, prepared, preferred=preferred, dry_run=dry_run)
        refuse_taken(held, envs)
        if stored and not dry_run:
            self._remember(stored, default=default)
        elif not dry_run:
            if self.store_url:
                with timed(seconds, "publish"):
                    published = self.publish(envs, default=default, check=not known)
                there = {one.env_id: one for one in (published.envs if published else ())}
                envs = tuple(there.get(one.env_id, one) for one in envs)
            if not known:
                self.registry.add(envs, default=default)
        return Resolved(
            envs=envs,
            known=bool(known or stored),
            from_store=bool(stored),
            notes=_notes(prepared, envs),
            seconds=seconds,
        )

    def _remember(self, envs: Sequence[ResolvedEnv], *, default: bool) -> None:
        """Record what the store has."""
        self.registry.add(envs, default=default)
        self.registry.set_published(self.store_url, [one.env_id for one in envs])

    def _enough(self, prepared: Prepared) -> bool:
        from resolvers.satisfied import satisfies

        beside = prepared.beside
        return beside is not None and all(satisfies(base, beside) for base in prepared.bases)

    def known(self, request: Request) -> tuple[Prepared, tuple[ResolvedEnv, ...] | None]:
        """A request as it is understood, and its environments where they are known.

        Looks in the registry, then in the store; nothing is resolved. Raises the errors of reading
        a request.
        """
        from mfenv.request import prepare

        prepared = prepare(request, self.settings, self.find, self.credentials)
        if self._enough(prepared):
            return prepared, prepared.bases
        try:
            return prepared, self.find(prepared.spec.req_id, prepared.platforms)
        except UnknownEnvironment:
            return prepared, None

    def _known(self, prepared: Prepared) -> tuple[ResolvedEnv, ...] | None:
        """The default environments of a request, if they were resolved together."""
        req_id, platforms = prepared.spec.req_id, prepared.platforms
        defaults = self.registry.defaults(req_id)
        full_ids = {defaults.get(platform) for platform in platforms}
        full_id = full_ids.pop()
        if full_ids or full_id is None:
            return None
        return self._finder.together(req_id, full_id, platforms)

    def publish(
        self,
        envs: Sequence[ResolvedEnv],
        *,
        default: bool = True,
        check: bool = False,
        verify: bool = False,
    ) -> Published | None:
        """Put environments into the store, if there is one: packages, then descriptions.

        What this machine knows to be there costs no request, unless `check` asks for each
        description, or `verify` for each package too: what the store lost comes back. With
        `default` each of them becomes what its bare `req_id` means in the store. Gives what was
        added, None where nothing was asked.
        """
        return self._publisher.publish(envs, default=default, check=check, verify=verify)

    def publish_again(
        self, name: str, *, default: bool = False, verify: bool = False
    ) -> tuple[tuple[ResolvedEnv, ...], Published | None]:
        """Publish what `name` names, on all its platforms, with the names that it has here.

        The default and the aliases that another environment has in the store stay there, but for
        `default`. Raises `NoStore` where there is none.
        """
        if self.store is None:
            raise NoStore(f"to publish `{name}` to")
        envs = self.find(name)
        published = self.publish(envs, default=default, check=True, verify=verify)
        for env in envs:
            self._publisher.restore_names(env)
        return envs, published

    # finding and naming

    def find(self, name: str, platforms: Sequence[str] = ()) -> tuple[ResolvedEnv, ...]:
        """The environments that a text names: for `platforms`, or for all that are known.

        Looks in the registry, then in the store; what the store has is remembered here. Raises
        `UnknownEnvironment`, `Ambiguous` for a prefix of several ids, and `envid.errors` for a
        text that can name nothing.
        """
        return self._finder.find(name, platforms)

    def get(
        self, name: str, platforms: Sequence[str] = (), *, default: bool = True
    ) -> tuple[ResolvedEnv, ...]:
        """Bring an environment from the store here: for `platforms`, or for all that it has.

        With `default` it becomes what its bare `req_id` means here. Raises as `find` does, and
        `NoStore` where there is none.
        """
        envs = self._finder.get(name, platforms)
        self._remember(envs, default=default)
        return envs

    def shared_aliases(self, start: str = "") -> list[tuple[Alias, float]]:
        """The aliases in the store that start so, and when each was given, as POSIX times.

        Raises `NoStore` where there is none.
        """
        if self.store is None:
            raise NoStore("to list the aliases of")
        return list(self.store.aliases(start))

    def alias(self, name: str, alias: str) -> tuple[Alias, FullRef]:
        """Give the environment that `name` names another name.

        Raises `ImmutableAlias` or `pkgcache.errors.AliasTaken` if another environment holds it and
        it never changes.
        """
        given = parse_alias(alias)
        return given, self._publisher.give(given, self.find(name))

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
        (env,) = self.find(name, (host_platform(),))
        return self._prefixes.create(
            env, as_name=as_name, prefix=prefix, force=force, exist_ok=exist_ok
        )

    def fetch(self, env: ResolvedEnv) -> None:
        """Bring the packages of an environment into the cache, ready to be linked.

        Raises `NotHere` where that needs what `local_only` forbids.
        """
        from pkgcache.errors import DownloadError

        if self.settings.local_only:
            self._check_here(env)
        store = self.store.store if self.store else None
        try:
            with self.downloader() as downloader:
                self.cache.fetch(
                    env.packages,
                    downloader=downloader,
                    store=store,
                    unpack=True,
                    progress=self.progress,
                )
        except DownloadError:
            if self.settings.local_only:
                self._check_here(env)  # what turned out to be damaged is gone
            raise

    def _check_here(self, env: ResolvedEnv) -> None:
        missing = [
            one.filename
            for one in env.packages
            if not self.cache.has(one) and not self.cache.has_unpacked(one)
        ]
        if missing:
            raise NotHere(f"{env.req_id[:12]}:{env.full_id[:12]}", tuple(missing))

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

    def take_away(self, alias: str, *, shared: bool = False) -> bool:
        """Take an alias from its environment, which stays; with `shared` in the store as well.

        Gives whether the store still has it, and would give it back here when it is asked for.
        Raises `UnknownEnvironment` where nobody knows it, and `NoStore`.
        """
        return self._publisher.take_away(parse_alias(alias), shared=shared)

    def remove(self, name: str, *, force: bool = False) -> Removed:
        """Delete a prefix by its name or directory, or all that is here of an environment.

        The store is not asked: what an alias means there by now need not be what it means here.
        Raises `StillNamed` where an environment has other names, but for `force`, and
        `pkgcache.errors.NotOurPrefix` for a directory that mfenv did not create.
        """
        row = self.registry.prefix_named(name)
        if row:
            return Removed(prefixes=(self._prefixes.remove(Path(row.path)),))
        path = Path(name).expanduser().absolute()
        try:
            target = Finder(self.registry, self.settings, lambda: None, self._step).target(name)
        except (UnknownEnvironment, InvalidAlias):
            if not os.path.lexists(path):
                raise
            return Removed(prefixes=(self._prefixes.remove(path),))
        if not self.registry.platforms(*target):
            raise UnknownEnvironment(
                f"`{name}` is not on this machine", "`mfenv list` shows what is known here"
            )
        rows = self.registry.prefixes_of(*target)
        parsed = parse_ref(name)
        given = str(parsed) if isinstance(parsed, Alias) else name
        names = tuple(other for other in self.registry.names_of(*target) if other != given)
        if names and not force:
            raise StillNamed(name, names)
        removed = tuple(self._prefixes.remove(Path(one.path)) for one in rows)
        self.registry.forget(*target)
        return Removed(prefixes=removed, forgotten=target)

    # common

    def downloader(self) -> Downloader:
        """What downloads packages, with the logins of the settings; or refuses, `local_only`."""
        from pkgcache.download import Downloader

        settings = self.settings
        return Downloader(self.credentials, workers=settings.downloads, offline=settings.local_only)

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


def _notes(prepared: Prepared, envs: Sequence[ResolvedEnv]) -> tuple[str, ...]:
    """What was not used of a request, and what is known of its answer, each once."""
    return tuple(dict.fromkeys((*prepared.notes, *(note for env in envs for note in env.notes))))
