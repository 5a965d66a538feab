"""Conda packages and the index of a channel, written byte by byte the same every time."""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import tarfile
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["PLACEHOLDER", "Entry", "Recipe", "pack", "write_channel"]

PLACEHOLDER = "/opt/conda-placeholder".ljust(255, "_")
"""The prefix in files that hold one: 255 characters, as conda-build writes it."""

_EPOCH = 1_577_836_800  # 2020-01-01
_LEVEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of a package: its bytes, a file on this machine, or a symbolic link.

    `prefix` is `text` or `binary` if the file holds the placeholder.
    """

    data: bytes = b""
    source: Path | None = None
    link: str | None = None
    executable: bool = False
    prefix: str | None = None

    def read(self) -> bytes:
        return self.source.read_bytes() if self.source else self.data


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A conda package to be made. `extra` goes into its record in repodata alone."""

    name: str
    version: str
    build: str = "0"
    build_number: int = 0
    subdir: str = "noarch"
    noarch: str | bool | None = None
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    files: Mapping[str, Entry] = field(default_factory=dict)
    entry_points: tuple[str, ...] = ()
    timestamp: int = _EPOCH
    formats: tuple[str, ...] = (".conda",)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def index(self) -> dict[str, Any]:
        """`info/index.json`."""
        noarch = {"noarch": self.noarch} if self.noarch else {}
        return {
            "arch": None,
            "build": self.build,
            "build_number": self.build_number,
            "constrains": list(self.constrains),
            "depends": list(self.depends),
            "license": "Apache-2.0",
            "name": self.name,
            "platform": None,
            "subdir": self.subdir,
            "timestamp": self.timestamp * 1000,
            "version": self.version,
            **noarch,
        }


def pack(recipe: Recipe, channel: Path) -> dict[str, dict[str, Any]]:
    """Write a package into a channel's directory, and return its records by `subdir/file name`."""
    content = {path: recipe.files[path] for path in sorted(recipe.files)}
    read = {path: entry.read() for path, entry in content.items()}
    info = _info(recipe, content, read)
    folder = channel / recipe.subdir
    folder.mkdir(parents=True, exist_ok=True)
    records = {}
    for suffix in recipe.formats:
        path = folder / f"{recipe.stem}{suffix}"
        if suffix == ".conda":
            path.write_bytes(_conda(recipe.stem, _tar(content, read), _tar(info)))
        else:
            path.write_bytes(bz2.compress(_tar({**info, **content}, read), 1))
        records[f"{recipe.subdir}/{path.name}"] = _record(recipe, path.read_bytes())
    return records


def _record(recipe: Recipe, data: bytes) -> dict[str, Any]:
    return {
        **recipe.index,
        "md5": hashlib.md5(data).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        **recipe.extra,
    }


def write_channel(channel: Path, records: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `repodata.json` and `.zst` of every subdirectory, `noarch` in any case."""
    by_subdir: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict, noarch={})
    for path in sorted(records):
        subdir, filename = path.split("/")
        by_subdir[subdir][filename] = records[path]
    for subdir, found in by_subdir.items():
        repodata = {
            "info": {"subdir": subdir},
            "packages": {name: one for name, one in found.items() if name.endswith(".tar.bz2")},
            "packages.conda": {name: one for name, one in found.items() if name.endswith(".conda")},
            "removed": [],
            "repodata_version": 1,
        }
        text = json.dumps(repodata, sort_keys=True).encode()
        (channel / subdir).mkdir(parents=True, exist_ok=True)
        (channel / subdir / "repodata.json").write_bytes(text)
        (channel / subdir / "repodata.json.zst").write_bytes(_zstd(text))


def _info(
    recipe: Recipe, content: Mapping[str, Entry], read: Mapping[str, bytes]
) -> dict[str, Entry]:
    paths = [_path(path, entry, read[path], content, read) for path, entry in content.items()]
    info: dict[str, Any] = {
        "about.json": {"license": "Apache-2.0", "summary": recipe.name},
        "index.json": recipe.index,
        "paths.json": {"paths": paths, "paths_version": 1},
    }
    if recipe.noarch == "python":
        info["link.json"] = {
            "noarch": {"entry_points": list(recipe.entry_points), "type": "python"},
            "package_metadata_version": 1,
        }
    elif recipe.noarch is True:  # as conda-build wrote it until 2023
        info["link.json"] = {"noarch": {"type": "True"}, "package_metadata_version": 1}
    texts = {f"info/{name}": json.dumps(data, indent=2) for name, data in info.items()}
    texts["info/files"] = "".join(f"{path}\n" for path in content)
    return {name: Entry(data=text.encode()) for name, text in sorted(texts.items())}


def _path(
    path: str,
    entry: Entry,
    data: bytes,
    content: Mapping[str, Entry],
    read: Mapping[str, bytes],
) -> dict[str, Any]:
    if entry.link is not None:
        target = (Path(path).parent / entry.link).as_posix()
        data = read.get(target, b"") if target in content else b""
    found = {
        "_path": path,
        "path_type": "hardlink" if entry.link is None else "softlink",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_in_bytes": len(data),
    }
    if entry.prefix:
        found |= {"file_mode": entry.prefix, "prefix_placeholder": PLACEHOLDER}
    return found


def _tar(content: Mapping[str, Entry], read: Mapping[str, bytes] | None = None) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, entry in content.items():
            member = tarfile.TarInfo(path)
            member.mtime = _EPOCH
            if entry.link is not None:
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.link, 0o777
                tar.addfile(member)
                continue
            data = entry.data if read is None or path not in read else read[path]
            member.size, member.mode = len(data), 0o755 if entry.executable else 0o644
            tar.addfile(member, io.BytesIO(data))
    return archive.getvalue()


def _conda(stem: str, package: bytes, info: bytes) -> bytes:
    members: Iterable[tuple[str, bytes]] = (
        ("metadata.json", json.dumps({"conda_pkg_format_version": 2}).encode()),
        (f"pkg-{stem}.tar.zst", _zstd(package)),
        (f"info-{stem}.tar.zst", _zstd(info)),
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as conda:
        for name, data in members:
            conda.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return archive.getvalue()


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL).compress(data)
