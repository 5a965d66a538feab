"""py-rattler's side of conda solving. Runs in the worker process, and nowhere else."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import rattler
from rattler.exceptions import (
    FetchRepoDataError,
    GatewayError,
    InvalidMatchSpecError,
    InvalidVersionError,
    SolverError,
)

from pkgcache.web.patience import Patience, Tries
from resolvers._conda_damage import is_damage
from resolvers._conda_diagnosis import BROKE_OFF
from resolvers._conda_repodata import ChannelUnreadable, Repodata
from resolvers._threads import check_threads

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from resolvers._conda_repodata import Logins, Source

__all__ = ["NAME", "UNREAD", "channels_of", "described", "ready", "repodata", "solve", "unread"]

UNREAD = (ChannelUnreadable, GatewayError, FetchRepoDataError)
"""What is raised where a channel cannot be read."""

_PRIORITIES = {
    "strict": rattler.ChannelPriority.Strict,
    "flexible": rattler.ChannelPriority.Flexible,
    "disabled": rattler.ChannelPriority.Disabled,
}
# `No candidates were found for NAME ...`, and `─ NAME ..., for which no candidates were found`.
_LACKING = re.compile(r"were found for (\S+)|─ (\S+)[^\n]*, for which no candidates")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

_Attempt: TypeAlias = "Callable[..., Awaitable[list[rattler.RepoDataRecord]]]"

# The worker serves all calls of a command, and each channel is read once for all of them.
_read: dict[str, Repodata] = {}
# Repodata outlives the call that it was read for; whoever calls now is told who is waited for.
_listening: list[Callable[[Any], None]] = []


def _tell(wait: str) -> None:
    for report in _listening:
        report({"wait": wait})


async def ready(report: object) -> None:  # noqa: ARG001  every handler gets it
    """Do what any question needs: this module is imported by now, which takes long."""
    check_threads()


async def solve(
    report: Callable[[Any], None],
    *,
    cache_dir: str,
    offline: bool,
    logins: Logins,
    tokens: Mapping[str, str],
    limits: Mapping[str, Any],
    questions: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Answer each question with `packages`, or with an `error` and what is known about it.

    `limits` are those of the patience with servers. Who is waited for is reported.
    """
    _listening[:] = [report]
    patience = Patience(**limits, on_wait=_tell)
    # Before the engine makes its pools, which look at the variables once.
    check_threads()

    def read(*, sharded: bool) -> Repodata:
        return repodata(cache_dir, patience, logins, tokens, offline=offline, sharded=sharded)

    async def once(question: Mapping[str, Any]) -> dict[str, Any]:
        answer = await _answer(question, read(sharded=True))
        if answer.get("error") != "gateway" or not is_damage(answer["text"]):
            return answer
        # Shards may be damaged, or confuse the gateway, where the whole index does not; and what is
        # kept here may be damaged.
        answer, whole = answer | {"error": "damage"}, read(sharded=False)
        # Twice: what was kept here and is damaged, the first look drops, and the second try
        # fetches.
        for _ in range(2):
            try:
                again = await _answer(question, whole)
            except Exception:  # noqa: BLE001 - it panics where a server answers everything by 304
                report(None)
                break
            if again.get("error") not in ("gateway", "channel"):
                return again
            fault = await _damage(question, whole)
            if fault is None:
                break
            answer = {"error": "channel", "channel": fault.url, "text": fault.reason}
            if not fault.kept:
                break
        return answer

    async def answer(question: Mapping[str, Any]) -> dict[str, Any]:
        return await _patiently(partial(once, question), patience)

    return list(await asyncio.gather(*map(answer, questions)))


def repodata(
    cache_dir: str,
    patience: Patience,
    logins: Logins,
    tokens: Mapping[str, str],
    *,
    offline: bool,
    sharded: bool,
) -> Repodata:
    """What channels have, the same for all calls that read it in the same way."""
    limits = patience.silence, patience.speed, patience.tries
    key = repr((cache_dir, offline, logins, tokens, limits, sharded))
    if key not in _read:
        _read[key] = Repodata(
            Path(cache_dir), logins, tokens, patience, offline=offline, sharded=sharded
        )
    return _read[key]


async def _patiently(
    ask: Callable[[], Awaitable[dict[str, Any]]], patience: Patience
) -> dict[str, Any]:
    """Ask again where an answer broke off: the engine does so only where it got none at all."""
    tries = Tries(patience, "the channels")
    while True:
        answer = await ask()
        broke_off = answer.get("error") == "gateway" and BROKE_OFF in answer["text"]
        wait = tries.wait(0.0) if broke_off else None
        if wait is None:
            return answer
        await asyncio.sleep(wait)


