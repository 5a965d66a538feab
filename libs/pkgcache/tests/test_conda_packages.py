from __future__ import annotations

import bz2
import errno
import hashlib
import io
import json
import os
import random
import shutil
import stat
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pkgcache.archives.conda_packages import load, unpack
from pkgcache.archives.records import EntryPoint, PackageLimits
from pkgcache.errors import BadArchive, CacheError
from pkgcache.local import _unpackers
from pkgcache.local.cache import PackageCache

from .conda_helpers import MTIME, PLACEHOLDER, Conda, Entry, package_of, special, stored_zip, tar
from .helpers import make_wheel
from .helpers import package_of as wheel_package

if TYPE_CHECKING:
    from pkgcache.archives.records import UnpackedConda

SHARED = Path(__file__).parents[4] / "shared" / "data" / "packages"
NAME = "demo-1.0-h0_0"


def unpacked(
    folder: Path, data: bytes, filename: str = f"{NAME}.conda", **limits: int
) -> UnpackedConda:
    archive = folder / filename
    archive.write_bytes(data)
    return unpack(archive, folder / "out", limits=PackageLimits(**limits))


def refused(folder: Path, data: bytes, filename: str = f"{NAME}.conda", **limits: int) -> str:
    """What is said of a package; nothing may be left outside of the folder it is unpacked to."""
    with pytest.raises(BadArchive) as caught:
        unpacked(folder, data, filename, **limits)
    assert {one.name for one in folder.iterdir()} <= {filename, "out"}
    assert caught.value.filename == filename
    return str(caught.value)


def both(conda: Conda, *extra: tarfile.TarInfo) -> list[tuple[bytes, str]]:
    return [
        (conda.conda(*extra), f"{conda.stem}.conda"),
        (conda.tar_bz2(*extra), f"{conda.stem}.tar.bz2"),
    ]


def refused_by_both(folder: Path, conda: Conda, *extra: tarfile.TarInfo) -> str:
    """What is said of a package, which must be the same for both of its formats."""
    said = set()
    for number, (data, filename) in enumerate(both(conda, *extra)):
        work = folder / str(number)
        work.mkdir()
        said.add(refused(work, data, filename).partition(" is refused: ")[2])
    (text,) = said
    return text


RICH = Conda(
    files={
        "bin/tool": Entry(b"#!/bin/sh\n", mode=0o6755),
        "bin/alias": Entry(link="tool"),
        "lib/libx.so": Entry(b"\x7fELF" + PLACEHOLDER.encode() + b"\0", prefix="binary"),
        "lib/text.pc": Entry(b"prefix=" + PLACEHOLDER.encode(), prefix="text", no_link=True),
        "lib/back": Entry(link="../bin"),
        "share/na\u00efve name.txt": b"",
        "share/Case": b"upper",
        "share/case": b"lower",
    }
)


@pytest.mark.parametrize("number", [0, 1])
def test_a_package_is_unpacked_with_what_linking_needs(tmp_path: Path, number: int) -> None:
    data, filename = both(RICH)[number]
    old = os.umask(0o077)
    try:
        found = unpacked(tmp_path, data, filename)
    finally:
        os.umask(old)
    assert load(tmp_path / "out") == found
    files = {one.path: one for one in found.files}
    assert list(files) == list(RICH.files)
    assert files["bin/alias"].link == "tool"
    assert (files["lib/libx.so"].placeholder, files["lib/libx.so"].file_mode) == (
        PLACEHOLDER,
        "binary",
    )
    assert files["lib/text.pc"].no_link
    tool = (found.tree / "bin/tool").stat()
    assert (stat.S_IMODE(tool.st_mode) & ~0o077, tool.st_mtime) == (0o500, MTIME)
    assert files["share/Case"].sha256 == hashlib.sha256(b"upper").hexdigest()
    assert (found.name, found.noarch, found.index["build_number"]) == ("demo", None, 0)
    on_disk = [one for one in found.tree.rglob("*") if not one.is_dir()]
    assert not any(one.is_symlink() for one in on_disk)
    assert not (found.tree / "info").exists()


