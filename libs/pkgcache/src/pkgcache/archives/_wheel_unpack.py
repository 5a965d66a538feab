"""Check a wheel against itself (PEP 427, PEP 491, the RECORD specification) and unpack it."""

from __future__ import annotations

import base64
import hashlib
import mmap
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pkgcache.archives import _dist_info, _zip
from pkgcache.archives._members import collisions, path_issue
from pkgcache.archives._places import wheel_issues
from pkgcache.archives.records import UnpackedFile, UnpackedWheel
from pkgcache.errors import BadArchive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pkgcache.archives._dist_info import DistInfo
    from pkgcache.archives._zip import ZipMember
    from pkgcache.archives.records import PackageLimits

_METADATA_SIZE = 64 << 20
# RECORD can hold neither its own hash nor those of the signatures that are made of it.
_UNLISTED = ("RECORD", "RECORD.jws", "RECORD.p7s")
_SCRIPTS = "scripts"


def unpack_wheel(archive: Path, tree: Path, limits: PackageLimits) -> UnpackedWheel:
    """Unpack the wheel into `tree`; raises `BadArchive`."""
    with _reading(archive, limits) as wheel:
        metadata = wheel.metadata
        return UnpackedWheel(
            tree=tree,
            name=metadata.name,
            version=metadata.version,
            dist_info=metadata.folder,
            purelib=metadata.purelib,
            entry_points=metadata.entry_points,
            files=wheel.write(tree),
        )


def check_wheel(archive: Path, limits: PackageLimits) -> None:
    """Raise `BadArchive` where `unpack_wheel` would."""
    with _reading(archive, limits) as wheel:
        for member in wheel.files.values():
            for _ in wheel.content(member, wheel.digest(member)):
                pass


@contextmanager
def _reading(archive: Path, limits: PackageLimits) -> Iterator[_Wheel]:
    with archive.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise BadArchive(archive.name, ("it is empty",))
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                yield _Wheel(archive.name, data, limits)
            except _zip.BadZip as error:
                raise BadArchive(archive.name, (f"it {error}",)) from None


class _Wheel:
    """A wheel of which everything was checked but the content of its files."""

    def __init__(self, filename: str, data: mmap.mmap, limits: PackageLimits) -> None:
        self._filename, self._data = filename, data
        members = _zip.members(data)
        # Names first: what follows looks files up by them.
        self._refuse(_member_issues(members))
        self.files = {member.name: member for member in members if not member.name.endswith("/")}
        self._refuse(_size_issues(list(self.files.values()), len(data), limits))
        try:
            self.metadata = _dist_info.read(filename, self.files, self._read)
            self._refuse(_record_issues(self.files, self.metadata))
            self._refuse(list(wheel_issues(self.metadata, self._read)))
        except _dist_info.BadMetadata as error:
            raise BadArchive(filename, error.issues) from None

    def _refuse(self, issues: list[str]) -> None:
        if issues:
            raise BadArchive(self._filename, tuple(issues))

    def _read(self, path: str) -> bytes | None:
        member = self.files.get(path)
        if not member:
            return None
        if member.size > _METADATA_SIZE:
            raise _dist_info.BadMetadata((f"`{path}` is larger than {_METADATA_SIZE} bytes",))
        return b"".join(_zip.content(self._data, member))

    def digest(self, member: ZipMember) -> hashlib._Hash:
        """Of the kind that RECORD has of a file."""
        return hashlib.new(self.metadata.record.get(member.name, "").partition("=")[0] or "sha256")

    def content(self, member: ZipMember, digest: hashlib._Hash) -> Iterator[bytes]:
        """The bytes of a file; refused at their end if they do not have the right hash."""
        for piece in _zip.content(self._data, member):
            digest.update(piece)
            yield piece
        # Three files have no hash in RECORD, itself among them; `_record_issues` has seen to the
        # others.
        if self.metadata.record.get(member.name, "") not in ("", _recorded(digest)):
            self._refuse([f"`{member.name}` does not have the hash that RECORD gives"])

    def write(self, tree: Path) -> tuple[UnpackedFile, ...]:
        """Write all files into `tree`."""
        # As open to a group as the cache is, whatever the umask; to others never.
        mode = tree.parent.parent.stat().st_mode & 0o2775
        parents = {
            f"{tree}/{path[:at]}"
            for path in self.files
            for at, char in enumerate(path)
            if char == "/"
        }
        # Sorted, so that each comes after the folder it is in.
        for folder in (str(tree.parent), str(tree), *sorted(parents)):
            os.mkdir(folder, mode)  # noqa: PTH102  of many
        return tuple(self._write_file(tree, member) for _, member in sorted(self.files.items()))

    def _write_file(self, tree: Path, member: ZipMember) -> UnpackedFile:
        # Many builders do not mark scripts as executable; installers do.
        script = member.name.startswith(f"{self.metadata.data_folder}/{_SCRIPTS}/")
        mode = 0o555 if script or member.mode & 0o111 else 0o444
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        digest = self.digest(member)
        descriptor = os.open(f"{tree}/{member.name}", flags, mode)
        try:
            for piece in self.content(member, digest):
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        return UnpackedFile(
            member.name, status.st_size, status.st_mtime_ns, status.st_mode, _recorded(digest)
        )


def _recorded(digest: hashlib._Hash) -> str:
    text = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return f"{digest.name}={text}"


def _member_issues(members: list[ZipMember]) -> list[str]:
    issues = []
    for member in members:
        folder = member.name.endswith("/")
        if issue := path_issue(member.name[:-1] if folder else member.name):
            issues.append(f"the name {member.name!r} {issue}")
        kind = stat.S_IFMT(member.mode)
        if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
            issues.append(f"`{member.name}` is neither a file nor a folder")
        if folder and member.size:
            issues.append(f"the folder `{member.name}` has content")
    if issues:  # names of any length and depth would take any memory to compare
        return issues
    names = (member.name for member in members if not member.name.endswith("/"))
    return [f"`{name}` collides with another member" for name in collisions(names)]


def _size_issues(files: list[ZipMember], packed: int, limits: PackageLimits) -> list[str]:
    total = sum(member.size for member in files)
    checks = [
        (len(files) > limits.files, f"it has more than {limits.files} files"),
        (total > limits.size, f"it unpacks to more than {limits.size} bytes"),
        (
            limits.size >= total > limits.largest(packed),
            f"it unpacks to more than {limits.ratio} times its size",
        ),
    ]
    return [issue for over, issue in checks if over]


def _record_issues(files: dict[str, ZipMember], metadata: DistInfo) -> list[str]:
    exempt = {f"{metadata.folder}/{name}" for name in _UNLISTED}
    record = metadata.record
    return [
        *(f"RECORD lists `{path}`, which is not there" for path in sorted(record.keys() - files)),
        *(f"RECORD lacks `{path}`" for path in sorted(files.keys() - record.keys() - exempt)),
        *(
            f"RECORD has no hash for `{path}`"
            for path in sorted(files.keys() - exempt)
            if record.get(path) == ""
        ),
    ]
