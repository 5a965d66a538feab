"""py-rattler's side of conda solving. Runs in the worker process, and nowhere else.

Repodata is read once for all solves of a process: by one gateway for what comes over HTTP, and
here for `file://` channels, because the gateway takes a directory that only has
`repodata.json.zst` for an empty one.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import rattler
import zstandard
from rattler.exceptions import GatewayError, InvalidMatchSpecError, SolverError
from rattler.networking import AddHeadersMiddleware, RetryMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["solve"]

_RETRIES = 3
_PRIORITIES = {
    "strict": rattler.ChannelPriority.Strict,
    "flexible": rattler.ChannelPriority.Flexible,
    "disabled": rattler.ChannelPriority.Disabled,
}
_LACKING = re.compile(r"(?:found for|─) ([a-z0-9_][a-z0-9_.-]*)[^,\n]*(?:, for which no cand|\.?$)")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

_gateways: dict[str, rattler.Gateway] = {}
_sparse: dict[tuple[str, str, int, int], rattler.SparseRepoData] = {}

Source = rattler.Channel | rattler.SparseRepoData


async def solve(
    report: Callable[[Any], None],  # noqa: ARG001 - every handler has it
    *,
    cache_dir: str,
    offline: bool,
    logins: Sequence[Mapping[str, str]],
    questions: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Answer each question with `packages`, or with an `error` and what is known about it."""
    cache = Path(cache_dir)
    return list(
        await asyncio.gather(*(_answer(one, cache, logins, offline) for one in questions))
    )


async def _answer(
    question: Mapping[str, Any],
    cache: Path,
    logins: Sequence[Mapping[str, str]],
    offline: bool,
) -> dict[str, Any]:
    try:
        return await _solved(question, cache, _gateway(cache, logins, offline))
    except GatewayError as error:
        # Some servers confuse the gateway's reader of shards; the plain index is always there.
        if "304" not in str(error):
            return {"error": "gateway", "text": str(error)}
    try:
        return await _solved(question, cache, _gateway(cache, logins, offline, sharded=False))
    except GatewayError as error:
        return {"error": "gateway", "text": str(error)}


async def _solved(
    question: Mapping[str, Any], cache: Path, gateway: rattler.Gateway
) -> dict[str, Any]:
    platforms = [question["platform"], "noarch"]
    texts = (*question["specs"], *question["constraints"], *question["preferred"])
    specs: dict[str, rattler.MatchSpec] = {}
    for text in texts:
        try:
            specs[text] = rattler.MatchSpec(text)
        except InvalidMatchSpecError as error:
            return {"error": "spec", "spec": text, "text": str(error)}
    sources: list[Source] = []
    for url in _channels(question["channels"], specs.values()):
        try:
            sources += _sources(url, platforms, cache)
        except (OSError, zstandard.ZstdError) as error:
            return {"error": "channel", "channel": url, "text": str(error)}
    preferred = [specs[text] for text in question["preferred"]]
    cutoff = question["exclude_newer"]
    try:
        records = await rattler.solve(
            sources,
            [specs[text] for text in question["specs"]],
            gateway=gateway,
            platforms=platforms,
            virtual_packages=[_virtual(*one) for one in question["virtual"]],
            channel_priority=_PRIORITIES[question["priority"]],
            exclude_newer=datetime.fromisoformat(cutoff) if cutoff else None,
            constraints=[specs[text] for text in question["constraints"]],
            locked_packages=await _records(sources, platforms, preferred, gateway),
        )
    except SolverError as error:
        text = str(error)
        return {
            "error": "unsolvable",
            "text": text,
            "versions": await _versions(sources, platforms, _LACKING.findall(text), gateway),
        }
    if question["format"] == ".tar.bz2":
        records = [await _twin(one, cache, gateway, platforms) for one in records]
    return {"packages": list(_packages(records))}


def _gateway(
    cache: Path, logins: Sequence[Mapping[str, str]], offline: bool, *, sharded: bool = True
) -> rattler.Gateway:
    key = repr((cache, logins, offline, sharded))
    if key not in _gateways:
        config = rattler.SourceConfig(
            sharded_enabled=sharded,
            cache_action="force-cache-only" if offline else "cache-or-fetch",
        )
        headers = AddHeadersMiddleware(_authorization(logins))
        client = rattler.Client([RetryMiddleware(_RETRIES), headers])
        _gateways[key] = rattler.Gateway(
            cache_dir=cache / "repodata", default_config=config, client=client
        )
    return _gateways[key]


def _authorization(
    logins: Sequence[Mapping[str, str]],
) -> Callable[[str, str], dict[str, str] | None]:
    """The header for what lies below a channel that has a login, and for nothing else."""

    def header(host: str, path: str) -> dict[str, str] | None:
        for one in logins:
            if host == one["host"] and path.startswith(one["path"]):
                account = base64.b64encode(f"{one['user']}:{one['password']}".encode()).decode()
                return {"Authorization": f"Basic {account}"}
        return None

    return header


