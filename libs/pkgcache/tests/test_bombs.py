"""Archives that would fill the memory or the disk, or never end: stopped early, memory flat.

Memory is that of a process of its own, in MB, beyond what a small package takes there.
"""

from __future__ import annotations

import bz2
import functools
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

from .conda_helpers import Conda, stored_zip, tar
from .helpers import make_wheel, record_of, wheel_files, zipped

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = {
    "wheel": "demo-1.0-py3-none-any.whl",
    "conda": "demo-1.0-h0_0.conda",
    "tar.bz2": "demo-1.0-h0_0.tar.bz2",
}
LARGE = 128 << 20  # more than the 64 MB that any package may have, and far more than is flat
FLAT = 48

PROGRAM = """
import json, pathlib, sys
from pkgcache.archives import conda_packages, records, wheels
from pkgcache.errors import BadArchive

archive, folder, limits = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), json.loads(sys.argv[3])
unpack = wheels.unpack if archive.suffix == ".whl" else conda_packages.unpack
try:
    unpack(archive, folder, limits=records.PackageLimits(**limits))
    said = ""
except BadArchive as error:
    said = str(error)
written = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
# Not `ru_maxrss`, which has also what the process was forked from.
status = pathlib.Path("/proc/self/status").read_text()
memory = int(status.partition("VmHWM:")[2].split()[0])
print(json.dumps([said, written >> 20, memory / 1024]))
"""


def unpacked(folder: Path, kind: str, data: bytes, **limits: int) -> tuple[str, int, float]:
    """What is said of an archive, the MB that are written, and the memory that it takes."""
    said, written, memory = run(folder, kind, data, **limits)
    return said, written, memory - of_a_small_one(kind)


@functools.cache
def of_a_small_one(kind: str) -> float:
    """The memory that the process has anyway."""
    with tempfile.TemporaryDirectory() as folder:
        said, _, memory = run(Path(folder), kind, good(kind))
    assert said == ""
    return memory


def run(folder: Path, kind: str, data: bytes, **limits: int) -> tuple[str, int, float]:
    archive = folder / NAMES[kind]
    archive.write_bytes(data)
    words = [str(archive), str(folder / "unpacked"), json.dumps(limits)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True
    )
    said, written, memory = json.loads(done.stdout)
    return said, written, memory


@functools.cache
def large(kind: str) -> bytes:
    return good(kind, bytes(LARGE))


def good(kind: str, content: bytes = b"demo\n") -> bytes:
    if kind == "wheel":
        return make_wheel("demo", files={"demo/data": content})
    conda = Conda(files={"share/demo.txt": content})
    return conda.conda() if kind == "conda" else conda.tar_bz2()


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMES)
def test_what_is_far_too_large_is_stopped_early(tmp_path: Path, kind: str) -> None:
    said, written, memory = unpacked(tmp_path, kind, large(kind))
    assert "unpacks to more than 200 times its size" in said
    assert written <= 64
    assert memory < FLAT


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMES)
def test_what_is_large_and_allowed_takes_no_more_memory(tmp_path: Path, kind: str) -> None:
    said, written, memory = unpacked(tmp_path, kind, large(kind), ratio=1 << 40)
    assert (said, written) == ("", LARGE >> 20)
    assert memory < FLAT


def without_end(archive: bytes) -> bytes:
    archive = archive.rstrip(b"\0")
    return archive + bytes(-len(archive) % 512)


def endless(kind: str, pieces: Iterator[bytes]) -> bytes:
    """A package whose tar has these pieces behind its files, compressed as they come."""
    if kind == "tar.bz2":
        conda = Conda()
        start, packer = tar({**conda.info_files(), **conda.files}), bz2.BZ2Compressor()
        parts = [packer.compress(without_end(start)), *map(packer.compress, pieces), packer.flush()]
        return b"".join(parts)
    conda, squeezer = Conda(), zstandard.ZstdCompressor(level=1).compressobj()
    start = tar(conda.files)
    parts = [
        squeezer.compress(without_end(start)),
        *map(squeezer.compress, pieces),
        squeezer.flush(),
    ]
    return stored_zip(
        [
            ("metadata.json", b'{"conda_pkg_format_version": 2}'),
            (f"pkg-{conda.stem}.tar.zst", b"".join(parts)),
            (f"info-{conda.stem}.tar.zst", zstandard.compress(tar(conda.info_files()))),
        ]
    )


ROOT = tarfile.TarInfo(".")
ROOT.type = tarfile.DIRTYPE
PIECES = {
    "zeros behind the end": bytes(1 << 20),
    "headers without a member": tarfile.TarInfo.create_pax_global_header(
        {"comment": "x" * 1_000_000}
    ),
    "folders that are the root": ROOT.tobuf() * 2000,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["conda", "tar.bz2"])
@pytest.mark.parametrize("piece", PIECES)
def test_what_is_no_file_and_never_ends_is_stopped(tmp_path: Path, kind: str, piece: str) -> None:
    data = endless(kind, iter([PIECES[piece]] * 80))
    said, written, memory = unpacked(tmp_path, kind, data, files=1000)
    assert "unpacks to more than its files can need" in said
    assert written == 0
    assert memory < FLAT


DEEP = "/".join("d" * 100_000)


@pytest.mark.parametrize("kind", ["conda", "tar.bz2"])
@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo(DEEP).tobuf(tarfile.PAX_FORMAT),
        tarfile.TarInfo(DEEP).tobuf(tarfile.GNU_FORMAT),
    ],
    ids=["pax", "gnu"],
)
def test_a_path_of_100000_folders_is_refused(tmp_path: Path, kind: str, member: bytes) -> None:
    data = endless(kind, iter([member, bytes(1024)]))
    said, written, memory = unpacked(tmp_path, kind, data)
    assert "which is too long" in said
    assert len(said) < 1000
    assert (written, memory < FLAT) == (0, True)


def test_a_path_of_32000_folders_in_a_wheel_is_refused(tmp_path: Path) -> None:
    deep = DEEP[:65_533]
    files = wheel_files("demo", files={deep: b"", f"{deep}x": b""})
    info = "demo-1.0.dist-info"
    data = zipped({**files, f"{info}/RECORD": record_of(files, info)})
    said, written, memory = unpacked(tmp_path, "wheel", data)
    assert "is too long" in said
    assert len(said) < 1000
    assert (written, memory < FLAT) == (0, True)


@pytest.mark.slow
def test_an_archive_in_an_archive_is_a_file(tmp_path: Path) -> None:
    """Nothing is unpacked but the package itself, however deep others are nested in it."""
    data = make_wheel("inner", files={"bomb": bytes(LARGE)})
    for _ in range(5):
        data = make_wheel("demo", files={"demo/data": data})
    said, written, _ = unpacked(tmp_path, "wheel", data)
    assert (said, written) == ("", 0)
