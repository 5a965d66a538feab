"""Check a conda package, in either format, and unpack it in a single pass over its bytes."""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import os
import posixpath
import shutil
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from pkgcache._files import NO_LINKS
from pkgcache.archives import _bz2_read, _conda_info, _zip
from pkgcache.archives._links import first_escape
from pkgcache.archives._places import noarch_issues
from pkgcache.archives._tar import BadTar, TarReader
from pkgcache.archives._tar_limits import TarLimits, small_content
from pkgcache.archives.records import CondaFile, UnpackedConda
from pkgcache.errors import BadArchive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pkgcache.archives._tar import TarMember
    from pkgcache.archives.records import EntryPoint, PackageLimits

_METADATA_SIZE = 64 << 20
_BUFFER = 256 << 10
_FORMAT = 2
# What `zstd --long=27` asks for: the most that its own command line accepts unasked.
_LARGEST_WINDOW = 1 << 27


def unpack_conda(archive: Path, tree: Path, limits: PackageLimits) -> UnpackedConda:
    """Unpack the package into `tree`; raises `BadArchive`."""
    # As open to a group as the cache is, whatever the umask; to others never.
    mode = tree.parent.parent.stat().st_mode & 0o2775
    tree.parent.mkdir(mode)
    tree.mkdir(mode)
    walk = _Unpacking(archive, tree, mode, limits)
    walk.run()
    return UnpackedConda(
        tree=tree, index=walk.index, entry_points=walk.entry_points, files=walk.listed
    )