def test_both_formats_hold_the_same(tmp_path: Path) -> None:
    found = []
    for data, filename in both(RICH):
        work = tmp_path / filename
        work.mkdir()
        one = unpacked(work, data, filename)
        found.append((one.index, one.files))
    assert found[0] == found[1]


@pytest.mark.parametrize("links", [True, False])
def test_hard_links_of_an_archive_are_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "as where there are no hard links")

    if not links:
        monkeypatch.setattr("os.link", refused)
    twin = special("share/twin.txt", tarfile.LNKTYPE, "share/demo.txt")
    listed = Conda(files={"share/demo.txt": b"demo\n", "share/twin.txt": b"demo\n"}).path_entries()
    conda = Conda(info={"paths.json": json.dumps({"paths": listed, "paths_version": 1}).encode()})
    found = unpacked(tmp_path, conda.tar_bz2(twin), f"{NAME}.tar.bz2")
    assert [one.path for one in found.files] == ["share/demo.txt", "share/twin.txt"]
    assert (found.tree / "share/twin.txt").read_bytes() == b"demo\n"


def test_a_noarch_python_package_has_entry_points(tmp_path: Path) -> None:
    conda = Conda(noarch="python", entry_points=("tool = demo.main:run", "t.2=demo:Main.run"))
    found = unpacked(tmp_path, conda.conda())
    assert found.noarch == "python"
    assert found.entry_points == (
        EntryPoint("tool", "demo.main", "run"),
        EntryPoint("t.2", "demo", "Main.run"),
    )


GENERIC: tuple[Any, ...] = (True, 1, "True", "true", "yes", "ON", "1", "Generic")
PYTHON: tuple[Any, ...] = ("python", "Python")
NEITHER: tuple[Any, ...] = (None, False, 0, "", "False", "no", "off", "0")


@pytest.mark.parametrize("value", [*GENERIC, *PYTHON, *NEITHER])
@pytest.mark.parametrize("place", ["both", "index", "link"])
def test_all_spellings_of_noarch_that_there_were_are_read(
    tmp_path: Path, value: Any, place: str
) -> None:
    """conda-build wrote `noarch: true`, and its text into link.json, until 2023."""
    link = {"noarch": {"type": str(value)}, "package_metadata_version": 1}
    conda = Conda(
        index={"noarch": value} if place != "link" else {},
        info={"link.json": json.dumps(link).encode()} if place != "index" else {},
    )
    found = unpacked(tmp_path, conda.tar_bz2(), f"{NAME}.tar.bz2")
    kinds = {"generic": GENERIC, "python": PYTHON, None: NEITHER}
    expected = next(kind for kind, values in kinds.items() if repr(value) in map(repr, values))
    assert (found.noarch, found.index.get("noarch")) == (expected, expected)


@pytest.mark.parametrize(
    ("index", "link"),
    [("generic", "python"), ("python", "generic"), (True, "python"), ("python", "True")],
)
def test_a_package_that_contradicts_itself_about_noarch_is_refused(
    tmp_path: Path, index: Any, link: str
) -> None:
    text = json.dumps({"noarch": {"type": link}}).encode()
    conda = Conda(index={"noarch": index}, info={"link.json": text})
    assert "do not agree" in refused_by_both(tmp_path, conda)


def test_entry_points_of_a_package_that_only_link_json_calls_python(tmp_path: Path) -> None:
    link = {"noarch": {"type": "python", "entry_points": ["tool = demo:main"]}}
    found = unpacked(tmp_path, Conda(info={"link.json": json.dumps(link).encode()}).conda())
    assert found.entry_points == (EntryPoint("tool", "demo", "main"),)


def test_a_path_without_a_type_is_a_file(tmp_path: Path) -> None:
    """As CEP 34 has it."""
    entry = {key: value for key, value in Conda().path_entries()[0].items() if key != "path_type"}
    document = json.dumps({"paths": [entry], "paths_version": 1}).encode()
    (file,) = unpacked(tmp_path, Conda(info={"paths.json": document}).conda()).files
    assert (file.path, file.kind) == ("share/demo.txt", "hardlink")


