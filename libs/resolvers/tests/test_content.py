from __future__ import annotations

import os
import shutil
import subprocess
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
        "dist/a-1-py3-none-any.whl",
        "a.egg-info/PKG-INFO",
        ".git/HEAD",
        "env/pyvenv.cfg",
        "src/env/conda-meta/history",
        "env/.mfenv.json",
        "cache/CACHEDIR.TAG",
        "home/.mfenv-home",
        ".pixi/a.py",
        ".metaflow/F/x",
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


@pytest.mark.parametrize(
    "file",
    [
        "build/__init__.py",
        "build/of_a_namespace.py",
        "dist/__init__.py",
        "dist/app.js",
        "src/build/__init__.py",
        "src/a/dist/__init__.py",
        "src/a/static/node_modules/x/a.js",
        "src/a/templates/venv/pyvenv.cfg",
        "src/a/.venv/x",
    ],
)
def test_what_a_package_has_may_be_called_as_what_is_none(tmp_path: Path, file: str) -> None:
    folder = project(tmp_path / "one")
    (folder / "src" / "a").mkdir()
    (folder / "src" / "a" / "__init__.py").touch()
    before = content_digest(folder)
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).touch()
    digest = content_digest(folder)
    assert digest != before
    copy = copy_tree(folder, digest, tmp_path / "into")
    assert (copy / file).exists()


def test_what_a_link_leads_to_outside_is_part_of_it(tmp_path: Path) -> None:
    folder = project(tmp_path / "one")
    (folder / "a").mkdir()
    (folder / "a" / "__init__.py").touch()
    shared, far = tmp_path / "shared", tmp_path / "far"
    for outside in (shared, far):
        outside.mkdir()
        (outside / "common.py").write_text("x = 1\n")
        (outside / "again").symlink_to(outside)
        (outside / "latest.py").symlink_to("common.py")
    (folder / "README.md").symlink_to("../shared/common.py")
    (folder / "a" / "data").symlink_to("../../shared")
    (folder / "a" / "more").symlink_to("../../shared")
    (folder / "a" / "itself").symlink_to("itself")
    (folder / "a" / "twin.py").symlink_to(folder / "a" / "__init__.py")
    (folder / "gone").symlink_to("nowhere")
    (folder / "far").symlink_to("../far")
    digest = content_digest(folder)
    copy = copy_tree(folder, digest, tmp_path / "into" / "deep")
    assert (copy / "README.md").read_text() == (copy / "a/data/common.py").read_text() == "x = 1\n"
    links = {str(p.relative_to(copy)): str(p.readlink()) for p in copy.rglob("*") if p.is_symlink()}
    inside = {"a/twin.py": "__init__.py", "a/itself": "itself"}
    assert links == {**inside, "gone": "nowhere", "far": "../far"}
    for name in ("data", "more"):
        found = sorted(path.name for path in (copy / "a" / name).iterdir())
        assert found == ["common.py", "latest.py"]
    (shared / "common.py").write_text("x = 2\n")
    changed = content_digest(folder)
    assert changed != digest
    (far / "common.py").write_text("x = 2\n")
    assert content_digest(folder) == changed


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    folder = project(tmp_path / "one")
    before = content_digest(folder)
    (folder / ".git").mkdir()
    for place in (folder / "pipe", folder / ".git" / "pipe"):
        os.mkfifo(place)
    assert content_digest(folder) == before
    copy = copy_tree(folder, before, tmp_path / "into")
    assert sorted(path.name for path in copy.iterdir()) == [".git", "pyproject.toml", "src"]


@pytest.mark.parametrize("top", [".git", ""])
def test_what_is_ignored_above_a_project_is_ignored_beside_its_copy(
    tmp_path: Path, top: str
) -> None:
    repository = tmp_path / "repository"
    folder = project(repository / "deep" / "one")
    before = content_digest(folder)
    if top:
        (repository / "deep" / top).mkdir()
    (repository / ".gitignore").write_text("*.secret\n")
    digest = content_digest(folder)
    # Not from beyond the top of a repository.
    assert (digest == before) == bool(top)
    copy = copy_tree(folder, digest, repository / "home" / "source")
    assert (copy.parent / ".gitignore").read_text() == ("" if top else "*.secret\n")
    (folder / ".gitignore").write_text("*.log\n")
    own = content_digest(folder)
    copy = copy_tree(folder, own, repository / "home" / "again")
    assert (copy.parent / ".gitignore").read_text() == ""


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
def test_a_version_that_comes_from_git_counts(tmp_path: Path) -> None:
    folder = project(tmp_path / "one")

    def git(*words: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@h.test")
        subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    before = content_digest(folder)
    git("tag", "v1")
    assert content_digest(folder) == before  # what has its version in a file
    with (folder / "pyproject.toml").open("a") as file:
        file.write("[tool.setuptools_scm]\n")
    seen = [content_digest(folder)]
    for step in (("tag", "v2"), ("commit", "-qam", "two"), ("pack-refs", "--all"), ("tag", "v3")):
        git(*step)
        seen.append(content_digest(folder))
        copy_tree(folder, seen[-1], tmp_path / step[-1])
    assert seen[2] == seen[3]  # packed, they are the same
    assert len(set(seen)) == 4


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


def test_a_store_inside_does_not_count(tmp_path: Path) -> None:
    folder = project(tmp_path / "one")
    before = content_digest(folder)
    (folder / "store" / "environments").mkdir(parents=True)
    (folder / "store" / "layout.json").touch()
    assert content_digest(folder) != before
    (folder / "store" / "packages").mkdir()
    assert content_digest(folder) == before


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
