"""Unpacking an archive of `packing`: a prefix that is whole, set to its place, and checked.

The archive comes from outside. What is read of it is read by readers of our own, nothing of it is
run, and it is laid out beside its place, which it gets when every file has its digest. That digest
is the archive's own word: where the packages are in the cache, they are asked.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import posixpath
import zlib
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from envid.errors import EnvidError
from envid.resolved import ResolvedEnv
from pkgcache.archives._changes import digest
from pkgcache.archives._conda_unpack import decompressed_zstd
from pkgcache.archives._links import first_escape
from pkgcache.archives._tar import BadTar, TarReader
from pkgcache.archives._tar_limits import TarLimits, small_content
from pkgcache.archives.records import PackageLimits
from pkgcache.errors import BadArchive, NotInCache, PrefixError, PrefixExists
from pkgcache.prefixes import _setting, verifying
from pkgcache.prefixes._env_tar import MOMENT
from pkgcache.prefixes._making import building, place
from pkgcache.prefixes.conda_prefix import check_platform
from pkgcache.prefixes.packing import DESCRIPTION, SCRIPT, PackedContents
from pkgcache.prefixes.prefix import make_venv
from pkgcache.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pkgcache.archives._tar import TarMember
    from pkgcache.local.cache import PackageCache
    from pkgcache.prefixes._making import BuildSite
    from pkgcache.progress import Progress, Task

__all__ = ["LIMITS", "unpack_env"]

LIMITS = PackageLimits(files=1_000_000, size=1 << 40)
"""Where the archive of an environment counts as a bomb."""

_AGAIN = "fetch or copy it again; if it stays so, ask whoever packed it for another"
_ANOTHER = "name a file that `mfenv pack` wrote; if it is one, fetch or copy it again"
_NEWER = "unpack it with the release of mfenv that packed it"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_CHUNK, _BUFFER = 1 << 20, 256 << 10
_SHORTEST = 8
_META, _RECORD = "conda-meta/", ".dist-info/RECORD"


def unpack_env(
    archive: Path,
    prefix: Path,
    *,
    cache: PackageCache,
    find_python: Callable[[ResolvedEnv], Path],
    limits: PackageLimits = LIMITS,
    progress: Progress | None = None,
) -> ResolvedEnv:
    """Unpack an archive at `prefix`, which is not there or is empty; gives what it is.

    Every file is compared with the manifest of the archive and with the records of its packages, and
    with the packages themselves where `cache` has all of them; else there is a note. The script that
    sets the prefix, and its code, are not the archive's.

    `find_python` gives the interpreter of an environment that has none. Raises `BadArchive`,
    `PrefixExists`, `PrefixError` where it cannot be on this machine or in this place, and `OSError`
    where the archive cannot be read. Nothing is left then.
    """
    progress = progress or NoProgress()
    with _refusing(archive), archive.open("rb") as file, _stream(file) as stream:
        task = progress.start("unpacking", os.fstat(file.fileno()).st_size, "bytes")
        try:
            unpacking = _Unpacking(archive, file, stream, limits, task)
            env = unpacking.description()
            check_platform(env, prefix)
            _make_room(place(prefix))
            with building(prefix, env, cache=cache, replace=False, progress=progress) as site:
                if env.spec.options.python_provider == "system":
                    make_venv(env, find_python(env), site, progress)
                unpacking.run(site)
                unpacking.set(env, site, cache, progress)
        finally:
            task.done()
    return env


class _Refused(BadTar):
    """An archive that is refused for something that another copy of it does not mend."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.hint = hint