def test_packages_from_before_paths_json_are_read(tmp_path: Path) -> None:
    old = "/opt/anaconda1anaconda2anaconda3"
    conda = Conda(
        files={"bin/a": old.encode(), "bin/b": b"/old/place\0", "bin/c": Entry(link="a")},
        info={
            "files": b"bin/a\nbin/b\nbin/c\n",
            "has_prefix": b'bin/a\n"/old/place" binary "bin/b"\n',
            "no_link": b"bin/b\n",
        },
    )
    members = {name: data for name, data in conda.info_files().items() if "paths" not in name}
    data = bz2.compress(tar({**members, **conda.files}))
    found = unpacked(tmp_path, data, f"{NAME}.tar.bz2")
    assert [
        (one.path, one.kind, one.placeholder, one.file_mode, one.no_link) for one in found.files
    ] == [
        ("bin/a", "hardlink", old, "text", False),
        ("bin/b", "hardlink", "/old/place", "binary", True),
        ("bin/c", "softlink", "", "text", False),
    ]


NAMES = [
    ("/etc/passwd", "is absolute"),
    ("../out.txt", "leads out"),
    ("a/../../out.txt", "leads out"),
    ("a\\b", "backslash"),
    ("C:/x", "is absolute"),
    ("a//b", "empty part"),
    ("%2e%2e%2fx", "quoted"),
    ("a\x1bb", "control"),
    ("x" * 300, "too long"),
    ("/".join("d" * 100), "too deep"),
]


@pytest.mark.parametrize(("name", "reason"), NAMES)
def test_a_member_with_a_hostile_name_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    assert reason in refused_by_both(tmp_path, Conda(), special(name, tarfile.REGTYPE))


@pytest.mark.parametrize(("name", "reason"), NAMES)
def test_a_listed_path_with_a_hostile_name_is_refused(
    tmp_path: Path, name: str, reason: str
) -> None:
    assert reason in refused_by_both(tmp_path, with_entry({"_path": name}))


def with_entry(change: dict[str, Any], **info: bytes) -> Conda:
    """A package whose paths.json has its one entry changed."""
    entry = {**Conda().path_entries()[0], **change}
    document = {"paths": [entry], "paths_version": 1}
    return Conda(info={"paths.json": json.dumps(document).encode(), **info})


@pytest.mark.parametrize(
    "name",
    [
        ".mfenv.json",
        ".mfenv-x",
        "conda-meta/frozen",
        "conda-meta/history",
        "conda-meta/python-3-0.json",
        "conda-meta/state",
        "pyvenv.cfg",
        "bin/pyvenv.cfg",
        "bin/python3._pth",
        "bin/pybuilddir.txt",
    ],
)
def test_a_package_cannot_bring_the_records_of_an_environment(tmp_path: Path, name: str) -> None:
    assert "belongs to the environment" in refused_by_both(tmp_path, Conda(files={name: b"{}"}))


@pytest.mark.parametrize(
    ("files", "entry_points", "reason"),
    [
        ({}, ("python = demo:main",), "`python = demo:main` would be `bin/python`, which belongs"),
        ({}, ("python3.11 = demo:main",), "`bin/python3.11`, which belongs to the environment"),
        ({"python-scripts/python": b"#!/bin/sh\n"}, (), "`bin/python`, which belongs to"),
        ({"bin/python3": b"#!/bin/sh\n"}, (), "`bin/python3`, which belongs to the environment"),
        ({"lib/python3.11/os.py": b""}, (), "`lib/python3.11/os.py`, which belongs"),
        ({}, ("one = demo:a", "one = demo:b"), "`one = demo:a` and `one = demo:b` would both be"),
        ({"python-scripts/one": b"#!"}, ("one = demo:a",), "would both be `bin/one`"),
        ({"python-scripts/one": b"#!", "bin/one": b"#"}, (), "would both be `bin/one`"),
        (
            {"site-packages/a.py": b"1", "lib/python3.11/site-packages/a.py": b"2"},
            (),
            "would both be `site-packages/a.py`",
        ),
        (
            {"site-packages/a": b"1", "lib/python3.11/site-packages/a/b.py": b"2"},
            (),
            "`site-packages/a` would be a file, and a folder of",
        ),
    ],
)
def test_a_package_for_every_python_cannot_bring_what_is_not_its_own(
    tmp_path: Path, files: dict[str, bytes], entry_points: tuple[str, ...], reason: str
) -> None:
    conda = Conda(files={"x": b"", **files}, noarch="python", entry_points=entry_points)
    assert reason in refused_by_both(tmp_path, conda)


