"""The files that the sources of a spec have of a project: PEP 503, PEP 691, and find-links.

uv tells of those alone that fit what it was asked for. What there is beside them is needed to say
why none fits, and whether some fits another Python. A page is a list of links: the libraries
that read it bring an HTTP client, or a parser of all of HTML, for these few lines.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from envid.moments import read_moment
from envid.redaction import redact
from pkgcache.errors import DownloadError
from pkgcache.web.download import Downloader
from pkgcache.web.receiving import Body
from resolvers._index import PUBLIC_INDEX, public_index
from resolvers._kept import write_whole
from resolvers._refusals import GONE
from resolvers.errors import CHECK_ADDRESS, IndexUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from envid.spec import EnvSpec, Source
    from resolvers._uv import Uv
    from resolvers.request import ResolveContext

__all__ = ["ListedFile", "ProjectFiles"]

_T = TypeVar("_T")

_NO_DIGESTS: Mapping[str, str] = MappingProxyType({})

# JSON (PEP 691) alone says when files were uploaded.
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A wheel or an sdist of some version, and the Python that its index says it needs.

    `place` is the source that has it, `uploaded` when it came there, where that is said; what is
    `yanked` is not to be taken any more, for that reason (PEP 592).
    It lies at `url`; `digests` are its hashes by their kind, as far as they are told.
    """

    filename: str
    place: str
    version: Version
    requires_python: str | None
    yanked: str | None
    uploaded: datetime | None
    url: str
    digests: Mapping[str, str]

    @property
    def is_wheel(self) -> bool:
        return self.filename.endswith(".whl")


class _Link(NamedTuple):
    filename: str
    requires_python: str | None = None
    yanked: str | None = None
    uploaded: str | None = None
    url: str = ""
    digests: Mapping[str, str] = _NO_DIGESTS

    @classmethod
    def of(cls, file: Mapping[str, Any], page: str) -> _Link:
        """Read an entry of a page in JSON."""
        yanked = file.get("yanked", False)
        return cls(
            filename=str(file["filename"]),
            requires_python=file.get("requires-python"),
            # A reason, or true where none is given.
            yanked={False: None, True: ""}.get(yanked, str(yanked)),
            uploaded=str(file.get("upload-time") or ""),
            url=urljoin(page, str(file["url"])),
            digests={str(kind): str(digest) for kind, digest in (file.get("hashes") or {}).items()},
        )


