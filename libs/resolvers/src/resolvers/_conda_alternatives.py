"""Which other versions channels have of conda packages. Runs in the worker process, and nowhere else."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import rattler
from rattler.exceptions import InvalidMatchSpecError, InvalidVersionError

from pkgcache.web.patience import Patience
from resolvers._conda_engine import NAME, channels_of, described, repodata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from resolvers._conda_repodata import Logins

__all__ = ["alternatives"]

# A build that names another version of these is for another Python.
_PYTHON = frozenset({"python", "python_abi"})
_MOST = 400


async def alternatives(
    report: Callable[[Any], None],  # noqa: ARG001 - who calls gives it
    *,
    cache_dir: str,
    offline: bool,
    logins: Logins,
    tokens: Mapping[str, str],
    limits: Mapping[str, Any],
    question: Mapping[str, Any],
    chosen: Sequence[Sequence[str]],
) -> list[dict[str, Any]]:
    """A build of each version of each package that an answer to the question can have.

    `chosen` are the names, versions and builds of an answer; what `fits` is for its Python, and of
    what has no such build there is one that does not. The newest versions come first. Of a channel
    without end only some names that were not chosen are looked at, the nearest ones.
    """
    patience = Patience(**limits)
    source = repodata(cache_dir, patience, logins, tokens, offline=offline, sharded=True)
    subdirs = [question["platform"], "noarch"]
    roots = [rattler.MatchSpec(text) for text in question["specs"]]
    sources = [
        place
        for url in channels_of(question["channels"], roots)
        for place in source.sources(url, subdirs)
    ]
    cutoff = question["exclude_newer"]
    before = datetime.fromisoformat(cutoff) if cutoff else None
    builds = {name: (version, build) for name, version, build in chosen}
    pythons = [
        record
        for record in await source.records(
            sources, subdirs, [rattler.MatchSpec(name) for name in sorted(_PYTHON & set(builds))]
        )
        if builds[record.name.normalized] == (str(record.version), str(record.build))
    ]
    by_name: dict[str, list[rattler.RepoDataRecord]] = {}
    # Round by round, so that of too many names those are looked at that few steps lead to.
    names = [*dict.fromkeys([*(root.name.normalized for root in roots), *builds])]
    while names and len(by_name) < len(builds) + _MOST:
        records = await source.records(
            sources, subdirs, [rattler.MatchSpec(name) for name in names]
        )
        by_name |= {name: [] for name in names}
        for record in records:
            late = before and record.timestamp and record.timestamp > before
            if not late:
                by_name[record.name.normalized].append(record)
        needed = (
            match[0].lower()
            for record in records
            for text in record.depends
            if (match := NAME.match(text))
        )
        names = [name for name in dict.fromkeys(needed) if name not in by_name]
    # Virtual packages are what a machine has; a channel has no versions of them.
    real = {name: records for name, records in by_name.items() if name[:2] != "__"}
    # What any build of a version needs, that version may need.
    depends: dict[tuple[str, str], set[str]] = {}
    for build in described([record for records in real.values() for record in records]):
        depends.setdefault((build["name"], build["version"]), set()).update(build["depends"])
    builds_given = [
        (record, fits)
        for _, records in sorted(real.items())
        for record, fits in _of_each_version(records, pythons)
    ]
    return [
        {**build, "depends": sorted(depends[build["name"], build["version"]]), "fits": fits}
        for build, (_, fits) in zip(
            described([record for record, _ in builds_given]), builds_given, strict=True
        )
    ]


def _of_each_version(
    records: Sequence[rattler.RepoDataRecord], pythons: Sequence[rattler.RepoDataRecord]
) -> list[tuple[rattler.RepoDataRecord, bool]]:
    """The newest build of each version, the newest version first, and whether it fits.

    Where none fits, the newest of all.
    """
    fitting = _newest_builds(record for record in records if _fits(record, pythons))
    if fitting:
        return [(record, True) for record in fitting]
    return [(record, False) for record in _newest_builds(records)[:1]]


def _fits(record: rattler.RepoDataRecord, pythons: Iterable[rattler.RepoDataRecord]) -> bool:
    """Whether what a build needs of Python is what was chosen of it."""
    if record.name.normalized in _PYTHON:
        return True
    for text in (*record.depends, *record.constrains):
        name = NAME.match(text)
        if name and name[0] in _PYTHON:
            try:
                spec = rattler.MatchSpec(text)
            # A build whose needs nobody can read is not one to offer.
            except (InvalidMatchSpecError, InvalidVersionError):
                return False
            if any(
                python.name.normalized == name[0] and not spec.matches(python) for python in pythons
            ):
                return False
    return True


def _newest_builds(records: Iterable[rattler.RepoDataRecord]) -> list[rattler.RepoDataRecord]:
    """Of each version the newest build, the newest version first."""
    builds: dict[str, rattler.RepoDataRecord] = {}
    for record in sorted(records, key=lambda record: (record.build_number, str(record.build))):
        builds[str(record.version)] = record
    return sorted(builds.values(), key=lambda record: record.version, reverse=True)
