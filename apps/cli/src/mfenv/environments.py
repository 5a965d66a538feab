"""The use cases, as one Python API: resolve, publish, find, name, create and remove environments.

`mfenv`'s commands and Metaflow's extension call this and nothing below it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envid.aliases import Alias, FullRef, parse_alias, parse_ref
from envid.errors import InvalidAlias
from envid.platforms import host_platform
from mfenv.answering import Answers, Resolved
from mfenv.errors import NoStore, NotHere, StillNamed, UnknownEnvironment
from mfenv.finding import Finder
from mfenv.prefixes import Created, Prefixes
from mfenv.publishing import Publisher
from mfenv.registry import Registry
from mfenv.settings import Settings, package_limits
from pkgcache.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        self._answers = Answers(self, self._finder, self._publisher)
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

    @lazy
    def cache(self) -> PackageCache:
        """The local package cache."""
        from pkgcache.cache import PackageCache

        return PackageCache(
            self.home / "cache",
            limits=package_limits(self.settings),
            always_verify=self.settings.always_verify,
        )

    @lazy
    def worker(self) -> Worker:
        """The process for what must not run in this one; it starts with its first call."""
        from pkgcache.worker import Worker

        return Worker()

    @lazy
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
        return self._answers.resolve(
            request,
            aliases=aliases,
            update=update,
            force=force,
            dry_run=dry_run,
            default=set_default,
        )

    def known(self, request: Request) -> tuple[Prepared, tuple[ResolvedEnv, ...] | None]:
        """A request as it is understood, and its environments where they are known.

        Looks in the registry, then in the store; nothing is resolved. Raises the errors of reading
        a request.
        """
        return self._answers.known(request)

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
        self.registry.check_writable()
        envs = self._finder.get(name, platforms)
        self.remember(envs, default=default)
        return envs

    def remember(self, envs: Sequence[ResolvedEnv], *, default: bool) -> None:
        """Record what the store has."""
        self.registry.add(envs, default=default)
        self.registry.set_published(self.store_url, [one.env_id for one in envs])

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
            self._prefixes.check(Path(row.path), name, row.env_id)
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
        self.registry.check_writable()
        return self._publisher.take_away(parse_alias(alias), shared=shared)

    def remove(self, name: str, *, force: bool = False) -> Removed:
        """Delete a prefix by its name or directory, or all that is here of an environment.

        The store is not asked: what an alias means there by now need not be what it means here.
        Raises `StillNamed` where an environment has other names, but for `force`, and
        `pkgcache.errors.NotOurPrefix` for a directory that mfenv did not create.
        """
        self.registry.check_writable()
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