class CondaWalk:
    """One pass over a package of either format, which checks everything and keeps no file.

    Afterwards there are `index`, `entry_points` and `listed`. A subclass sees what passes.
    """

    index: dict[str, Any]
    entry_points: tuple[EntryPoint, ...]
    listed: tuple[CondaFile, ...]

    def __init__(self, archive: Path, limits: PackageLimits) -> None:
        self._archive = archive
        self._packed = archive.stat().st_size
        self._limits = TarLimits(self._packed, limits)
        self._folders: set[str] = set()
        self._info: dict[str, bytes] = {}
        self._files: dict[str, CondaFile] = {}

    def run(self) -> None:
        """Do it; raises `BadArchive`."""
        try:
            self._run()
        except (_zip.BadZip, BadTar) as error:
            issue = f"it {error}"
        except _conda_info.BadInfo as error:
            issue = str(error)
        else:
            return
        raise BadArchive(self._archive.name, (issue,))

    def _run(self) -> None:
        name = self._archive.name
        if name.endswith(".conda"):
            stem = name.removesuffix(".conda")
            self._walk_zip(stem)
        elif name.endswith(".tar.bz2"):
            stem = name.removesuffix(".tar.bz2")
            with _decompressed_bz2(self._archive, self._threads) as stream:
                self._walk_tar(stream, None)
        else:
            raise BadArchive(name, ("its name is not that of a conda package",))
        self.index = _conda_info.index(self._info, stem)
        self.entry_points = _conda_info.entry_points(self._info, self.index.get("noarch"))
        self.listed = self._listed()
        if self.index.get("noarch") == "python":
            for issue in noarch_issues(self.listed, self.entry_points):
                raise _conda_info.BadInfo(issue)

    def _walk_zip(self, stem: str) -> None:
        with self._archive.open("rb") as file:
            if not self._packed:
                raise _zip.BadZip("is empty")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                inner = _inner(data, stem)
                # `info/` first, wherever it lies: a `.tar.bz2` that is made of this has to begin
                # with it.
                for name, is_info in ((f"info-{stem}", True), (f"pkg-{stem}", False)):
                    pieces = _zip.content(data, inner[f"{name}.tar.zst"])
                    with decompressed_zstd(pieces) as stream:
                        self._walk_tar(stream, is_info)
                    for _ in pieces:  # to the end, where the checksum is
                        pass

    def _walk_tar(self, stream: BinaryIO, is_info: bool | None) -> None:
        """Walk over a stream of `info/` alone, of everything else, or, if None, of both."""
        reader = TarReader(stream, self._limits.longest)
        for member in reader:
            own = member.name.partition("/")[0] == "info"
            if own is not is_info and is_info is not None and not _is_root(member):
                raise BadTar(f"has `{member.name}` in the wrong one of its two archives")
            content = self._content(member, reader, is_info=own)
            self._keep(member, content, is_info=own)
            # To the end, also where nobody keeps it: a subclass may pass on what is read here.
            for _ in content:
                pass

    def _keep(self, member: TarMember, content: Iterator[bytes], *, is_info: bool) -> None:
        if _is_root(member):
            return
        self._limits.check(member)
        if is_info:
            self._keep_info(member, content)
        elif member.kind == "file":
            self._keep_file(member, content)
        elif member.kind == "directory":
            self._make_folder(member.name)
        else:
            self._keep_link(member)

    def _keep_info(self, member: TarMember, content: Iterator[bytes]) -> None:
        name = member.name.removeprefix("info/")
        if name not in _conda_info.READ:
            return
        if member.kind != "file":
            raise BadTar(f"has `{member.name}`, which is not a file")
        self._info[name] = small_content(member, content)

    def _make_folder(self, path: str) -> None:
        if not path or path in self._folders:
            return
        self._make_folder(path.rpartition("/")[0])
        if path in self._files:
            raise BadTar(f"has `{path}` as a file and as a folder")
        self._made(path)
        self._folders.add(path)

    def _place(self, path: str) -> None:
        self._make_folder(path.rpartition("/")[0])
        if path in self._folders:
            raise BadTar(f"has `{path}` as a file and as a folder")

    def _keep_file(self, member: TarMember, content: Iterator[bytes]) -> None:
        self._place(member.name)
        digest = hashlib.sha256()
        size, mtime_ns, mode = self._stored(member, _hashed(content, digest))
        self._files[member.name] = CondaFile(
            path=member.name,
            kind="hardlink",
            size=size,
            mtime_ns=mtime_ns,
            mode=mode,
            sha256=digest.hexdigest(),
            link="",
            placeholder="",
            file_mode="text",
            no_link=False,
        )

    def _keep_link(self, member: TarMember) -> None:
        target = member.link
        if member.kind == "hardlink":
            # Only a file that was checked before can be linked to, so that no order of members
            # leads outside.
            source = self._files.get(target.removeprefix("./"))
            if not source or source.kind != "hardlink":
                raise BadTar(f"has the hard link `{member.name}` to {target!r}, no file before it")
            self._place(member.name)
            self._linked(source.path, member.name)
            self._files[member.name] = source._replace(path=member.name)
            return
        # Where it leads is seen at the end: it may go through links that come later.
        if not target or posixpath.isabs(target) or not target.isprintable():
            raise BadTar(f"has the symbolic link `{member.name}` to {target!r}")
        self._place(member.name)
        blank = CondaFile("", "softlink", 0, 0, 0, "", "", "", "text", no_link=False)
        self._files[member.name] = blank._replace(path=member.name, link=target)

    def _listed(self) -> tuple[CondaFile, ...]:
        """The files that `paths.json` lists; the others are not part of the package."""
        # A link or file can be made before what claims to lie below it, and the other way round.
        for path in self._files:
            if any(path[:at] in self._files for at, char in enumerate(path) if char == "/"):
                raise BadTar(f"has `{path}` below a file")
        links = {file.path: file.link for file in self._files.values() if file.link}
        if escape := first_escape(links):
            raise BadTar(f"has the symbolic link `{escape}`, which leads out of the prefix")
        return tuple(map(self._listed_one, _conda_info.paths(self._info)))

    def _listed_one(self, listed: _conda_info.Path) -> CondaFile:
        if listed.kind == "directory":
            return CondaFile(listed.path, "directory", 0, 0, 0, "", "", "", "text", no_link=False)
        file = self._files.get(listed.path)
        if not file or listed.kind not in ("", file.kind):
            raise _conda_info.BadInfo(f"`{listed.path}` is listed, and not there as such")
        if file.kind == "softlink":
            return file
        if listed.size not in (-1, file.size) or listed.sha256 not in ("", file.sha256):
            raise _conda_info.BadInfo(f"`{listed.path}` is not the file that paths.json lists")
        return file._replace(
            placeholder=listed.placeholder, file_mode=listed.mode, no_link=listed.no_link
        )

    # What a subclass does with it. Without it the content is read, hashed and forgotten.

    _threads = 1

    def _content(self, member: TarMember, reader: TarReader, *, is_info: bool) -> Iterator[bytes]:  # noqa: ARG002
        return reader.content()

    def _made(self, folder: str) -> None:
        pass

    def _stored(self, member: TarMember, content: Iterator[bytes]) -> tuple[int, int, int]:
        """Size, time and mode of a file, after all of its content was read."""
        for _ in content:
            pass
        return member.size, member.mtime_ns, member.mode

    def _linked(self, source: str, path: str) -> None:
        pass


