from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from resolvers.builds import copy_tree
from resolvers.content import content_digest

if TYPE_CHECKING:
    from pathlib import Path


def project(folder: Path) -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[project]\nname = 'a'\nversion = '1'\n")
    (folder / "src" / "a.py").write_text("x = 1\n")
    return folder


def test_equal_sources_have_one_digest_whatever_their_times(tmp_path: Path) -> None:
    one, two = project(tmp_path / "one"), project(tmp_path / "two")
    os.utime(two / "src" / "a.py", (1, 1))
    assert content_digest(one) == content_digest(two)


@pytest.mark.parametrize(
    "left_behind",
    [
        "build/lib/a.py",
        "dist/a.py",
        "a.egg-info/PKG-INFO",
        ".git/HEAD",
        "env/pyvenv.cfg",
        "src/env/conda-meta/history",
        "env/.mfenv.json",
        "cache/CACHEDIR.TAG",
        "home/.mfenv-home",
        ".pixi/a.py",
    ],
)
def test_what_builds_and_histories_leave_behind_does_not_count(
    tmp_path: Path, left_behind: str
) -> None:
    folder = project(tmp_path / "one")
    before = content_digest(folder)
    (folder / left_behind).parent.mkdir(parents=True)
    (folder / left_behind).write_text("left behind")
    assert content_digest(folder) == before


@pytest.mark.parametrize("package", ["build", "dist", "src/build", "src/a/dist"])
def test_a_package_may_be_called_as_what_builds_leave_behind(tmp_path: Path, package: str) -> None:
    folder = project(tmp_path / "one")
    before = content_digest(folder)
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").touch()
    digest = content_digest(folder)
    assert digest != before
    copy = copy_tree(folder, digest, tmp_path / "into")
    assert (copy / package / "__init__.py").exists()


def test_a_copy_has_its_history_and_no_caches(tmp_path: Path) -> None:
    folder = project(tmp_path / "one")
    for file in (".git/HEAD", "build/a", "home/.mfenv-home", "env/pyvenv.cfg", "src/build/a"):
        (folder / file).parent.mkdir(parents=True)
        (folder / file).touch()
    into = folder / "home" / "source"
    copy = copy_tree(folder, content_digest(folder), into)
    assert copy == into / "one"
    names = sorted(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file())
    assert names == [".git/HEAD", "pyproject.toml", "src/a.py", "src/build/a"]


def test_every_change_of_the_sources_changes_the_digest(tmp_path: Path) -> None:
    folder = project(tmp_path / "one")
    seen = {content_digest(folder)}
    source = folder / "src" / "a.py"
    source.write_text("x = 2\n")
    seen.add(content_digest(folder))
    source.chmod(0o755)
    seen.add(content_digest(folder))
    source.rename(folder / "src" / "b.py")
    seen.add(content_digest(folder))
    (folder / "src" / "c.py").symlink_to("b.py")
    seen.add(content_digest(folder))
    (folder / "src" / "c.py").unlink()
    (folder / "src" / "c.py").write_text("b.py")
    seen.add(content_digest(folder))
    assert len(seen) == 6


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a-1-py3-none-any.whl"
    path.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert content_digest(path) == digest