async def _damage(question: Mapping[str, Any], repodata: Repodata) -> ChannelUnreadable | None:
    specs = [rattler.MatchSpec(text) for text in question["specs"]]
    names = [spec.name.normalized for spec in specs]
    urls = list(channels_of(question["channels"], specs))
    return await repodata.damage(urls, [question["platform"], "noarch"], names)


async def _answer(question: Mapping[str, Any], repodata: Repodata) -> dict[str, Any]:
    subdirs = [question["platform"], "noarch"]
    # All are read before anything is fetched: one that is wrong costs no network.
    specs: dict[str, rattler.MatchSpec] = {}
    for text in (*question["specs"], *question["constraints"], *question["preferred"]):
        try:
            specs[text] = rattler.MatchSpec(text)
        except (InvalidMatchSpecError, InvalidVersionError) as error:
            return {"error": "spec", "spec": text, "text": str(error)}
    try:
        sources = [
            source
            for url in channels_of(question["channels"], specs.values())
            for source in repodata.sources(url, subdirs)
        ]
        records = await _solved(question, repodata, sources, specs)
        records = [await _in_format(record, question, repodata) for record in records]
    except UNREAD as error:
        return unread(error, repodata)
    except SolverError as error:
        # It names what it lacks; what there is instead is looked up while repodata is at hand.
        names = {first or second for first, second in _LACKING.findall(str(error))}
        versions = await _versions(repodata, sources, subdirs, names)
        urls = list(channels_of(question["channels"], specs.values()))
        hidden = [
            misfiled
            for name, known in versions.items()
            if not known
            for misfiled in repodata.misfiled(urls, subdirs, name)
        ]
        return {"error": "unsolvable", "text": str(error), "versions": versions, "hidden": hidden}
    return {"packages": list(described(records))}


def unread(error: Exception, repodata: Repodata) -> dict[str, Any]:
    """What is answered where a channel cannot be read."""
    if isinstance(error, ChannelUnreadable):
        return {"error": "channel", "channel": error.url, "text": error.reason}
    return {"error": "gateway", "text": str(error), "faults": dict(repodata.watch.faults)}


async def _in_format(
    record: rattler.RepoDataRecord, question: Mapping[str, Any], repodata: Repodata
) -> rattler.RepoDataRecord:
    """The record of the older format, where that is asked for and there."""
    older = f"{record.file_name.removesuffix('.conda')}.tar.bz2"
    if question["format"] == ".tar.bz2" or older in question["files"]:
        return await repodata.as_tar_bz2(record)
    return record


async def _solved(
    question: Mapping[str, Any],
    repodata: Repodata,
    sources: Sequence[Source],
    specs: Mapping[str, rattler.MatchSpec],
) -> list[rattler.RepoDataRecord]:
    subdirs = [question["platform"], "noarch"]
    cutoff = question["exclude_newer"]
    preferred = [specs[text] for text in question["preferred"]]
    # What is locked the engine takes where it can; what must stay is a constraint below.
    locked = await repodata.records(sources, subdirs, preferred)
    placed = [
        bound
        for name, subdir in question["subdirs"]
        async for bound in _in_subdir(name, subdir, sources, subdirs, repodata)
    ]

    async def attempt(
        *more: rattler.MatchSpec,
        bounds: Iterable[rattler.MatchSpec] = (),
        priority: str = question["priority"],
    ) -> list[rattler.RepoDataRecord]:
        return await rattler.solve(
            sources,
            [*(specs[text] for text in question["specs"]), *more],
            gateway=repodata.gateway,
            platforms=[rattler.Subdir(subdir) for subdir in subdirs],
            virtual_packages=[_virtual(*virtual) for virtual in question["virtual"]],
            channel_priority=_PRIORITIES[priority],
            exclude_newer=datetime.fromisoformat(cutoff) if cutoff else None,
            constraints=[*(specs[text] for text in question["constraints"]), *placed, *bounds],
            locked_packages=locked,
            # What a channel names beside itself (CEP 42) is none that the spec, and its id, name.
            channel_relations="disabled",
        )

    records = await attempt()
    if question["priority"] == "disabled" and len(question["channels"]) > 1:
        return await _in_order_of_channels(records, attempt)
    if question["priority"] == "strict":
        # A requirement that no version in the first channel satisfies hides that channel from the
        # engine, which then goes on to the next. The name alone brings it back into sight.
        names = [
            specs[text].name.normalized for text in question["specs"] if not specs[text].channel
        ]
        hidden = await _hidden(records, names, question["channels"], subdirs, repodata)
        if hidden:
            return await attempt(*(rattler.MatchSpec(name) for name in hidden))
    return records


