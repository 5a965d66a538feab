"""Files of find-links and indexes that are no packages: they are named, with what is wrong."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests.channel import ChannelServer

from resolvers.content import content_digest
from resolvers.errors import (
    NoSolution,
    PackageUnreadable,
    RequirementsUnmet,
    ResolveError,
    UnknownPackage,
)
from resolvers.testing import make_wheel

from .helpers import resolve, spec_of, versions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WHEEL = make_wheel("thing", "1.0")
FILENAME = WHEEL.filename
INFO = "thing-1.0.dist-info"
METADATA = "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n"


def edited(change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> bytes:
    """The wheel with other members."""
    with zipfile.ZipFile(io.BytesIO(WHEEL.data)) as old:
        members = change({name: old.read(name) for name in old.namelist()})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as new:
        for name, data in members.items():
            new.writestr(name, data)
    return archive.getvalue()


def without(name: str) -> bytes:
    return edited(lambda old: {key: one for key, one in old.items() if key != f"{INFO}/{name}"})


def with_metadata(text: str) -> bytes:
    return edited(lambda old: {**old, f"{INFO}/METADATA": text.encode("latin-1")})


def encrypted() -> bytes:
    """The wheel with the bit set that says so (APPNOTE 4.4.4)."""
    data = bytearray(WHEEL.data)
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 1)
    return bytes(data)


OTHER = METADATA.replace("thing", "other").encode()
REFUSED = {
    "a page": (b"<html>please log in</html>", "it is no zip archive"),
    "empty": (b"", "it is cut off, or damaged"),
    "half": (WHEEL.data[: len(WHEEL.data) // 2], "it is cut off, or damaged"),
    "without its end": (WHEEL.data[:-10], "it is cut off, or damaged"),
    "another byte": (WHEEL.data.replace(b"Metadata-V", b"Xetadata-V", 1), "it is cut off"),
    "encrypted": (encrypted(), "it is encrypted"),
    "two dist-infos": (edited(lambda old: {**old, "other-1.0.dist-info/METADATA": OTHER}), "other"),
    "no dist-info": (edited(lambda _: {"thing.py": b""}), "dist-info"),
    "no RECORD": (without("RECORD"), "it has no `RECORD`"),
    "another name": (with_metadata(METADATA.replace("thing", "other")), "that it is `other`"),
}
# uv can do without these where there is another version.
PASSED_OVER = {
    "another dist-info": (
        edited(lambda old: {key.replace("thing", "other"): one for key, one in old.items()}),
        "other-1.0",
    ),
    "no METADATA": (without("METADATA"), "it has no `METADATA`"),
    "empty METADATA": (with_metadata(""), "`METADATA` is not valid"),
    "no name": (with_metadata("Metadata-Version: 2.1\nVersion: 1.0\n"), "`METADATA` is not valid"),
    "no version": (with_metadata("Metadata-Version: 2.1\nName: thing\n"), "is not valid"),
    "no such version": (with_metadata(METADATA.replace("1.0", "x y")), "is not valid"),
    "no such Python": (with_metadata(f"{METADATA}Requires-Python: snake\n"), "is not valid"),
    "no requirement": (with_metadata(f"{METADATA}Requires-Dist: a >>> 3\n"), "is not valid"),
}


def failure(folder: Path, url: str) -> ResolveError:
    with pytest.raises(ResolveError) as caught:
        resolve(spec_of("thing", find_links=[url]), folder)
    return caught.value


def links(folder: Path, filename: str, data: bytes) -> Path:
    page = folder / "links"
    page.mkdir()
    (page / filename).write_bytes(data)
    (page / "index.html").write_text(f'<a href="{filename}">{filename}</a>')
    return page


@pytest.mark.parametrize(("data", "words"), REFUSED.values(), ids=REFUSED)
def test_a_wheel_that_is_none_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    folder = links(tmp_path, FILENAME, data)
    error = failure(tmp_path, folder.as_uri())
    assert isinstance(error, PackageUnreadable)
    assert (error.filename, error.where) == (FILENAME, folder.as_uri())
    assert words in error.reason
    assert str(tmp_path / "engines") not in str(error)


@pytest.mark.parametrize(("data", "words"), PASSED_OVER.values(), ids=PASSED_OVER)
def test_a_wheel_that_cannot_be_read_is_passed_over_if_there_is_another(
    tmp_path: Path, data: bytes, words: str
) -> None:
    folder = links(tmp_path, FILENAME, data)
    error = failure(tmp_path, folder.as_uri())
    assert isinstance(error, NoSolution)
    assert f"`{FILENAME}` of `{folder.as_uri()}`: " in error.reason
    assert words in error.reason
    assert str(tmp_path / "engines") not in str(error)
    older = make_wheel("thing", "0.9")
    (folder / older.filename).write_bytes(older.data)
    found = resolve(spec_of("thing", find_links=[folder.as_uri()]), tmp_path)
    assert versions(found) == {"thing": "0.9"}


@pytest.mark.parametrize("kind", ["a page", "half", "two dist-infos", "another name"])
def test_the_same_from_a_page(tmp_path: Path, kind: str) -> None:
    data, words = REFUSED[kind]
    with ChannelServer(links(tmp_path, FILENAME, data)) as server:
        error = failure(tmp_path, f"{server.url}/index.html")
    assert isinstance(error, PackageUnreadable)
    assert (error.filename, error.where) == (FILENAME, f"{server.url}/index.html")
    assert words in error.reason


@pytest.mark.parametrize(
    "kind", ["a page", "half", "two dist-infos", "another name", "no METADATA"]
)
def test_a_local_wheel(tmp_path: Path, kind: str) -> None:
    data, words = {**REFUSED, **PASSED_OVER}[kind]
    path = tmp_path / FILENAME
    path.write_bytes(data)
    digest = content_digest(path)
    spec = spec_of(f"thing @ file:{FILENAME}#sha256={digest}")
    with pytest.raises(PackageUnreadable) as caught:
        resolve(spec, tmp_path, local_paths={digest: path})
    assert FILENAME in caught.value.filename
    assert words in caught.value.reason


def test_another_version_in_the_metadata(tmp_path: Path) -> None:
    folder = links(tmp_path, FILENAME, with_metadata(METADATA.replace("1.0", "2.0")))
    error = failure(tmp_path, folder.as_uri())
    assert isinstance(error, RequirementsUnmet)
    assert FILENAME in str(error)


@pytest.mark.parametrize("name", ["", "thing @ "])
def test_another_version_in_the_metadata_of_a_local_wheel(tmp_path: Path, name: str) -> None:
    path = tmp_path / FILENAME
    path.write_bytes(with_metadata(METADATA.replace("1.0", "2.0")))
    digest = content_digest(path)
    spec = spec_of(f"{name}file:{FILENAME}#sha256={digest}")
    with pytest.raises(RequirementsUnmet, match=f"`{FILENAME}` says itself that it is `thing` 2.0"):
        resolve(spec, tmp_path, local_paths={digest: path})


def test_another_name_in_the_metadata_of_what_uv_has_seen(tmp_path: Path) -> None:
    data, words = REFUSED["another name"]
    folder = links(tmp_path, FILENAME, data)
    path = folder / FILENAME
    digest = content_digest(path)
    for spec in (
        spec_of(f"file:{FILENAME}#sha256={digest}"),
        spec_of("thing", find_links=[folder.as_uri()]),
    ):
        with pytest.raises(PackageUnreadable, match=words):
            resolve(spec, tmp_path, local_paths={digest: path})


@pytest.mark.parametrize(
    "filename",
    ["thing-1.0-.whl", "thing.whl", "thing-1.0-py3-none.whl", "thing-1,0-py3-none-any.whl"],
)
def test_a_file_name_that_is_none(tmp_path: Path, filename: str) -> None:
    folder = links(tmp_path, filename, WHEEL.data)
    error = failure(tmp_path, folder.as_uri())
    assert isinstance(error, UnknownPackage)
    assert error.hint
    assert f"`{filename}` of `{folder.as_uri()}` has not the name of a package" in error.hint


@pytest.mark.parametrize(
    ("data", "words"), [(b"<html>", "no gzip"), (b"", "cut off"), (None, "cut")]
)
def test_an_sdist_that_is_none(tmp_path: Path, data: bytes | None, words: str) -> None:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        member = tarfile.TarInfo("thing-1.0/PKG-INFO")
        member.size = len(METADATA)
        archive.addfile(member, io.BytesIO(METADATA.encode()))
    data = whole.getvalue()[:60] if data is None else data
    folder = links(tmp_path, "thing-1.0.tar.gz", data)
    error = failure(tmp_path, folder.as_uri())
    assert isinstance(error, PackageUnreadable)
    assert (error.filename, error.where) == ("thing-1.0.tar.gz", folder.as_uri())
    assert words in error.reason