class _Unpacking:
    """One pass over an archive."""

    def __init__(
        self, archive: Path, file: BinaryIO, stream: BinaryIO, limits: PackageLimits, task: Task
    ) -> None:
        self._file, self._task = file, task
        self._limits = TarLimits(archive.stat().st_size, limits)
        self._reader = TarReader(stream, self._limits.longest)
        self._members = iter(self._reader)
        self._told = 0
        self._folders: set[str] = set()
        self._digests: dict[str, str] = {}
        self._links: dict[str, str] = {}
        self._kept: dict[str, bytes] = {}

    def description(self) -> ResolvedEnv:
        """What the archive is of, from its first member."""
        member = next(self._members, None)
        if not member or member.name != DESCRIPTION or member.kind != "file":
            raise _Refused("is no environment that `mfenv pack` made", _ANOTHER)
        self._check(member)
        content = self._content(member)
        self._kept[DESCRIPTION] = content
        try:
            return ResolvedEnv.from_json(content)
        except EnvidError as error:
            raise BadTar(f"has a description that cannot be used: {error}") from None

    def run(self, site: BuildSite) -> None:
        """Lay it out in the root of `site`."""
        root = str(site.root)
        self._place(root, DESCRIPTION)
        self._write(
            root, DESCRIPTION, iter([self._kept[DESCRIPTION]]), executable=False, mtime=None
        )
        for member in self._members:
            self._check(member)
            if member.kind == "directory":
                self._make_folder(root, member.name)
            elif member.kind == "softlink":
                self._links[member.name] = self._checked_link(member)
            elif member.kind == "file":
                self._place(root, member.name)
                pieces = self._reader.content()
                if member.name == _setting.MANIFEST:
                    self._kept[member.name] = self._content(member)
                    pieces = iter([self._kept[member.name]])
                runs = bool(member.mode & 0o111)
                self._write(root, member.name, pieces, executable=runs, mtime=member.mtime_ns)
            else:
                raise BadTar(f"has the hard link `{member.name}`, which none of ours has")
            self._tell()
        # Last of all: through none of them anything was written.
        for path, target in self._links.items():
            self._place(root, path)
            self._made(f"{root}/{path}", path, partial(os.symlink, target))
        if escape := first_escape(self._links):
            raise BadTar(f"has the symbolic link `{escape}`, which leads out of the prefix")

    def set(
        self, env: ResolvedEnv, site: BuildSite, cache: PackageCache, progress: Progress
    ) -> None:
        """Compare it with its manifest and its packages, and lead it to its place."""
        try:
            manifest = json.loads(self._kept[_setting.MANIFEST])
            self._compare(env, manifest)
        except BadTar:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise BadTar("has no manifest, or one that cannot be read") from None
        self._compare_records(site)
        if not self._compare_packages(env, site, manifest, cache):
            progress.note(
                "not all of its packages are in the cache, so that the archive was compared with its"
                " own records alone: take it from somebody whom you trust"
            )
        self._replace_code(env, site)
        try:
            _setting.check_machine(manifest)
            notes = _setting.set_prefix(str(site.root), str(site.final), manifest)
        except _setting.CannotRead as error:
            raise BadTar(f"has `{error.path}`, which cannot be read") from None
        except _setting.CannotSet as error:
            raise PrefixError(str(site.final), str(error)) from None
        for note in notes:
            progress.note(note)

    def _compare(self, env: ResolvedEnv, manifest: dict[str, Any]) -> None:
        version = manifest["schema_version"]
        if version != _setting.SCHEMA_VERSION:
            raise _Refused(f"has a manifest of the unknown version {version!r}", _NEWER)
        if manifest["sha256"] != _setting.manifest_digest(manifest):
            raise ValueError
        if any(manifest[key] != value for key, value in env.env_id._asdict().items()):
            raise BadTar("has a manifest of another environment")
        listed = manifest["files"]
        del self._digests[_setting.MANIFEST]
        for path in sorted(listed.keys() ^ self._digests.keys()):
            raise BadTar(f"{'lacks' if path in listed else 'has also'} `{path}`")
        for path, sha256 in listed.items():
            if self._digests[path] != sha256:
                raise BadTar(f"has `{path}`, which is not the file that its manifest lists")
        if not isinstance(manifest["system_python"], bool) or not _is_glibc(manifest["glibc"]):
            raise ValueError
        for path, placeholder, mode, sha256 in manifest["holders"]:
            # What is changed is a file of the archive, and no link that leads elsewhere.
            wrong = listed[path] != sha256 or mode not in ("text", "binary")
            # A short one could be anywhere, as often as there are bytes.
            if wrong or not placeholder.startswith("/") or len(placeholder) < _SHORTEST:
                raise ValueError(path)
        if any(path not in listed for path in manifest["records"]):
            raise ValueError

    def _compare_records(self, site: BuildSite) -> None:
        try:
            recorded = verifying.recorded(site.root)
        except (OSError, ValueError, TypeError, LookupError):
            raise BadTar("has records of its packages that cannot be read") from None
        for path, sha256 in self._digests.items():
            # Records are in no record, and neither is what is mfenv's.
            if _is_ours(path) or path.startswith(_META) or path.endswith(_RECORD):
                continue
            if path not in recorded:
                raise BadTar(f"has `{path}`, which is of none of its packages")
            if not any(self._is(site, path, sha256, row) for row in recorded[path]):
                raise BadTar(f"has `{path}`, which is not the file that its package lists")

    def _compare_packages(
        self, env: ResolvedEnv, site: BuildSite, manifest: dict[str, Any], cache: PackageCache
    ) -> bool:
        """Whether it could be compared with the packages themselves."""
        if not all(cache.has_unpacked(package) or cache.has(package) for package in env.packages):
            return False
        contents = PackedContents(env)
        try:
            contents.gather(cache, NoProgress())
        except NotInCache:  # it was damaged
            return False
        ours = {path for path in self._digests if _is_ours(path)}
        there = (self._digests.keys() | self._links.keys()) - ours
        for path in sorted(there ^ contents.files.keys()):
            if path in there:
                raise BadTar(f"has `{path}`, which is of none of its packages")
            raise BadTar(f"lacks `{path}`")
        for path, gathered in contents.files.items():
            if gathered.link != self._links.get(path, ""):
                raise BadTar(f"has `{path}`, which leads elsewhere than that of its package")
            if gathered.link:
                continue
            right = self._is(site, path, self._digests[path], contents.expected(path))
            if not right and (path.startswith(_META) or path.endswith(_RECORD)):
                # Another release may have written records otherwise.
                (site.root / path).write_bytes(gathered.content)
            elif not right:
                raise BadTar(f"has `{path}`, which is not the file of its package")
        holders = {path: (text, mode) for path, text, mode, _ in manifest["holders"]}
        if holders != contents.holders:
            raise BadTar("has a manifest that does not fit its packages")
        return True

    def _is(self, site: BuildSite, path: str, sha256: str, listed: tuple[str, str]) -> bool:
        algorithm, expected = listed
        if algorithm == "sha256":
            return expected == sha256
        return digest(site.root / path, algorithm) == expected

    def _replace_code(self, env: ResolvedEnv, site: BuildSite) -> None:
        """Put our own script in the place of the archive's, and our own code."""
        contents = PackedContents(env)
        contents.add_own()
        for path in filter(_is_ours, self._digests):
            if path not in (DESCRIPTION, _setting.MANIFEST):
                (site.root / path).unlink()
        for path, gathered in contents.files.items():
            self._place(str(site.root), path)
            content = iter([gathered.content])
            runs = gathered.executable
            self._write(str(site.root), path, content, executable=runs, mtime=MOMENT * 10**9)

    def _check(self, member: TarMember) -> None:
        self._limits.check(member)
        first, _, rest = member.name.partition("/")
        ours = first == _setting.FOLDER and rest and not _setting.is_state(member.name)
        if first.startswith(".mfenv") and not (ours and member.kind == "file"):
            raise BadTar(f"has `{member.name}`, which belongs to the environment")

    def _content(self, member: TarMember) -> bytes:
        return small_content(member, self._reader.content())

    def _checked_link(self, member: TarMember) -> str:
        target = member.link
        if not target or posixpath.isabs(target) or not target.isprintable():
            raise BadTar(f"has the symbolic link `{member.name}` to {target!r}")
        return target

    def _place(self, root: str, path: str) -> None:
        self._make_folder(root, path.rpartition("/")[0])

    def _make_folder(self, root: str, path: str) -> None:
        if not path or path in self._folders:
            return
        self._make_folder(root, path.rpartition("/")[0])
        at = f"{root}/{path}"
        # A virtual environment has some already. What is a link is none that we go through.
        if os.path.islink(at) or not os.path.isdir(at):  # noqa: PTH112, PTH114  of very many
            self._made(at, path, os.mkdir)
        self._folders.add(path)

    def _made(self, at: str, path: str, make: Callable[[str], object]) -> None:
        try:
            make(at)
        except FileExistsError:
            raise BadTar(f"has `{path}`, which is another file's name here") from None

    def _write(
        self, root: str, path: str, pieces: Iterator[bytes], *, executable: bool, mtime: int | None
    ) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        mode = 0o777 if executable else 0o666
        try:
            descriptor = os.open(f"{root}/{path}", flags, mode)
        except FileExistsError:
            raise BadTar(f"has `{path}`, which is another file's name here") from None
        digest = hashlib.sha256()
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
            file.flush()
            if mtime is not None:
                os.utime(descriptor, ns=(mtime, mtime))
        self._digests[path] = digest.hexdigest()

    def _tell(self) -> None:
        at = self._file.tell()
        if at - self._told >= _CHUNK:
            self._task.advance(at - self._told)
            self._told = at


