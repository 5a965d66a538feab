from __future__ import annotations

import base64
import csv
import hashlib
import io
import platform
import random
import sys
import time
import zipfile
from collections import Counter
from typing import TYPE_CHECKING

from envid.packages import Package
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec

from .children import SPAWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pkgcache.local.cache import PackageCache
    from pkgcache.progress import Unit

PYTHON = platform.python_version()
PLATFORM = {
    ("linux", "x86_64"): "linux-64",
    ("linux", "aarch64"): "linux-aarch64",
    ("darwin", "arm64"): "osx-arm64",
    ("darwin", "x86_64"): "osx-64",
}[sys.platform, platform.machine()]


def record_hash(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"


def wheel_files(
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, bytes] | None = None,
    entry_points: str = "",
    purelib: bool = True,
) -> dict[str, bytes]:
    """The members of a valid wheel, RECORD excepted."""
    info = f"{name}-{version}.dist-info"
    found = {f"{name}/__init__.py": f"NAME = {name!r}\n".encode()} if files is None else {**files}
    found[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    )
    found[f"{info}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: test\n"
        f"Root-Is-Purelib: {str(purelib).lower()}\nTag: py3-none-any\n"
    ).encode()
    if entry_points:
        found[f"{info}/entry_points.txt"] = entry_points.encode()
    return found


def record_of(files: Mapping[str, bytes], info: str) -> bytes:
    text = io.StringIO(newline="")
    rows = [(path, record_hash(data), len(data)) for path, data in files.items()]
    csv.writer(text, lineterminator="\n").writerows([*rows, (f"{info}/RECORD", "", "")])
    return text.getvalue().encode(errors="surrogateescape")


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            info = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o755 if path.endswith(".sh") else 0o644) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def make_wheel(
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, bytes] | None = None,
    entry_points: str = "",
    purelib: bool = True,
) -> bytes:
    """A valid wheel."""
    found = wheel_files(name, version, files=files, entry_points=entry_points, purelib=purelib)
    info = f"{name}-{version}.dist-info"
    return zipped({**found, f"{info}/RECORD": record_of(found, info)})


def package_of(
    data: bytes, name: str, version: str = "1.0", *, url: str = "https://files.test/"
) -> Package:
    """The record of a wheel with these bytes."""
    filename = f"{name}-{version}-py3-none-any.whl"
    return Package.make(
        kind="pypi",
        name=name,
        version=version,
        filename=filename,
        url=url + filename,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
    )


def env_of(*packages: Package, requirement: str = "anything") -> ResolvedEnv:
    """A resolved environment of this machine's platform and interpreter."""
    spec = EnvSpec.make(requirements={"pypi": [requirement]}, python="==3.*")
    found = {PLATFORM: (PYTHON, packages)}
    return ResolvedEnv.co_resolve(spec, found, resolved_by="tester")[0]


def kill_while_creating(
    create: Callable[[Path, Path, str], None],
    prefix: Path,
    cache: PackageCache,
    envs: Sequence[ResolvedEnv],
) -> Iterator[None]:
    """Create the environments in turn at one prefix, each in a process that is killed meanwhile."""
    chance = random.Random(3)
    new = prefix.with_name(f".{prefix.name}.mfenv-new")
    for attempt in range(8):
        args = (prefix, cache.root, envs[attempt % len(envs)].to_json())
        child = SPAWN.Process(target=create, args=args)
        child.start()
        while child.is_alive() and not new.exists():
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.3))
        child.kill()
        child.join()
        yield


def create_at_once(
    create: Callable[[Path, Path, str], None], prefix: Path, cache: PackageCache, env: ResolvedEnv
) -> None:
    """Create an environment in several processes at once, which must all succeed."""
    args = (prefix, cache.root, env.to_json())
    children = [SPAWN.Process(target=create, args=args) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]


class Recorder:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.labels: list[str] = []
        self.files: Counter[str] = Counter()
        self.advanced = 0

    def start(self, label: str, total: int | None, unit: Unit) -> Recorder:
        self.labels.append(label)
        if unit == "files":
            self.files[label] += total or 0
        return self

    def advance(self, amount: int = 1) -> None:
        self.advanced += amount

    def done(self) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)