class _Unpacking(CondaWalk):
    """Writes what is not `info/` to `tree`."""

    def __init__(self, archive: Path, tree: Path, mode: int, limits: PackageLimits) -> None:
        super().__init__(archive, limits)
        self._tree, self._mode = tree, mode

    def _made(self, folder: str) -> None:
        os.mkdir(f"{self._tree}/{folder}", self._mode)  # noqa: PTH102  of many

    def _stored(self, member: TarMember, content: Iterator[bytes]) -> tuple[int, int, int]:
        # Not writable, even by us: prefixes have hard links to these very files.
        mode = 0o555 if member.mode & 0o111 else 0o444
        # `O_EXCL`: what is there already is another member's, on disks that fold names.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(f"{self._tree}/{member.name}", flags, mode)
        except FileExistsError:
            raise BadTar(f"has `{member.name}`, which is another file's name here") from None
        try:
            for piece in content:
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
            # Compiled Python files hold the time of the source that they are valid for.
            os.utime(descriptor, ns=(member.mtime_ns, member.mtime_ns))
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        return status.st_size, status.st_mtime_ns, status.st_mode

    def _linked(self, source: str, path: str) -> None:
        try:
            os.link(f"{self._tree}/{source}", f"{self._tree}/{path}")
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            # With time and mode: in the list of files both names have the same.
            shutil.copy2(f"{self._tree}/{source}", f"{self._tree}/{path}")


def _is_root(member: TarMember) -> bool:
    return member.name in ("", ".") and member.kind == "directory"


def _hashed(content: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for piece in content:
        digest.update(piece)
        yield piece


def _inner(data: mmap.mmap, stem: str) -> dict[str, _zip.ZipMember]:
    """The three parts of a `.conda` file, after a look at the version of its format."""
    parts: dict[str, _zip.ZipMember] = {}
    for member in _zip.members(data):
        if member.name in parts:
            raise _zip.BadZip(f"has `{member.name}` twice")
        parts[member.name] = member
    wanted = {"metadata.json", f"info-{stem}.tar.zst", f"pkg-{stem}.tar.zst"}
    if odd := sorted(wanted ^ parts.keys()):
        raise _zip.BadZip(f"{'lacks' if odd[0] in wanted else 'has also'} `{odd[0]}`")
    if parts["metadata.json"].size > _METADATA_SIZE:
        raise _zip.BadZip("has an absurdly large metadata.json")
    try:
        metadata: Any = json.loads(b"".join(_zip.content(data, parts["metadata.json"])))
        version = metadata["conda_pkg_format_version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _zip.BadZip("has a metadata.json that does not give its format") from None
    if version != _FORMAT:
        raise _zip.BadZip(f"is of the unknown format {version!r}")
    return parts


@contextmanager
def _decompressed_bz2(archive: Path, threads: int) -> Iterator[BinaryIO]:
    with closing(_bz2_read.decompressed(archive, threads)) as pieces:
        try:
            yield io.BufferedReader(Pieces(pieces), _BUFFER)
        # What is damaged is an `OSError` without a number to `bz2`; the errors of a disk have one.
        except (EOFError, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise BadTar("cannot be decompressed") from None


@contextmanager
def decompressed_zstd(pieces: Iterator[bytes]) -> Iterator[BinaryIO]:
    import zstandard

    engine = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    try:
        # Without `read_across_frames`, all behind the first frame would be left out without a word.
        with engine.stream_reader(
            cast("BinaryIO", io.BufferedReader(Pieces(pieces), _BUFFER)), read_across_frames=True
        ) as unpacked:
            # Buffered, because `TarReader` takes a short read for the end of the stream.
            yield cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", unpacked), _BUFFER))
    except zstandard.ZstdError:
        raise BadTar("cannot be decompressed, or asks for too much memory to do it") from None


class Pieces(io.RawIOBase):
    """An iterator of bytes, to be read as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
