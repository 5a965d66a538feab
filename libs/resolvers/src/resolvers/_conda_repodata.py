"""The repodata of conda channels, for `_conda_engine`; runs in the worker process only.

It is read once for all solves of a process: by a gateway for what comes over HTTP, and here for
`file://` channels, because the gateway takes a directory that only has `repodata.json.zst` for an
empty one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import rattler
import zstandard
from rattler.exceptions import FetchRepoDataError
from rattler.networking import (
    AddHeadersMiddleware,
    FetchRepoDataOptions,
    MirrorMiddleware,
    RetryMiddleware,
    fetch_repo_data,
)

from pkgcache.web.watch import Watch
from resolvers._conda_damage import (
    broken_package,
    broken_record,
    broken_text,
    is_damage,
    misfiled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rattler.networking.fetch_repo_data import CacheAction

    from pkgcache.web.patience import Patience

    Source = rattler.Channel | rattler.SparseRepoData
    Logins = Sequence[Mapping[str, str]]

__all__ = ["ChannelUnreadable", "Repodata"]

_NO_ZSTD = "is no zstd archive, or part of one"


class ChannelUnreadable(Exception):
    """What a channel has cannot be read, or a `file://` one is not there.

    It is worth another try where what was `kept` of it here is gone now.
    """

    def __init__(self, url: str, reason: str, *, kept: bool = False) -> None:
        super().__init__(url, reason)
        self.url, self.reason, self.kept = url, reason, kept


class Repodata:
    """What channels have, read with some logins, and kept in a directory with its validators.

    `tokens` maps the URL of a channel to the one with its token, which is asked instead. Servers are
    watched with `patience`. Offline, whatever is in the directory serves, however old. Not
    `sharded`, only whole indexes are read.
    """

    def __init__(
        self,
        cache: Path,
        logins: Logins,
        tokens: Mapping[str, str],
        patience: Patience,
        *,
        offline: bool,
        sharded: bool,
    ) -> None:
        self._cache, self._tokens = cache, tokens
        self.watch = Watch(patience)
        # A proxy in front, on this machine: the engine has no limit of its own on a server that is
        # slow or silent.
        with _variables(self.watch.environment):
            self._client = rattler.Client(
                [
                    # Only requests have the token: what is recorded is the URL without it.
                    MirrorMiddleware({f"{url}/": [f"{secret}/"] for url, secret in tokens.items()}),
                    # It counts retries, and the first try is none.
                    RetryMiddleware(patience.tries - 1),
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
        # A channel may lack the subdirs that are asked for; what has none at all is no channel.
        root = Path(unquote(urlsplit(url).path))
        indexes = [self._local(channel, root / subdir) for subdir in subdirs]
        if not any(indexes) and not any(root.glob("*/repodata.json*")):
            names = " nor ".join(f"`{subdir}`" for subdir in subdirs)
            raise ChannelUnreadable(url, f"there is neither {names} in it")
        return [index for index in indexes if index]

    async def records(
        self, sources: Sequence[Source], subdirs: Sequence[str], specs: Sequence[rattler.MatchSpec]
    ) -> list[rattler.RepoDataRecord]:
        """The records that match one of the specs."""
        if not specs:
            return []
        records = [
            record
            for source in sources
            if isinstance(source, rattler.SparseRepoData)
            for record in source.load_matching_records(list(specs))
        ]
        remote = [source for source in sources if isinstance(source, rattler.Channel)]
        if remote:
            platforms = [rattler.Subdir(subdir) for subdir in subdirs]
            answers = await self.gateway.query(
                remote, platforms, specs, recursive=False, channel_relations="disabled"
            )
            records += [record for answer in answers for record in answer]
        return records

    async def damage(
        self, urls: Sequence[str], subdirs: Sequence[str], names: Sequence[str]
    ) -> ChannelUnreadable | None:
        """What is wrong in the repodata of channels that could not be read for these packages.

        What is kept of a damaged file is dropped, so that it is fetched anew.
        """
        places, indexes = [], []
        for url in urls:
            for subdir in subdirs:
                try:
                    index = await self._index(url, subdir)
                except ChannelUnreadable as error:
                    return error
                except (FetchRepoDataError, OSError) as error:
                    # None where it could not be had, which whoever asks has been told.
                    damaged = self._damaged(url, subdir, str(error))
                    if damaged:
                        return damaged
                    continue
                if index:
                    places.append((url, subdir))
                    indexes.append(index)
        # The index opens where records are damaged: each is only read when it is asked for.
        broken = broken_package(indexes, names)
        if not broken:
            return None
        position, name = broken
        url, subdir = places[position]
        path = self._kept(url, subdir)
        fault = path and broken_record(path, name)
        where = fault or f"a record of `{name}` cannot be read"
        return ChannelUnreadable(url, f"its repodata for {subdir} is wrong: {where}")

    def misfiled(self, urls: Sequence[str], subdirs: Sequence[str], name: str) -> Iterator[str]:
        """What channels, as far as they are here as a whole, have under a name and hide."""
        for url in urls:
            for subdir in subdirs:
                if path := self._kept(url, subdir):
                    yield from (f"{fault} in {subdir} of {url}" for fault in misfiled(path, name))

    def _damaged(self, url: str, subdir: str, said: str) -> ChannelUnreadable | None:
        """The fault of a file that was fetched, and that is no repodata."""
        packed = re.search(r"failed to download \S+/(\S+\.zst)\b", said)
        if not is_damage(said):
            return None
        if packed:
            return ChannelUnreadable(url, f"its `{subdir}/{packed[1]}` {_NO_ZSTD}")
        kept = self._kept(url, subdir)
        if not kept:
            return None
        fault = broken_text(kept, said)
        # While it is here, a server says by its validators that nothing has changed.
        kept.unlink(missing_ok=True)
        return ChannelUnreadable(url, f"its `{subdir}/repodata.json` {fault}", kept=True)

    def _kept(self, url: str, subdir: str) -> Path | None:
        """The file of a channel's repodata on this machine."""
        if urlsplit(url).scheme == "file":
            return self._plain(url, Path(unquote(urlsplit(url).path)) / subdir)
        starts = tuple(
            f"{root}/{subdir}/repodata.json" for root in (url, self._tokens.get(url, url))
        )
        # The engine names its files by hashes of its own; beside each lies what URL it is of.
        for info in (self._cache / "repodata").glob("*.info.json"):
            if json.loads(info.read_bytes())["url"].startswith(starts):
                return info.with_name(info.name.replace(".info.json", ".json"))
        return None

    async def as_tar_bz2(self, record: rattler.RepoDataRecord) -> rattler.RepoDataRecord:
        """The record of the same build in the older format, or itself where there is none."""
        if not record.file_name.endswith(".conda") or not record.channel:
            return record
        wanted = f"{record.file_name.removesuffix('.conda')}.tar.bz2"
        # Of a build that has both formats, the engine shows the newer alone unless told otherwise.
        index = await self._index(record.channel, record.subdir)
        only = rattler.PackageFormatSelection.ONLY_TAR_BZ2
        others = index.load_records(record.name, only) if index else []
        return next((record for record in others if record.file_name == wanted), record)

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
        """Raises `ChannelUnreadable`."""
        url = channel.base_url.rstrip("/")
        path = self._plain(url, folder)
        if not path:
            return None
        # Local channels are indexed anew while a worker lives; over HTTP a command sees one state.
        state = path.stat()
        key = f"{url} {path} {state.st_mtime_ns} {state.st_size}"
        if key not in self._sparse:
            try:
                self._sparse[key] = rattler.SparseRepoData(channel, folder.name, path)
            except OSError as error:
                ending = ".zst" * (path.parent != folder)
                said = f"its `{folder.name}/repodata.json{ending}` {broken_text(path, str(error))}"
                raise ChannelUnreadable(url, said) from error
        return self._sparse[key]

    def _plain(self, url: str, folder: Path) -> Path | None:
        """The repodata in a directory, unpacked if it must be; raises `ChannelUnreadable`."""
        plain, packed = folder / "repodata.json", folder / "repodata.json.zst"
        if plain.is_file():
            return plain
        if not packed.is_file():
            return None
        state = packed.stat()
        key = f"{url} {packed} {state.st_mtime_ns} {state.st_size}"
        target = self._cache / "expanded" / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            # Unpacked beside, then renamed: another process may be doing the same. What a full disk
            # cuts off is gone again, so that it keeps no room.
            with tempfile.TemporaryDirectory(dir=target.parent) as work:
                unpacked = Path(work) / target.name
                try:
                    with packed.open("rb") as source, unpacked.open("wb") as file:
                        zstandard.ZstdDecompressor().copy_stream(source, file)
                except zstandard.ZstdError as error:
                    said = f"its `{folder.name}/{packed.name}` {_NO_ZSTD}"
                    raise ChannelUnreadable(url, said) from error
                unpacked.replace(target)
        return target


@contextmanager
def _variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process, which the engine reads when it makes a client."""
    # It reads them at that moment alone; nothing else in the worker has a use for them.
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _authorization(logins: Logins) -> Callable[[str, str], dict[str, str] | None]:
    """The header for what lies in a channel that has a login, and for nothing else."""

    def header(host: str, path: str) -> dict[str, str] | None:
        # The longest URL stands first, so that a channel below another has its own login.
        for login in logins:
            if host == login["host"] and path.startswith(login["path"]):
                account = base64.b64encode(f"{login['user']}:{login['password']}".encode()).decode()
                return {"Authorization": f"Basic {account}"}
        return None

    return header
