"""What a server did, where an engine only says that it could not read what it got.

Engines tell of the network in the words of their libraries, or take a page that asks for a login
for an index without packages. What the watch saw is said in their place; else the server is asked
once more, by a download of ours.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from envid.redaction import redact
from pkgcache.errors import DownloadError
from pkgcache.web.download import Downloader
from resolvers.errors import CHECK_ADDRESS, IndexUnreachable, PackageUnreadable, UnknownPackage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pkgcache.web.receiving import Body
    from resolvers.errors import ResolveError
    from resolvers.request import ResolveContext

__all__ = ["named", "portal", "seen"]

_WEB = ("http", "https")
# The words of reqwest, which uv and py-rattler read by, and of curl, which git does.
_BROKEN_OFF = re.compile(
    r"error sending request|response body|connection closed|end of file|unable to access|EOF|RPC",
    re.IGNORECASE,
)
_HTML = re.compile(rb"\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
# What a page with no link to any such thing is not.
_ARCHIVE = re.compile(rb"\.(?:whl|tar\.gz|zip)\b", re.IGNORECASE)
# By the titles that indexes give to such pages, and by the version of PEP 629.
_LISTS = re.compile(rb"links for|simple index|pypi:repository-version", re.IGNORECASE)
_ABSENT, _BUSY = 404, 429
# So much of an answer is read at most, to see whether it breaks off.
_ENOUGH = 1 << 26
# So much of a page tells what it is.
_PAGE = 1 << 20


def named(
    error: ResolveError, context: ResolveContext, faults: Mapping[str, str], *urls: str
) -> ResolveError:
    """The error of a source that does not answer, with what its server did.

    `faults` are those that a watch saw; `urls` are what was asked, where the error does not say it.
    """
    if context.offline or not isinstance(error, IndexUnreachable):
        return _unread(error, context)
    asked = [url for url in urls or (error.where,) if urlsplit(url).scheme in _WEB]
    if error.status is not None:
        # How long it wants to be left alone.
        busy = error.status == _BUSY or error.status >= 500  # noqa: PLR2004
        failure = seen(asked[0], context) if busy and asked else None
        if not failure or failure.status != error.status or not failure.retry_after:
            return error
        return IndexUnreachable(error.where, failure.reason, error.status, error.hint)
    for url in asked:
        where = error.where if len(asked) == 1 else redact(url)
        fault = faults.get(urlsplit(url).hostname or "")
        if fault and _BROKEN_OFF.search(error.reason):
            return IndexUnreachable(where, fault, hint=CHECK_ADDRESS)
        failure = seen(url, context)
        # That something is not there, engines say themselves, so it is not what they failed at.
        if failure and failure.status != _ABSENT:
            return _unreachable(where, failure)
    return error


def _unread(error: ResolveError, context: ResolveContext) -> ResolveError:
    """The error of a package at a URL that is none, or what its server did."""
    if context.offline or not isinstance(error, PackageUnreadable):
        return error
    url = error.filename
    if urlsplit(url).scheme not in _WEB or "***" in url:  # which cannot be asked again
        return error
    failure = seen(url, context)
    return _unreachable(url, failure) if failure else error


def portal(
    error: ResolveError, indexes: Iterable[str], links: Iterable[str], context: ResolveContext
) -> ResolveError:
    """The error of an unknown package, or of an index that is none: it has a page for any name.

    Or of a page of `links` that is none: uv takes what it cannot read for a page without links.
    """
    if not isinstance(error, UnknownPackage) or context.offline:
        return error
    for url in indexes:
        with suppress(DownloadError):
            # A name that no project has: an index does not have its page, a portal answers anything.
            page = _start(f"{url.rstrip('/')}/mfenv-{secrets.token_hex(8)}/", context)
            if _HTML.match(page) and not _LISTS.search(page):
                reason = "the server sends a web page that is no list of packages"
                return IndexUnreachable(url, reason, hint=CHECK_ADDRESS)
    for url in links:
        if urlsplit(url).scheme in _WEB:
            try:
                page = _start(url, context)
            except DownloadError as failure:
                return _unreachable(redact(url), failure)
            if not _ARCHIVE.search(page):
                reason = "what the server sends is no list of packages, or an empty one"
                return IndexUnreachable(redact(url), reason, hint=CHECK_ADDRESS)
    return error


def _unreachable(where: str, failure: DownloadError) -> IndexUnreachable:
    return IndexUnreachable(where, failure.reason, failure.status, failure.hint or CHECK_ADDRESS)


def _start(url: str, context: ResolveContext) -> bytes:
    """The beginning of a page; raises `DownloadError`."""

    def take(body: Body) -> bytes:
        data = b""
        for piece in body.pieces:
            data += piece
            if len(data) > _PAGE:
                break
        return data

    with _asking(context) as downloader:
        return downloader.read(url, take, page=True)


def seen(url: str, context: ResolveContext) -> DownloadError | None:
    """What is wrong with what a server answers, if anything."""

    def take(body: Body) -> None:
        left = _ENOUGH
        for piece in body.pieces:
            left -= len(piece)
            if left < 0:
                break

    try:
        with _asking(context) as downloader:
            downloader.read(url, take)
    except DownloadError as error:
        return error
    return None


def _asking(context: ResolveContext) -> Downloader:
    return Downloader(context.credentials, patience=replace(context.telling_patience, tries=1))
