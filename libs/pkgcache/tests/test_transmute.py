from __future__ import annotations

import bz2
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pkgcache.archives import _bz2_read
from pkgcache.archives._bz2_read import Bz2Unreadable, by_process, decompressed
from pkgcache.archives._bz2_write import Bz2Writer
from pkgcache.archives._conda_write import CondaWriter
from pkgcache.archives.conda_packages import unpack
from pkgcache.archives.records import PackageLimits
from pkgcache.archives.transmute import transmute
from pkgcache.errors import BadArchive, NotTransmutable, TargetExists

from .conda_helpers import Conda, Entry, special, tar

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = Path(__file__).parents[4] / "shared" / "data" / "packages"
BLOCK = 719_900
NOISE = os.urandom(1 << 20)
SUPPRESSED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]

Facts = tuple[object, ...]

RICH = Conda(
    files={
        "bin/tool": Entry(b"#!/bin/sh\n", mode=0o6755),
        "bin/alias": Entry(link="tool"),
        "share/na\u00efve name.txt": b"",
        "share/" + "/".join(["long" * 20] * 5): b"long",
        "share/noise": NOISE[:700_001],
        "share/zeros": bytes(3 * BLOCK),
    }
)


def members(path: Path) -> tuple[list[Facts], list[Facts]]:
    """All there is to say of the members of `info/`, and of the others, in their order."""
    if path.name.endswith(".conda"):
        stem = path.name.removesuffix(".conda")
        with zipfile.ZipFile(path) as archive:
            info, pkg = (archive.read(f"{part}-{stem}.tar.zst") for part in ("info", "pkg"))
        return facts(unzstd(info)), facts(unzstd(pkg))
    found = facts(bz2.decompress(path.read_bytes()))
    own = [one for one in found if str(one[0]).removeprefix("./").startswith("info/")]
    return own, [one for one in found if one not in own]


def unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()


def facts(data: bytes) -> list[Facts]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        return [
            (
                *(one.name, one.type, one.mode, one.mtime, one.uid, one.gid, one.uname, one.gname),
                *(one.linkname, one.pax_headers),
                hashlib.sha256(archive.extractfile(one).read()).digest() if one.isreg() else b"",  # type: ignore[union-attr]
            )
            for one in archive
        ]


def written(folder: Path, conda: Conda, form: str, *extra: tarfile.TarInfo) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{conda.stem}.{form}"
    path.write_bytes(conda.conda(*extra) if form == "conda" else conda.tar_bz2(*extra))
    return path


def other(path: Path, folder: Path, **options: int) -> Path:
    folder.mkdir(exist_ok=True)
    made = transmute(path, folder, **options)  # type: ignore[arg-type]  # all that are given fit
    data = made.path.read_bytes()
    assert (made.sha256, made.size) == (hashlib.sha256(data).hexdigest(), len(data))
    return made.path


@pytest.mark.slow
@pytest.mark.parametrize("form", ["conda", "tar.bz2"])
def test_there_and_back_every_member_is_what_it_was(tmp_path: Path, form: str) -> None:
    twin = special("share/twin", tarfile.LNKTYPE, "bin/tool")
    folder = special("share/empty folder", tarfile.DIRTYPE, mode=0o1777)
    source = written(tmp_path, RICH, form, twin, folder)
    there = other(source, tmp_path / "there")
    back = other(there, tmp_path / "back")
    assert members(source) == members(there) == members(back)
    assert back.name == source.name != there.name
    assert [one.name for one in (tmp_path / "there").iterdir()] == [there.name]
    assert unpack(there, tmp_path / "out").files == unpack(source, tmp_path / "out2").files