class ProjectFiles:
    """Looks up each project once; safe to use from several threads.

    A source that does not answer counts as if it did not have the project, unless it is among the
    `needed`, by its URL: what is said of it here is mostly said beside what uv has found.
    """

    def __init__(
        self, uv: Uv, spec: EnvSpec, context: ResolveContext, *, needed: Collection[str] = ()
    ) -> None:
        self._uv, self._spec = uv, spec
        self._pages = context.cache_dir / "pages"
        self._offline = context.offline
        self._downloader = Downloader(
            context.credentials, patience=context.telling_patience, offline=context.offline
        )
        # What is on this machine is read offline as well.
        self._here = Downloader()
        self._needed = needed
        self._projects: dict[str, tuple[ListedFile, ...]] = {}
        self._found: dict[str, tuple[_Link, ...]] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}

    def __enter__(self) -> ProjectFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._downloader.close()

    def of(self, name: str) -> tuple[ListedFile, ...]:
        """All files of a project, by its normal name.

        Raises `IndexUnreachable` for a source that is needed and does not answer.
        """
        return self._once(self._projects, "project", name, self._look)

    def _once(
        self,
        known: dict[str, tuple[_T, ...]],
        kind: str,
        key: str,
        look: Callable[[str], Iterable[_T]],
    ) -> tuple[_T, ...]:
        # Held meanwhile, so that nothing is fetched twice; `setdefault` of a dict is atomic.
        with self._locks.setdefault((kind, key), threading.Lock()):
            if key not in known:
                known[key] = tuple(look(key))
            return known[key]

    def wheels(self, name: str, version: str) -> tuple[str, ...]:
        """The file names of all wheels of a version; of none that is not of PEP 440."""
        try:
            wanted = Version(version)
        except InvalidVersion:
            return ()
        return tuple(
            file.filename for file in self.of(name) if file.is_wheel and file.version == wanted
        )

    def at(self, name: str, source: Source) -> tuple[ListedFile, ...]:
        """The files that one source has of a project; asked for each time."""
        if source.kind == "find-links":
            return tuple(_of_project(name, source.url, self._links(source.url)))
        page = f"{self.root(source)}/{name}/"
        return tuple(_of_project(name, source.url, self._page(page, source.url)))

    def root(self, source: Source) -> str:
        """The URL of an index."""
        url = public_index(self._uv) if source.url == PUBLIC_INDEX else source.url
        return url.rstrip("/")

    def misnamed(self, name: str) -> Iterator[tuple[str, str]]:
        """What find-links have that may be meant for a project, and has no file name of PyPI's."""
        for source in self._spec.sources:
            if source.kind == "find-links":
                for link in self._links(source.url):
                    start = canonicalize_name(re.split(r"-\d|\.(?:whl|tar|zip)", link.filename)[0])
                    if start == name and _parsed(link.filename) is None:
                        yield link.filename, source.url

    def _look(self, name: str) -> Iterator[ListedFile]:
        for source in self._spec.sources:
            if source.kind == "find-links":
                yield from self.at(name, source)
        for source in self._spec.sources:
            if source.kind == "index":
                files = self.at(name, source)
                yield from files
                # As uv has it: the first index that has a project decides.
                if files and self._spec.options.index_strategy == "first-index":
                    return

    def _links(self, url: str) -> tuple[_Link, ...]:
        return self._once(self._found, "links", url, self._listed)

    def _listed(self, url: str) -> Iterator[_Link]:
        parts = urlsplit(url)
        folder = Path(unquote(parts.path)) if parts.scheme in ("", "file") else None
        if folder is None or not folder.is_dir():
            yield from self._page(url, url)
            return
        for path in folder.iterdir():
            # A directory says nothing of Python; of wheels, they themselves do.
            yield _Link(path.name)

    def _page(self, url: str, place: str) -> list[_Link]:
        needed = place in self._needed
        try:
            text = self._text(url)
            # JSON (PEP 691) or HTML (PEP 503): told by its look, whatever a server calls it.
            if text.lstrip().startswith("{"):
                return [_Link.of(file, url) for file in json.loads(text)["files"]]
        except DownloadError as error:
            # An index has no page of what it does not have, on a server as in a folder; that of
            # find-links is all of it.
            is_absent = error.status in GONE or isinstance(error.__cause__, FileNotFoundError)
            if needed and (url == place or not is_absent):
                there = "check the path" if url.startswith("file:") else CHECK_ADDRESS
                hint = error.hint or there
                raise IndexUnreachable(error.url, error.reason, error.status, hint) from error
            return []
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError) as error:
            if needed:
                raise IndexUnreachable(redact(url), "its list of files cannot be read") from error
            return []
        links = _Links(url)
        links.feed(text)
        return links.files

    def _text(self, url: str) -> str:
        """A page, which is kept for when there is no network."""
        if url.startswith("file:"):
            # As pip and uv read an index that is a folder.
            folder = Path(unquote(urlsplit(url).path)).is_dir()
            page = f"{url.rstrip('/')}/index.html" if folder else url
            return self._here.read(page, Body.text)
        kept = self._pages / hashlib.sha256(url.encode()).hexdigest()
        if self._offline:
            return kept.read_text(encoding="utf-8")
        text = self._downloader.read(url, Body.text, page=True, accept=_ACCEPT)
        self._pages.mkdir(parents=True, exist_ok=True)
        write_whole(kept, text)
        return text


class _Links(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self._page = page
        self.files: list[_Link] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "a" and known.get("href"):
            url = str(known["href"])
            # PEP 503 has a hash there. An empty `data-yanked` says it all the same (PEP 592).
            kind, _, digest = urlsplit(url).fragment.partition("=")
            self.files.append(
                _Link(
                    unquote(urlsplit(url).path).rpartition("/")[2],
                    known.get("data-requires-python"),
                    yanked=(known["data-yanked"] or "") if "data-yanked" in known else None,
                    url=urljoin(self._page, urldefrag(url).url),
                    digests={kind: digest} if digest else _NO_DIGESTS,
                )
            )


def _of_project(name: str, place: str, files: Iterable[_Link]) -> Iterator[ListedFile]:
    for link in files:
        # A page may link to whatever there is, that of find-links to many projects.
        own, version = _parsed(link.filename) or ("", None)
        if version and canonicalize_name(own) == name:
            yield ListedFile(
                filename=link.filename,
                place=place,
                version=version,
                requires_python=link.requires_python,
                yanked=link.yanked,
                uploaded=_moment(link.uploaded),
                url=link.url,
                digests=link.digests,
            )


def _moment(text: str | None) -> datetime | None:
    # More digits than a `datetime` has are dropped; without a zone it is UTC, as PEP 700 has it.
    plain = re.sub(r"(\.\d{6})\d+", r"\1", text or "")
    try:
        return read_moment(plain if re.search(r"(?i)(?:z|[+-]\d\d:\d\d)$", plain) else f"{plain}Z")
    except ValueError:
        return None


def _parsed(filename: str) -> tuple[str, Version] | None:
    """The project and the version that a file name tells."""
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[:2]
        # What sdists may be (PEP 625), and what they were before.
        if re.search(r"\.(tar\.gz|zip)$", filename):
            return parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename):
        pass
    return None
