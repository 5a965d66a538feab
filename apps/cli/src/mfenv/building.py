"""Wheels that were built from source, kept here and shared through the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pkgcache.cache import PackageCache
    from pkgcache.shared import EnvStore
    from resolvers.request import Artifact

__all__ = ["keep_built", "shared_wheel"]


def keep_built(artifacts: Iterable[Artifact], cache: PackageCache, store: EnvStore | None) -> None:
    """Put wheels that no URL gives into the cache, and built ones into the store."""
    from pkgcache.shared import BuiltWheel

    for one in artifacts:
        cache.add(one.path, one.filename)
        if store and one.source_key:
            wheel = BuiltWheel(filename=one.filename, sha256=one.sha256, size=one.size)
            store.set_built_wheel(one.source_key, wheel, one.path)


def shared_wheel(source_key: str, cache: PackageCache, store: EnvStore | None) -> Path | None:
    """The wheel that somebody built from a source state, from the store; None if nobody did."""
    from envid.packages import BuiltFrom, Package

    wheel = store.built_wheel(source_key) if store else None
    if wheel is None or store is None:
        return None
    name, version, _ = wheel.filename.split("-", 2)
    source = f"built:{source_key}"
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