def test_names_written_in_the_ways_of_gnu_tar_stay(tmp_path: Path) -> None:
    long = "share/" + "x" * 200
    conda = Conda(files={"share/a": b"a", long: b"b", "share/link": Entry(link="x" * 200)})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(special("./", tarfile.DIRTYPE))
        for name, data in {**conda.info_files(), "share/a": b"a", long: b"b"}.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size, member.mtime, member.uname = len(data), 1, "builder"
            archive.addfile(member, io.BytesIO(data))
        archive.addfile(special("./share/link", tarfile.SYMTYPE, "x" * 200))
    source = tmp_path / f"{conda.stem}.tar.bz2"
    source.write_bytes(bz2.compress(buffer.getvalue()))
    there = other(source, tmp_path / "there")
    assert members(source) == members(there) == members(other(there, tmp_path / "back"))
    assert unpack(there, tmp_path / "out").files == unpack(source, tmp_path / "out2").files


def test_what_a_global_header_says_is_not_passed_on(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    comment = {"comment": "0123456789abcdef"}
    texts = {**Conda().info_files(), "share/demo.txt": b"demo\n"}
    with tarfile.open(fileobj=buffer, mode="w", pax_headers=comment) as archive:
        for name, data in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    source = tmp_path / "demo-1.0-h0_0.tar.bz2"
    source.write_bytes(bz2.compress(buffer.getvalue()))
    found = members(other(source, tmp_path / "there"))
    assert [one[:1] for part in found for one in part] == [(name,) for name in texts]
    assert b"comment" not in bz2.decompress(
        other(tmp_path / "there/demo-1.0-h0_0.conda", tmp_path / "back").read_bytes()
    )


def test_a_conda_file_is_ordered_stored_and_without_times(tmp_path: Path) -> None:
    source = written(tmp_path, RICH, "tar.bz2")
    with zipfile.ZipFile(other(source, tmp_path / "there")) as archive:
        found = archive.infolist()
        assert archive.testzip() is None
        assert archive.read("metadata.json") == b'{"conda_pkg_format_version": 2}'
    assert [one.filename for one in found] == [
        "metadata.json",
        f"pkg-{RICH.stem}.tar.zst",
        f"info-{RICH.stem}.tar.zst",
    ]
    assert {(one.compress_type, one.flag_bits, one.date_time, one.extra) for one in found} == {
        (zipfile.ZIP_STORED, 0, (1980, 1, 1, 0, 0, 0), b"")
    }


def test_info_comes_first_in_a_tar_bz2_of_one_stream(tmp_path: Path) -> None:
    source = written(tmp_path, RICH, "conda")
    made = other(source, tmp_path / "there")
    reader = bz2.BZ2Decompressor()
    data = reader.decompress(made.read_bytes())
    assert reader.eof
    assert reader.unused_data == b""
    assert len(data) % 10_240 == 0
    with tarfile.open(made) as archive:
        names = archive.getnames()
    assert names == [*RICH.info_files(), *RICH.files]


@pytest.mark.skipif(not shutil.which("bzip2"), reason="there is no bzip2")
def test_bzip2_itself_reads_what_is_written(tmp_path: Path) -> None:
    made = other(written(tmp_path, RICH, "conda"), tmp_path / "there")
    subprocess.run(["bzip2", "--test", made], check=True)
    done = subprocess.run(["bzip2", "-dc", made], check=True, capture_output=True)
    assert done.stdout == bz2.decompress(made.read_bytes())


@pytest.mark.slow
def test_conda_s_other_reader_reads_what_is_written(tmp_path: Path) -> None:
    streaming = pytest.importorskip("rattler.package_streaming")
    for form in ("conda", "tar.bz2"):
        made = other(written(tmp_path / form, RICH, form), tmp_path / form / "there")
        out = tmp_path / form / "out"
        streaming.extract(str(made), str(out))
        assert (out / "share/noise").read_bytes() == NOISE[:700_001]
        assert (out / "bin/alias").readlink() == Path("tool")
        assert (out / "info/index.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["conda", "tar.bz2"])
def test_the_bytes_depend_on_package_and_level_alone(tmp_path: Path, form: str) -> None:
    source = written(tmp_path, RICH, form)
    found = set()
    for number, options in enumerate(
        ({"threads": 1}, {"threads": 2}, {"threads": 4}, {"memory": 0})
    ):
        os.utime(source, (number, number))
        found.add(other(source, tmp_path / str(number), **options).read_bytes())
    assert len(found) == 1


def test_a_higher_level_makes_a_smaller_file(tmp_path: Path) -> None:
    text = b" ".join(b"%d" % (n * n % 9973) for n in range(20_000))
    source = written(tmp_path, Conda(files={"a": text}), "tar.bz2")
    sizes = [other(source, tmp_path / str(n), level=n).stat().st_size for n in (1, 19)]
    assert sizes[1] < sizes[0]
    for level in (0, 20):
        with pytest.raises(ValueError, match="not one from 1 to 19"):
            transmute(source, tmp_path, level=level)


def test_what_is_not_a_package_or_has_the_format_already_is_refused(tmp_path: Path) -> None:
    source = written(tmp_path, RICH, "conda")
    with pytest.raises(NotTransmutable, match=r"it is a `\.conda` already"):
        transmute(source, tmp_path, to="conda")
    with pytest.raises(NotTransmutable, match="`zip` is not a format"):
        transmute(source, tmp_path, to="zip")
    with pytest.raises(NotTransmutable, match="not that of a conda package"):
        transmute(tmp_path / "a.whl", tmp_path)
    with pytest.raises(FileNotFoundError):
        transmute(tmp_path / "absent-1-0.conda", tmp_path)


def test_an_existing_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    source = written(tmp_path, RICH, "conda")
    target = tmp_path / f"{RICH.stem}.tar.bz2"
    target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TargetExists):
        transmute(source, tmp_path)
    transmute(source, tmp_path, force=True)
    assert not target.is_symlink()
    assert not (tmp_path / "elsewhere").exists()
    assert members(target) == members(source)


HOSTILE: dict[str, tuple[Conda, tuple[tarfile.TarInfo, ...]]] = {
    "leads out": (Conda(), (special("../x", tarfile.REGTYPE),)),
    "is absolute": (Conda(), (special("/etc/x", tarfile.REGTYPE),)),
    "a device": (Conda(), (special("x", tarfile.CHRTYPE),)),
    "twice": (Conda(), (special("share/demo.txt", tarfile.REGTYPE),)),
    "no file before it": (Conda(), (special("x", tarfile.LNKTYPE, "/etc/passwd"),)),
    "leads out of the prefix": (Conda(files={"a": Entry(link="../b")}), ()),
    "not the file that": (
        Conda(
            info={
                "paths.json": Conda(files={"share/demo.txt": b"x"}).info_files()["info/paths.json"]
            }
        ),
        (),
    ),
    "of the name": (Conda(index={"name": "other"}), ()),
}


@pytest.mark.parametrize("form", ["conda", "tar.bz2"])
@pytest.mark.parametrize("said", HOSTILE)
def test_hostile_packages_are_refused_and_nothing_is_left(
    tmp_path: Path, said: str, form: str
) -> None:
    conda, extra = HOSTILE[said]
    source = written(tmp_path, conda, form, *extra)
    with pytest.raises(BadArchive) as caught:
        transmute(source, tmp_path)
    with pytest.raises(BadArchive) as unpacked:
        unpack(source, tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    assert str(caught.value) == str(unpacked.value)
    assert [one.name for one in tmp_path.iterdir()] == [source.name]


def test_a_hard_link_between_the_two_parts_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "demo-1.0-h0_0.tar.bz2"
    link = special("info/twin", tarfile.LNKTYPE, "share/demo.txt")
    source.write_bytes(Conda().tar_bz2(link))
    with pytest.raises(BadArchive, match=r"no file of info/ before"):
        transmute(source, tmp_path)


@pytest.mark.slow
def test_bombs_are_stopped(tmp_path: Path) -> None:
    for form in ("conda", "tar.bz2"):
        source = written(tmp_path / form, Conda(files={"a": bytes(65 << 20)}), form)
        with pytest.raises(BadArchive, match="more than 200 times its size"):
            transmute(source, tmp_path / form)
        with pytest.raises(BadArchive, match="more than 1000 bytes"):
            transmute(source, tmp_path / form, limits=PackageLimits(size=1000))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["conda", "tar.bz2"])
def test_what_is_cut_off_is_refused(tmp_path: Path, form: str) -> None:
    source = written(tmp_path, RICH, form)
    data = source.read_bytes()
    for size in {*range(0, len(data), len(data) // 40), 1, 3, 4, 9, 13, len(data) - 1}:
        source.write_bytes(data[:size])
        with pytest.raises(BadArchive):
            transmute(source, tmp_path, threads=2)
    assert [one.name for one in tmp_path.iterdir()] == [source.name]


@settings(max_examples=80, suppress_health_check=SUPPRESSED)
@given(data=st.data(), form=st.sampled_from(["conda", "tar.bz2"]))
def test_a_flipped_bit_is_noticed(tmp_path: Path, data: st.DataObject, form: str) -> None:
    small = Conda(files={"share/noise": NOISE[:3000], "share/a": b"a" * 9000})
    source = written(tmp_path, small, form)
    right = members(source)
    wrong = bytearray(source.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(wrong) - 1))
    wrong[bit // 8] ^= 1 << bit % 8
    source.write_bytes(wrong)
    try:
        made = transmute(source, tmp_path, force=True, threads=2)
    except BadArchive:
        return
    # Times of the zip, padding and the like say nothing about a member.
    assert members(made.path) == right


PARTS = st.text(
    st.characters(exclude_categories=["C", "Z", "S"], exclude_characters="/\\:%."),
    min_size=1,
    max_size=30,
)
PATHS = st.lists(PARTS, min_size=1, max_size=6).map("/".join)
SIZES = st.sampled_from(
    [0, 1, 511, 512, 513, BLOCK - 1024, BLOCK - 512, BLOCK, BLOCK + 1, 2 * BLOCK]
)
FILES = st.builds(
    lambda size, byte, noisy, mode: Entry(
        NOISE[:size] if noisy else bytes([byte]) * size, mode=mode
    ),
    st.one_of(st.integers(0, 3000), SIZES),
    st.integers(0, 255),
    st.booleans(),
    st.sampled_from([0o644, 0o755, 0o600, 0o4755]),
)


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=SUPPRESSED)
@given(
    files=st.dictionaries(PATHS.map("f/".__add__), FILES, max_size=8),
    links=st.dictionaries(PARTS.map("l/".__add__), PARTS, max_size=3),
    form=st.sampled_from(["conda", "tar.bz2"]),
)
def test_any_package_keeps_its_members(
    tmp_path: Path, files: dict[str, Entry], links: dict[str, str], form: str
) -> None:
    conda = Conda(files={**files, **{path: Entry(link=to) for path, to in links.items()}})
    source = written(tmp_path, conda, form)
    try:
        there = transmute(source, tmp_path, force=True, threads=2).path
    except BadArchive:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        with pytest.raises(BadArchive):
            unpack(source, tmp_path / "out")
        return
    right = members(source)
    assert members(there) == right
    source.unlink()
    assert members(transmute(there, tmp_path, threads=1).path) == right


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no ../shared/data")
def test_real_packages_make_the_round_trip(tmp_path: Path) -> None:
    sources = [one for one in SHARED.rglob("*") if one.name.endswith((".conda", ".tar.bz2"))]
    assert len(sources) >= 80
    refused = set()
    for number, source in enumerate(sources):
        work = tmp_path / str(number)
        work.mkdir()
        try:
            there = transmute(source, work, threads=2).path
        except BadArchive:
            refused.add(source.name.split("-h")[0])
            with pytest.raises(BadArchive):
                unpack(source, work / "out")
            continue
        back = other(there, work / "back")
        assert members(source) == members(there) == members(back)
    assert refused == {"zlib-1.2.11"}  # its symbolic links lead to nothing


# The two directions of bzip2, alone.


def compressed(data: bytes, threads: int) -> bytes:
    found = bytearray()
    writer = Bz2Writer(found.extend, threads)
    for at in range(0, len(data), 300_007):
        writer.write(data[at : at + 300_007])
    writer.close()
    writer.abandon()
    return bytes(found)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
@pytest.mark.parametrize("unit", [b"a", b"aaaab", b"\x31\x41\x59\x26\x53\x59", NOISE])
def test_blocks_are_joined_into_one_stream(tmp_path: Path, size: int, unit: bytes) -> None:
    data = (unit * (size // len(unit) + 1))[:size]
    packed = compressed(data, 2)
    assert packed == compressed(data, 1)
    reader = bz2.BZ2Decompressor()
    assert reader.decompress(packed) == data
    assert (reader.eof, reader.unused_data) == (True, b"")
    path = tmp_path / "a.bz2"
    path.write_bytes(packed)
    assert b"".join(decompressed(path, 3)) == data


@pytest.fixture
def worth_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of any size are read by a process."""
    pytest.importorskip("indexed_bzip2")
    if sys.platform != "linux":
        pytest.skip("memory can only be limited on Linux")
    monkeypatch.setattr(_bz2_read, "_WORTH_A_PROCESS", 0)


@pytest.mark.slow
@pytest.mark.usefixtures("worth_a_process")
@settings(max_examples=30, suppress_health_check=SUPPRESSED)
@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from([b"a", b"ab" * 50, NOISE]), st.integers(0, 300_000), st.integers(1, 9)
        ),
        max_size=4,
    ),
    behind=st.sampled_from([b"", b"\0", b"BZh9", b"BZh91AY&SY", NOISE[:100]]),
)
def test_several_processors_read_what_one_alone_reads(
    tmp_path: Path, parts: list[tuple[bytes, int, int]], behind: bytes
) -> None:
    packed = [
        bz2.compress((unit * (size // len(unit) + 1))[:size], level) for unit, size, level in parts
    ]
    path = tmp_path / "a.bz2"
    path.write_bytes(b"".join(packed) + behind)
    assert outcome(decompressed(path, 2)) == outcome(decompressed(path, 1))


@pytest.mark.slow
@pytest.mark.usefixtures("worth_a_process")
@pytest.mark.parametrize("level", [1, 9])
@pytest.mark.parametrize("count", [1, 3])
def test_a_process_reads_what_bzip2_writes(tmp_path: Path, count: int, level: int) -> None:
    data = NOISE + b"a" * 3_000_000 + NOISE
    path = tmp_path / "a.bz2"
    path.write_bytes(bz2.compress(data, level) * count)
    if level == 9:  # it would take larger blocks than the others allow
        assert b"".join(by_process(path, 2)) == count * data
    assert b"".join(decompressed(path, 2)) == count * data


@pytest.mark.slow
@pytest.mark.usefixtures("worth_a_process")
@settings(max_examples=60, suppress_health_check=SUPPRESSED)
@given(
    sizes=st.lists(st.integers(0, 40_000), max_size=3),
    level=st.sampled_from([1, 9]),
    behind=st.sampled_from([b"", b"\0", b"BZh9", b"BZh91AY&SY", NOISE[:100]]),
    cut=st.integers(0, 20),
    change=st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)),
)
# The second stream begins with another word: `bz2` passes over it and the third.
@example(sizes=[0, 0, 1], level=1, behind=b"", cut=0, change=(0.25, 1))
def test_what_a_process_reads_is_what_bz2_reads_or_not_believed(
    tmp_path: Path,
    *,
    sizes: list[int],
    level: int,
    behind: bytes,
    cut: int,
    change: tuple[float, int],
) -> None:
    data = bytearray(b"".join(bz2.compress(NOISE[:size], level) for size in sizes) + behind)
    data = data[: max(0, len(data) - cut)]
    if data:
        data[int(change[0] * len(data))] ^= change[1]
    path = tmp_path / "a.bz2"
    path.write_bytes(data)
    right, given = outcome(decompressed(path, 1)), b""
    with suppress(Bz2Unreadable):
        for piece in by_process(path, 2):
            given += piece
        assert given == right
    # Of what was damaged `bz2` may leave out more than it should, without a word.
    more = isinstance(right, bytes) and not right.startswith(given)
    assert outcome(decompressed(path, 2)) == (None if more else right)


@pytest.mark.usefixtures("worth_a_process")
def test_blocks_that_are_larger_than_their_stream_allows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bz2"
    path.write_bytes(b"BZh1" + bz2.compress(NOISE, 9)[4:])
    assert outcome(decompressed(path, 2)) is None


@pytest.mark.slow
@pytest.mark.usefixtures("worth_a_process")
def test_a_process_that_needs_too_much_memory_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.bz2"
    zeros = bytes(64 << 20)
    path.write_bytes(bz2.compress(NOISE * 4) + bz2.compress(zeros * 5))
    pieces = by_process(path, 2)
    assert NOISE.startswith(next(pieces))
    with pytest.raises(Bz2Unreadable):
        deque(pieces, maxlen=0)
    found, right = hashlib.sha256(), hashlib.sha256(NOISE * 4)
    for _ in range(5):
        right.update(zeros)
    for piece in decompressed(path, 2):
        found.update(piece)
    assert found.digest() == right.digest()


def outcome(pieces: Iterator[bytes]) -> object:
    """The bytes, or that there was an error; what was given before it is no matter."""
    try:
        return b"".join(pieces)
    except (EOFError, OSError):
        return None


def test_bits_that_only_look_like_a_block_are_read(tmp_path: Path) -> None:
    # Random bytes are stored nearly as they are, in some order: behind the end they stay.
    path = tmp_path / "a.bz2"
    real = bz2.compress(NOISE)
    path.write_bytes(real + b"1AY&SY" + NOISE[:1000] + b"1AY&SY")
    assert b"".join(decompressed(path, 4)) == NOISE


def test_a_wide_member_is_read_by_others(tmp_path: Path) -> None:
    path = tmp_path / "a.conda"
    with path.open("w+b") as file:
        writer = CondaWriter(file, "a", level=1, threads=1, wide=True, folder=tmp_path)
        writer.write(tar(RICH.files).rstrip(b"\0"), is_info=False)
        writer.write(tar(RICH.info_files()), is_info=True)
        writer.close()
        writer.abandon()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert len(unzstd(archive.read("pkg-a.tar.zst"))) % 10_240 == 0


# What ends it from outside.

CHILD = """
import re, sys
from pathlib import Path
from pkgcache.archives.transmute import transmute
print("ready", flush=True)
transmute(Path(sys.argv[1]), Path(sys.argv[2]), level=int(sys.argv[3]), force=True)
status = Path("/proc/self/status")
if status.exists():
    import resource

    print(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1])
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def child(source: Path, folder: Path, level: int = 3) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", CHILD, str(source), str(folder), str(level)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that takes a while at the highest level."""
    text = b"".join(b"%x " % (n * 2654435761 % 2**32) for n in range(1_500_000))
    return written(tmp_path_factory.mktemp("large"), Conda(files={"a": text}), "tar.bz2")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_whoever_ends_it_sees_nothing_half_done(tmp_path: Path, large: Path, number: int) -> None:
    with child(large, tmp_path, 19) as process:
        deadline = time.monotonic() + 300
        while not list(tmp_path.iterdir()):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(60) != 0
    left = [one.name for one in tmp_path.iterdir()]
    assert all(one.startswith(".") for one in left)
    assert number == signal.SIGKILL or not left
    made = transmute(large, tmp_path)
    assert list(tmp_path.iterdir()) == [made.path]


@pytest.mark.slow
def test_a_full_disk_leaves_nothing(tmp_path: Path, large: Path) -> None:
    program = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500000, 500000))" + CHILD
    words = [sys.executable, "-c", program, str(large), str(tmp_path), "3"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert "OSError: [Errno 27]" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("form", ["conda", "tar.bz2"])
def test_memory_does_not_grow_with_the_package(tmp_path: Path, form: str) -> None:
    # A block of zeros is 46 MB, and a package of 200 times its size is accepted.
    zeros = bytes(60 << 20)
    conda = Conda(files={"a": zeros, "b": NOISE, "c": zeros, "d": zeros[1:]})
    with child(written(tmp_path, conda, form), tmp_path) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    # The other process gives up, and then the first takes its place.
    assert max(map(int, out.split()[1:])) < 150_000
