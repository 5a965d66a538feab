"""Which other versions channels have of conda packages. Runs in the worker process, and nowhere else."""

from __future__ import annotations

from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any

import rattler
from rattler.exceptions import InvalidMatchSpecError, InvalidVersionError

from pkgcache.web.patience import Patience
from resolvers._conda_engine import NAME, UNREAD, channels_of, described, repodata, unread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from resolvers._conda_repodata import Logins, Repodata

__all__ = ["Listings", "alternatives", "asking", "listed", "newest"]

# A build that names another version of these is for another Python.
_PYTHON = frozenset({"python", "python_abi"})
_MOST = 400


def asking(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[dict[str, Any]]]:
    """A handler of the worker that gets the channels of a question; what it gives is `found`.

    Where a channel cannot be read, there is an `error`, as `solve` has it.
    """

    @wraps(handler)
    async def answer(
        report: Callable[[Any], None],  # noqa: ARG001 - who calls gives it
        *,
        cache_dir: str,
        offline: bool,
        logins: Logins,
        tokens: Mapping[str, str],
        limits: Mapping[str, Any],
        question: Mapping[str, Any],
        **more: Any,
    ) -> dict[str, Any]:
        read = repodata(
            cache_dir, Patience(**limits), logins, tokens, offline=offline, sharded=True
        )
        try:
            return {"found": await handler(Listings(read, question), **more)}
        except UNREAD as error:
            return unread(error, read)

    return answer


@asking
async def alternatives(
    channels: Listings,
    *,
    chosen: Sequence[Sequence[str]],
) -> list[dict[str, Any]]:
    """A build of each version of each package that an answer to the question can have.

    `chosen` are the names, versions and builds of an answer; what `fits` is for its Python, and of
    what has no such build there is one that does not. The newest versions come first. Of a channel
    without end only some names that were not chosen are looked at, the nearest ones.
    """
    builds = {name: (version, build) for name, version, build in chosen}
    pythons = [
        record
        for record in await channels.records(sorted(_PYTHON & set(builds)))
        if builds[record.name.normalized] == (str(record.version), str(record.build))
    ]
    by_name: dict[str, list[rattler.RepoDataRecord]] = {}
    # Round by round, so that of too many names those are looked at that few steps lead to.
    names = [*dict.fromkeys([*(root.name.normalized for root in channels.roots), *builds])]
    while names and len(by_name) < len(builds) + _MOST:
        records = await channels.records(names)
        by_name |= {name: [] for name in names}
        for record in records:
            if channels.in_time(record):
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