async def _in_subdir(
    name: str,
    subdir: str,
    sources: Sequence[Source],
    subdirs: Sequence[str],
    repodata: Repodata,
) -> AsyncIterator[rattler.MatchSpec]:
    """A bound to the builds of one subdir, which the engine itself does not heed."""
    records = await repodata.records(sources, subdirs, [rattler.MatchSpec(name)])
    builds = sorted(
        {re.escape(str(record.build)) for record in records if str(record.subdir) == subdir}
    )
    if builds:
        # The build may have its twin in another subdir; `check_asked` looks at the result.
        yield rattler.MatchSpec(f"{name}[build='^({'|'.join(builds)})$']")


async def _in_order_of_channels(
    records: Sequence[rattler.RepoDataRecord], attempt: _Attempt
) -> list[rattler.RepoDataRecord]:
    """The versions that were found, each from the first channel that has it.

    The engine goes by build numbers next, which mean nothing between channels; conda documents the
    order of channels. What only a build of the first channel needs is looked for in all versions.
    """
    known: dict[str, rattler.MatchSpec] = {}
    while True:
        # What was known stays known, so that each round adds a name or is the last.
        known = {record.name.normalized: _version(record) for record in records} | known
        ordered = await attempt(bounds=known.values(), priority="flexible")
        if {record.name.normalized for record in ordered} <= known.keys():
            return ordered
        builds = [
            rattler.MatchSpec(f"{record.name.normalized} =={record.version} {record.build}")
            for record in ordered
            if record.name.normalized in known
        ]
        records = await attempt(bounds=builds)


def _version(record: rattler.RepoDataRecord) -> rattler.MatchSpec:
    return rattler.MatchSpec(f"{record.name.normalized} =={record.version}")


async def _hidden(
    records: Sequence[rattler.RepoDataRecord],
    names: Sequence[str],
    channels: Sequence[str],
    subdirs: Sequence[str],
    repodata: Repodata,
) -> list[str]:
    """Those of the names that an earlier channel has than the one they were taken from."""
    hidden = []
    for record in records:
        name, url = record.name.normalized, (record.channel or "").rstrip("/")
        if name in names and url in channels:
            before = channels[: channels.index(url)]
            sources = [
                source for channel in before for source in repodata.sources(channel, subdirs)
            ]
            if await repodata.records(sources, subdirs, [rattler.MatchSpec(name)]):
                hidden.append(name)
    return hidden


def channels_of(urls: Sequence[str], specs: Iterable[rattler.MatchSpec]) -> Iterator[str]:
    """The channels in order, and behind them those that only a spec names."""
    yield from urls
    known = {url.rstrip("/") for url in urls}
    for spec in specs:
        named = spec.channel.base_url.rstrip("/") if spec.channel else None
        if named and named not in known:
            known.add(named)
            yield named


def _virtual(name: str, version: str, build: str) -> rattler.GenericVirtualPackage:
    return rattler.GenericVirtualPackage(
        rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
    )


async def _versions(
    repodata: Repodata, sources: Sequence[Source], subdirs: Sequence[str], names: Iterable[str]
) -> dict[str, list[str]]:
    """The versions that there are, newest first, of packages that the solver did not find."""
    by_name = {}
    for name in sorted(name for name in names if not name.startswith("__")):
        records = await repodata.records(sources, subdirs, [rattler.MatchSpec(name)])
        versions = sorted({record.version for record in records}, reverse=True)
        by_name[name] = [str(version) for version in versions]
    return by_name


def described(records: Sequence[rattler.RepoDataRecord]) -> Iterator[dict[str, Any]]:
    """Records as JSON data; who chose them together has the edges between them."""
    names = {record.name.normalized for record in records}
    for record in records:
        # Some names in `depends` are virtual or conditional; an edge leads to what is there.
        needed = {match[0].lower() for text in record.depends if (match := NAME.match(text))}
        # The binding shows `purls` in no attribute, its JSON does.
        known = json.loads(record.to_json())
        yield {
            "name": record.name.normalized,
            "version": str(record.version),
            "build": str(record.build),
            "subdir": str(record.subdir),
            "filename": record.file_name,
            "url": record.url,
            "sha256": record.sha256.hex() if record.sha256 else None,
            "md5": record.md5.hex() if record.md5 else None,
            "size": record.size,
            "depends": sorted((needed & names) - {record.name.normalized}),
            "channel": record.channel,
            "extras": sorted(record.extra_depends or ()),
            "noarch": known.get("noarch"),
            "purls": known.get("purls"),
            "site_packages": known.get("python_site_packages_path"),
        }
