"""What a conda package says is in it, without fetching the package (conda's package format).

A `.conda` is a zip with a part for this alone, mostly at its end: a request of a few KiB, two
where that part is large. A `.tar.bz2` is read to the end of its `info/`, with which it begins.
Servers that know no ranges send all of a `.conda`. What is read is not what the package's hash is about,
and so is as trustworthy as the index of the channel, no more.
"""

from __future__ import annotations

import bz2
import io
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from envid.redaction import redact
from pkgcache.archives import _conda_info, _zip, conda_packages
from pkgcache.archives._conda_unpack import Pieces, decompressed_zstd
from pkgcache.archives._remote_zip import remote_zip
from pkgcache.archives._tar import BadTar, TarReader
from pkgcache.archives._tar_limits import small_content
from pkgcache.archives.records import DEFAULT_LIMITS
from pkgcache.errors import BadArchive, CacheError, HashMismatch, PkgcacheError

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from envid.packages import Package
    from pkgcache.archives.records import CondaFile
    from pkgcache.web.download import Downloader
    from pkgcache.web.receiving import Body

__all__ = ["CondaListing", "read_file", "read_listing"]

_LISTS = {"paths.json", "files"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaListing:
    """A conda package's checked `info/index.json`, and the paths of its files and links.

    `digests` are the sha256 in hex of files whose content is the same wherever they are linked to.
    """

    index: dict[str, Any]
    paths: tuple[str, ...]
    digests: Mapping[str, str]

    @classmethod
    def of(
        cls, index: dict[str, Any], files: Sequence[CondaFile | _conda_info.Path]
    ) -> CondaListing:
        return cls(
            index=index,
            paths=tuple(file.path for file in files),
            digests={
                file.path: file.sha256 for file in files if file.sha256 and not file.placeholder
            },
        )

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
        if all(file.path != path or file.kind != "hardlink" for file in unpacked.files):
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
        files = [file for file in _conda_info.paths(info) if file.kind != "directory"]
    except (_zip.BadZip, BadTar) as error:
        raise BadArchive(filename, (f"it {error}",)) from None
    except _conda_info.BadInfo as error:
        raise BadArchive(filename, (str(error),)) from None
    return CondaListing.of(index, files)


def _from_zip(
    package: Package, name: str, downloader: Downloader, stop: threading.Event | None
) -> dict[str, bytes]:
    with remote_zip(package, downloader, stop=stop) as archive:
        archive.fetch([name])
        pieces = archive.content(name)
        with decompressed_zstd(pieces) as stream:
            info = _info(stream, archive.packed(name))
        for _ in pieces:  # to the end, where the checksum is
            pass
    return info


def _from_tar(package: Package, body: Body) -> dict[str, bytes]:
    _check_size(package, body)
    try:
        with bz2.open(io.BufferedReader(Pieces(body.pieces))) as stream:
            return _info(cast("BinaryIO", stream), package.size or body.total or 0)
    except (EOFError, OSError) as error:
        # `bz2` raises an `OSError` without a number; a download that broke off has none either.
        if isinstance(error, PkgcacheError) or (isinstance(error, OSError) and error.errno):
            raise
        raise BadTar("cannot be decompressed") from None


def _info(stream: BinaryIO, packed: int) -> dict[str, bytes]:
    """The files in `info/` that are looked at, by their names there.

    It ends with `info/`, which comes first wherever all else is in the same archive.
    """
    texts: dict[str, bytes] = {}
    reader = TarReader(stream, DEFAULT_LIMITS.largest(packed))
    for member in reader:
        folder, _, name = member.name.partition("/")
        if folder == "info" and name in _conda_info.READ:
            if member.kind != "file" or name in texts:
                raise BadTar(f"has `{member.name}` twice, or not as a file")
            texts[name] = small_content(member, reader.content())
        # To go on would be to download the package.
        elif folder != "info" and "index.json" in texts and _LISTS & texts.keys():
            break
    return texts


def _check_size(package: Package, body: Body) -> None:
    if None not in (package.size, body.total) and package.size != body.total:
        raise HashMismatch(
            package.filename,
            f"{package.size} bytes",
            f"{body.total} bytes",
            redact(package.url),
        )
