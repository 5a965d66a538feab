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
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from pkgcache.errors import DownloadError
from pkgcache.web.download import Downloader
from resolvers._index import PUBLIC_INDEX, public_index
from resolvers._kept import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envid.spec import EnvSpec
    from pkgcache.web.receiving import Body
    from resolvers._uv import Uv
    from resolvers.request import ResolveContext

__all__ = ["ListedFile", "ProjectFiles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A wheel or an sdist of some version, and the Python that its index says it needs.

    `place` is the source that has it.
    """

    filename: str
    place: str
    version: Version
    requires_python: str | None

    @property
    def is_wheel(self) -> bool:
        return self.filename.endswith(".whl")


class ProjectFiles:
    """Looks up each project once; safe to use from several threads.

    A source that does not answer counts as if it did not have the project: what is said of it
    here is said beside what uv has found.
    """

    def __init__(self, uv: Uv, spec: EnvSpec, context: ResolveContext) -> None:
        self._uv, self._spec = uv, spec
        self._pages = context.cache_dir / "pages"
        self._offline = context.offline
        self._downloader = Downloader(
            context.credentials, patience=context.telling_patience, offline=context.offline
        )
        self._known: dict[str, tuple[ListedFile, ...]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> ProjectFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._downloader.close()

    def of(self, name: str) -> tuple[ListedFile, ...]:
        """All files of a project, by its normal name."""
        with self._lock:
            # The lock is held meanwhile, so that no project is fetched twice.
            if name not in self._known:
                self._known[name] = tuple(self._look(name))
            return self._known[name]

    def wheels(self, name: str, version: str) -> tuple[str, ...]:
        """The file names of all wheels of a version; of none that is not of PEP 440."""
        try:
            wanted = Version(version)
        except InvalidVersion:
            return ()
        return tuple(
            file.filename for file in self.of(name) if file.is_wheel and file.version == wanted
        )

    def misnamed(self, name: str) -> Iterator[tuple[str, str]]:
        """What find-links have that may be meant for a project, and has no file name of PyPI's."""
        for source in self._spec.sources:
            if source.kind == "find-links":
                for filename, _ in self._links(source.url):
                    start = canonicalize_name(re.split(r"-\d|\.(?:whl|tar|zip)", filename)[0])
                    if start == name and _parsed(filename) is None:
                        yield filename, source.url

    def _look(self, name: str) -> Iterator[ListedFile]:
        for source in self._spec.sources:
            if source.kind == "find-links":
                yield from _of_project(name, source.url, self._links(source.url))
        for source in self._spec.sources:
            if source.kind == "index":
                root = public_index(self._uv) if source.url == PUBLIC_INDEX else source.url
                files = [*_of_project(name, source.url, self._page(f"{root.rstrip('/')}/{name}/"))]
                yield from files
                # As uv has it: the first index that has a project decides.
                if files and self._spec.options.index_strategy == "first-index":
                    return

    def _links(self, url: str) -> Iterator[tuple[str, str | None]]:
        parts = urlsplit(url)
        folder = Path(unquote(parts.path)) if parts.scheme in ("", "file") else None
        if folder is None or not folder.is_dir():
            yield from self._page(url)
            return
        for path in folder.iterdir():
            # A directory says nothing of Python; of wheels, they themselves do.
            yield path.name, None

    def _page(self, url: str) -> Iterator[tuple[str, str | None]]:
        try:
            text = self._text(url)
            # JSON (PEP 691) or HTML (PEP 503): told by its look, whatever a server calls it.
            if text.lstrip().startswith("{"):
                files = json.loads(text)["files"]
                listed = [(file["filename"], file.get("requires-python")) for file in files]
                return iter(listed)
        except (DownloadError, FileNotFoundError, ValueError, KeyError, TypeError):
            return iter(())
        links = _Links()
        links.feed(text)
        return iter(links.files)

    def _text(self, url: str) -> str:
        """A page, which is kept for when there is no network."""
        kept = self._pages / hashlib.sha256(url.encode()).hexdigest()
        if self._offline:
            return kept.read_text(encoding="utf-8")
        text = self._downloader.read(url, _decoded, page=True)
        self._pages.mkdir(parents=True, exist_ok=True)
        write_whole(kept, text)
        return text


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.files: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "a" and known.get("href"):
            name = unquote(urlsplit(str(known["href"])).path).rpartition("/")[2]
            self.files.append((name, known.get("data-requires-python")))


def _decoded(body: Body) -> str:
    return b"".join(body.pieces).decode("utf-8", "replace")


def _of_project(
    name: str, place: str, files: Iterator[tuple[str, str | None]]
) -> Iterator[ListedFile]:
    for filename, requires_python in files:
        own, version = _parsed(filename) or ("", None)
        if version and canonicalize_name(own) == name:
            yield ListedFile(
                filename=filename, place=place, version=version, requires_python=requires_python
            )


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