@asking
async def newest(
    channels: Listings,
    *,
    chosen: Sequence[Sequence[str]],
    names: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """Of each of `names` that has a newer version than it maps to, that, and what excludes it.

    `chosen` are the names, versions and builds of an answer. `holders` are pairs of a name and a
    MatchSpec that does not match: of who states it, empty for the question; `needs` are those of the
    newest build that `chosen` does not match, each with the name of what it is about.
    """
    builds = {name: (version, build) for name, version, build in chosen}
    records = await channels.records([*dict.fromkeys([*names, *builds])])
    there = {
        record.name.normalized: record
        for record in records
        if builds.get(record.name.normalized) == (str(record.version), str(record.build))
    }
    stated = [
        *(("", text) for text in (*channels.question["specs"], *channels.question["constraints"])),
        *(
            (name, text)
            for name, record in there.items()
            for text in (*record.depends, *record.constrains)
        ),
    ]
    by_name: dict[str, list[tuple[str, str, rattler.MatchSpec]]] = {}
    for by, text in stated:
        spec = _spec(text)
        if spec and spec.name.normalized != by:
            by_name.setdefault(spec.name.normalized, []).append((by, text, spec))
    answer = {}
    for name, version in names.items():
        # Strictly, the channel that a package comes from is the only one that is looked at for it.
        only = (
            there[name].channel
            if channels.question["priority"] == "strict" and name in there
            else None
        )
        own = [
            record
            for record in records
            if record.name.normalized == name
            and channels.in_time(record)
            and only in (None, record.channel)
        ]
        last = max((record.version for record in own), default=None)
        if last and last > rattler.Version(version):
            newest_builds = [record for record in own if record.version == last]
            answer[name] = {
                "version": str(last),
                "holders": [
                    (by, text)
                    for by, text, spec in by_name.get(name, ())
                    if not any(map(spec.matches, newest_builds))
                ],
                # Of several builds, what the one lacks that lacks the least.
                "needs": min(
                    (_unmet(record, there, channels.virtual) for record in newest_builds), key=len
                ),
            }
    return answer


@asking
async def listed(
    channels: Listings,
    *,
    files: Sequence[Sequence[str]],
) -> list[dict[str, Any]]:
    """What channels have by now of `files`, each a name of a package, a subdir and a file name.

    Of each channel that has one, its URL, and the digests there.
    """
    answer = []
    wanted = {(subdir, filename) for _, subdir, filename in files}
    for record in await channels.records(sorted({name for name, _, _ in files})):
        # Of a build that has both formats the gateway shows the newer alone.
        older = f"{record.file_name.removesuffix('.conda')}.tar.bz2"
        both = [record]
        if (str(record.subdir), older) in wanted:
            both.append(await channels.as_tar_bz2(record))
        answer += [
            {
                "channel": (record.channel or "").rstrip("/"),
                "subdir": str(record.subdir),
                "filename": record.file_name,
                "sha256": record.sha256.hex() if record.sha256 else None,
                "md5": record.md5.hex() if record.md5 else None,
            }
            for record in both
            if (str(record.subdir), record.file_name) in wanted
        ]
    return answer


def _unmet(
    record: rattler.RepoDataRecord,
    there: Mapping[str, rattler.RepoDataRecord],
    virtual: Mapping[str, rattler.PackageRecord],
) -> list[tuple[str, str]]:
    """What a build needs otherwise than it is there: names and MatchSpecs."""
    unmet = []
    for text in record.depends:
        spec = _spec(text)
        if spec:
            name = spec.name.normalized
            other = there.get(name) or virtual.get(name)
            # What is not there can be brought, but for what only a machine has.
            if not spec.matches(other) if other else name.startswith("__"):
                unmet.append((name, text))
    return unmet


def _spec(text: str) -> rattler.MatchSpec | None:
    """A MatchSpec of a package, None for what nobody can read, or is of no single name."""
    try:
        spec = rattler.MatchSpec(text)
    except (InvalidMatchSpecError, InvalidVersionError):
        return None
    return spec if NAME.match(text.rpartition("::")[2]) else None


class Listings:
    """What the channels of a question have."""

    def __init__(self, read: Repodata, question: Mapping[str, Any]) -> None:
        self._repodata = read
        self.question = question
        self._subdirs = [question["platform"], "noarch"]
        self.roots = [rattler.MatchSpec(text) for text in question["specs"]]
        self._sources = [
            place
            for url in channels_of(question["channels"], self.roots)
            for place in self._repodata.sources(url, self._subdirs)
        ]
        cutoff = question["exclude_newer"]
        self._before = datetime.fromisoformat(cutoff) if cutoff else None
        self.virtual = {
            name: rattler.PackageRecord(
                name, version, rattler.BuildString(build), 0, question["platform"]
            )
            for name, version, build in question["virtual"]
        }

    async def records(self, names: Iterable[str]) -> list[rattler.RepoDataRecord]:
        """All builds of packages."""
        return await self._repodata.records(
            self._sources, self._subdirs, [rattler.MatchSpec(name) for name in names]
        )

    async def as_tar_bz2(self, record: rattler.RepoDataRecord) -> rattler.RepoDataRecord:
        """The record of the same build in the older format, or itself where there is none."""
        return await self._repodata.as_tar_bz2(record)

    def in_time(self, record: rattler.RepoDataRecord) -> bool:
        """Whether a build was there before the cut-off."""
        return not (self._before and record.timestamp and record.timestamp > self._before)


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
    # The last of a version stays, which has the highest number.
    for record in sorted(records, key=lambda record: (record.build_number, str(record.build))):
        builds[str(record.version)] = record
    return sorted(builds.values(), key=lambda record: record.version, reverse=True)