def _make_room(prefix: Path) -> None:
    """Take an empty directory away, in whose place another is moved; raise for what else is there."""
    if prefix.is_symlink():
        hint = f"name the directory itself: `{prefix.resolve()}`"
        raise PrefixExists(str(prefix), f"{hint}, if there is none yet or it is empty")
    try:
        prefix.rmdir()
    except FileNotFoundError:
        return
    except OSError:
        if not prefix.is_dir() or any(prefix.iterdir()):
            hint = "choose a directory that is not there, or is empty"
            raise PrefixExists(str(prefix), hint) from None
        raise


class _Gzip(io.RawIOBase):
    """What a gzip file holds; one that is damaged is no error of the disk, as it is in gzip."""

    def __init__(self, file: BinaryIO) -> None:
        self._unpacked = gzip.GzipFile(fileobj=file, mode="rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return self._unpacked.readinto(buffer)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise BadTar("cannot be decompressed, to its very end") from None


def _is_ours(path: str) -> bool:
    return path == SCRIPT or path.startswith(f"{_setting.FOLDER}/")


def _is_glibc(value: object) -> bool:
    return value is None or (
        isinstance(value, list) and [type(part) for part in value] == [int, int]
    )


@contextmanager
def _refusing(archive: Path) -> Iterator[None]:
    try:
        yield
    except BadTar as error:
        hint = error.hint if isinstance(error, _Refused) else _AGAIN
        raise BadArchive(archive.name, (f"it {error}",), hint) from None


@contextmanager
def _stream(file: BinaryIO) -> Iterator[BinaryIO]:
    start = file.read(len(_ZSTD))
    file.seek(0)
    if start == _ZSTD:
        pieces = iter(lambda: file.read(_CHUNK), b"")
        with decompressed_zstd(pieces) as stream:
            yield stream
    elif start.startswith(_GZIP):
        yield cast("BinaryIO", io.BufferedReader(_Gzip(file), _BUFFER))
    else:
        raise _Refused("is neither a `.tar.zst` nor a `.tar.gz`", _ANOTHER)
