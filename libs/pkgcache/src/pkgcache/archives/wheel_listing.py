"""What a wheel says of itself, without fetching the wheel (PEP 427).

Its metadata lies at its end, as does the directory of the zip: a single request is enough for nine of
ten. What is read is not what the wheel's hash is about, and so is as trustworthy as where it comes
from, no more. Whether it is a wheel that can be trusted is seen when it is unpacked.
"""

from __future__ import annotations

import csv
import re
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pkgcache.archives import _dist_info, _zip
from pkgcache.archives._remote_zip import Unknown, remote_zip
from pkgcache.errors import BadArchive, CacheError, HashMismatch, PkgcacheError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from envid.packages import Package
    from pkgcache.archives._remote_zip import RemoteZip
    from pkgcache.web.download import Downloader

__all__ = ["SeenWheel", "WheelListing", "read_file", "read_listing", "see_wheel"]

T = TypeVar("T")

_SMALL = 256 << 10
_INFO = re.compile(r"([^/]+\.dist-info)/METADATA")
_DATA = re.compile(r"[^/]+\.data/(?:purelib|platlib)/(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelListing:
    """The METADATA of a wheel, and its files by path: the hash that RECORD has of each, or none."""

    metadata: str
    files: Mapping[str, str]

    @property
    def site_packages(self) -> Iterator[tuple[str, str, str]]:
        """What goes to site-packages: path there, path in the wheel, hash."""
        for path, digest in self.files.items():
            moved = _DATA.fullmatch(path)
            if moved:
                yield moved[1], path, digest
            elif not path.partition("/")[0].endswith(".data"):
                yield path, path, digest


class SeenWheel(NamedTuple):
    """What was found at a URL; the hash is that of a small wheel, of which all was read."""

    listing: WheelListing
    size: int
    sha256: str | None


def see_wheel(
    url: str,
    filename: str,
    downloader: Downloader,
    *,
    stop: threading.Event | None = None,
    whole: Callable[[Path | bytes, str], object] | None = None,
) -> SeenWheel:
    """What is in the wheel at a URL, of which nothing else is known yet.

    Whoever believes it compares size and hash with what an index says. `whole` is given a small
    wheel, or its file, and its hash. The errors are those of `read_listing`.
    """

    def read(archive: RemoteZip) -> SeenWheel:
        listing = _listing(filename, archive)
        if whole and archive.whole is not None:
            whole(archive.whole, archive.sha256)
        return SeenWheel(listing, archive.size, archive.sha256 or None)

    place, small = Unknown(url, filename), _SMALL if whole else 0
    return _read(filename, partial(remote_zip, place, downloader, stop=stop, small=small), read)


def read_listing(
    package: Package,
    downloader: Downloader,
    *,
    stop: threading.Event | None = None,
    whole: Callable[[Path | bytes], object] | None = None,
) -> WheelListing:
    """What is in a wheel, read from the URL of `package`; setting `stop` ends it with `Cancelled`.

    Where that brought all of the wheel, and it has the right hash, `whole` is given it, or a file of
    it that is deleted afterwards. Then small wheels are fetched as a whole: it costs no more requests, and
    whoever wants the wheel next has it.

    Raises `DownloadError` where it cannot be had, `HashMismatch` where it is another file than the
    index says, `BadArchive` where it is no wheel, `CacheError` where there is no room to read it.
    """

    def read(archive: RemoteZip) -> WheelListing:
        listing = _listing(package.filename, archive)
        if whole and archive.whole is not None:
            whole(archive.whole)
        return listing

    small = _SMALL if whole else 0
    return _read(
        package.filename, partial(remote_zip, package, downloader, stop=stop, small=small), read
    )


def _listing(filename: str, archive: RemoteZip) -> WheelListing:
    folder = _folder(filename, archive.names)
    wanted = [f"{folder}/METADATA", f"{folder}/RECORD"]
    content = archive.read(name for name in wanted if name in archive.names)
    record = dict(_record(content.get(wanted[1], b"")))
    return WheelListing(
        metadata=content[wanted[0]].decode("utf-8", "replace"),
        files={name: record.get(name, "") for name in archive.names if name[-1:] != "/"},
    )


def _folder(filename: str, names: Collection[str]) -> str:
    """The folder of the metadata: that of the wheel's own name, if there are several."""
    folders = sorted(info[1] for name in names if (info := _INFO.fullmatch(name)))
    own = [folder for folder in folders if _dist_info.belongs(folder, filename)]
    if len(own or folders) != 1:
        raise BadArchive(filename, (f"it has {len(folders)} `.dist-info` folders",))
    return (own or folders)[0]


def _record(data: bytes) -> Iterator[tuple[str, str]]:
    try:
        for row in csv.reader(data.decode("utf-8", "replace").splitlines(), strict=True):
            if row:
                yield row[0], row[1] if len(row) > 1 else ""
    # What stands behind the damage has no hash then; whoever unpacks the wheel refuses it.
    except csv.Error:
        return


def read_file(package: Package, path: str, downloader: Downloader) -> bytes:
    """One file of a wheel; the errors are those of `read_listing`, also where it is not there."""

    def read(archive: RemoteZip) -> bytes:
        if path not in archive.names:
            raise BadArchive(package.filename, (f"it has no file `{path}`",))
        return archive.read([path])[path]

    return _read(package.filename, partial(remote_zip, package, downloader), read)


def _read(
    filename: str,
    opened: Callable[[], AbstractContextManager[RemoteZip]],
    read: Callable[[RemoteZip], T],
) -> T:
    try:
        for last in (False, True):  # a proxy may be wrong once
            try:
                return _once(filename, opened, read)
            except (BadArchive, HashMismatch):
                if last:
                    raise
    except PkgcacheError:
        raise
    except OSError as error:
        raise CacheError(tempfile.gettempdir(), (error.strerror or str(error)).lower()) from error
    raise AssertionError


def _once(
    filename: str,
    opened: Callable[[], AbstractContextManager[RemoteZip]],
    read: Callable[[RemoteZip], T],
) -> T:
    try:
        with opened() as archive:
            return read(archive)
    except _zip.BadZip as error:
        raise BadArchive(filename, (f"it {error}",)) from None
