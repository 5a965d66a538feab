"""What is built here has the tags of what its files need: compiled for real, read for real."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from packaging.utils import parse_wheel_filename

from envid.platforms import host_platform
from pkgcache.progress import NoProgress
from resolvers.content import content_digest
from resolvers.errors import BuildFailed, NeedsPlatform
from resolvers.targets import needed_glibc, own_glibc
from resolvers.testing import Distribution, FakeIndex, make_sdist, make_wheel

from .helpers import THIS_PYTHON, resolve_all, spec_of

if TYPE_CHECKING:
    from pathlib import Path

    from envid.packages import Package
    from resolvers.request import Resolution

HOST = host_platform()
MACHINE = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}.get(HOST, "")
OTHER = "osx-arm64"
SERIES = f"cp{sys.version_info[0]}{sys.version_info[1]}"

pytestmark = [
    pytest.mark.skipif(not MACHINE or own_glibc() is None, reason="not a Linux with glibc"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
]

# Since 2.34, what starts a thread is another version of the symbol, which older systems lack.
SOURCE = """
#include <pthread.h>
#include <math.h>
static void *run(void *x) { return x; }
int entry(double x) { pthread_t t; return pthread_create(&t, 0, run, 0) + (int)pow(x, x); }
"""
BACKEND = """
import pathlib, subprocess, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name, tag, inside, *options = pathlib.Path("what.txt").read_text().split()
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "out.so", "m.c", *options], check=True)
    stem = f"{name}-1"
    files = {
        inside: pathlib.Path("out.so").read_bytes(),
        f"{stem}.dist-info/METADATA": pathlib.Path("PKG-INFO").read_bytes(),
        f"{stem}.dist-info/WHEEL":
            f"Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: {tag}\\n".encode(),
        f"{stem}.dist-info/RECORD":
            f"{inside},,\\n{stem}.dist-info/METADATA,,\\n{stem}.dist-info/WHEEL,sha256=x,1\\n"
            f"{stem}.dist-info/RECORD,,\\n".encode(),
    }
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / f"{stem}-{tag}.whl", "w") as wheel:
        for path, data in files.items():
            wheel.writestr(zipfile.ZipInfo(path), data)
    return f"{stem}-{tag}.whl"
