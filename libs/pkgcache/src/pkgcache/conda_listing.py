"""What a conda package says is in it, without fetching the package (conda's package format).

A `.conda` is a zip with a part for this alone, mostly at its end: one request of a few KiB, two
where that part is large. A `.tar.bz2` is read to the end of its `info/`, with which it begins.
Servers that know no ranges send all of a `.conda`. What is read is not what the package's hash is about,
and so is as trustworthy as the index of the channel, no more.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import mmap
import os
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

from envid.redaction import redact
from pkgcache import _conda_info, _zip, conda_packages
from pkgcache._conda_unpack import INFO_SIZE, RATIO_FLOOR, Pieces, decompressed_zstd
from pkgcache._tar import BadTar, TarReader
from pkgcache.errors import BadArchive, CacheError, DownloadError, HashMismatch, PkgcacheError
from pkgcache.wheels import DEFAULT_LIMITS

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from envid.packages import Package
    from pkgcache.download import Body, Downloader

__all__ = ["CondaListing", "read_file", "read_listing"]

_TAIL = 64 << 10
_NO_SUCH_RANGE = 416
_LISTS = {"paths.json", "files"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaListing:
    """A conda package's checked `info/index.json`, and the paths of its files and links."""

    index: dict[str, Any]
    paths: tuple[str, ...]

    @property
    def noarch(self) -> str | None:
        """`python`, `generic`, or None for a package of one platform."""
        return self.index.get("noarch")


def read_listing(
    package: Package, downloader: Downloader, *, stop: threading.Event | None = None
) -> CondaListing:
    """What is in a package, read from its URL; setting `stop` ends it with `Cancelled`.

    Raises `DownloadError` where it cannot be had, `HashMismatch` where it is another file than the
    channel's index says, `BadArchive` where it is no conda package that can be read, `CacheError`
    where there is no room to read it.
    """
    try:
        try:
            return _read(package, downloader, stop)
        except (BadArchive, HashMismatch):
            return _read(package, downloader, stop)  # a proxy may be wrong once
    except PkgcacheError:
        raise
    except OSError as error:
        raise CacheError(tempfile.gettempdir(), (error.strerror or str(error)).lower()) from error


def read_file(
    package: Package, path: str, downloader: Downloader, *, stop: threading.Event | None = None
) -> bytes:
    """One file of a package, which is fetched whole for it and checked.

    Raises `DownloadError`, `HashMismatch` and `BadArchive` as `read_listing` does, and where the
    package has no such file.
    """
    with tempfile.TemporaryDirectory() as work:
        archive = Path(work) / package.filename
        downloader.download(
            package.url, archive, hashes=package.hashes, size=package.size, stop=stop
        )
        unpacked = conda_packages.unpack(archive, Path(work) / "unpacked")
        if all(one.path != path or one.kind != "hardlink" for one in unpacked.files):
            raise BadArchive(package.filename, (f"it has no file `{path}`",))
        return (unpacked.tree / path).read_bytes()


def _read(package: Package, downloader: Downloader, stop: threading.Event | None) -> CondaListing:
    filename = package.filename
    try:
        if filename.endswith(".conda"):
            stem = filename.removesuffix(".conda")
            info = _from_zip(package, f"info-{stem}.tar.zst", downloader, stop)
        elif filename.endswith(".tar.bz2"):
            stem = filename.removesuffix(".tar.bz2")
            info = downloader.read(package.url, partial(_from_tar, package), stop=stop)
        else:
            raise BadArchive(filename, ("its name is not that of a conda package",))
        index = _conda_info.index(info, stem)
        paths = tuple(one.path for one in _conda_info.paths(info) if one.kind != "directory")
    except (_zip.BadZip, BadTar) as error:
        raise BadArchive(filename, (f"it {error}",)) from None
    except _conda_info.BadInfo as error:
        raise BadArchive(filename, (str(error),)) from None
    return CondaListing(index=index, paths=paths)


