"""What a wheel says of itself, by parts of it."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest

from pkgcache.archives.wheel_listing import read_file, read_listing
from pkgcache.errors import BadArchive, CacheError, DownloadError, HashMismatch
from pkgcache.web.download import Downloader
from pkgcache.web.patience import Patience

from .helpers import make_wheel, package_of, record_hash, record_of, wheel_files, zipped
from .server import cut, serving, status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from envid.packages import Package

    from .server import Server

FILE = "/demo-1.0-py3-none-any.whl"
NOISE = os.urandom(300_000)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture
def downloader() -> Iterator[Downloader]:
    with Downloader(patience=Patience(backoff=0.001, silence=0.5)) as found:
        yield found


def offered(server: Server, data: bytes) -> Package:
    server.files[FILE] = data
    return package_of(data, "demo", url=server.url("/"))


def metadata_first(files: Mapping[str, bytes]) -> bytes:
    """A wheel whose metadata does not lie at its end."""
    found = wheel_files("demo", files=files)
    found["demo-1.0.dist-info/RECORD"] = record_of(found, "demo-1.0.dist-info")
    return zipped(dict(sorted(found.items(), key=lambda one: "dist-info" not in one[0])))


def test_one_request_for_the_end_is_enough(server: Server, downloader: Downloader) -> None:
    files = {"demo/noise.bin": NOISE, "demo/__init__.py": b"x = 1\n"}
    package = offered(server, make_wheel("demo", files=files))
    listing = read_listing(package, downloader)
    assert listing.metadata.startswith("Metadata-Version: 2.1\nName: demo\n")
    assert listing.files["demo/__init__.py"] == record_hash(b"x = 1\n")
    assert len(server.seen) == 1
    assert server.sent[FILE] == 65536


@pytest.mark.parametrize("size", [True, False])
def test_what_lies_elsewhere_is_one_request_more(
    server: Server, downloader: Downloader, *, size: bool
) -> None:
    package = offered(server, metadata_first({"demo/noise.bin": NOISE}))
    package = package if size else package._replace(size=None)
    assert read_listing(package, downloader).files["demo/noise.bin"] == record_hash(NOISE)
    assert len(server.seen) == 2
    assert server.sent[FILE] < 70_000


def test_a_directory_that_is_larger_than_the_end(server: Server, downloader: Downloader) -> None:
    files = {f"demo/{'long' * 20}/{number}.py": b"" for number in range(1500)}
    package = offered(server, metadata_first(files))
    assert len(read_listing(package, downloader).files) == 1503
    assert len(server.seen) <= 3


def test_servers_without_ranges_send_all_of_it_once(server: Server, downloader: Downloader) -> None:
    server.ranges = False
    for known in (True, False):
        data = make_wheel("demo", files={"demo/noise.bin": NOISE})
        package = offered(server, data)
        package = package if known else package._replace(size=None)
        assert read_listing(package, downloader).files["demo/noise.bin"] == record_hash(NOISE)
    assert len(server.seen) == 2
    server.files[FILE] = make_wheel("demo", files={"demo/noise.bin": NOISE[::-1]})
    with pytest.raises(HashMismatch):
        read_listing(package, downloader)


def test_a_small_wheel_is_checked_as_a_whole(server: Server, downloader: Downloader) -> None:
    package = offered(server, make_wheel("demo"))
    server.files[FILE] = make_wheel("demo", files={"demo/__init__.py": b"NAME = 'dema'\n"})
    with pytest.raises(HashMismatch):
        read_listing(package, downloader)


def test_a_file_of_another_size_is_another_file(server: Server, downloader: Downloader) -> None:
    package = offered(server, make_wheel("demo", files={"demo/noise.bin": NOISE}))
    server.files[FILE] += b" "
    with pytest.raises(HashMismatch):
        read_listing(package, downloader)


def test_failures_are_tried_again_and_named(server: Server, downloader: Downloader) -> None:
    package = offered(server, make_wheel("demo", files={"demo/noise.bin": NOISE}))
    server.script[FILE] = [status(503), cut(1000)]
    assert read_listing(package, downloader).metadata
    server.script[FILE] = [status(404)]
    with pytest.raises(DownloadError) as caught:
        read_listing(package, downloader)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no wheel" * 10_000,
        make_wheel("demo")[:-10],
        zipped({"demo/__init__.py": b""}),
        zipped({"a-1.dist-info/METADATA": b"", "b-1.dist-info/METADATA": b""}),
    ],
)
def test_what_is_no_wheel_is_refused(server: Server, downloader: Downloader, data: bytes) -> None:
    package = offered(server, data)
    with pytest.raises(BadArchive):
        read_listing(package._replace(size=len(data) or None), downloader)


@pytest.mark.parametrize(
    "files",
    [
        {"../evil": b""},
        {"demo-1.0.dist-info/entry_points.txt": b"[console_scripts]\n../../evil = demo:x\n"},
        {"demo-1.0.dist-info/RECORD": b'"'},
        {"demo-1.0.dist-info/RECORD": b"\xff,\xff,,,,\n"},
        {"other-1.0.dist-info/METADATA": b""},
    ],
)
def test_what_unpacking_will_refuse_can_be_read(
    server: Server, downloader: Downloader, files: dict[str, bytes]
) -> None:
    package = offered(server, zipped({**wheel_files("demo"), **files}))
    listing = read_listing(package, downloader)
    assert "Name: demo" in listing.metadata
    assert listing.files["demo/__init__.py"] == ""


def test_who_wants_a_wheel_that_came_as_a_whole_gets_it(
    server: Server, downloader: Downloader
) -> None:
    came: list[bytes] = []

    def keep(wheel: Path | bytes) -> None:
        came.append(wheel if isinstance(wheel, bytes) else wheel.read_bytes())

    small = make_wheel("demo", files={"demo/noise.bin": NOISE[:200_000]})
    read_listing(offered(server, small), downloader, whole=keep)
    assert len(server.seen) == 1
    large = make_wheel("demo", files={"demo/noise.bin": NOISE})
    read_listing(offered(server, large), downloader, whole=keep)
    assert came == [small]
    server.ranges = False
    read_listing(offered(server, large), downloader, whole=keep)
    assert came == [small, large]


def test_what_is_small_needs_no_room_on_a_disk(
    server: Server, downloader: Downloader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    small = make_wheel("demo", files={"demo/noise.bin": NOISE[:200_000]})
    assert read_listing(offered(server, small), downloader, whole=lambda _: None).metadata
    large = make_wheel("demo", files={"demo/noise.bin": NOISE})
    with pytest.raises(CacheError):
        read_listing(offered(server, large), downloader)


@pytest.mark.slow
def test_absurd_metadata_is_not_fetched(server: Server, downloader: Downloader) -> None:
    files = wheel_files("demo")
    files["demo-1.0.dist-info/METADATA"] += b"x" * (65 << 20)
    files["demo-1.0.dist-info/RECORD"] = record_of(files, "demo-1.0.dist-info")
    package = offered(server, zipped(files))
    with pytest.raises(BadArchive, match="absurdly large"):
        read_listing(package, downloader)


def test_a_file_of_a_wheel(server: Server, downloader: Downloader, tmp_path: Path) -> None:
    data = make_wheel("demo", files={"demo/noise.bin": NOISE, "demo/__init__.py": b"x = 1\n"})
    package = offered(server, data)
    assert read_file(package, "demo/noise.bin", downloader) == NOISE
    assert read_file(package, "demo/__init__.py", downloader) == b"x = 1\n"
    with pytest.raises(BadArchive, match=r"no file `demo/absent\.py`"):
        read_file(package, "demo/absent.py", downloader)
    path = tmp_path / package.filename
    path.write_bytes(data)
    local = package._replace(url=path.as_uri())
    assert read_file(local, "demo/noise.bin", downloader) == NOISE
    assert read_listing(local, downloader) == read_listing(package, downloader)


def test_what_goes_to_site_packages(server: Server, downloader: Downloader) -> None:
    files = {
        "demo/__init__.py": b"1",
        "demo-1.0.data/purelib/pure.py": b"2",
        "demo-1.0.data/platlib/plat/deep.py": b"3",
        "demo-1.0.data/scripts/run": b"4",
        "demo-1.0.data/data/share/x": b"5",
    }
    package = offered(server, make_wheel("demo", files=files))
    found = {path: source for path, source, _ in read_listing(package, downloader).site_packages}
    assert {path: source for path, source in found.items() if ".dist-info" not in path} == {
        "demo/__init__.py": "demo/__init__.py",
        "pure.py": "demo-1.0.data/purelib/pure.py",
        "plat/deep.py": "demo-1.0.data/platlib/plat/deep.py",
    }