def _channels(urls: Sequence[str], specs: Iterable[rattler.MatchSpec]) -> Iterator[str]:
    """The channels in order, and behind them those that only a spec names."""
    yield from urls
    known = {url.rstrip("/") for url in urls}
    for spec in specs:
        named = spec.channel.base_url.rstrip("/") if spec.channel else None
        if named and named not in known:
            known.add(named)
            yield named


def _sources(url: str, platforms: Sequence[str], cache: Path) -> list[Source]:
    channel = rattler.Channel(url)
    if urlsplit(url).scheme != "file":
        return [channel]
    root = Path(unquote(urlsplit(url).path))
    found = [_local(channel, root / subdir, cache) for subdir in platforms]
    if not any(found):
        raise FileNotFoundError(f"there is neither `{platforms[0]}` nor `noarch`")
    return [one for one in found if one]


def _local(channel: rattler.Channel, folder: Path, cache: Path) -> rattler.SparseRepoData | None:
    for path in (folder / "repodata.json", folder / "repodata.json.zst"):
        if path.is_file():
            state = path.stat()
            key = (channel.base_url, str(path), state.st_mtime_ns, state.st_size)
            if key not in _sparse:
                plain = path if path.suffix == ".json" else _expanded(path, repr(key), cache)
                _sparse[key] = rattler.SparseRepoData(channel, folder.name, plain)
            return _sparse[key]
    return None


def _expanded(path: Path, state: str, cache: Path) -> Path:
    target = cache / "expanded" / f"{hashlib.sha256(state.encode()).hexdigest()}.json"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as work:
            with path.open("rb") as packed:
                zstandard.ZstdDecompressor().copy_stream(packed, work)
        os.replace(work.name, target)  # noqa: PTH105 - a name, not a Path
    return target


def _virtual(name: str, version: str, build: str) -> rattler.GenericVirtualPackage:
    return rattler.GenericVirtualPackage(
        rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
    )


async def _records(
    sources: Sequence[Source],
    platforms: Sequence[str],
    specs: Sequence[rattler.MatchSpec],
    gateway: rattler.Gateway,
) -> list[rattler.RepoDataRecord]:
    """The records that match one of the specs."""
    if not specs:
        return []
    found = [
        record
        for source in sources
        if isinstance(source, rattler.SparseRepoData)
        for record in source.load_matching_records(list(specs))
    ]
    remote = [one for one in sources if isinstance(one, rattler.Channel)]
    answers = await gateway.query(remote, platforms, specs, recursive=False) if remote else []
    return [*found, *(record for records in answers for record in records)]


async def _versions(
    sources: Sequence[Source],
    platforms: Sequence[str],
    names: Iterable[str],
    gateway: rattler.Gateway,
) -> dict[str, list[str]]:
    """The versions that there are, newest first, of packages that the solver did not find."""
    found: dict[str, list[str]] = {}
    for name in sorted({one for one in names if not one.startswith("__")}):
        records = await _records(sources, platforms, [rattler.MatchSpec(name)], gateway)
        versions = sorted({one.version for one in records}, reverse=True)
        found[name] = [str(one) for one in versions]
    return found


async def _twin(
    record: rattler.RepoDataRecord, cache: Path, gateway: rattler.Gateway, platforms: Sequence[str]
) -> rattler.RepoDataRecord:
    """The same build as `.tar.bz2`, or the record itself where there is none."""
    if not record.channel or not record.file_name.endswith(".conda"):
        return record
    channel = rattler.Channel(record.channel)
    if urlsplit(record.channel).scheme == "file":
        loaded = _sources(record.channel, platforms, cache)
    else:
        loaded = await _fetched(channel, record.subdir, cache)
    wanted = f"{record.file_name.removesuffix('.conda')}.tar.bz2"
    for one in loaded:
        if isinstance(one, rattler.SparseRepoData) and one.subdir == record.subdir:
            for other in one.load_records(
                record.name, rattler.PackageFormatSelection.ONLY_TAR_BZ2
            ):
                if other.file_name == wanted:
                    return other
    return record


def _packages(records: Sequence[rattler.RepoDataRecord]) -> Iterator[dict[str, Any]]:
    names = {one.name.normalized for one in records}
    for one in records:
        needed = {match[0].lower() for text in one.depends if (match := _NAME.match(text))}
        yield {
            "name": one.name.normalized,
            "version": str(one.version),
            "build": one.build,
            "subdir": one.subdir,
            "filename": one.file_name,
            "url": one.url,
            "sha256": one.sha256.hex() if one.sha256 else None,
            "md5": one.md5.hex() if one.md5 else None,
            "size": one.size,
            "depends": sorted((needed & names) - {one.name.normalized}),
            "channel": one.channel,
            "purls": _purls(one),
        }


def _purls(record: rattler.RepoDataRecord) -> list[str]:
    import json

    return json.loads(record.to_json()).get("purls") or []
