"""What a conda package says is in it, without fetching the package (conda's package format).

A `.conda` is a zip with a part for this alone, mostly at its end: one request of a few KiB, two
where that part is large. A `.tar.bz2` is read until the list was there, which is near its start.
Servers that know no ranges send all of it. What is read is not what the package's hash is about,
and so is as trustworthy as the index of the channel, no more.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import mmap
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

from envid.redaction import redact
from pkgcache import _conda_info, _zip, conda_packages
from pkgcache._conda_unpack import INFO_SIZE, RATIO_FLOOR, Pieces, decompressed_zstd
from pkgcache._tar import BadTar, TarReader
from pkgcache.errors import BadArchive, DownloadError, HashMismatch
from pkgcache.wheels import DEFAULT_LIMITS

if TYPE_CHECKING:
    from envid.packages import Package
    from pkgcache.download import Body, Downloader

__all__ = ["CondaListing", "read_file", "read_listing"]

_TAIL = 64 << 10
_WANTED, _OLD = {"index.json", "paths.json"}, {"index.json", "files"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaListing:
    """A conda package's checked `info/index.json`, and the paths of its files and links."""

    index: dict[str, Any]
    paths: tuple[str, ...]

    @property
    def noarch(self) -> str | None:
        """`python`, `generic`, or None for a package of one platform."""
        return self.index.get("noarch")


def read_listing(package: Package, downloader: Downloader) -> CondaListing:
    """What is in a package, read from its URL.

    Raises `DownloadError` where it cannot be had, `HashMismatch` where it is another file than the
    channel's index says, `BadArchive` where it is no conda package that can be read.
    """
    try:
        return _read(package, downloader)
    except (BadArchive, HashMismatch):
        return _read(package, downloader)  # a proxy may be wrong once


def read_file(package: Package, path: str, downloader: Downloader) -> bytes:
    """One file of a package, which is fetched whole for it and checked.

    Raises `DownloadError`, `HashMismatch` and `BadArchive` as `read_listing` does, and where the
    package has no such file.
    """
    with tempfile.TemporaryDirectory() as work:
        archive = Path(work) / package.filename
        downloader.download(package.url, archive, hashes=package.hashes, size=package.size)
        unpacked = conda_packages.unpack(archive, Path(work) / "unpacked")
        if all(one.path != path or one.kind != "hardlink" for one in unpacked.files):
            raise BadArchive(package.filename, (f"it has no file `{path}`",))
        return (unpacked.tree / path).read_bytes()


def _read(package: Package, downloader: Downloader) -> CondaListing:
    filename = package.filename
    try:
        if filename.endswith(".conda"):
            stem = filename.removesuffix(".conda")
            info = _from_zip(package, f"info-{stem}.tar.zst", downloader)
        elif filename.endswith(".tar.bz2"):
            stem = filename.removesuffix(".tar.bz2")
            info = downloader.read(package.url, _from_tar)
        else:
            raise BadArchive(filename, ("its name is not that of a conda package",))
        index = _conda_info.index(info, stem)
        paths = tuple(one.path for one in _conda_info.paths(info) if one.kind != "directory")
    except (_zip.BadZip, BadTar) as error:
        raise BadArchive(filename, (f"it {error}",)) from None
    except _conda_info.BadInfo as error:
        raise BadArchive(filename, (str(error),)) from None
    return CondaListing(index=index, paths=paths)


def _from_zip(package: Package, name: str, downloader: Downloader) -> dict[str, bytes]:
    if not package.size:
        raise _zip.BadZip("has no size in the index of its channel")
    # What is fetched lies at its place in a file that has holes for the rest.
    with tempfile.TemporaryFile() as file:
        file.truncate(package.size)
        first = max(0, package.size - _TAIL)
        begin = _fetch(package, downloader, file, first, package.size)
        if not begin:
            _check_hash(package, file)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            start, stop = _zip.span(data, name)
            if stop - start > INFO_SIZE:
                raise _zip.BadZip(f"has an absurdly large `{name}`")
            if start < begin:
                _fetch(package, downloader, file, start, min(stop, begin))
            member = _zip.member(data, name)
            pieces = _zip.content(data, member)
            with decompressed_zstd(pieces) as stream:
                info = _info(stream, member.packed)
            for _ in pieces:  # to the end, where the checksum is
                pass
    return info


def _fetch(package: Package, downloader: Downloader, file: IO[bytes], start: int, stop: int) -> int:
    """Fetch a part of the package into its place; gives from where on all of it is there."""

    def put(body: Body) -> int:
        if body.total not in (None, package.size):
            _refuse(package, f"{package.size} bytes", f"{body.total} bytes")
        if body.start not in (0, start):
            raise DownloadError(
                redact(package.url), "the server sent another range", retry_after=0.0
            )
        at = file.seek(body.start)
        for piece in body.pieces:
            at += file.write(piece[: stop - at])
            if at == stop:
                file.flush()
                return body.start
        raise DownloadError(redact(package.url), "the connection broke off", retry_after=0.0)

    return downloader.read(package.url, put, start, stop)


def _from_tar(body: Body) -> dict[str, bytes]:
    raw = io.BufferedReader(Pieces(body.pieces))
    try:
        with bz2.open(raw) as stream:
            return _info(cast("BinaryIO", stream), body.total or 0)
    except (EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise BadTar("cannot be decompressed") from None


def _info(stream: BinaryIO, packed: int) -> dict[str, bytes]:
    """The files in `info/` that say what is in the package, by their names there."""
    limits, found = DEFAULT_LIMITS, dict[str, bytes]()
    reader = TarReader(stream, min(limits.size, max(RATIO_FLOOR, packed * limits.ratio)))
    for member in reader:
        folder, _, name = member.name.partition("/")
        if folder != "info" and found.keys() >= _OLD:
            break  # as packages were written before there was `paths.json`
        if folder != "info" or name not in _WANTED | _OLD:
            continue
        if member.kind != "file" or name in found:
            raise BadTar(f"has `{member.name}` twice, or not as a file")
        if member.size > INFO_SIZE:
            raise BadTar(f"has `{member.name}`, which is larger than {INFO_SIZE} bytes")
        found[name] = b"".join(reader.content())
        if found.keys() >= _WANTED:
            break
    return found


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
