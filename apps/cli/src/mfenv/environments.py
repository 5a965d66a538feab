"""The use cases, as one Python API: resolve, publish, find, name, create and remove environments.

`mfenv`'s commands and Metaflow's extension call this and nothing below it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from envid.aliases import FullRef, parse_alias
from envid.platforms import host_platform
from envid.resolved import ResolvedEnv
from mfenv.errors import NoStore
from mfenv.finding import Finder
from mfenv.site import Site
from pkgcache.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from envid.aliases import Alias
    from envid.packages import Package
    from mfenv.answering import Answers
    from mfenv.auditing import AuditedEnv
    from mfenv.collecting import Garbage
    from mfenv.comparisons import Comparison
    from mfenv.editing.edits import Edited, Where
    from mfenv.exploring.graph import Graph
    from mfenv.exporting.exported import Exported
    from mfenv.finding import StepFinder
    from mfenv.histories import Meaning
    from mfenv.listing import Filter, SearchResult
    from mfenv.lockfile.differences import Difference
    from mfenv.lockfile.inputs import Inputs
    from mfenv.lockfile.model import LockFile
    from mfenv.lockfile.outcomes import LockCheck, LockOutcome
    from mfenv.locking import Locks
    from mfenv.outdated import Outdated
    from mfenv.prefixes import Prefixes
    from mfenv.publishing import Publisher
    from mfenv.reporting.overview import Overview
    from mfenv.request import Prepared, Request
    from mfenv.results import Created, Removed, Resolved
    from mfenv.rows import EnvRow
    from mfenv.runtime import Runtime
    from mfenv.settings import Settings
    from mfenv.usage import Usage
    from mfenv.verifying import Report
    from pkgcache.prefixes.packing import PackedEnv
    from pkgcache.progress import Progress
    from pkgcache.share.shared import Published
    from pkgcache.share.sweeping import Swept
    from pkgcache.stores.store import Store
    from pkgcache.web.credentials import Credentials

__all__ = ["Environments"]


class Environments:
    """The environments of one user under one set of settings.

    Safe to use from several threads, and from several processes on one home and one store. A
    context manager, which closes connections at its end. `credentials` are logins beside those in
    the settings and in what is asked for, which are added to them; `step` finds the environments
    of Metaflow's steps. `may_fork` is for a process that is nothing but mfenv, and resolves once:
    its solver may run in a copy of it, which is ready sooner than a new process, and then ends.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        progress: Progress | None = None,
        credentials: Credentials | None = None,
        step: StepFinder | None = None,
        may_fork: bool = False,
    ) -> None:
        self._site = Site(settings, progress=progress, credentials=credentials, may_fork=may_fork)
        self.settings = self._site.settings
        self._step = step
        self._finder = Finder(self._site, step)

    def __enter__(self) -> Environments:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the registry, and end the worker."""
        self._site.close()

    # What only some of what follows needs is imported and made where it is asked for.

    @lazy
    def _publisher(self) -> Publisher:
        from mfenv.publishing import Publisher

        return Publisher(self._site)

    @lazy
    def _answers(self) -> Answers:
        from mfenv.answering import Answers

        return Answers(self._site, self._finder, self._publisher)

    @lazy
    def _prefixes(self) -> Prefixes:
        from mfenv.prefixes import Prefixes

        return Prefixes(self._site)

    @lazy
    def _locks(self) -> Locks:
        from mfenv.locking import Locks

        return Locks(self._site, self._answers)

    @property
    def store_url(self) -> str:
        """Where the shared store is; empty where there is none, or `local_only` forbids it."""
        return self._site.store_url

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
            last=True,
        )

    def edit(
        self, path: Path, how: Literal["add", "remove"], packages: Sequence[str], where: Where
    ) -> Edited:
        """A requirement file with packages added or removed; nothing is written yet.

        Raises `InvalidRequest` for what is not edited, and the errors of reading a request.
        """
        return self._answers.edit(path, how, packages, where)

    def resolve_edited(self, edited: Edited, request: Request, *, dry_run: bool) -> Resolved | None:
        """Resolve what an edited file asks for beside `request`, then write the file.

        What is known of the file as it was is `before` of the answer, which is None for a file that
        lost its last requirement. Where something fails, the file stays as it was. Raises as
        `resolve` does.
        """
        return self._answers.resolve_edited(edited, request, dry_run=dry_run)

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
        description, or `verify` for each package too: what is found to be lost comes back. With
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
        if self._site.store is None:
            raise NoStore(f"to publish `{name}` to", local_only=self._site.settings.local_only)
        envs = self.find(name)
        published = self.publish(envs, default=default, check=True, verify=verify)
        for env in envs:
            self._publisher.restore_names(env)
        return envs, published

    def fetch(self, packages: Iterable[Package], *, store: Store | None = None) -> None:
        """Bring packages into the cache: from `store`, else our store, else their sources."""
        self._site.fetch(packages, store=store)

    def stage_runtime(self, platforms: Sequence[str], files: Mapping[str, Path]) -> Runtime:
        """Put into the store what a machine without mfenv needs; see `mfenv.runtime.stage`."""
        from mfenv.runtime import stage

        return stage(self._site, platforms, files)

    # finding and naming

    def find(self, name: str, platforms: Sequence[str] = ()) -> tuple[ResolvedEnv, ...]:
        """The environments that a text names: for `platforms`, or for all that are known.

        Looks in the registry, then in the store; what the store has is remembered here. Raises
        `UnknownEnvironment`, `Ambiguous` for a prefix of several ids, and `envid.errors` for a
        text that can name nothing.
        """
        return self._finder.find(name, platforms)

    def graphs(self, name: str, platforms: Sequence[str] = ()) -> tuple[Graph, ...]:
        """What `find` finds, as graphs: packages, what each needs, and what was asked for."""
        from mfenv.exploring.graph import Graph

        return tuple(map(Graph.of, self.find(name, platforms)))

    def compare(
        self,
        before: str,
        after: str | None = None,
        platforms: Sequence[str] = (),
        *,
        environment: str | None = None,
    ) -> Comparison:
        """What differs between two environments, what was asked for and what was found.

        Each is named as `find` has it, or `ENV@PLATFORM`, or is a file: a lock file, of which
        `environment` names one, or one that says what is asked for. Without `after` it is one
        environment on two `platforms`. Nothing is resolved. Raises as `find` does, and the errors
        of reading a request.
        """
        from mfenv.comparisons import Comparisons

        comparisons = Comparisons(self._finder, self._answers, self._site.registry.alias)
        if after is None:
            return comparisons.platforms(before, platforms)
        return comparisons.of(before, after, platforms, environment)

    def history(self, alias: str) -> tuple[Meaning, ...]:
        """What an alias meant, as far as it is known here, the latest first.

        The store is asked what it means now. Raises `UnknownEnvironment`, and `InvalidRequest` for
        an id.
        """
        from mfenv.histories import history

        return history(self._site.registry, self._finder, alias)

    def outdated(self, name: str, platforms: Sequence[str] = ()) -> tuple[Outdated, ...]:
        """The packages of an environment that its sources have something newer of by now.

        It is resolved again, with nothing kept, recorded or published. Raises as `find` and
        `resolve` do, and `InvalidRequest` where settings forbid to ask sources.
        """
        from mfenv.outdated import outdated

        return outdated(self._site, self._answers, self.find(name, platforms))

    def audit(self, name: str, platforms: Sequence[str] = ()) -> tuple[AuditedEnv, ...]:
        """What the sources of an environment say by now against its packages; see `mfenv.auditing`.

        Raises as `find` does, `InvalidRequest` where settings forbid to ask sources, and
        `resolvers.errors` where one fails.
        """
        from mfenv.auditing import audit

        return audit(self._site, self._answers, self.find(name, platforms))

    def report(
        self, names: Sequence[str], platforms: Sequence[str] = (), *, audited: bool = False
    ) -> Overview:
        """What there is to see of environments, on `platforms` or all that are known of each.

        Where they are `audited`, sources are asked as `audit` does; nothing else asks the network.
        Licences are said as far as the cache has the packages. Raises as `find` and `audit` do.
        """
        from mfenv.reporting.overview import overview

        envs = {name: self.find(name, platforms) for name in names}
        every = [env for of_name in envs.values() for env in of_name]
        asked = [env for name in envs for env in self.audit(name, platforms)] if audited else None
        return overview(envs, self.aliases_of, self.licences(every), audited=asked)

    def licences(self, envs: Iterable[ResolvedEnv]) -> dict[Package, str]:
        """What packages state, as far as the cache has them; empty where they state none."""
        from mfenv.licences import licences_of

        return licences_of({p for env in envs for p in env.packages}, self._site.cache)

    def get(
        self, name: str, platforms: Sequence[str] = (), *, default: bool = True
    ) -> tuple[ResolvedEnv, ...]:
        """Bring an environment from the store here: for `platforms`, or for all that it has.

        With `default` it becomes what its bare `req_id` means here. Raises as `find` does, and
        `NoStore` where there is none.
        """
        self._site.registry.check_writable()
        envs = self._finder.get(name, platforms)
        self._finder.remember(envs, default=default)
        return envs

    def export(
        self, name: str, form: str, platforms: Sequence[str] = (), *, asked: bool = False
    ) -> Exported:
        """The environment that `name` names as a file of another tool.

        `form` is one of `mfenv.exporting.formats.FORMATS`; with `asked`, which is what was asked
        for in place of what was found, one of `ASKED` there. Without `platforms` for all that are
        known. Licences are said as far as the cache has the packages. Raises as `find` does, and
        `NotExportable` where the file would be wrong.
        """
        from mfenv.exports import exported

        envs = self.find(name, platforms)
        return exported(self._site, envs, form, asked=asked, every=not platforms)

    # lock files

    def lock(
        self,
        path: Path,
        inputs: Inputs | None = None,
        *,
        name: str | None = None,
        platforms: Sequence[str] = (),
        update: Sequence[str] = (),
        upgrade: bool = False,
    ) -> LockOutcome:
        """Resolve what a lock file says that it was made from, and write it again.

        With `inputs` it is the environment `name` that is made from them (`default` without a
        name); else the one called so, or all, from now on for `platforms`. What fits stays as it is,
        and where something is resolved, packages stay where they can, but for those in `update`;
        with `upgrade` all are the newest. What is resolved is recorded and published as `resolve`
        does. A file that a merge left in pieces is made whole. Raises as `resolve` does, and
        `InvalidLock`.
        """
        return self._locks.lock(
            path, name=name, inputs=inputs, platforms=platforms, update=update, upgrade=upgrade
        )

    def unlock(self, path: Path, names: Sequence[str]) -> LockOutcome:
        """Take environments out of a lock file. Raises `UnknownEnvironment` and `InvalidLock`."""
        return self._locks.remove(path, names)

    def lock_requests(
        self,
        path: Path,
        flow: str,
        wanted: Sequence[tuple[Sequence[str], Request]],
        *,
        about: Callable[[Request, Sequence[str]], AbstractContextManager[None]],
        whole_flow: bool = True,
        update: Sequence[str] = (),
        upgrade: bool = False,
    ) -> LockOutcome:
        """Lock the steps of a flow: requests, each with the names of the environments of it.

        `flow` is the file of the flow. What goes wrong with one of `wanted` does so in what `about`
        gives for it. What is in the lock file stays beside them, but with
        `whole_flow` what is of this flow and not among them. They are locked for the platforms that
        they ask for and those that they are locked for. The rest is as `lock` has it.
        """
        how = {"whole_flow": whole_flow, "upgrade": upgrade}
        return self._locks.lock_requests(path, flow, wanted, about=about, update=update, **how)

    def lock_file(self, path: Path) -> LockFile:
        """Read a lock file. Raises `UnknownEnvironment` where there is none, and `InvalidLock`."""
        from mfenv.locking import read_lock

        return read_lock(path)

    def lock_differences(
        self, request: Request, envs: Sequence[ResolvedEnv]
    ) -> tuple[Difference, ...]:
        """Where a request is not what environments of a lock file were found for; nothing is asked.

        Raises the errors of reading a request.
        """
        return self._locks.differences(request, envs)

    def check_lock(
        self, path: Path, inputs: Inputs | None = None, *, name: str | None = None
    ) -> LockCheck:
        """Compare a lock file with what is asked for by now; nothing is resolved or asked for.

        `inputs` and `name` are as `lock` has them. Raises `UnknownEnvironment` where there is no
        file, `InvalidLock`, and the errors of reading a request.
        """
        return self._locks.check(path, name=name, inputs=inputs)

    def locked(
        self, path: Path, name: str | None = None, platforms: Sequence[str] = ()
    ) -> tuple[ResolvedEnv, ...]:
        """An environment of a lock file, made known here: for `platforms`, or all that it has.

        Without `name` the default one, or the only one. Nothing is resolved or asked for. Raises
        `InvalidLock` and `UnknownEnvironment`.
        """
        from mfenv.locking import locked

        envs = locked(path, name, platforms)
        self.remember(envs)
        return envs

    def remember(self, envs: Sequence[ResolvedEnv]) -> None:
        """Make environments of a lock file known here, where that can be written."""
        registry = self._site.registry
        if not registry.read_only:
            # What was resolved here says when and by whom, and the file does not.
            registry.add([env for env in envs if not registry.knows(env.env_id)], default=False)
            registry.use(envs)

    def add(self, envs: Sequence[ResolvedEnv], *, default: bool = False) -> None:
        """Make environments known here; with `default` as what their bare `req_id` means."""
        self._site.registry.add(envs, default=default)

    def name_here(self, name: str, env: ResolvedEnv) -> None:
        """Give an environment a name that only this machine knows, and that may be any text."""
        from mfenv.user import user_name

        target = env.env_id.ref
        self._site.registry.set_alias(name, target, mutable=True, by=user_name())

    def names(self, start: str = "") -> list[str]:
        """The names of prefixes and the aliases that are known here and start so."""
        return self._site.registry.names(start)

    def aliases_of(self, env: ResolvedEnv) -> tuple[str, ...]:
        """The aliases that an environment has here."""
        return tuple(self._site.registry.aliases_of(env.env_id.ref))

    def rows(self, limit: int | None = None, meant: Filter | None = None) -> list[EnvRow]:
        """What is known here, or of that what is `meant`: the newest first, at most `limit` of it.

        Raises `InvalidRequest` for a package or a version that is none.
        """
        from mfenv.listing import Filter, listed

        return listed(self._site, limit, meant or Filter())

    def search(self, text: str) -> SearchResult:
        """Aliases that hold a text, and environments that hold a package; `*` is any letters.

        A package is `numpy`, `numpy>=1.26`, `conda:numpy`. What is known here is searched, the
        newest first. Raises `InvalidRequest` for a text that is no package.
        """
        from mfenv.listing import search

        return search(self._site, text)

    def shared_aliases(self, start: str = "") -> list[tuple[Alias, float]]:
        """The aliases in the store that start so, and when each was given, as POSIX times.

        Raises `NoStore` where there is none.
        """
        if self._site.store is None:
            raise NoStore("to list the aliases of", local_only=self._site.settings.local_only)
        return list(self._site.store.aliases(start))

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
        name: str | ResolvedEnv,
        *,
        as_name: str | None = None,
        prefix: Path | None = None,
        force: bool = False,
        exist_ok: bool = False,
    ) -> Created:
        """Create the prefix of an environment for this machine's platform, by name or as it is.

        It lies in `prefix`, under `as_name` in the home, or in a place of its own that is used
        again when it is there. `exist_ok` keeps a prefix that holds this very environment; `force`
        replaces a prefix, if mfenv created it. Raises `pkgcache.errors.PrefixExists`, and the
        errors of finding the environment, of fetching its packages and of finding its Python.
        """
        env = name if isinstance(name, ResolvedEnv) else self.find(name, (host_platform(),))[0]
        return self._prefixes.create(
            env, as_name=as_name, prefix=prefix, force=force, exist_ok=exist_ok
        )

    def pack(self, env: ResolvedEnv, target: Path, *, force: bool = False) -> PackedEnv:
        """Write an environment to an archive, for machines without the store and without mfenv.

        Nothing of it is run, so that it may be for any platform. Its name ends as one of
        `pkgcache.prefixes.packing.FORMATS`; `force` replaces what is there. Raises the errors of
        fetching its packages, `InvalidRequest`, and as `pkgcache.prefixes.packing.pack_env`.
        """
        from mfenv.packing import pack

        return pack(self._site, env, target, force=force)

    def unpack(self, archive: Path, prefix: Path | None = None) -> Created:
        """Unpack what `pack` wrote at `prefix`, which is not there or empty, and make it known here.

        Without one it is called as the archive is, in the current directory.

        Nothing of it is run. Raises `InvalidRequest`, and as
        `pkgcache.prefixes.unpacking.unpack_env`.
        """
        from mfenv.packing import unpack

        return unpack(self._site, self._prefixes, archive, prefix)

    def prefixes_of(self, env: ResolvedEnv) -> tuple[Path, ...]:
        """Where an environment was created here."""
        rows = self._site.registry.prefixes_of(env.env_id.ref)
        return tuple(Path(row.path) for row in rows)

    def prefix_for(self, name: str) -> Path:
        """The prefix that `name` names: by its own name or path, or as that of an environment."""
        row = self._site.registry.prefix_meant(name)
        if row is None:
            return self.create(name).prefix
        path, full = Path(row.path), str(row.env_id.ref)
        if path.is_dir():
            self._prefixes.check(path, name, row.env_id)
            return path
        # Deleted by hand, or moved aside by a replacement that was killed.
        place = None if row.name else path
        return self.create(full, as_name=row.name, prefix=place, exist_ok=True).prefix

    def prompt_name(self, name: str) -> str:
        """What the prompt of a shell calls the environment or prefix that `name` names.

        The name itself; of a directory its last part; of ids an alias, or the start of them where
        there is none.
        """
        row = self._site.registry.prefix_meant(name)
        if row or not set(name) <= set("0123456789abcdef:"):
            return (row.name or Path(row.path).name) if row else name
        aliases = self.aliases_of(self.find(name, (host_platform(),))[0])
        return aliases[0] if aliases else name[:8]

    def activation(self, prefix: Path) -> dict[str, str]:
        """The variables of a process that runs in `prefix`: our own, led there.

        Raises `InvalidRequest` where activation files of the prefix cannot be used.
        """
        from mfenv.activation import activated

        return activated(prefix, os.environ)

    def take_away(self, alias: str, *, shared: bool = False) -> bool:
        """Take an alias from its environment, which stays; with `shared` in the store as well.

        Gives whether the store still has it, and would give it back here when it is asked for.
        Raises `UnknownEnvironment` where nobody knows it, and `NoStore`.
        """
        self._site.registry.check_writable()
        return self._publisher.take_away(parse_alias(alias), shared=shared)

    def remove(self, name: str, *, force: bool = False) -> Removed:
        """Delete a prefix by its name or directory, or all that is here of an environment.

        The store is not asked: what an alias means there by now need not be what it means here.
        Raises `StillNamed` where an environment has other names, but for `force`, and
        `pkgcache.errors.NotOurPrefix` for a directory that mfenv did not create.
        """
        from mfenv.removing import remove

        finder = Finder(self._site, self._step, ask_store=False)
        return remove(self._site, self._prefixes, finder, name, force=force)

    # keeping house

    def collect(self, *, older_than: float | None = None, dry_run: bool = False) -> Garbage:
        """Delete what nothing here refers to; see `mfenv.collecting.collect`."""
        from mfenv.collecting import collect

        return collect(self._site, older_than=older_than, dry_run=dry_run)

    def collect_store(self, *, grace: float, older_than: float, dry_run: bool = False) -> Swept:
        """Delete what nothing in the store names; see `mfenv.collecting.collect_store`."""
        from mfenv.collecting import collect_store

        return collect_store(self._site, grace=grace, older_than=older_than, dry_run=dry_run)

    def enforce_limits(self) -> None:
        """Bring the cache back to its limits, once an hour, if anything used it.

        For the end of work: what was asked for is done, so that it is only noted if this fails.
        """
        if not self._site.has_used_cache:
            return
        from mfenv.settings import cache_limits

        if cache_limits(self.settings) == (None, None):
            return
        from mfenv.collecting import enforce_limits
        from mfenv.wording import words
        from pkgcache.errors import CacheError

        try:
            enforce_limits(self._site)
        except (CacheError, OSError) as error:
            message, _ = words(error)
            self._site.progress.note(f"{message}; the limits of the cache are not enforced")

    def verify(self, *, repair: bool = True, prefixes: bool = True) -> Report:
        """Compare what is here with its hashes; see `mfenv.verifying.verify`."""
        from mfenv.verifying import verify

        return verify(self._site, repair=repair, prefixes=prefixes)

    def usage(self) -> Usage:
        """What is on this disk; see `mfenv.usage.usage`."""
        from mfenv.usage import usage

        return usage(self._site)
