"""Reading back what this machine keeps, and healing what can be healed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envid.packages import Package
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
    registry: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong any more."""
        left = self.lost or self.prefixes or self.registry
        return not left and all(one.dropped for one in self.cache.damaged)


def verify(site: Site, *, repair: bool = True, prefixes: bool = True) -> Report:
    """Compare the cache, and `prefixes`, with their hashes, and look through the registry.

    With `repair`, damaged packages are dropped, and fetched again where a known environment holds
    them. Prefixes are not touched, since what was changed there may be wanted. Raises
    `RegistryError` and `pkgcache.errors.CacheError`.
    """
    from pkgcache.prefixes.verifying import verify_cache, verify_prefix

    registry = site.registry
    problems = registry.problems()
    found = verify_cache(site.cache, repair=repair, progress=site.progress)
    lost = _fetch_again(site, found.damaged) if repair else {}
    paths = [Path(row.path) for row in registry.prefixes()] if prefixes else []
    checked = {path: verify_prefix(path, found.sound) for path in paths if path.is_dir()}
    return Report(
        cache=found,
        lost=lost,
        prefixes={path: wrong for path, wrong in checked.items() if wrong},
        registry=tuple(problems),
    )


def _fetch_again(site: Site, damaged: Iterable[Damaged]) -> dict[str, str]:
    """The packages that could not be had, and why."""
    from pkgcache.errors import PkgcacheError

    lost = {}
    unpacked = {one.digest for one in damaged if one.dropped and one.kind != "archive"}
    archives = {one.digest for one in damaged if one.dropped} - unpacked
    for digests, unpack in ((archives, False), (unpacked, True)):
        for package in _packages(site, digests):
            try:
                site.fetch([package], unpack=unpack)
            except PkgcacheError as error:
                lost[package.filename] = str(error)
    return lost


def _packages(site: Site, digests: set[str]) -> list[Package]:
    """The packages of known environments with these digests."""
    from envid.resolved import ResolvedEnv
    from pkgcache.stores import layout

    found: dict[str, Package] = {}
    for env_id in site.registry.holding(digests) if digests else ():
        text = site.registry.description(env_id)
        for package in ResolvedEnv.from_json(text).packages if text else ():
            if any(layout.digest(one) in digests for one in layout.archives(package)):
                found[layout.digest(package)] = package
        if len(found) == len(digests):
            break
    return list(found.values())