"""


def make_native(
    name: str, tag: str = f"py3-none-linux_{MACHINE}", inside: str = "a.so", options: str = "-lm"
) -> Distribution:
    """An sdist whose backend compiles a shared library, and calls the wheel what it is told."""
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        "backend.py": BACKEND,
        "m.c": SOURCE,
        "what.txt": f"{name} {tag} {inside} {options}",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        f'backend-path = ["."]\n[project]\nname = "{name}"\nversion = "1"\n',
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as sdist:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-1/{path}")
            member.size = len(text.encode())
            sdist.addfile(member, io.BytesIO(text.encode()))
    metadata = files["PKG-INFO"]
    return Distribution(
        name=name, filename=f"{name}-1.tar.gz", data=archive.getvalue(), metadata=metadata
    )


def build(
    folder: Path, sdist: Distribution, glibc: str = "2.17", platform: str = HOST, **context: Any
) -> tuple[Resolution, Package]:
    with FakeIndex(sdist) as index:
        spec = spec_of(sdist.name, index=index.url, python=THIS_PYTHON, sys=[f"__glibc={glibc}"])
        found = resolve_all(spec, folder, (platform,), **context)[platform]
    (package,) = found.packages
    return found, package


def symbols(wheel: Path) -> tuple[int, int]:
    """The newest glibc that a file names, whatever reads it."""
    with zipfile.ZipFile(wheel) as archive:
        data = next(archive.read(one) for one in archive.namelist() if one.endswith(".so"))
    return max((int(x), int(y)) for x, y in re.findall(rb"GLIBC_(\d+)\.(\d+)\b", data))


@pytest.mark.slow
def test_a_wheel_is_tagged_by_the_symbols_of_its_files(tmp_path: Path) -> None:
    found, package = build(tmp_path, make_native("native"))
    (artifact,) = found.artifacts
    needs = max(symbols(artifact.path), (2, 17))
    assert needed_glibc(package.filename) == needs
    assert package.filename == (f"native-1-py3-none-manylinux_{needs[0]}_{needs[1]}_{MACHINE}.whl")
    with zipfile.ZipFile(artifact.path) as archive:
        assert archive.testzip() is None
        assert len(set(archive.namelist())) == len(archive.namelist())
        wheel = archive.read("native-1.dist-info/WHEEL")
        rows = csv.reader(io.StringIO(archive.read("native-1.dist-info/RECORD").decode()))
        recorded = {row[0]: row[1:] for row in rows}
    digest = base64.urlsafe_b64encode(hashlib.sha256(wheel).digest()).decode().rstrip("=")
    assert recorded["native-1.dist-info/WHEEL"] == [f"sha256={digest}", str(len(wheel))]
    tags = {line.removeprefix("Tag: ") for line in wheel.decode().splitlines() if "Tag:" in line}
    assert tags == {str(tag) for tag in parse_wheel_filename(package.filename)[3]}
    assert b"Root-Is-Purelib: false" in wheel


@pytest.mark.slow
def test_what_needs_more_than_the_floor_is_noted_here(tmp_path: Path) -> None:
    own = own_glibc()
    assert own
    found, package = build(tmp_path, make_native("native"))
    needs = needed_glibc(package.filename)
    assert needs
    if needs > (2, 17):
        (note,) = found.notes
        assert package.filename in note
        assert f"more than {HOST} is taken to have (glibc 2.17)" in note
    # The same wheel again, where that much is taken to be there.
    again, same = build(tmp_path, make_native("native"), glibc=f"{needs[0]}.{needs[1]}")
    assert (same.hashes, again.notes) == (package.hashes, ())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inside", "tag"),
    [
        ("pkg/data.so", "py3-none"),
        (f"pkg/mod.cpython-{SERIES[2:]}-{MACHINE}-linux-gnu.so", f"{SERIES}-{SERIES}"),
        ("pkg/mod.abi3.so", "py3-none"),
    ],
)
def test_a_wheel_that_is_called_pure_and_is_not(tmp_path: Path, inside: str, tag: str) -> None:
    sdist = make_native("native", tag="py3-none-any", inside=inside)
    _, package = build(tmp_path, sdist)
    assert package.filename.startswith(f"native-1-{tag}-manylinux_")
    with pytest.raises(NeedsPlatform) as caught:
        build(tmp_path, sdist, platform=OTHER)
    assert "only the source of 1 is published" in str(caught.value)


@pytest.mark.slow
def test_what_a_backend_says_of_glibc_counts_less_than_the_files(tmp_path: Path) -> None:
    _, package = build(tmp_path, make_native("native", tag=f"py3-none-manylinux1_{MACHINE}"))
    assert "manylinux1" not in package.filename
    assert needed_glibc(package.filename)


@pytest.mark.slow
def test_a_local_directory_is_no_exception(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(make_native("native").data)) as archive:
        archive.extractall(tmp_path, filter="data")
    tree = tmp_path / "native-1"
    digest = content_digest(tree)
    spec = spec_of(f"native @ file:native-1#sha256={digest}", sys=["__glibc=2.17"])
    found = resolve_all(spec, tmp_path, (HOST,), local_paths={digest: tree})[HOST]
    (package,) = found.packages
    assert needed_glibc(package.filename) == max(symbols(found.artifacts[0].path), (2, 17))


@pytest.mark.slow
def test_libraries_of_the_system_are_noted(tmp_path: Path) -> None:
    source = "int other(void) { return 1; }"
    (tmp_path / "other.c").write_text(source)
    library = tmp_path / "libother.so"
    subprocess.run(["cc", "-shared", "-o", library, tmp_path / "other.c"], check=True)
    options = f"-lm -Wl,--no-as-needed -L{tmp_path} -lother"
    found, _ = build(tmp_path, make_native("native", options=options), glibc="2.999")
    assert found.notes == ("native: what was built here needs `libother.so` of the system",)


@pytest.mark.slow
def test_what_was_built_for_a_newer_system_does_not_serve_here(tmp_path: Path) -> None:
    newer = make_wheel("native", "1", tag=f"py3-none-manylinux_2_999_{MACHINE}").write(tmp_path)
    _, package = build(tmp_path, make_native("native"), built_wheel=lambda _: newer)
    assert package.filename != newer.name
    here, package = build(
        tmp_path / "newer", make_native("native"), "2.999", built_wheel=lambda _: newer
    )
    assert (package.filename, here.notes) == (newer.name, ())


@pytest.mark.slow
def test_a_wheel_that_nobody_has_looked_into_is_built_again(tmp_path: Path) -> None:
    found, package = build(tmp_path, make_native("native"))
    (artifact,) = found.artifacts
    untagged = tmp_path / f"native-1-py3-none-linux_{MACHINE}.whl"
    shutil.copy(artifact.path, untagged)
    shutil.rmtree(tmp_path / "engines" / "built")
    _, again = build(tmp_path, make_native("native"), built_wheel=lambda _: untagged)
    assert again.filename == package.filename


@pytest.mark.slow
def test_the_reason_of_a_build_stands_with_its_failure(tmp_path: Path) -> None:
    said: list[str] = []

    class Progress(NoProgress):
        def note(self, text: str) -> None:
            said.append(text)

    broken = make_sdist(tmp_path, "broken", "1", tag="broken")
    with pytest.raises(BuildFailed) as caught:
        build(tmp_path, broken, progress=Progress())
    why = "only the source of 1 is published"
    assert str(caught.value).startswith(f"cannot build `broken` (it must be built: {why}): ")
    assert f"building a wheel of broken: {why}" in said