def test_a_package_for_every_python_may_say_the_same_twice(tmp_path: Path) -> None:
    files: dict[str, Entry | bytes] = {
        "site-packages/a.py": b"1",
        "lib/python3.11/site-packages/a.py": b"1",
    }
    twice = ("one = demo:a", "one = demo:a")
    conda = Conda(files=files, noarch="python", entry_points=twice)
    package = unpacked(tmp_path, conda.conda())
    assert len(package.entry_points) == 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a fifo"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
        (b"Z", "unknown type"),
    ],
)
def test_what_is_neither_file_nor_folder_nor_link_is_refused(
    tmp_path: Path, kind: bytes, reason: str
) -> None:
    assert reason in refused_by_both(tmp_path, Conda(), special("odd", kind))


@pytest.mark.parametrize(
    "links",
    [
        {"a": "/etc"},
        {"a": "../etc"},
        {"lib/a": "../../etc"},
        {"a": ""},
        {"here": ".", "up": "here/.."},
        {"sub/deep/x": "../..", "a": "sub/deep/x/.."},
        {"a": "b", "b": "a"},
        {"a": "a/b"},
    ],
)
def test_a_symbolic_link_that_leaves_the_package_is_refused(
    tmp_path: Path, links: dict[str, str]
) -> None:
    conda = Conda(files={path: Entry(link=target) for path, target in links.items()})
    assert "the symbolic link `" in refused_by_both(tmp_path, conda)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    conda = Conda(files={"a": Entry(link="share"), "a/x": b"x"})
    assert "as a file and as a folder" in refused_by_both(tmp_path, conda)


def test_a_link_is_not_replaced_by_another(tmp_path: Path) -> None:
    conda = Conda(files={"a": Entry(link="share"), "share/x": b""})
    later = special("a", tarfile.SYMTYPE, "/etc")
    assert "has the name `a` twice" in refused_by_both(tmp_path, conda, later)


def test_the_owners_in_an_archive_do_not_count(tmp_path: Path) -> None:
    member = special("share/more.txt", tarfile.REGTYPE)
    member.uid, member.gid, member.uname, member.gname = 12345, 23456, "odd", "odder"
    for number, (data, filename) in enumerate(both(Conda(), member)):
        work = tmp_path / str(number)
        work.mkdir()
        own = (unpacked(work, data, filename).tree / "share/more.txt").stat()
        assert (own.st_uid, own.st_gid) == (os.geteuid(), os.getegid())


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "share/none", "info/index.json"])
def test_a_hard_link_to_what_is_no_file_of_the_package_is_refused(
    tmp_path: Path, target: str
) -> None:
    member = special("evil", tarfile.LNKTYPE, target)
    assert "no file before it" in refused_by_both(tmp_path, Conda(), member)


@pytest.mark.parametrize("name", ["share/demo.txt", "./share/demo.txt"])
def test_a_name_given_twice_is_refused(tmp_path: Path, name: str) -> None:
    assert "twice" in refused_by_both(tmp_path, Conda(), special(name, tarfile.REGTYPE))


