"""What tests do in processes of their own.

A process that starts imports the module of what it does: this one imports what that needs, and
no pytest.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from envid.aliases import FullRef
from envid.resolved import ResolvedEnv
from pkgcache.errors import AliasTaken, Conflict
from pkgcache.local.cache import PackageCache
from pkgcache.share.shared import EnvStore, Transmuting
from pkgcache.stores.directory import DirectoryStore
from pkgcache.stores.opening import open_store

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from envid.aliases import Alias
    from envid.packages import Package

SPAWN = multiprocessing.get_context("spawn")


def no_links(*_: object, **__: object) -> None:
    """`os.link` of a file system that has no hard links; what such ones say of it varies."""
    number = random.choice([errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
    raise OSError(number, os.strerror(number))


def race_in_directory(root: Path, number: int, etag: str | None, without_links: bool) -> None:
    """Ends with 0 where this process won, with 1 where it lost."""
    if without_links:
        os.link = no_links
    store = DirectoryStore(root)
    try:
        store.put("a", str(number).encode(), if_match=etag, if_absent=etag is None)
    except Conflict:
        raise SystemExit(1) from None


def race(url: str, number: int, environ: dict[str, str]) -> None:
    """Ends with 0 where this process won, with 1 where it lost."""
    os.environ.update(environ)
    try:
        open_store(url).put("contended", str(number).encode(), if_absent=True)
    except Conflict:
        raise SystemExit(1) from None


def give_alias(url: str, alias: Alias, digit: str, environ: dict[str, str]) -> None:
    """Ends with 0 where this process won, with 1 where it lost."""
    os.environ.update(environ)
    shared = EnvStore(open_store(url))
    try:
        shared.set_alias(alias, FullRef(req_id="a" * 40, full_id=digit * 40))
    except AliasTaken:
        raise SystemExit(1) from None


def fetch(root: Path, packages: list[Package]) -> None:
    PackageCache(root).fetch(packages, unpack=True)


def fetch_and_count(
    root: Path, packages: list[Package], answers: multiprocessing.Queue[int]
) -> None:
    answers.put(PackageCache(root).fetch(packages, unpack=True).downloaded)


def publish(url: str, cache: Path, envs: list[str], how: Transmuting, started: Connection) -> None:
    found = [ResolvedEnv.from_json(one) for one in envs]
    store = EnvStore(open_store(url))
    packages = PackageCache(cache)
    started.send("started")
    store.publish(found, cache=packages, transmuting=how)


def create(prefix: Path, cache: Path, env: str) -> None:
    """A virtual environment of this Python."""
    from pkgcache.prefixes.prefix import create_venv

    python = Path(sys.executable)
    found = ResolvedEnv.from_json(env)
    create_venv(found, prefix, python=python, cache=PackageCache(cache), replace=True)


def create_conda(prefix: Path, cache: Path, env: str, link_scripts: bool = False) -> None:
    from pkgcache.prefixes.conda_prefix import create_conda_env

    create_conda_env(
        ResolvedEnv.from_json(env),
        prefix,
        cache=PackageCache(cache),
        replace=True,
        link_scripts=link_scripts,
    )
