"""Wheels that are built from source: with which Python, kept here, shared through the store."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from envid.packages import Package
    from mfenv.site import Site
    from pkgcache.local.cache import PackageCache
    from pkgcache.share.shared import EnvStore
    from resolvers.request import Artifact

__all__ = ["builder_python", "keep_built", "known_wheel", "shared_wheel"]


def builder_python(packages: tuple[Package, ...], site: Site) -> Path:
    """The interpreter of a builder environment, which holds `packages` and nothing else.

    It is kept under the engines' directory, by what is in it. Raises `pkgcache.errors`.
    """
    from envid.platforms import host_platform
    from envid.resolved import ResolvedEnv
    from envid.spec import EnvSpec
    from mfenv.prefixes import fetch_env
    from pkgcache.errors import PrefixExists
    from pkgcache.prefixes.conda_prefix import create_conda_env
    from pkgcache.prefixes.prefix import check_prefix, read_marker

    python = next(package.version for package in packages if package.name == "python")
    # Nobody asked for it: with a spec of its own it can be described and created as any other.
    spec = EnvSpec.make(requirements={}, python=f"=={python}")
    resolved = {host_platform(): (python, packages)}
    (env,) = ResolvedEnv.co_resolve(spec, resolved, resolved_by="mfenv")
    prefix = site.home / "engines" / "builders" / env.full_id
    there = read_marker(prefix) == env.env_id
    if not there or check_prefix(prefix):
        fetch_env(site, env)
        with suppress(PrefixExists):  # another process made the very same in the meantime
            create_conda_env(
                env,
                prefix,
                cache=site.cache,
                replace=there,
                progress=site.progress,
            )
    return prefix / "bin" / "python"


def keep_built(artifacts: Iterable[Artifact], cache: PackageCache, store: EnvStore | None) -> None:
    """Put wheels that no URL gives into the cache, and built ones into the store."""
    for artifact in artifacts:
        cache.add(artifact.path, artifact.filename)
        # Without a key it is no build but a wheel of this machine, which is published with its
        # environment.
        if store and artifact.source_key:
            from pkgcache.share.shared import BuiltWheel

            wheel = BuiltWheel(
                filename=artifact.filename, sha256=artifact.sha256, size=artifact.size
            )
            store.set_built_wheel(artifact.source_key, wheel, artifact.path)


def shared_wheel(source_key: str, cache: PackageCache, store: EnvStore | None) -> Path | None:
    """The wheel that somebody built from a source state, from the store; None if nobody did."""
    from envid.packages import BuiltFrom, Package

    wheel = store.built_wheel(source_key) if store else None
    if wheel is None or store is None:
        return None
    name, version, _ = wheel.filename.split("-", 2)
    source = f"built:{source_key}"
    # As little as it takes to fetch the wheel by its digest.
    package = Package.make(
        kind="pypi",
        name=name,
        version=version,
        filename=wheel.filename,
        url=source,
        sha256=wheel.sha256,
        size=wheel.size,
        built_from=BuiltFrom(kind="sdist", url=source),
    )
    cache.fetch([package], store=store.store)
    return cache.archive(package)


def known_wheel(package: Package, cache: PackageCache, store: EnvStore | None) -> Path | None:
    """The file of a wheel that is here, or that was built and is in the store; None elsewhere."""
    from pkgcache.errors import NotInCache

    try:
        if package.built_from and not cache.has(package):
            cache.fetch([package], store=store.store if store else None)
        return cache.archive(package)
    except NotInCache:
        return None