def _from_zip(
    package: Package, name: str, downloader: Downloader, stop: threading.Event | None
) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / package.filename
        if package.size is None:  # an index need not say where the end of a package is
            downloader.download(package.url, path, hashes=package.hashes, stop=stop)
            with path.open("rb") as file:
                return _from_parts(file, name, lambda *_: 0)
        with path.open("w+b") as file:
            # What is fetched lies at its place, and the file has holes for the rest.
            file.truncate(package.size)
            read = partial(downloader.read, package.url, stop=stop)
            return _from_parts(file, name, partial(_fetch, package, read, file))


def _from_parts(file: IO[bytes], name: str, fetch: Callable[[int, int], int]) -> dict[str, bytes]:
    size = file.seek(0, os.SEEK_END)
    if not size:
        raise _zip.BadZip("is empty")
    begin = fetch(max(0, size - _TAIL), size)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start, stop = _zip.span(data, name, begin)
        if stop - start > INFO_SIZE:
            raise _zip.BadZip(f"has an absurdly large `{name}`")
        if start < begin:
            fetch(start, min(stop, begin))
        member = _zip.member(data, name)
        pieces = _zip.content(data, member)
        with decompressed_zstd(pieces) as stream:
            info = _info(stream, member.packed)
        for _ in pieces:  # to the end, where the checksum is
            pass
    return info


class _OtherRange(Exception):
    """The server sent other bytes than it was asked for."""


def _fetch(
    package: Package, read: Callable[..., int], file: IO[bytes], start: int, end: int
) -> int:
    """Fetch a part of the package into its place; gives from where on all of it is there."""

    def put(body: Body) -> int:
        _check_size(package, body)
        if body.start not in (0, start):
            raise _OtherRange
        at = file.seek(body.start)
        for piece in body.pieces:
            at += file.write(piece[: end - at])
            if at == end:
                file.flush()
                return body.start
        raise DownloadError(redact(package.url), "the connection broke off", retry_after=0.0)

    try:
        begin = read(put, start, end)
    except _OtherRange:
        begin = read(put)
    except DownloadError as error:
        if error.status != _NO_SUCH_RANGE:
            raise
        begin = read(put)
    if (begin, end) == (0, package.size):
        _check_hash(package, file)
    return begin


def _from_tar(package: Package, body: Body) -> dict[str, bytes]:
    _check_size(package, body)
    try:
        with bz2.open(io.BufferedReader(Pieces(body.pieces))) as stream:
            return _info(cast("BinaryIO", stream), package.size or body.total or 0)
    except (EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise BadTar("cannot be decompressed") from None


def _info(stream: BinaryIO, packed: int) -> dict[str, bytes]:
    """The files in `info/` that are looked at, by their names there.

    It ends with `info/`, which comes first wherever all else is in the same archive.
    """
    limits, found = DEFAULT_LIMITS, dict[str, bytes]()
    reader = TarReader(stream, min(limits.size, max(RATIO_FLOOR, packed * limits.ratio)))
    for member in reader:
        folder, _, name = member.name.partition("/")
        if folder == "info" and name in _conda_info.READ:
            if member.kind != "file" or name in found:
                raise BadTar(f"has `{member.name}` twice, or not as a file")
            if member.size > INFO_SIZE:
                raise BadTar(f"has `{member.name}`, which is larger than {INFO_SIZE} bytes")
            found[name] = b"".join(reader.content())
        elif folder != "info" and "index.json" in found and _LISTS & found.keys():
            break
    return found


def _check_size(package: Package, body: Body) -> None:
    if None not in (package.size, body.total) and package.size != body.total:
        _refuse(package, f"{package.size} bytes", f"{body.total} bytes")


def _check_hash(package: Package, file: IO[bytes]) -> None:
    """All of the package is there."""
    kind = "sha256" if package.hashes.sha256 else "md5"
    digest = hashlib.new(kind, usedforsecurity=False)
    file.seek(0)
    while piece := file.read(1 << 20):
        digest.update(piece)
    if digest.hexdigest() != getattr(package.hashes, kind):
        _refuse(package, f"{kind}:{getattr(package.hashes, kind)}", f"{kind}:{digest.hexdigest()}")


def _refuse(package: Package, expected: str, actual: str) -> NoReturn:
    raise HashMismatch(package.filename, expected, actual, redact(package.url))
