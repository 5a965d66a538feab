"""What a package says is in it: read from a server with as few bytes as there need be."""

from __future__ import annotations

import bz2
import hashlib
import json
import random
import tarfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from envid.packages import Package
from pkgcache.archives.conda_listing import read_file, read_listing
from pkgcache.archives.conda_packages import unpack
from pkgcache.errors import (
    BadArchive,
    CacheError,
    DownloadError,
    HashMismatch,
)
from pkgcache.web.credentials import Credentials
from pkgcache.web.download import Downloader
from pkgcache.web.patience import Patience
from pkgcache.web.receiving import Cancelled

from .conda_helpers import Conda, Entry, package_of, special, stored_zip, tar
from .server import body, cut, drip, reset, serving, slam, stall, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .server import Answer, Handler, Server

SHARED = Path(__file__).parents[4] / "shared" / "data" / "packages"
FORMATS = (".conda", ".tar.bz2")
# Not to be compressed, so that the parts are as large as they look.
NOISE = random.Random(0).randbytes(3 << 20)
SITE = "lib/python3.11/site-packages"
DEMO = Conda(
    files={
        f"{SITE}/demo/__init__.py": b"",
        f"{SITE}/demo-1.0.dist-info/METADATA": b"Name: demo\nVersion: 1.0\n",
        "lib/libdemo.so": Entry(link="libdemo.so.1"),
        "lib/libdemo.so.1": NOISE,
    }
)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture
def downloader() -> Iterator[Downloader]:
    with Downloader(patience=Patience(backoff=0.001, silence=0.5)) as found:
        yield found


def archive(conda: Conda, suffix: str) -> bytes:
    return conda.conda() if suffix == ".conda" else conda.tar_bz2()


def offered(server: Server, conda: Conda, data: bytes, suffix: str = ".conda") -> Package:
    """The record of a package that lies on the server."""
    path = f"/{conda.stem}{suffix}"
    server.files[path] = data
    return package_of(conda, data, suffix)._replace(url=server.url(path))


def path_of(package: Package) -> str:
    return f"/{package.filename}"


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_paths_and_the_index_are_read(
    server: Server, downloader: Downloader, suffix: str
) -> None:
    package = offered(server, DEMO, archive(DEMO, suffix), suffix)
    found = read_listing(package, downloader)
    assert found.paths == tuple(DEMO.files)
    assert (found.index["name"], found.index["version"]) == ("demo", "1.0")
    assert found.noarch is None


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("place", ["index.json", "link.json"])
def test_noarch_is_known_as_it_is_when_a_package_is_linked(
    server: Server, downloader: Downloader, suffix: str, place: str
) -> None:
    link = {"noarch": {"type": "python"}, "package_metadata_version": 1}
    conda = (
        Conda(noarch="python")
        if place == "index.json"
        else Conda(info={"link.json": json.dumps(link).encode()})
    )
    package = offered(server, conda, archive(conda, suffix), suffix)
    assert read_listing(package, downloader).noarch == "python"


def test_the_end_of_a_conda_file_is_enough(server: Server, downloader: Downloader) -> None:
    package = offered(server, DEMO, DEMO.conda())
    read_listing(package, downloader)
    (seen,) = server.seen
    assert package.size
    assert seen.headers["range"] == f"bytes={package.size - 65536}-{package.size - 1}"
    assert server.sent[seen.path] == 64 << 10


def test_a_list_beyond_the_end_takes_one_more_request(
    server: Server, downloader: Downloader
) -> None:
    conda = replace(DEMO, info={"recipe/data.bin": NOISE[: 100 << 10]})
    package = offered(server, conda, conda.conda())
    assert read_listing(package, downloader).paths == tuple(DEMO.files)
    assert server.count(path_of(package)) == 2
    # The list with what lies behind it, and nothing twice.
    assert 100 << 10 < server.sent[path_of(package)] < 110 << 10


def test_a_list_in_front_of_all_else_is_found(server: Server, downloader: Downloader) -> None:
    parts = [
        ("metadata.json", b'{"conda_pkg_format_version": 2}'),
        (f"info-{DEMO.stem}.tar.zst", zstandard.compress(tar(DEMO.info_files()))),
        (f"pkg-{DEMO.stem}.tar.zst", zstandard.compress(tar(DEMO.files))),
    ]
    package = offered(server, DEMO, stored_zip(parts))
    assert read_listing(package, downloader).paths == tuple(DEMO.files)
    assert server.count(path_of(package)) == 2
    assert server.sent[path_of(package)] < 70 << 10


