"""Reading back what this machine keeps, and healing what can be healed."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mfenv.errors import DamagedRow
from mfenv.mending import Damage, look_through

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envid.ids import EnvId
    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from mfenv.site import Site
    from pkgcache.prefixes.verifying import Damaged, Verified

__all__ = ["Report", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found. `lost` are packages of known environments that could not be had again.

    `prefixes` says what is wrong with each that is damaged, `registry` what with that.
    """

    cache: Verified
    lost: Mapping[str, str]
    prefixes: Mapping[Path, tuple[str, ...]]
    registry: tuple[Damage, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong any more."""
        left = self.lost or self.prefixes or any(not damage.mended for damage in self.registry)
        return not left and all(damaged.dropped for damaged in self.cache.damaged)


def verify(site: Site, *, repair: bool = True, prefixes: bool = True) -> Report:
    """Compare the cache, and `prefixes`, with their hashes, and look through the registry.

    With `repair`, damaged packages are dropped, and fetched again where a known environment holds
    them, and the registry is mended. Prefixes are not touched, since what was changed there may be
    wanted. Raises `RegistryError` and `pkgcache.errors.CacheError`.
    """
    from pkgcache.prefixes.verifying import verify_cache

    registry = site.registry

    def stored(env_id: EnvId) -> ResolvedEnv | None:
        return site.store.fetch_description(env_id) if site.store else None

    # First: who holds a damaged package is read in the registry.
    damages = look_through(registry, stored, repair=repair)
    checked_cache = verify_cache(site.cache, repair=repair, progress=site.progress)
    lost = _fetch_again(site, checked_cache.damaged) if repair else {}
    # With what the cache was found to hold: a file that is linked from there need not be hashed
    # again.
    checked = _prefixes(site, checked_cache.sound) if prefixes else {}
    return Report(
        cache=checked_cache,
        lost=lost,
        prefixes={path: wrong for path, wrong in checked.items() if wrong},
        registry=tuple(damages),
    )


def _prefixes(site: Site, sound: frozenset[tuple[int, int]]) -> dict[Path, tuple[str, ...]]:
    """What is wrong with each prefix that is known, or lies in the home."""
    from pkgcache.prefixes.prefix import MARKER, read_marker
    from pkgcache.prefixes.verifying import verify_prefix

    problems: dict[Path, tuple[str, ...]] = {}
    known: dict[Path, EnvId | None] = {
        Path(row.path): row.env_id for row in site.registry.prefixes()
    }
    with suppress(FileNotFoundError, NotADirectoryError):
        # Names that begin with a dot are of prefixes that are made or deleted right now.
        beside = (path for path in (site.home / "envs").iterdir() if path.name[0] != ".")
        known |= {path: read_marker(path) for path in beside if path not in known}
    for path, env_id in known.items():
        if path.is_dir():
            right = env_id and read_marker(path) == env_id
            marker = () if right else (f"its marker `{MARKER}` is not that of an environment",)
            problems[path] = (*marker, *verify_prefix(path, sound))
        elif os.path.lexists(path):
            problems[path] = ("it is not a directory: delete it by hand",)
    return problems


def _fetch_again(site: Site, damaged: Iterable[Damaged]) -> dict[str, str]:
    """The packages that could not be had, and why."""
    from pkgcache.errors import PkgcacheError

    lost = {}
    unpacked = {item.digest for item in damaged if item.dropped and item.kind != "archive"}
    archives = {item.digest for item in damaged if item.dropped} - unpacked
    # What lay unpacked is unpacked again; an archive by itself need not be.
    for digests, unpack in ((archives, False), (unpacked, True)):
        for package in _packages(site, digests):
            try:
                site.fetch([package], unpack=unpack)
            except PkgcacheError as error:
                lost[package.filename] = str(error)
    return lost


def _packages(site: Site, digests: set[str]) -> list[Package]:
    """The packages of known environments with these digests."""
    from pkgcache.stores import layout

    packages: dict[str, Package] = {}
    for env_id in site.registry.holding(digests) if digests else ():
        try:
            env = site.registry.environment(env_id)
        except DamagedRow:  # which was said
            continue
        for package in env.packages if env else ():
            # Whichever of its formats is here: a store may have it transmuted.
            if any(archive.digest in digests for archive in layout.archives(package)):
                packages[package.digest] = package
        if len(packages) == len(digests):
            break
    return list(packages.values())
