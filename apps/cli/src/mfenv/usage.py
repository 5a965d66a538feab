"""What this machine keeps, and how much room that takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mfenv.settings import cache_limits

if TYPE_CHECKING:
    from mfenv.site import Site

__all__ = ["Tally", "Usage", "usage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Some files of the cache: how many packages, and how many bytes."""

    count: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is kept. Sizes are in bytes; `age_limit` is in seconds.

    `disk` is that of the cache and of all prefixes, hard links counted once; `collectable` is what
    a collection would free now.
    """

    cache: Path
    archives: Tally
    unpacked: Tally
    prefixes: int
    disk: int
    registry: int
    engines: int
    size_limit: int | None
    age_limit: float | None
    collectable: int


def usage(site: Site) -> Usage:
    """Look through the home. Raises `RegistryError` and `pkgcache.errors.CacheError`."""
    from mfenv.collecting import collect
    from pkgcache.local.collecting import disk_use, holdings

    kept = list(holdings(site.cache))
    archives = [held.size or 0 for held in kept if held.kind == "archive"]
    unpacked = [held.size or 0 for held in kept if held.kind != "archive"]
    prefixes = [Path(row.path) for row in site.registry.prefixes()]
    size_limit, age_limit = cache_limits(site.settings)
    database = site.registry.path
    # What was written lately is in its log.
    files = [database, database.with_name(f"{database.name}-wal")]
    return Usage(
        cache=site.cache.root,
        archives=Tally(count=len(archives), size=sum(archives)),
        unpacked=Tally(count=len(unpacked), size=sum(unpacked)),
        prefixes=len(prefixes),
        disk=disk_use([site.cache.root, *prefixes]),
        registry=sum(file.stat().st_size for file in files if file.exists()),
        engines=disk_use([site.home / "engines"]),
        size_limit=size_limit,
        age_limit=age_limit,
        collectable=collect(site, dry_run=True).freed,
    )