def test_a_small_package_comes_whole_and_is_checked(server: Server, downloader: Downloader) -> None:
    conda = Conda()
    package = offered(server, conda, conda.conda())
    assert read_listing(package, downloader).paths == ("share/demo.txt",)
    assert server.count(path_of(package)) == 1
    wrong = package._replace(hashes=package.hashes._replace(sha256="0" * 64))
    with pytest.raises(HashMismatch):
        read_listing(wrong, downloader)


@pytest.mark.slow
def test_a_tar_is_read_to_the_end_of_its_info(server: Server, downloader: Downloader) -> None:
    package = offered(server, DEMO, DEMO.tar_bz2(), ".tar.bz2")
    server.script[path_of(package)] = [stall(1.5)]  # Who wants the other half asks again.
    assert read_listing(package, downloader).paths == tuple(DEMO.files)
    assert server.count(path_of(package)) == 1


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_server_without_ranges_sends_everything_once(
    server: Server, downloader: Downloader, suffix: str
) -> None:
    server.ranges = False
    conda = replace(DEMO, info={"recipe/data.bin": NOISE[: 100 << 10]})
    package = offered(server, conda, archive(conda, suffix), suffix)
    assert read_listing(package, downloader).paths == tuple(DEMO.files)
    assert server.count(path_of(package)) == 1


def bare_range(handler: Handler) -> None:
    """A part of which nobody says where it belongs."""
    start, stop = handler.asked
    handler.send(206, handler.content[start:stop])


@pytest.mark.parametrize(
    "answer",
    [
        bare_range,
        lambda handler: handler.send_range(7, 70_000),
        status(416),
    ],
)
def test_a_server_whose_ranges_are_wrong_is_asked_for_everything(
    server: Server, downloader: Downloader, answer: Answer
) -> None:
    package = offered(server, DEMO, DEMO.conda())
    server.script[path_of(package)] = [answer]
    assert read_listing(package, downloader).paths == tuple(DEMO.files)
    assert [("range" in seen.headers) for seen in server.seen] == [True, False]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    "answers",
    [
        [status(503), status(429, {"Retry-After": "0"})],
        [reset()],
        [slam()],
        [cut(100)],
        [body(b"<html>log in to the guest network</html>")],
    ],
)
def test_what_may_pass_is_tried_again(
    server: Server, downloader: Downloader, suffix: str, answers: list[Answer]
) -> None:
    package = offered(server, DEMO, archive(DEMO, suffix), suffix)
    server.script[path_of(package)] = list(answers)
    assert read_listing(package, downloader).paths == tuple(DEMO.files)


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_does_not_pass_is_an_error(
    server: Server, downloader: Downloader, suffix: str
) -> None:
    package = offered(server, DEMO, archive(DEMO, suffix), suffix)
    server.script[path_of(package)] = [status(404)]
    with pytest.raises(DownloadError) as caught:
        read_listing(package, downloader)
    assert (caught.value.status, caught.value.retryable) == (404, False)
    with Downloader(offline=True) as offline, pytest.raises(DownloadError, match="switched off"):
        read_listing(package, offline)
    assert server.count(path_of(package)) == 1


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_server_that_drips_is_given_up(
    server: Server, downloader: Downloader, suffix: str
) -> None:
    package = offered(server, DEMO, archive(DEMO, suffix), suffix)
    server.script[path_of(package)] = [drip(0)] * 20
    with pytest.raises(DownloadError, match="less than 1000 bytes per second"):
        read_listing(package, downloader)
    assert server.count(path_of(package)) == downloader.patience.tries


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("answers", [[], [status(503)]])
def test_it_ends_when_it_is_called_off(
    server: Server, downloader: Downloader, suffix: str, answers: list[Answer]
) -> None:
    package = offered(server, DEMO, archive(DEMO, suffix), suffix)
    server.script[path_of(package)] = list(answers)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        read_listing(package, downloader, stop=stop)
    assert server.count(path_of(package)) == 1


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_of_another_size_is_another_file(
    server: Server, downloader: Downloader, suffix: str
) -> None:
    data = archive(DEMO, suffix)
    package = offered(server, DEMO, data, suffix)
    with pytest.raises(HashMismatch, match=f"{len(data)} bytes, expected {len(data) + 1} bytes"):
        read_listing(package._replace(size=len(data) + 1), downloader)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_channel_on_this_machine_needs_no_server(
    tmp_path: Path, downloader: Downloader, suffix: str
) -> None:
    path = tmp_path / f"{DEMO.stem}{suffix}"
    data = archive(DEMO, suffix)
    path.write_bytes(data)
    package = package_of(DEMO, data, suffix)._replace(url=path.as_uri())
    assert read_listing(package, downloader).paths == tuple(DEMO.files)
    path.unlink()
    with pytest.raises(DownloadError, match="no such file"):
        read_listing(package, downloader)


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_index_may_leave_the_size_out(
    server: Server, downloader: Downloader, suffix: str
) -> None:
    package = offered(server, DEMO, archive(DEMO, suffix), suffix)._replace(size=None)
    assert read_listing(package, downloader).paths == tuple(DEMO.files)