def test_names_of_one_unicode_form_are_refused(tmp_path: Path) -> None:
    conda = Conda(files={"caf\u00e9": b"1", "cafe\u0301": b"2"})
    assert "twice" in refused_by_both(tmp_path, conda)


@pytest.mark.parametrize("name", ["share", "share/demo.txt/x"])
def test_a_file_with_the_name_of_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    said = refused_by_both(tmp_path, Conda(), special(name, tarfile.REGTYPE))
    assert "as a file and as a folder" in said


INDEXES: list[tuple[dict[str, Any], str]] = [
    ({"name": "other"}, "another package, `other-1.0-h0_0`"),
    ({"version": "2.0"}, "another package"),
    ({"build": "h1_1"}, "another package"),
    ({"build": "../x"}, "the build in its index.json"),
    ({"name": None}, "the name in its index.json"),
    ({"build_number": "x"}, "build_number"),
    ({"depends": "python"}, "depends"),
    ({"noarch": "perl"}, "noarch"),
    ({"python_site_packages_path": "../lib"}, "python_site_packages_path"),
]


@pytest.mark.parametrize(("change", "reason"), INDEXES)
def test_an_index_that_is_wrong_is_refused(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    assert reason in refused_by_both(tmp_path, Conda(index=change))


ENTRIES: list[tuple[dict[str, Any], str]] = [
    ({"_path": None}, "without a path"),
    ({"_path": "share/none"}, "not there"),
    ({"path_type": "softlink"}, "not there as such"),
    ({"path_type": "socket"}, "path_type"),
    ({"sha256": "0" * 64}, "not the file that paths.json lists"),
    ({"sha256": "../x"}, "sha256"),
    ({"size_in_bytes": 1}, "not the file that paths.json lists"),
    ({"size_in_bytes": -2}, "size_in_bytes"),
    ({"file_mode": "odd", "prefix_placeholder": "/x"}, "file_mode"),
    ({"file_mode": "text", "prefix_placeholder": ""}, "prefix_placeholder"),
    ({"file_mode": "text", "prefix_placeholder": "/a\0b"}, "prefix_placeholder"),
    ({"no_link": "yes"}, "no_link"),
]


@pytest.mark.parametrize(("change", "reason"), ENTRIES)
def test_a_list_of_paths_that_is_wrong_is_refused(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    assert reason in refused_by_both(tmp_path, with_entry(change))


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("index.json", b"", "not JSON"),
        ("index.json", b"[" * 100_000, "not JSON"),
        ("index.json", b"[]", "not an object"),
        ("paths.json", b"\xff", "not JSON"),
        ("paths.json", b'{"paths_version": 2, "paths": []}', "unknown version"),
        ("paths.json", b'{"paths_version": 1}', "no list"),
        ("paths.json", b'{"paths_version": 1, "paths": [1]}', "not an object"),
        ("link.json", b'{"package_metadata_version": 9}', "unknown version"),
        ("link.json", b'{"noarch": {"type": "perl"}}', "the noarch in its link.json"),
        ("link.json", b'{"noarch": {"type": []}}', "the noarch in its link.json"),
    ],
)
def test_metadata_that_cannot_be_read_is_refused(
    tmp_path: Path, name: str, text: bytes, reason: str
) -> None:
    assert reason in refused_by_both(tmp_path, Conda(info={name: text}))


@pytest.mark.parametrize(
    "text", ["../evil = a:b", "a/b = a:b", "x = os;system:y", "x = a", "x", "x = a:b\nimport os"]
)
def test_an_entry_point_that_is_not_one_is_refused(tmp_path: Path, text: str) -> None:
    conda = Conda(noarch="python", entry_points=(text,))
    assert "entry point" in refused_by_both(tmp_path, conda)


