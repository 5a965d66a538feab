"""Requirement and lock files that are named by their URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfenv.settings import patience

if TYPE_CHECKING:
    from collections.abc import Callable

    from mfenv.settings import Settings
    from pkgcache.web.credentials import Credentials
    from pkgcache.web.receiving import Body

__all__ = ["fetching"]

# As much as reqparse takes: it refuses what is longer.
_FILE_SIZE = 64 << 20


def fetching(
    settings: Settings, credentials: Credentials, note: Callable[[str], None]
) -> Callable[[str], bytes]:
    """What gets the content of a URL with the logins there are; raises `OSError`."""

    def whole(body: Body) -> bytes:
        data = bytearray()
        for piece in body.pieces:
            data += piece
            if len(data) > _FILE_SIZE:  # reqparse says so
                break
        return bytes(data)

    def fetch(url: str) -> bytes:
        from pkgcache.errors import DownloadError
        from pkgcache.web.download import Downloader

        clean = credentials.add(url)
        offline = settings.offline or settings.local_only
        try:
            with Downloader(
                credentials, patience=patience(settings, note), offline=offline
            ) as downloader:
                return downloader.read(clean, whole)
        except DownloadError as error:
            raise OSError(error.reason) from None  # the URL is named already

    return fetch