def test_logins_and_tokens_of_a_channel_are_used(server: Server) -> None:
    package = offered(server, DEMO, DEMO.conda())
    server.files[f"/t/secret{path_of(package)}"] = server.files.pop(path_of(package))
    credentials = Credentials()
    credentials.add(server.url("/t/secret").replace("://", "://me:word@"))
    with Downloader(credentials) as downloader:
        assert read_listing(package, downloader).paths == tuple(DEMO.files)
    assert {seen.login for seen in server.seen} == {"me:word"}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("behind", [False, True])
def test_packages_from_before_paths_json_are_read(
    server: Server, downloader: Downloader, suffix: str, behind: bool
) -> None:
    info = {name: data for name, data in DEMO.info_files().items() if "paths" not in name}
    info["info/files"] = "".join(f"{path}\n" for path in DEMO.files).encode()
    members = {**DEMO.files, **info} if behind else {**info, **DEMO.files}
    data = (
        bz2.compress(tar(members))
        if suffix == ".tar.bz2"
        else stored_zip(
            [
                ("metadata.json", b'{"conda_pkg_format_version": 2}'),
                (f"pkg-{DEMO.stem}.tar.zst", zstandard.compress(tar(DEMO.files))),
                (f"info-{DEMO.stem}.tar.zst", zstandard.compress(tar(info))),
            ]
        )
    )
    package = offered(server, DEMO, data, suffix)
    assert read_listing(package, downloader).paths == tuple(DEMO.files)


def test_a_list_of_folders_is_one_of_files(server: Server, downloader: Downloader) -> None:
    entries = [
        {"_path": "share/empty", "path_type": "directory"},
        {"_path": "share/demo.txt", "path_type": "hardlink"},
    ]
    paths = json.dumps({"paths": entries, "paths_version": 1}).encode()
    conda = Conda(info={"paths.json": paths})
    package = offered(server, conda, conda.conda())
    assert read_listing(package, downloader).paths == ("share/demo.txt",)


def with_info(info: bytes, extra: Callable[[bytes], bytes] = zstandard.compress) -> bytes:
    """A `.conda` whose `info` is this archive."""
    return stored_zip(
        [
            ("metadata.json", b'{"conda_pkg_format_version": 2}'),
            (f"pkg-{DEMO.stem}.tar.zst", zstandard.compress(tar(DEMO.files))),
            (f"info-{DEMO.stem}.tar.zst", extra(info)),
        ]
    )


def long_window(data: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    engine = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return engine.compress(data) + engine.flush()  # which knows no size, and so promises a window


def changed(name: str, value: Any) -> bytes:
    return tar({**DEMO.info_files(), f"info/{name}": json.dumps(value).encode()})


def listed(path: str) -> bytes:
    entry = {"_path": path, "path_type": "hardlink"}
    return changed("paths.json", {"paths": [entry], "paths_version": 1})


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "no zip": (lambda: NOISE, "not a zip file"),
    "an end that lies": (lambda: NOISE[:200_000] + b"PK\5\6" + bytes(18), "directory"),
    "no list": (lambda: with_info(tar({"info/index.json": b"{}"})), "index.json"),
    "nothing": (lambda: with_info(tar({})), "has no info/index.json"),
    "no tar": (lambda: with_info(b"\x01" * 1000), "text for a number"),
    "no zstd": (lambda: with_info(b"", lambda _: NOISE[:1000]), "cannot be decompressed"),
    "memory": (lambda: with_info(tar(DEMO.info_files()), long_window), "too much memory"),
    "a bomb": (lambda: with_info(tar({"info/x": bytes(70 << 20)})), "unpacks to more"),
    "a long list": (lambda: with_info(tar({"info/paths.json": bytes(65 << 20)})), "larger than"),
    "a link": (
        lambda: with_info(tar({}, special("info/index.json", tarfile.SYMTYPE, "/etc/passwd"))),
        "not as a file",
    ),
    "twice": (
        lambda: with_info(tar(DEMO.info_files(), special("info/paths.json", tarfile.REGTYPE))),
        "twice",
    ),
    "another package": (lambda: with_info(changed("index.json", {"name": "a"})), "index.json"),
    "a path that leads out": (lambda: with_info(listed("../../etc/passwd")), "leads out"),
    "an absolute path": (lambda: with_info(listed("/etc/passwd")), "is absolute"),
    "no paths": (
        lambda: with_info(changed("paths.json", {"paths_version": 1})),
        "no list of paths",
    ),
    "not its own": (lambda: Conda(name="other").conda(), "lacks `info-demo-1.0-h0_0.tar.zst`"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_package_is_refused(server: Server, downloader: Downloader, kind: str) -> None:
    make, reason = HOSTILE[kind]
    package = offered(server, DEMO, make())
    with pytest.raises(BadArchive) as caught:
        read_listing(package, downloader)
    assert reason in str(caught.value)


def tar_bz2(*parts: bytes) -> bytes:
    return bz2.compress(b"".join(parts))


TARS: dict[str, tuple[Callable[[], bytes], str]] = {
    "no bzip2": (lambda: NOISE, "cannot be decompressed"),
    "half of it": (lambda: DEMO.tar_bz2()[:300], "cannot be decompressed"),
    "no tar": (lambda: bz2.compress(b"\x01" * 1000), "text for a number"),
    "zeros": (lambda: bz2.compress(bytes(70 << 20)), "unpacks to more"),
    "a bomb": (lambda: bz2.compress(tar({"share/x": bytes(70 << 20)})), "unpacks to more"),
    "a long list": (lambda: bz2.compress(tar({"info/files": bytes(63 << 20)})), "no info/index"),
    "no list": (lambda: bz2.compress(tar({"share/x": b""})), "has no info/index.json"),
}


_LARGE = {"zeros", "a bomb", "a long list"}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in _LARGE)) for kind in TARS]
)
def test_what_is_no_tar_is_refused(server: Server, downloader: Downloader, kind: str) -> None:
    make, reason = TARS[kind]
    package = offered(server, DEMO, make(), ".tar.bz2")
    with pytest.raises(BadArchive, match=reason):
        read_listing(package, downloader)


