"""Which of the environments that are known here are meant, by their names and by what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envid.requirements import normalize_python
from mfenv import contents
from mfenv.exploring.searching import fits, is_called, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envid.aliases import FullRef
    from envid.ids import EnvId
    from mfenv.contents import HeldPackage
    from mfenv.rows import EnvRow
    from mfenv.site import Site

__all__ = ["Filter", "SearchResult", "listed", "search"]

_ORDERS = {
    "packages": lambda row: row.packages,
    "size": lambda row: row.size or 0,
    "used": lambda row: row.used_at,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which environments are listed, and in which order.

    `called` is a part of a name or, with `*`, a pattern; `package` is what `wanted` reads; `python`
    a version or a specifier; `unused_since` a POSIX time; `created` those that have a prefix here.
    `sort` is `resolved` (the newest first), `used` (the last first), `size` or `packages` (the most
    first).
    """

    called: str = ""
    package: str = ""
    platforms: tuple[str, ...] = ()
    env_type: str | None = None
    python: str = ""
    unused_since: float | None = None
    created: bool = False
    sort: str = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search found: aliases, and packages with the aliases of their environments.

    `machine_python` is a specifier of Python where one was looked for that some environments have
    from the machine, as no package: by it they can be listed.
    """

    aliases: tuple[tuple[str, FullRef], ...]
    packages: tuple[tuple[HeldPackage, tuple[str, ...]], ...]
    machine_python: str | None = None


def listed(site: Site, limit: int | None, meant: Filter) -> list[EnvRow]:
    """See `Environments.rows`."""
    registry = site.registry
    if meant == Filter():
        # The database stops by itself, so that a listing costs what it shows.
        rows = list(registry.rows(limit))
    else:
        if meant.sort == "size":
            contents.complete(registry, registry.environment)
        holding = (
            {holder.env_id for holder in _holders(site, meant.package)} if meant.package else None
        )
        rows = [row for row in registry.rows() if _is_meant(row, meant, holding)]
        if order := _ORDERS.get(meant.sort):
            rows.sort(key=order, reverse=True)
        rows = rows[:limit]
    return rows


def _is_meant(row: EnvRow, meant: Filter, holding: set[EnvId] | None) -> bool:
    return (
        (not meant.called or any(is_called(n, meant.called) for n in (*row.aliases, *row.prefixes)))
        and (holding is None or row.env_id in holding)
        and (not meant.platforms or row.env_id.platform in meant.platforms)
        and meant.env_type in (None, row.env_type)
        and (not meant.python or fits(normalize_python(meant.python), row.python) is True)
        and (meant.unused_since is None or row.used_at < meant.unused_since)
        and (not meant.created or bool(row.prefixes))
    )


def search(site: Site, text: str) -> SearchResult:
    """See `Environments.search`."""
    registry = site.registry
    aliases = [
        (alias, target) for alias, target in registry.aliases() if is_called(alias, text.lower())
    ]
    named: dict[FullRef, tuple[str, ...]] = {}
    packages = []
    # What can only be an alias is no package, and not wrong.
    is_alias = "/" in text or (":" in text and not text.startswith(("conda:", "pypi:")))
    for held in () if is_alias else _holders(site, text):
        target = held.env_id.ref
        if target not in named:
            named[target] = tuple(registry.aliases_of(target))
        packages.append((held, named[target]))
    return SearchResult(
        aliases=tuple(aliases),
        packages=tuple(packages),
        machine_python=None if is_alias else _machine_python(site, text, packages),
    )


def _machine_python(
    site: Site, text: str, packages: Sequence[tuple[HeldPackage, tuple[str, ...]]]
) -> str | None:
    asked = wanted(text)
    if asked.name != "python" or asked.kind == "pypi":
        return None
    packaged = {held.env_id for held, _ in packages}
    others = (row for row in site.registry.rows() if row.env_id not in packaged)
    there = any(fits(asked.specifier, row.python) for row in others)
    return asked.specifier or ">=3" if there else None


def _holders(site: Site, text: str) -> Iterator[HeldPackage]:
    """The packages that are looked for; what cannot be told of is noted."""
    asked = wanted(text)
    if left := contents.complete(site.registry, site.registry.environment):
        site.progress.note(f"{left} environments cannot be searched: see `mfenv cache verify`")
    undecided = set()
    for held in contents.holders(site.registry, asked.name):
        if asked.kind in (None, held.kind):
            fitting = fits(asked.specifier, held.version)
            if fitting:
                yield held
            elif fitting is None:
                undecided.add(f"{held.name} {held.version}")
    if undecided:
        said = ", ".join(sorted(undecided))
        site.progress.note(f"only conda knows whether it is `{asked.specifier}`; left out: {said}")
