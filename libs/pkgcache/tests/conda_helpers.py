"""Conda packages made in the test, right ones and wrong ones."""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import zstandard

from envid.packages import Package
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec

from .helpers import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PLACEHOLDER = "/opt/placeholder".ljust(255, "_")
MTIME = 1_600_000_000


@dataclass(frozen=True)
class Entry:
    """A member of a package; `prefix` is the mode of a file that holds the placeholder."""

    data: bytes = b""
    link: str | None = None
    mode: int = 0o644
    prefix: str | None = None
    no_link: bool = False


def tar(members: Mapping[str, Entry | bytes], *extra: tarfile.TarInfo) -> bytes:
    """A tar with these members, and then others just as they are."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, found in members.items():
            entry = Entry(found) if isinstance(found, bytes) else found
            member = tarfile.TarInfo(path)
            member.mtime, member.mode = MTIME, entry.mode
            if entry.link is not None:
                member.type, member.linkname = tarfile.SYMTYPE, entry.link
            member.size = 0 if entry.link is not None else len(entry.data)
            archive.addfile(member, io.BytesIO(entry.data))
        for member in extra:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def special(name: str, kind: bytes, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, link, mode
    return member


@dataclass
class Conda:
    """What is in a package; everything can be changed before it is written."""

    name: str = "demo"
    version: str = "1.0"
    build: str = "h0_0"
    files: dict[str, Entry | bytes] = field(default_factory=lambda: {"share/demo.txt": b"demo\n"})
    noarch: str | None = None
    depends: tuple[str, ...] = ()
    entry_points: tuple[str, ...] = ()
    index: dict[str, Any] = field(default_factory=dict)
    info: dict[str, bytes] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"

    def path_entries(self) -> list[dict[str, Any]]:
        found = []
        for path, value in self.files.items():
            entry = Entry(value) if isinstance(value, bytes) else value
            one: dict[str, Any] = {
                "_path": path,
                "path_type": "hardlink" if entry.link is None else "softlink",
                "sha256": hashlib.sha256(entry.data).hexdigest(),
                "size_in_bytes": len(entry.data),
            }
            if entry.prefix:
                one |= {"file_mode": entry.prefix, "prefix_placeholder": PLACEHOLDER}
            if entry.no_link:
                one["no_link"] = True
            found.append(one)
        return found

    def info_files(self) -> dict[str, bytes]:
        index = {
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": 0,
            "depends": list(self.depends),
            "subdir": "noarch" if self.noarch else PLATFORM,
            **({"noarch": self.noarch} if self.noarch else {}),
            **self.index,
        }
        paths = {"paths": self.path_entries(), "paths_version": 1}
        found = {"index.json": json.dumps(index), "paths.json": json.dumps(paths)}
        if self.noarch:
            own = {"type": self.noarch, "entry_points": list(self.entry_points)}
            found["link.json"] = json.dumps({"noarch": own, "package_metadata_version": 1})
        texts = {**{name: text.encode() for name, text in found.items()}, **self.info}
        return {f"info/{name}": text for name, text in texts.items()}

    def tar_bz2(self, *extra: tarfile.TarInfo) -> bytes:
        return bz2.compress(tar({**self.info_files(), **self.files}, *extra))

    def conda(self, *extra: tarfile.TarInfo) -> bytes:
        parts = {
            "metadata.json": b'{"conda_pkg_format_version": 2}',
            f"pkg-{self.stem}.tar.zst": zstandard.compress(tar(self.files, *extra)),
            f"info-{self.stem}.tar.zst": zstandard.compress(tar(self.info_files())),
        }
        return stored_zip(parts.items())


def stored_zip(parts: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts:
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


def package_of(conda: Conda, data: bytes, suffix: str = ".conda") -> Package:
    """The record of a package with these bytes."""
    filename = conda.stem + suffix
    subdir = "noarch" if conda.noarch else PLATFORM
    return Package.make(
        kind="conda",
        name=conda.name,
        version=conda.version,
        build=conda.build,
        subdir=subdir,
        filename=filename,
        url=f"https://channel.test/main/{subdir}/{filename}",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        depends=[one.split()[0] for one in conda.depends],
        source="https://channel.test/main",
    )


def env_of(*packages: Package, python: str = "3.11.7") -> ResolvedEnv:
    spec = EnvSpec.make(requirements={"conda": ["demo"]}, python="==3.*")
    return ResolvedEnv.co_resolve(spec, {PLATFORM: (python, packages)}, resolved_by="tester")[0]