def test_a_package_of_no_known_format_is_refused(server: Server, downloader: Downloader) -> None:
    package = offered(server, DEMO, DEMO.conda(), ".zip")
    with pytest.raises(BadArchive, match="its name is not that of a conda package"):
        read_listing(package, downloader)


@pytest.mark.parametrize("suffix", FORMATS)
def test_damage_is_an_error_or_changes_nothing(
    server: Server, downloader: Downloader, suffix: str
) -> None:
    conda = Conda(files={"share/demo.txt": NOISE[: 80 << 10]})
    data = archive(conda, suffix)
    package = offered(server, conda, data, suffix)
    right = read_listing(package, downloader)
    dice = random.Random(suffix)
    for _ in range(60):
        damaged = bytearray(data)
        # The end of a `.conda`, and the beginning of a `.tar.bz2`, are what is looked at.
        at = dice.randrange(2000)
        damaged[-at - 1 if suffix == ".conda" else at] ^= 1 << dice.randrange(8)
        server.files[path_of(package)] = bytes(damaged)
        try:
            found = read_listing(package, downloader)
        except (BadArchive, HashMismatch, DownloadError):
            continue
        assert found == right


def test_no_room_is_an_error(
    server: Server, downloader: Downloader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = offered(server, DEMO, DEMO.conda())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with pytest.raises(CacheError, match="no such file"):
        read_listing(package, downloader)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no ../shared/data")
def test_of_real_packages_the_same_is_known_as_when_they_are_unpacked(
    tmp_path: Path, downloader: Downloader
) -> None:
    archives = [one for one in SHARED.rglob("*") if one.name.endswith((".conda", ".tar.bz2"))]
    compared = 0
    for number, path in enumerate(sorted(archives)):
        try:
            whole = unpack(path, tmp_path / str(number))
        except BadArchive:
            continue
        package = Package.make(
            kind="conda",
            filename=path.name,
            url=path.as_uri(),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            size=path.stat().st_size,
            **{key: whole.index[key] for key in ("name", "version", "build")},
        )
        found = read_listing(package, downloader)
        assert found.index == whole.index
        assert found.paths == tuple(one.path for one in whole.files if one.kind != "directory")
        compared += 1
    assert compared >= 70


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_of_a_package_is_read_and_checked(
    server: Server, downloader: Downloader, suffix: str
) -> None:
    package = offered(server, DEMO, archive(DEMO, suffix), suffix)
    path = f"{SITE}/demo-1.0.dist-info/METADATA"
    assert read_file(package, path, downloader) == b"Name: demo\nVersion: 1.0\n"
    for absent in ("share/absent", "lib/libdemo.so", "info/index.json"):
        with pytest.raises(BadArchive, match="has no file"):
            read_file(package, absent, downloader)
    wrong = package._replace(hashes=package.hashes._replace(sha256="0" * 64))
    with pytest.raises(HashMismatch):
        read_file(wrong, path, downloader)