def parts(**change: bytes | None) -> bytes:
    """The three parts of a `.conda`, some of them others or away."""
    conda = Conda()
    found: dict[str, bytes | None] = {
        "metadata.json": b'{"conda_pkg_format_version": 2}',
        f"pkg-{NAME}.tar.zst": zstandard.compress(tar(conda.files)),
        f"info-{NAME}.tar.zst": zstandard.compress(tar(conda.info_files())),
    }
    names = {"metadata": "metadata.json", "pkg": f"pkg-{NAME}.tar.zst"}
    names["info"] = f"info-{NAME}.tar.zst"
    found |= {names.get(key, key): value for key, value in change.items()}
    return stored_zip((name, data) for name, data in found.items() if data is not None)


LONG = zstandard.ZstdCompressionParameters.from_level(3, window_log=30)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (parts(pkg=None), f"lacks `pkg-{NAME}.tar.zst`"),
        (parts(info=None), f"lacks `info-{NAME}.tar.zst`"),
        (parts(metadata=None), "lacks `metadata.json`"),
        (parts(other=b""), "has also `other`"),
        (parts(metadata=b'{"conda_pkg_format_version": 3}'), "the unknown format 3"),
        (parts(metadata=b"[]"), "does not give its format"),
        (parts(pkg=b"no zstd"), "cannot be decompressed"),
        (parts(pkg=zstandard.compress(b"")), "ends too early"),
        (parts(pkg=zstandard.compress(tar({"info/x": b""}))), "in the wrong one"),
        (parts(info=zstandard.compress(tar({"lib/x": b""}))), "in the wrong one"),
        (
            parts(pkg=zstandard.ZstdCompressor(compression_params=LONG).compress(b"x" * (1 << 28))),
            "too much memory",
        ),
        (b"", "is empty"),
        (b"PK", "not a zip"),
        (parts() + b"x", "behind its end"),
    ],
)
def test_a_conda_file_whose_parts_are_wrong_is_refused(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    assert reason in refused(tmp_path, data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_part_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    conda = Conda()
    pkg = f"pkg-{NAME}.tar.zst", zstandard.compress(tar(conda.files))
    info = f"info-{NAME}.tar.zst", zstandard.compress(tar(conda.info_files()))
    data = stored_zip([("metadata.json", b'{"conda_pkg_format_version": 2}'), pkg, pkg, info])
    assert f"has `pkg-{NAME}.tar.zst` twice" in refused(tmp_path, data)


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    assert "not that of a conda package" in refused(tmp_path, Conda().conda(), f"{NAME}.zip")


def pax(record: str, name: str = "pax.txt") -> bytes:
    """A package with a member that has this pax record."""
    key, _, value = record.partition("=")
    member = tarfile.TarInfo(name)
    member.size, member.pax_headers = 5, {key: value}
    return Conda().tar_bz2(member)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("size=999999", "gives two sizes"),
        ("size=-1", "gives two sizes"),
        ("GNU.sparse.major=1", "cannot be followed"),
        ("path=../x", "leads out"),
        ("path=a\0b", "control"),
        ("mtime=tomorrow", "has the time"),
        ("mtime=99999999999999", "has the time"),
    ],
)
def test_a_pax_header_that_contradicts_is_refused(tmp_path: Path, record: str, reason: str) -> None:
    assert reason in refused(tmp_path, pax(record), f"{NAME}.tar.bz2")


def test_headers_of_all_kinds_of_tar_are_understood(tmp_path: Path) -> None:
    long = "/".join(["share", *("d" * 30 for _ in range(4)), "f" * 90])
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        conda = Conda(files={"share/demo.txt": b"demo\n", long: b"long\n"})
        path = tmp_path / f"{form}.tar"
        with tarfile.open(path, "w", format=form) as archive:
            for name, data in {**conda.info_files(), **conda.files}.items():
                assert isinstance(data, bytes)
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        work = tmp_path / str(form)
        work.mkdir()
        found = unpacked(work, bz2.compress(path.read_bytes()), f"{NAME}.tar.bz2")
        assert [one.path for one in found.files] == ["share/demo.txt", long]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"files": 3}, "more than 3 files"),
        ({"size": 100}, "more than 100 bytes"),
    ],
)
def test_a_package_beyond_a_limit_is_refused(
    tmp_path: Path, limits: dict[str, int], reason: str
) -> None:
    assert reason in refused(tmp_path, RICH.conda(), f"{NAME}.conda", **limits)


