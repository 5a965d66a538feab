"""The repodata of conda channels, for `_conda_engine`; runs in the worker process only.

It is read once for all solves of a process: by a gateway for what comes over HTTP, and here for
`file://` channels, because the gateway takes a directory that only has `repodata.json.zst` for an
empty one.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import rattler
import zstandard
from rattler.networking import (
    AddHeadersMiddleware,
    FetchRepoDataOptions,
    MirrorMiddleware,
    RetryMiddleware,
    fetch_repo_data,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rattler.networking.fetch_repo_data import CacheAction

    Source = rattler.Channel | rattler.SparseRepoData
    Logins = Sequence[Mapping[str, str]]

__all__ = ["ChannelUnreadable", "Repodata"]

_RETRIES = 3


class ChannelUnreadable(Exception):
    """A `file://` channel is not there, or damaged."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url, self.reason = url, reason


class Repodata:
    """What channels have, read with some logins, and kept in a directory with its validators.

    `tokens` maps the URL of a channel to the one with its token, which is asked instead. Offline, whatever is in the directory serves, however old. Not `sharded`, only whole indexes
    are read.
    """

    def __init__(
        self,
        cache: Path,
        logins: Logins,
        tokens: Mapping[str, str],
        *,
        offline: bool,
        sharded: bool,
    ) -> None:
        self._cache = cache
        self._client = rattler.Client(
            [
                MirrorMiddleware({f"{url}/": [f"{secret}/"] for url, secret in tokens.items()}),
                RetryMiddleware(_RETRIES),
                AddHeadersMiddleware(_authorization(logins)),
            ]
        )
        action: CacheAction = "force-cache-only" if offline else "cache-or-fetch"
        self._options = FetchRepoDataOptions(cache_action=action)
        self._sparse: dict[str, rattler.SparseRepoData] = {}
        self.gateway = rattler.Gateway(
            cache_dir=cache / "repodata",
            default_config=rattler.SourceConfig(sharded_enabled=sharded, cache_action=action),
            client=self._client,
        )

    def sources(self, url: str, subdirs: Sequence[str]) -> list[Source]:
        """What the solver takes for a channel; raises `ChannelUnreadable` for a local one."""
        channel = rattler.Channel(url)
        if urlsplit(url).scheme != "file":
            return [channel]
        root = Path(unquote(urlsplit(url).path))
        try:
            found = [self._local(channel, root / subdir) for subdir in subdirs]
        except (OSError, zstandard.ZstdError) as error:
            raise ChannelUnreadable(url, f"its repodata is damaged: {error}") from error
        if not any(found) and not any(root.glob("*/repodata.json*")):
            names = " nor ".join(f"`{one}`" for one in subdirs)
            raise ChannelUnreadable(url, f"there is neither {names} in it")
        return [one for one in found if one]

    async def records(
        self, sources: Sequence[Source], subdirs: Sequence[str], specs: Sequence[rattler.MatchSpec]
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
        if remote:
            platforms = [rattler.Subdir(one) for one in subdirs]
            answers = await self.gateway.query(
                remote, platforms, specs, recursive=False, channel_relations="disabled"
            )
            found += [record for answer in answers for record in answer]
        return found

    async def as_tar_bz2(self, record: rattler.RepoDataRecord) -> rattler.RepoDataRecord:
        """The record of the same build in the older format, or itself where there is none."""
        if not record.file_name.endswith(".conda") or not record.channel:
            return record
        wanted = f"{record.file_name.removesuffix('.conda')}.tar.bz2"
        index = await self._index(record.channel, record.subdir)
        only = rattler.PackageFormatSelection.ONLY_TAR_BZ2
        others = index.load_records(record.name, only) if index else []
        return next((one for one in others if one.file_name == wanted), record)

    async def _index(self, url: str, subdir: str) -> rattler.SparseRepoData | None:
        channel = rattler.Channel(url)
        if urlsplit(url).scheme == "file":
            return self._local(channel, Path(unquote(urlsplit(url).path)) / subdir)
        key = f"{url} {subdir}"
        if key not in self._sparse:
            (self._sparse[key],) = await fetch_repo_data(
                channels=[channel],
                platforms=[rattler.Subdir(subdir)],
                cache_path=self._cache / "repodata",
                callback=None,
                client=self._client,
                fetch_options=self._options,
            )
        return self._sparse[key]

    def _local(self, channel: rattler.Channel, folder: Path) -> rattler.SparseRepoData | None:
        for path in (folder / "repodata.json", folder / "repodata.json.zst"):
            if path.is_file():
                state = path.stat()
                key = f"{channel.base_url} {path} {state.st_mtime_ns} {state.st_size}"
                if key not in self._sparse:
                    plain = path if path.suffix == ".json" else self._expanded(path, key)
                    self._sparse[key] = rattler.SparseRepoData(channel, folder.name, plain)
                return self._sparse[key]
        return None

    def _expanded(self, path: Path, state: str) -> Path:
        target = self._cache / "expanded" / f"{hashlib.sha256(state.encode()).hexdigest()}.json"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, work = tempfile.mkstemp(dir=target.parent)
            with path.open("rb") as packed, os.fdopen(descriptor, "wb") as plain:
                zstandard.ZstdDecompressor().copy_stream(packed, plain)
            Path(work).replace(target)
        return target


def _authorization(logins: Logins) -> Callable[[str, str], dict[str, str] | None]:
    """The header for what lies in a channel that has a login, and for nothing else."""

    def header(host: str, path: str) -> dict[str, str] | None:
        for one in logins:
            if host == one["host"] and path.startswith(one["path"]):
                account = base64.b64encode(f"{one['user']}:{one['password']}".encode()).decode()
                return {"Authorization": f"Basic {account}"}
        return None

    return header
