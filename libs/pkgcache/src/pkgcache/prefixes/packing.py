"""Packing an environment: one archive, to be unpacked where there is neither store nor mfenv.

It is a tar with what lies in a prefix, gathered from the cache, and nothing is laid out for it.
Beside the files of packages it holds:

- `.mfenv-pack/environment.json`, the description, which comes first;
- `bin/mfenv-unpack`, which sets the prefix to where it lies, and what it needs in `.mfenv-pack`;
- `.mfenv-pack/manifest.json`, which comes last: the digest of every file, and which hold a prefix.

The same environment gives the same bytes, with the same zlib or zstd.
"""

from __future__ import annotations

import csv
import errno
import gzip
import hashlib
import io
import json
import os
import posixpath
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from pkgcache._files import open_cached
from pkgcache._new_files import new_file, sha256_of
from pkgcache.archives._changes import parsed
from pkgcache.archives._links import first_escape
from pkgcache.errors import NotInCache, PrefixError, TargetExists
from pkgcache.prefixes import _conda_meta, _setting
from pkgcache.prefixes._env_tar import DAY, EnvTar
from pkgcache.prefixes._gathering import Gathered, Gathering
from pkgcache.prefixes._making import BuildSite, installables
from pkgcache.prefixes.conda_prefix import lay_out
from pkgcache.prefixes.linking import Scheme, link_wheels
from pkgcache.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envid.resolved import ResolvedEnv
    from pkgcache.local.cache import PackageCache
    from pkgcache.progress import Progress

__all__ = ["DESCRIPTION", "FORMATS", "SCRIPT", "PackedContents", "PackedEnv", "pack_env"]

FORMATS = (".tar.zst", ".tar.gz", ".tgz")
"""How the names of archives end."""

DESCRIPTION = f"{_setting.FOLDER}/environment.json"
SCRIPT = "bin/mfenv-unpack"
"""What sets the prefix where there is no mfenv."""
_CODE = f"{_setting.FOLDER}/lib"
# Short enough for a `#!` line of its own, which the prefix that takes its place may not be.
_PREFIX = "/mfenv-prefix"
_LEVEL, _GZIP_LEVEL = 9, 6
_OLDEST = (3, 8)
_TRAVELS = ("_placeholder", "_setting", "_unpack_child", "_venv_child")

