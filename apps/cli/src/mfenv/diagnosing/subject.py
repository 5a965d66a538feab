"""What is looked at: the settings in force, what stands on them, and the servers in them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mfenv.diagnosing.together import together
from mfenv.site import Site
from pkgcache.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from envid.spec import Source
    from mfenv.settings import Settings
    from pkgcache.stores.store import Store
    from pkgcache.web.patience import Patience
    from resolvers.request import ResolveContext

__all__ = ["Network", "Server", "ServerAnswer", "Subject", "existing"]

# Parts of the time for everything: for an answer, and for those of all servers. What is late is said
# by who asked for it, not by who waits for all.
_SILENCE, _SERVERS = 3 / 8, 5 / 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What is asked over the network: `url` is what it is known by, `page` what is asked for."""

    kind: str
    url: str
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAnswer:
    """What a server answered: a status, or the `error` in its place.

    `skew` is how many seconds its clock is ahead of ours, None where it does not say.
    """

    server: Server
    proxy: str | None
    seconds: float = 0.0
    status: int | None = None
    skew: float | None = None
    error: Exception | None = None


class Subject:
    """An installation. What cannot be had raises each time that it is asked for.

    With `offline`, nothing is asked over the network. `timeout` is for how many seconds all that is
    looked at is waited for.
    """

    def __init__(
        self, load: Callable[[], Settings], *, offline: bool = False, timeout: float = 8.0
    ) -> None:
        self._load, self._offline, self.timeout = load, offline, timeout
        self.network = Network(self)

    @lazy
    def settings(self) -> Settings:
        """The settings in force."""
        return self._load()

    @lazy
    def site(self) -> Site:
        """The place of this user; nothing is made by it."""
        return Site(self.settings)

    @property
    def offline(self) -> str | None:
        """Why no channel and no index is asked, None where they are."""
        if self._offline:
            return "--offline"
        names = (name for name in ("local_only", "offline") if getattr(self.settings, name))
        return next((self.settings.origins.get(name, name) for name in names), None)

    @property
    def no_store(self) -> str | None:
        """Why the store is not asked, None where it is."""
        if self.settings.local_only:
            return self.settings.origins.get("local_only", "local_only")
        remote = not self.settings.store.startswith("file:")
        return "--offline" if self._offline and remote else None

    @property
    def silence(self) -> float:
        """For how many seconds somebody who says nothing is waited for."""
        return self.timeout * _SILENCE

    @property
    def patience(self) -> Patience:
        """Little: somebody waits for what is found."""
        from pkgcache.web.patience import Patience

        return Patience(silence=min(self.silence, self.settings.network_silence), tries=1)

    @property
    def context(self) -> ResolveContext:
        """What engines are asked with."""
        from resolvers.request import ResolveContext

        return ResolveContext(
            cache_dir=self.site.home / "engines",
            patience=self.patience,
            conda_engine=self.settings.conda_resolver,
        )

    @lazy
    def store(self) -> Store:
        """The shared store, where there is one."""
        from pkgcache.stores.opening import open_store

        return open_store(self.settings.store, self.patience)


class Network:
    """The servers of a subject. Apart from it: what waits for one keeps nobody from the rest."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    @lazy
    def of_programs(self) -> tuple[Source, ...]:
        """The sources of which the configuration of a chosen program says where they are."""
        from mfenv.sources import sources_of

        sources = sources_of((), self._subject.settings, self._subject.site.credentials)
        return tuple(source for source in sources if self.is_of_a_program(source))

    def is_of_a_program(self, source: Source) -> bool:
        """Whether it is one of these: it is asked by a name."""
        settings = self._subject.settings
        by_name = "://" not in source.url
        others = {
            "channel": settings.conda_resolver != "rattler",
            "index": settings.pypi_resolver == "pip",
        }
        return by_name and others.get(source.kind, False)

    @lazy
    def servers(self) -> tuple[Server, ...]:
        """The channels, indexes and pages that are asked where a request names none."""
        from mfenv.sources import sources_of
        from resolvers.channels import CHANNEL_ALIAS, channel_urls
        from resolvers.indexes import index_url

        settings, site, servers = self._subject.settings, self._subject.site, []
        for source in sources_of((), settings, site.credentials):
            if self.is_of_a_program(source):
                continue
            if source.kind == "channel":
                urls = channel_urls(source.url, settings.channel_alias or CHANNEL_ALIAS)
                servers += [
                    Server(kind=source.kind, url=url, page=f"{url}/noarch/repodata.json")
                    for url in urls
                ]
                continue
            url = (
                index_url(source.url, self._subject.context)
                if source.kind == "index"
                else source.url
            )
            page = f"{url}/" if source.kind == "index" else url
            servers.append(Server(kind=source.kind, url=url, page=page))
        return tuple(servers)

    @lazy
    def answers(self) -> tuple[ServerAnswer, ...]:
        """What all servers answer, the store's service at the end."""
        servers = [] if self._subject.offline else [*self.servers]
        servers += self._service()
        remote = [server for server in servers if not server.page.startswith("file:")]
        jobs = [partial(self._ask, server) for server in remote]
        answers = together(jobs, self._subject.timeout * _SERVERS)
        return tuple(
            answer or ServerAnswer(server=server, proxy=None, error=TimeoutError())
            for server, answer in zip(remote, answers, strict=True)
        )

    def _service(self) -> Iterator[Server]:
        if self._subject.settings.store and not self._subject.no_store:
            from pkgcache.errors import PkgcacheError

            try:
                endpoint = self._subject.store.endpoint
            except PkgcacheError:  # which the check of the store says
                return
            if endpoint:
                yield Server(kind="store", url=endpoint, page=endpoint)

    def _ask(self, server: Server) -> ServerAnswer:
        from pkgcache.web.download import Downloader

        started, proxy = time.time(), None
        with Downloader(
            self._subject.site.credentials, patience=self._subject.patience
        ) as downloader:
            try:
                proxy = downloader.proxy(server.page)
                looked = downloader.look(server.page)
            except Exception as error:  # noqa: BLE001 - is told by who looks at the answers
                return ServerAnswer(server=server, proxy=proxy, error=error)
        seconds = time.time() - started
        # The server looked at its clock about halfway.
        skew = None if looked.date is None else looked.date - started - seconds / 2
        return ServerAnswer(
            server=server, proxy=proxy, seconds=seconds, status=looked.status, skew=skew
        )


def existing(path: Path) -> Path:
    """The path, or the nearest above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())
