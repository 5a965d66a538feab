"""`pkgcache.whole_files`: a file is there whole, or what was there before is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pkgcache.whole_files import contents, made_folder, whole_file, write_all

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("synced", [True, False])
def test_a_file_is_replaced_when_it_is_complete(tmp_path: Path, synced: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with whole_file(path, synced=synced) as descriptor:
        write_all(descriptor, b"new" * 100_000)
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" * 100_000
    assert [*tmp_path.iterdir()] == [path]


def test_what_was_interrupted_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted(descriptor: int) -> None:
        write_all(descriptor, b"ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), whole_file(path) as descriptor:
        interrupted(descriptor)
    assert path.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [path]


def test_the_mode_is_under_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "open"):
            pass
        with whole_file(tmp_path / "own", 0o600):
            pass
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("open", "own")]
    assert modes == [0o640, 0o600]


def test_a_place_that_cannot_be_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "none" / "file"):
        pytest.fail("the block is not begun")


def test_contents_are_of_a_file_or_of_memory(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    (tmp_path / "file").write_bytes(data)
    assert b"".join(contents(tmp_path / "file")) == data == b"".join(contents(data))


def test_directories_that_were_made_for_nothing_go_again(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    folder = there / "a" / "b"

    def fails() -> None:
        assert folder.is_dir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), made_folder(folder):
        fails()
    assert [*tmp_path.rglob("*")] == [there]
    with made_folder(there):
        pass
    assert there.is_dir()


def test_directories_that_have_something_stay(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c"
    with made_folder(folder):
        (folder.parent / "file").touch()
    assert {*tmp_path.rglob("*")} == {folder.parent.parent, folder.parent, folder.parent / "file"}
    with made_folder(folder):
        (folder / "file").touch()
    assert (folder / "file").exists()


def test_a_directory_that_cannot_be_made_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"), made_folder(tmp_path / "file" / "a"):
        pass
    with pytest.raises(OSError, match="name too long"), made_folder(tmp_path / "a" / ("b" * 300)):
        pass
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]