# The interpreters that may run it, in this order, and what one must be.
_STUB = """\
#!/bin/sh
# Sets the prefix of this environment to where it lies: after `tar -x`, and whenever it was moved.
set -eu
at=$0
while :; do
    case $at in
    */*) bin=${{at%/*}}/ ;;
    *) bin=./ ;;
    esac
    # A link to it may be anywhere; `ls` is in every system, `readlink` is not.
    [ -L "$at" ] || break
    to=$(ls -ld -- "$at")
    to=${{to#*" -> "}}
    case $to in
    /*) at=$to ;;
    *) at=$bin$to ;;
    esac
done
root=$(CDPATH= cd -- "$bin.." && pwd)
if [ ! -f "$root/{manifest}" ]; then
    echo "error: \\`$root\\` is no environment: there is no {manifest} in it" >&2
    exit 1
fi
theirs=${{LD_LIBRARY_PATH-}}
for python in {candidates}; do
    case $python in
    # Until the prefix is set it may not find its own libraries, nor after it was moved.
    "$root"/*) LD_LIBRARY_PATH=$root/lib ;;
    *) LD_LIBRARY_PATH=$theirs ;;
    esac
    export LD_LIBRARY_PATH
    if "$python" -I -S -B -c 'import sys; sys.exit(not ({test}))' >/dev/null 2>&1; then
        exec "$python" -I -S -B -c \\
            'import runpy, sys; sys.path.insert(0, sys.argv[1] + "/{code}"); sys.argv.pop(0)
runpy.run_module("pkgcache.prefixes._unpack_child", run_name="__main__")' "$root" "$root"
    fi
done
echo "error: \\`$root\\` is not set up: there is no {wanted} on PATH" >&2
echo "hint: put the directory of one in front: PATH=DIR:\\$PATH $0" >&2
exit 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedEnv:
    """An archive: its `sha256` in hex, its size, the number of its files and their bytes.

    `needs` is what it needs of the machine where it is unpacked by its own script, if anything.
    """

    path: Path
    sha256: str
    size: int
    files: int
    unpacked_size: int
    needs: str


def pack_env(
    env: ResolvedEnv,
    target: Path,
    *,
    cache: PackageCache,
    glibc: tuple[int, int] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> PackedEnv:
    """Write `env`, of any platform, to the archive `target`, from the packages in `cache`.

    `glibc` is the oldest that its wheels work with. Its name, which ends as one of `FORMATS`, says
    how it is compressed. What is there is replaced only by `force`, and then at once.

    Raises `TargetExists`, `PrefixError` where the environment cannot be laid out, `NotInCache` and
    `BadArchive` for its packages, and `OSError` where it cannot be written. Nothing is left then.
    """
    progress = progress or NoProgress()
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if os.path.lexists(target) and not force:
        raise TargetExists(str(target))
    contents = PackedContents(env, glibc)
    contents.gather(cache, progress)
    contents.add_own()
    with new_file(target) as file:
        with _compressed(file, target.name) as stream:
            files, size = contents.write(stream, progress)
        digest = sha256_of(file)
    return PackedEnv(
        path=target,
        sha256=digest,
        size=target.stat().st_size,
        files=files,
        unpacked_size=size,
        needs="" if contents.has_python else contents.wanted,
    )


class PackedContents:
    """What goes into an archive."""

    def __init__(self, env: ResolvedEnv, glibc: tuple[int, int] | None = None) -> None:
        self._env, self._glibc = env, glibc
        self._system = env.spec.options.python_provider == "system"
        self._site = BuildSite(root=Path(_PREFIX), final=Path(_PREFIX), packed=True)
        self._gathered = Gathering(_PREFIX)
        self._holders: dict[str, tuple[str, str]] = {}  # path: placeholder and mode
        self._digests: dict[str, str] = {}  # by what the packages say
        self._timed: set[str] = set()  # what has a time of its own, which of wheels nothing has
        self._places: dict[str, str] = {}
        self._minor = ".".join(env.python.split(".")[:2])
        own = not self._system and any(package.name == "python" for package in env.packages)
        # That of an environment may be too old for what sets its prefix.
        self.has_python = own and tuple(map(int, self._minor.split("."))) >= _OLDEST
        self.wanted = f"Python {self._minor}" if self._system else "Python 3.8 or later"

    def gather(self, cache: PackageCache, progress: Progress) -> None:
        """Find the files of the packages."""
        if self._system:
            self._gather_venv(cache, progress)
        else:
            self._gather_conda(cache, progress)
        files = self._gathered.files
        for path, gathered in files.items():
            # What is made of entry points, and the scripts of wheels, name an interpreter.
            if gathered.content.startswith(f"#!{_PREFIX}/".encode()):
                self._holders[path] = (_PREFIX, "text")
        for path, gathered in list(files.items()):
            if path.endswith(".dist-info/RECORD") and gathered.content:
                self._digests |= _listed(path, gathered.content)
        if escape := first_escape({path: file.link for path, file in files.items() if file.link}):
            raise PrefixError(_PREFIX, f"the symbolic link `{escape}` would lead out of it")

    def _gather_venv(self, cache: PackageCache, progress: Progress) -> None:
        known = cache.surely_unpacked(self._env.packages)
        wheels = installables(self._env.packages, known, cache, progress)
        packages = f"lib/python{self._minor}/site-packages"
        self._places = {
            "purelib": packages,
            "platlib": packages,
            "scripts": "bin",
            "headers": f"include/site/python{self._minor}",
            "data": ".",
        }
        scheme = Scheme(
            root=self._site.root,
            final=self._site.final,
            python=self._site.final / "bin" / "python",
            **self._places,
        )
        link_wheels(wheels, scheme, placer=self._gathered, progress=progress)

    def _gather_conda(self, cache: PackageCache, progress: Progress) -> None:
        laid = lay_out(self._env, self._site, cache=cache, placer=self._gathered, progress=progress)
        for unpacked, paths in zip(laid.unpacked, laid.paths, strict=True):
            for entry in paths:
                if "prefix_placeholder" in entry:
                    holder = (entry["prefix_placeholder"], entry["file_mode"])
                    self._holders[entry["_path"]] = holder
                if "sha256_in_prefix" in entry and entry["path_type"] == "hardlink":
                    self._digests[entry["_path"]] = entry["sha256_in_prefix"]
                    self._timed.add(entry["_path"])
                if entry["_path"] == f"bin/.{unpacked.name}-post-link.sh":
                    progress.note(
                        f"the post-link script of `{unpacked.name}` is in the archive, and is not"
                        " run where that is unpacked"
                    )
        for path, text in _conda_meta.documents(self._env, laid.records(), None, DAY):
            self._gathered.write(path, text.encode(), executable=False)

    def add_own(self) -> None:
        """Add the script that sets the prefix, and what it runs."""
        names = (["python" + self._minor] if self._system else []) + ["python3", "python"]
        version = (
            f"sys.version_info[:2] == ({self._minor.replace('.', ', ')}) and"
            ' sys.implementation.name == "cpython" and not sys.abiflags'
            if self._system
            else "sys.version_info >= (3, 8)"
        )
        own = [f'"$root/bin/python{self._minor}"'] if self.has_python else []
        stub = _STUB.format(
            candidates=" ".join([*own, *names]),
            test=version,
            code=_CODE,
            manifest=_setting.MANIFEST,
            wanted=self.wanted,
        )
        self._own(SCRIPT, stub.encode(), executable=True)
        here = Path(__file__).parent
        # Packages that are not quite those of their names, with their own words about what they are.
        for name in ("pkgcache", "pkgcache/prefixes"):
            self._own(f"{_CODE}/{name}/__init__.py", b"")
        for name in _TRAVELS:
            code = (here / f"{name}.py").read_bytes()
            self._own(f"{_CODE}/pkgcache/prefixes/{name}.py", code)

    @property
    def files(self) -> Mapping[str, Gathered]:
        """What was gathered and added, by path."""
        return self._gathered.files

    @property
    def holders(self) -> Mapping[str, tuple[str, str]]:
        """The files that hold a prefix: what stands for it, and the mode."""
        return self._holders

    def expected(self, path: str) -> tuple[str, str]:
        """The algorithm and digest that a file has, by what the packages say."""
        gathered = self.files[path]
        if listed := self._digests.get(path):
            return parsed(listed)
        content = gathered.content
        if gathered.source:
            with open_cached(gathered.source) as file:
                content = file.read()
        return "sha256", hashlib.sha256(content).hexdigest()

    def _own(self, path: str, content: bytes, *, executable: bool = False) -> None:
        try:
            self._gathered.write(path, content, executable=executable)
        except FileExistsError:
            raise PrefixError(_PREFIX, f"a package brings `{path}`, which is mfenv's") from None

    def write(self, stream: BinaryIO, progress: Progress) -> tuple[int, int]:
        """Write it all; the number of files and their bytes."""
        files = self._gathered.files
        sizes = (os.stat(file.source).st_size for file in files.values() if file.source)  # noqa: PTH116
        task = progress.start("packing", sum(sizes), "bytes")
        archive = EnvTar(stream, task)
        try:
            # Without what differs between two that resolved the same.
            told = replace(
                self._env, resolved_at=f"{DAY:%Y-%m-%dT%H:%M:%SZ}", resolved_by="mfenv pack",
                notes=(), origins={},
            )  # fmt: skip
            archive.add(DESCRIPTION, Gathered(content=told.to_json().encode()))
            parents = {posixpath.dirname(path) for path in [*files, *self._gathered.folders]}
            for folder in sorted(self._gathered.folders - parents):
                archive.add_folder(folder)
            for path in sorted(files):
                archive.add(path, files[path], timed=path in self._timed)
                expected = self._digests.get(path, "")
                algorithm, digest = parsed(expected)
                # Links have the digest of what they lead to.
                known = expected and algorithm == "sha256" and path in archive.digests
                if known and digest != archive.digests[path]:
                    raise NotInCache(path, "it is damaged: `mfenv cache verify` drops what is")
            manifest = self._manifest(archive.digests)
            manifest["sha256"] = _setting.manifest_digest(manifest)
            archive.add(_setting.MANIFEST, Gathered(content=json.dumps(manifest).encode()))
            archive.close()
        finally:
            task.done()
        return len(archive.digests) + len(archive.links), archive.size

    def _manifest(self, digests: Mapping[str, str]) -> dict[str, Any]:
        return {
            "schema_version": _setting.SCHEMA_VERSION,
            **self._env.env_id._asdict(),
            "glibc": self._glibc,
            "system_python": self._system,
            "places": self._places,
            "files": digests,
            "holders": [
                (path, *holder, digests[path]) for path, holder in sorted(self._holders.items())
            ],
            "records": sorted(self._records()),
        }

    def _records(self) -> Iterator[str]:
        """The records that say the digest of a file that holds a prefix, or of a link to one."""
        files = self._gathered.files
        moving = {*self._holders, *(path for path, gathered in files.items() if gathered.link)}
        for path, gathered in files.items():
            listed: set[str] = set()
            if gathered.content and path.startswith("conda-meta/") and path.endswith(".json"):
                entries = json.loads(gathered.content)["paths_data"]["paths"]
                listed = {entry["_path"] for entry in entries}
            elif gathered.content and path.endswith(".dist-info/RECORD"):
                listed = set(_listed(path, gathered.content))
            if not listed.isdisjoint(moving):
                yield path


def _listed(path: str, record: bytes) -> dict[str, str]:
    """The files of a wheel and their digests, by its RECORD at `path`."""
    folder = posixpath.dirname(posixpath.dirname(path))
    rows: Sequence[Sequence[str]] = list(csv.reader(io.StringIO(record.decode(), newline="")))
    return {
        posixpath.normpath(posixpath.join(folder, name)): listed
        for name, listed, _ in rows
        if listed
    }


@contextmanager
def _compressed(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    if name.endswith(".zst"):
        import zstandard

        # Always with threads: their number does not matter for the bytes, and that there are any does.
        engine = zstandard.ZstdCompressor(level=_LEVEL, threads=-1, write_checksum=True)
        with engine.stream_writer(file, closefd=False) as stream:
            yield cast("BinaryIO", stream)
    else:
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as stream:
            yield cast("BinaryIO", stream)
