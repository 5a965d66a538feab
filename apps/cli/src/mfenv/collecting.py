"""Garbage collection on this machine: prefixes, environments and packages that nobody needs.

What refers to something: an alias, a name, a prefix, and a request to its default environment.
Whatever was used within the last hour stays.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mfenv.errors import NoStore
from mfenv.settings import cache_limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envid.ids import EnvId
    from mfenv.rows import PrefixRow, Remaining
    from mfenv.site import Site
    from pkgcache.local.collecting import CacheLimits, Collected
    from pkgcache.share.sweeping import Swept

__all__ = ["Garbage", "collect", "collect_store", "enforce_limits"]

# As `Prefixes` calls those that were given no name.
_OWN_PLACE = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}")
# To look for what is beyond the limits reads through the cache: not after every command.
_LIMITS_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """What was collected, or would be.

    `gone` are prefixes without a name that somebody else deleted, `leftovers` counts what killed
    processes left, `freed` is in bytes. `unnamed` counts the prefixes without a name that stay: only
    their age makes them garbage.
    """

    prefixes: tuple[Path, ...]
    gone: tuple[Path, ...]
    environments: tuple[EnvId, ...]
    cache: Collected
    leftovers: int
    freed: int
    unnamed: int


def collect(site: Site, *, older_than: float | None = None, dry_run: bool = False) -> Garbage:
    """Collect what nothing refers to, and enforce the limits of the cache.

    With `older_than`, in seconds, a request that was not used for so long does not count any
    more, and prefixes without a name that were not used for so long go. Raises `RegistryError`,
    and `CacheError` and `PrefixError` of pkgcache.
    """
    from pkgcache.local.collecting import GRACE, collect, measure, remove_unheld
    from pkgcache.prefixes.prefix import tidy_prefixes
    from pkgcache.share.digests import DigestSet

    registry, cache = site.registry, site.cache
    if not dry_run:
        registry.check_writable(freeing=True)
    # On a full disk, packages are what can go before anything can be written down.
    full = registry.full
    now = time.time()
    since = {
        "before": now - GRACE,
        "defaults_before": float("-inf") if older_than is None else now - older_than,
    }
    leftovers = sum(
        tidy_prefixes(folder, cache=cache, dry_run=dry_run)
        for folder in (site.home / "envs", site.home / "engines" / "builders")
    )
    # What nobody wrote down is made known, to be judged like all the others.
    _adopt(site)
    gone = _gone(site)
    # From the outside in: prefixes, the environments that only these need, packages of those.
    prefixes = _unused(site, since)
    # While they are there.
    freed = measure(prefixes)
    if not dry_run:
        prefixes = [] if full else [path for path in prefixes if _remove(site, path, since)]
    # All in one transaction: an environment that is used from now on is recorded again by its user,
    # see `Registry.use`.
    remaining = registry.collect(**since, without=(*gone, *prefixes), dry_run=dry_run or full)
    collected = collect(
        cache,
        DigestSet(remaining.digests),
        only_copies=DigestSet(remaining.only_copies),
        limits=_limits(site),
        beside=prefixes if dry_run else (),
        dry_run=dry_run,
    )
    if not dry_run:
        remove_unheld(site.home / "locks")
    return Garbage(
        prefixes=tuple(prefixes),
        gone=tuple(gone),
        # On a full disk it was only asked, for the packages: nothing is forgotten yet.
        environments=remaining.forgotten if dry_run or not full else (),
        cache=collected,
        leftovers=leftovers + collected.leftovers,
        freed=collected.freed + (0 if dry_run else freed),
        unnamed=len({*_own_places(site)} - {*prefixes}),
    )


def collect_store(site: Site, *, grace: float, older_than: float, dry_run: bool = False) -> Swept:
    """Collect in the shared store what nothing names and was written `grace` seconds ago.

    Environments that only their ids name go with that when they are `older_than` so many seconds.
    What objects of the store name is remembered here, so that the next time only new ones are
    read. Raises `NoStore`, and as `pkgcache.share.sweeping.sweep` does.
    """
    from pkgcache.share.sweeping import sweep

    if site.store is None:
        raise NoStore("to collect in", local_only=site.settings.local_only)
    url, registry = site.store_url, site.registry
    swept = sweep(
        site.store,
        grace=grace,
        keep=older_than,
        dry_run=dry_run,
        memory=registry.named_in(url),
        progress=site.progress,
    )
    if swept.memory:
        registry.set_named_in(url, swept.memory)
    return swept


def enforce_limits(site: Site) -> None:
    """Bring the cache back to its limits, if there are any, once an hour.

    In between it costs one look at one file. Raises as `collect` does.
    """
    from pkgcache.local.collecting import CacheLimits, collect
    from pkgcache.share.digests import DigestSet

    limits = _limits(site)
    if limits == CacheLimits() or site.registry.read_only:
        return
    stamp = site.cache.root / "limited"
    with suppress(FileNotFoundError):
        if stamp.stat().st_mtime > time.time() - _LIMITS_SECONDS:
            return
    # Before the work, so that whoever comes meanwhile leaves it to us.
    with suppress(OSError):  # another user's, of the same group
        stamp.touch()
    # Nothing is old enough to be forgotten: this only asks what there is.
    never = float("-inf")
    remaining: Remaining = site.registry.collect(before=never, defaults_before=never)
    collect(site.cache, None, only_copies=DigestSet(remaining.only_copies), limits=limits)


def _limits(site: Site) -> CacheLimits:
    from pkgcache.local.collecting import CacheLimits

    size, age = cache_limits(site.settings)
    return CacheLimits(size=size, age=age)


def _adopt(site: Site) -> None:
    """Make known what lies in a place of ours, unknown because its creator was killed."""
    from pkgcache.prefixes.prefix import MARKER, read_marker

    known = {row.path for row in site.registry.prefixes()}
    for path in _own_places(site):
        if str(path) in known:
            continue
        env_id = read_marker(path)
        if not env_id:
            site.progress.note(
                f"`{path}` stays: its marker `{MARKER}` cannot be read; `mfenv create --force` makes"
                " the environment again, or delete it by hand"
            )
        elif not site.registry.read_only:
            # Nobody has written down a use; it was made then, at the latest.
            used_at = (path / MARKER).stat().st_mtime
            site.registry.adopt_prefix(path, env_id, used_at)


def _own_places(site: Site) -> Iterator[Path]:
    folder = site.home / "envs"
    with suppress(FileNotFoundError, NotADirectoryError):
        # What lies under a name was made for somebody, who deletes it by that name.
        yield from (path for path in folder.iterdir() if _OWN_PLACE.fullmatch(path.name))


def _gone(site: Site) -> list[Path]:
    """Prefixes that are not there any more; a disk that is not mounted is no reason."""
    rows = site.registry.prefixes()
    # A name stays: `Environments.prefix_for` makes its environment again where it was.
    paths = [Path(row.path) for row in rows if row.name is None]
    return [path for path in paths if not os.path.lexists(path) and path.parent.is_dir()]


def _unused(site: Site, since: dict[str, float]) -> list[Path]:
    from mfenv.kernels import kernel_prefixes
    from mfenv.processes import in_use

    folder = site.home / "envs"
    rows: list[PrefixRow] = site.registry.unused_prefixes(**since)
    # What lies elsewhere was asked for there, and is its user's to delete.
    paths = [path for row in rows if (path := Path(row.path)).parent == folder and path.is_dir()]
    # A process of an environment that nothing names may have run for days; kernels are started by
    # Jupyter, which tells nobody.
    kept = {*in_use(paths), *kernel_prefixes()}
    return [path for path in paths if path not in kept]


def _remove(site: Site, path: Path, since: dict[str, float]) -> bool:
    from pkgcache.errors import NotOurPrefix
    from pkgcache.prefixes.prefix import remove_prefix

    def used() -> bool:
        return not site.registry.drop_unused(path, **since)

    try:
        # `used` is asked under the lock of the prefix: whoever took it up since then keeps it.
        return remove_prefix(path, cache=site.cache, progress=site.progress, unless=used)
    except NotOurPrefix:
        return False
