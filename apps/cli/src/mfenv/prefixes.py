"""Making and deleting the prefixes of environments on this machine."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from envid.aliases import DEFAULT_TAG
from mfenv.errors import DamagedPrefix, InvalidRequest, NotHere
from mfenv.results import Created, timed
from pkgcache.errors import PkgcacheError

if TYPE_CHECKING:
    from envid.ids import EnvId
    from envid.resolved import ResolvedEnv
    from mfenv.site import Site

__all__ = ["Prefixes", "fetch_env"]

# It becomes the name of a directory, which must be neither hidden nor look like an option.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Prefixes:
    """The prefixes of a site."""

    def __init__(self, site: Site) -> None:
        self._site, self._registry = site, site.registry

    def create(
        self,
        env: ResolvedEnv,
        *,
        as_name: str | None,
        prefix: Path | None,
        force: bool,
        exist_ok: bool,
    ) -> Created:
        """See `Environments.create`."""
        from mfenv.activation import check_place
        from pkgcache.errors import PrefixExists
        from pkgcache.prefixes.prefix import interrupted, read_marker

        # First of all: from now on a collection leaves the environment alone.
        self._registry.use([env])
        path = self._path(env, as_name, prefix)
        check_place(path)
        # A whole prefix that the registry does not know is what an interrupted create left.
        own = prefix is None and as_name is None
        keep = (exist_ok or own or not self._registry.prefix_at(path)) and not force
        seconds: dict[str, float] = {}
        new = not (keep and self._at(path) == env.env_id)
        if not new:
            self.check(path, as_name, env.env_id)
        if new:
            # What an interrupted create left is ours to replace, without being asked.
            if path.exists() and not force and not interrupted(path):
                raise PrefixExists(str(path))
            if prefix is None:
                # A prefix elsewhere needs no registry, so that it can be made from a home that is
                # only read.
                self._registry.check_writable()
            try:
                self._make(env, path, seconds, replace=force)
            except PrefixExists:
                # Another process may have made the very same in the meantime.
                if not (keep and read_marker(path) == env.env_id):
                    raise
                new = False
        # After it is whole: what is killed in between is taken up by the next create of it, or by a
        # collection where it lies in a place of its own.
        if not self._registry.read_only:
            self._registry.add_prefix(path, as_name, env.env_id)
        elif new:
            self._site.progress.note(
                f"`mfenv list` does not know of `{path}`: `{self._site.home}` cannot be written"
            )
        return Created(prefix=path, name=as_name, env_id=env.env_id, new=new, seconds=seconds)

    def check(self, path: Path, name: str | None, env_id: EnvId) -> None:
        """Raise `DamagedPrefix` where an environment lacks what it was created with.

        Notes where `name` is an alias, too, and that of another environment.
        """
        from pkgcache.prefixes.prefix import check_prefix

        if name and self._site.registry.alias(f"{name}:{DEFAULT_TAG}") not in (None, env_id.ref):
            self._site.progress.note(
                f"`{name}` is the environment that was created as that; the alias"
                f" `{name}:{DEFAULT_TAG}` is another one"
            )
        # First without the lock of the prefix: nearly always all is well.
        if not check_prefix(path):
            return
        with suppress(PkgcacheError):  # a cache that can only be read
            self._settled(path)  # perhaps it is being replaced
        # Once more: whoever held its lock may have put a whole one there.
        if problems := check_prefix(path):
            own = path == self._path(env_id, None, None)
            from shlex import quote

            place = f" --name {name}" if name else "" if own else f" --prefix {quote(str(path))}"
            # By its ids: the name that it was created by may mean another environment by now.
            again = f"mfenv create {env_id.ref}{place} --force"
            raise DamagedPrefix(str(path), problems, again)

    def remove(self, path: Path) -> Path:
        """Delete a prefix, and forget it. Raises `pkgcache.errors.NotOurPrefix`."""
        from pkgcache.errors import NotOurPrefix
        from pkgcache.prefixes.prefix import remove_prefix

        site = self._site
        try:
            remove_prefix(path, cache=site.cache, progress=site.progress)
        except NotOurPrefix:
            if os.path.lexists(path):  # else an interrupted removal was brought to its end
                raise
        if self._registry.full:
            self._registry.close()  # there is room now
        # Last: what is interrupted before that is still known, and can be removed again.
        self._registry.remove_prefix(path)
        return path

    def _path(self, env: ResolvedEnv | EnvId, as_name: str | None, prefix: Path | None) -> Path:
        if prefix:
            return prefix.expanduser().absolute()
        if as_name is not None and not _NAME.fullmatch(as_name):
            raise InvalidRequest(
                f"`{as_name}` cannot name a prefix",
                "a name is made of letters, digits, `_`, `-` and `.`; `--prefix` takes a directory",
            )
        # No two environments of a machine agree in so many digits, and the path of an interpreter
        # has to fit into a `#!` line: 255 bytes on Linux, 127 before 5.1.
        own = f"{env.req_id[:16]}-{env.full_id[:16]}"
        return self._site.home / "envs" / (as_name or own)

    def _at(self, path: Path) -> EnvId | None:
        """Which environment is at `path`, to stay there for a while."""
        from pkgcache.prefixes.prefix import read_marker

        # What is not known may be about to be collected, by whoever has its lock.
        if self._registry.use_prefix(path) or not os.path.lexists(path):
            return read_marker(path)
        return self._settled(path)

    def _settled(self, path: Path) -> EnvId | None:
        from pkgcache.prefixes.prefix import read_marker, settled_prefix

        site = self._site
        if self._registry.read_only:  # so nobody collects
            return read_marker(path)
        return settled_prefix(path, cache=site.cache, progress=site.progress)

    def _make(
        self, env: ResolvedEnv, path: Path, seconds: dict[str, float], *, replace: bool
    ) -> None:
        from pkgcache.errors import NotInCache

        _check_glibc(env)
        # Each round may lose another package to a collection; more rounds would be a fault.
        for left in reversed(range(len(env.packages) + 1)):
            with timed(seconds, "fetch"):
                fetch_env(self._site, env)
            try:
                with timed(seconds, "create"):
                    self._link(env, path, replace=replace)
            except NotInCache:  # a package was collected, or proved damaged, in the meantime
                if not left:
                    raise
            else:
                return

    def _link(self, env: ResolvedEnv, prefix: Path, *, replace: bool) -> None:
        from pkgcache.prefixes.conda_prefix import create_conda_env
        from pkgcache.prefixes.prefix import create_venv

        site = self._site
        create = (
            partial(create_venv, python=self.python(env))
            if env.spec.options.python_provider == "system"
            else partial(create_conda_env, link_scripts=site.settings.link_scripts)
        )
        create(
            env,
            prefix,
            cache=site.cache,
            replace=replace,
            compile=site.settings.compile_bytecode,
            progress=site.progress,
        )

    def python(self, env: ResolvedEnv) -> Path:
        """The interpreter of this machine for an environment that brings none."""
        minor = ".".join(env.python.split(".")[:2])
        if minor == f"{sys.version_info.major}.{sys.version_info.minor}":
            # The interpreter that runs us is there for certain, and takes no process to find.
            # Not `sys.executable`, which in a virtual environment is a link that goes with it.
            return Path(getattr(sys, "_base_executable", sys.executable))
        from resolvers.pythons import find_python
        from resolvers.request import ResolveContext

        return find_python(
            f"=={minor}.*", ResolveContext(cache_dir=self._site.home / "engines")
        ).path


def fetch_env(site: Site, env: ResolvedEnv) -> None:
    """Bring the packages of an environment into the cache, ready to be linked.

    Raises `NotHere` where that needs what `local_only` forbids.
    """
    from pkgcache.errors import DownloadError

    if site.settings.local_only:
        _check_here(site, env)
    try:
        site.fetch(env.packages, unpack=True)
    except DownloadError:
        if site.settings.local_only:
            _check_here(site, env)  # what turned out to be damaged is gone
        raise


def _check_here(site: Site, env: ResolvedEnv) -> None:
    missing = [
        package.filename
        for package in env.packages
        if not site.cache.has(package) and not site.cache.has_unpacked(package)
    ]
    if missing:
        raise NotHere(f"{env.req_id[:12]}:{env.full_id[:12]}", tuple(missing))


def _check_glibc(env: ResolvedEnv) -> None:
    """Refuse wheels that need a newer glibc than this machine has.

    A wheel that had to be built may need more than its request has as a floor.
    """
    from resolvers.targets import needed_glibc, own_glibc

    own = own_glibc()
    newer = {
        package.filename: needs
        for package in env.packages
        if package.kind == "pypi"
        and (needs := needed_glibc(package.filename))
        and own
        and needs > own
    }
    if own and newer:
        names = ", ".join(f"`{name}` needs glibc {x}.{y}" for name, (x, y) in newer.items())
        raise InvalidRequest(
            f"{names}, and this machine has {own[0]}.{own[1]}",
            "create it on a newer system, or resolve it again with the glibc that this one has:"
            f" `--sys __glibc={own[0]}.{own[1]}`",
        )