@pytest.mark.slow
def test_a_bomb_is_stopped_before_it_fills_the_disk(tmp_path: Path) -> None:
    conda = Conda(files={f"z{number}": bytes(40 << 20) for number in range(8)})
    said = refused(tmp_path, conda.conda())
    assert "more than 200 times its size" in said
    written = sum(one.stat().st_size for one in (tmp_path / "out").rglob("*") if one.is_file())
    assert written <= 80 << 20


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_a_package_cut_off_anywhere_is_refused(tmp_path: Path, suffix: str) -> None:
    data = both(RICH)[suffix == ".tar.bz2"][0]
    for number, size in enumerate(range(0, len(data), max(1, len(data) // 60))):
        work = tmp_path / str(number)
        work.mkdir()
        refused(work, data[:size], NAME + suffix)


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_a_flipped_bit_is_an_error_or_changes_nothing_that_is_linked(
    tmp_path: Path, suffix: str
) -> None:
    data = both(RICH)[suffix == ".tar.bz2"][0]
    right = unpacked(tmp_path, data, NAME + suffix)
    chance = random.Random(1)
    for number in range(60):
        at = chance.randrange(len(data))
        wrong = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        work = tmp_path / str(number)
        work.mkdir()
        try:
            found = unpacked(work, wrong, NAME + suffix)
        except BadArchive:
            continue
        assert [(one.path, one.sha256, one.link) for one in found.files] == [
            (one.path, one.sha256, one.link) for one in right.files
        ]


@settings(max_examples=60)
@given(st.binary(max_size=3000))
def test_no_bytes_at_all_make_anything_but_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    refused(tmp_path_factory.mktemp("fuzz"), bz2.compress(data), f"{NAME}.tar.bz2")


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    found = unpacked(tmp_path, RICH.conda())
    path = found.tree / "share/Case"
    before = path.stat()
    path.chmod(0o644)
    assert load(tmp_path / "out") is None
    path.chmod(stat.S_IMODE(before.st_mode))
    assert load(tmp_path / "out") == found
    path.chmod(0o644)
    path.write_bytes(b"UPPER")
    path.chmod(stat.S_IMODE(before.st_mode))
    assert load(tmp_path / "out") is None


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no ../shared/data")
def test_real_packages_are_read() -> None:
    import tempfile

    empty_links = {f"zlib-1.2.11-{build}_3" for build in ("h7b6447c", "h1de35cc")}
    archives = sorted(one for one in SHARED.rglob("*") if one.name.endswith((".conda", ".bz2")))
    assert len(archives) >= 80
    with tempfile.TemporaryDirectory() as work:
        for number, archive in enumerate(archives):
            broken = any(archive.name.startswith(stem) for stem in empty_links)
            try:
                found = unpack(archive, Path(work) / str(number))
            except BadArchive:
                assert broken, archive
            else:
                assert not broken, archive
                assert archive.name.startswith(found.name)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no ../shared/data")
@pytest.mark.parametrize(
    "name",
    [
        "absolute1",
        "absolute2",
        "dirsymlink",
        "dirsymlink2a",
        "dirsymlink2b",
        "relative0",
        "relative2",
        "symlink",
    ],
)
def test_archives_that_escape_are_refused(tmp_path: Path, name: str) -> None:
    data = (SHARED / "hostile/tar_traversal" / f"{name}.tar").read_bytes()
    started = time.time() - 1
    for form in ("conda", "tar.bz2"):
        work = tmp_path / form
        work.mkdir()
        packed = bz2.compress(data) if form == "tar.bz2" else parts(pkg=zstandard.compress(data))
        refused(work, packed, f"{NAME}.{form}")
    planted = Path("/tmp/moo")
    assert not planted.exists() or planted.stat().st_mtime < started


def test_the_cache_unpacks_once_and_again_after_a_change(cache: PackageCache) -> None:
    data = RICH.conda()
    package = package_of(RICH, data)
    cache.add(data, package.filename)
    first = cache.unpacked_conda(package)
    assert cache.has_unpacked(package)
    path = first.tree / "share/Case"
    inode = path.stat().st_ino
    assert cache.unpacked_conda(package) == first
    assert path.stat().st_ino == inode
    path.chmod(0o644)
    path.write_bytes(b"tampered")
    again = cache.unpacked_conda(package)
    assert path.read_bytes() == b"upper"
    assert [one.sha256 for one in again.files] == [one.sha256 for one in first.files]


def test_what_is_in_a_package_is_known_by_what_is_here_of_it(cache: PackageCache) -> None:
    conda = replace(RICH, noarch="python")
    package = package_of(conda, conda.conda())
    assert cache.listing(package) is None
    cache.add(conda.conda(), package.filename)
    packed = cache.listing(package)
    cache.unpacked_conda(package)
    archive = cache.archive(package)
    archive.unlink()
    loose = cache.listing(package)
    assert packed
    assert loose
    assert set(packed.paths) == set(loose.paths) == set(conda.files)
    assert packed.noarch == loose.noarch == "python"
    shutil.rmtree(next(cache.root.glob("conda-2/*/*")))
    archive.write_bytes(bytes(package.size or 0))
    assert cache.listing(package) is None


def test_a_package_that_is_refused_leaves_nothing_in_the_cache(cache: PackageCache) -> None:
    wrong = Conda(files={"a": Entry(link="/etc")})
    data = wrong.conda()
    package = package_of(wrong, data)
    cache.add(data, package.filename)
    with pytest.raises(BadArchive):
        cache.unpacked_conda(package)
    assert not list((cache.root / "conda-2").glob("*/*"))
    assert not cache.has_unpacked(package)


class TestUnpackingInProcesses:
    @pytest.fixture(autouse=True)
    def always(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_unpackers, "_WORTH_IT", 0)

    def test_gives_the_same_and_ends_with_the_fetch(
        self, tmp_path: Path, cache: PackageCache
    ) -> None:
        pure = Conda(name="pure", noarch="python", entry_points=("tool = demo.main:run",))
        packages = []
        for conda in (RICH, pure):
            data = conda.conda()
            packages.append(package_of(conda, data))
            cache.add(data, packages[-1].filename)
        wheel = make_wheel("wheely")
        packages.append(wheel_package(wheel, "wheely"))
        cache.add(wheel, packages[-1].filename)
        before = children()  # another test of this process may keep a worker for its module
        assert cache.fetch(packages, unpack=True).cached == 3
        assert all(map(cache.has_unpacked, packages))
        here = unpack(cache.archive(packages[0]), tmp_path / "here")
        assert replace(cache.unpacked_conda(packages[0]), tree=here.tree) == here
        assert children() == before

    def test_refuses_the_same(self, cache: PackageCache) -> None:
        wrong = Conda(files={"a": Entry(link="/etc")})
        data = wrong.conda()
        package = package_of(wrong, data)
        cache.add(data, package.filename)
        with pytest.raises(BadArchive) as caught:
            cache.fetch([package], unpack=True)
        assert caught.value.issues == ("it has the symbolic link `a` to '/etc'",)
        assert not list((cache.root / "conda-2").glob("*/*"))

    def test_reports_a_file_that_cannot_be_written(self, cache: PackageCache) -> None:
        long = Conda(files={"/".join(["d" * 200] * 5): b""})
        data = long.conda()
        package = package_of(long, data)
        deep = PackageCache(cache.root / "/".join(["e" * 200] * 17))
        deep.add(data, package.filename)
        with pytest.raises(CacheError, match="name too long"):
            deep.fetch([package], unpack=True)


def children() -> list[str]:
    """The command lines of the processes that this one started, where there is a /proc."""
    pids = [
        pid for one in Path("/proc/self/task").glob("*/children") for pid in one.read_text().split()
    ]
    return [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids]
