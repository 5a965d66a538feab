"""What this machine keeps: the registry, and the environments that were created."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mfenv.diagnosing.findings import failure, ok, skipped, warning
from mfenv.errors import DamagedPrefix, RegistryError
from mfenv.prefixes import Prefixes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mfenv.diagnosing.findings import Finding
    from mfenv.diagnosing.subject import Subject
    from mfenv.rows import PrefixRow

__all__ = ["check_prefixes", "check_registry"]


def check_registry(subject: Subject) -> Iterator[Finding]:
    """Open it, look whether it is whole, and whether it can be written."""
    registry = subject.site.registry
    # To open it would make one.
    if not os.path.lexists(registry.path):
        yield ok("nothing was resolved or created here yet")
        return
    # Three are enough to show that it is damaged.
    problems = [row[0] for row in registry.all("pragma quick_check(3)", ())]
    if problems != ["ok"]:
        yield failure(
            f"the registry `{registry.path}` is damaged: {'; '.join(problems)}",
            "move the file away; what is in the store can be fetched again",
        )
        return
    registry.check_writable()
    (count,) = registry.first("select count(*) from environments", ())
    yield ok(f"format {len(registry.schemas)}, {count} environments, can be written")


def check_prefixes(subject: Subject) -> Iterator[Finding]:
    """Look at each file of each environment, but read none; the one used last comes first."""
    site = subject.site
    if not os.path.lexists(site.registry.path):
        yield ok("no environment was created here yet")
        return
    try:
        rows = sorted(site.registry.prefixes(), key=lambda row: -row.used_at)
    except RegistryError:
        yield skipped("the registry cannot be had: see `registry`")
        return
    end, seen = time.monotonic() + subject.silence, 0
    wrong: list[Finding] = []
    for row in rows:
        if time.monotonic() > end:
            break
        seen += 1
        wrong += _wrong(row, Prefixes(site))
    yield from wrong
    if killed := _killed(subject):
        yield warning(
            f"{killed} environments are half made or half deleted", "`mfenv gc` tidies up"
        )
    if seen < len(rows):
        yield warning(
            f"{len(rows) - seen} of {len(rows)} environments were not looked at, for want of time",
            "`mfenv cache verify` looks at all of them",
        )
    elif not wrong:
        yield ok(f"{len(rows)} environments are what they were created as")


def _wrong(row: PrefixRow, prefixes: Prefixes) -> Iterator[Finding]:
    from pkgcache.prefixes.prefix import read_marker

    path = Path(row.path)
    if not os.path.lexists(path):
        forget = f"`mfenv rm {row.name}`" if row.name else "`mfenv gc`"
        # A disk that is not mounted will be back.
        hint = f"{forget} forgets it" if path.parent.is_dir() else "is its disk not mounted?"
        yield warning(f"`{path}` was created, and is gone", hint)
    elif read_marker(path) != row.env_id:
        again = f"`mfenv create {row.env_id.ref}"
        place = f"--name {row.name}" if row.name else f"--prefix {path}"
        yield failure(
            f"`{path}` is not the environment that was created there", f"{again} {place} --force`"
        )
    else:
        try:
            prefixes.check(path, row.name, row.env_id)
        except DamagedPrefix as error:
            yield failure(str(error), error.hint)


def _killed(subject: Subject) -> int:
    from pkgcache.prefixes.prefix import tidy_prefixes

    site = subject.site
    return tidy_prefixes(site.home / "envs", cache=site.cache, dry_run=True)
