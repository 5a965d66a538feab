"""Locks of uv that their projects have left behind: what uv itself says of them is the measure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from mfenv.importing.uv_projects import built_by_uv, stale_project
from resolvers.testing import FakeIndex, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUILD = "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
LIBX = (
    "[project]\nname = 'libx'\nversion = '0.1'\nrequires-python = '>=3.9'\n"
    f"dependencies = ['app']\n{BUILD}"
)
OTHER = f"[project]\nname = 'other'\nversion = '0.1'\ndependencies = ['dep']\n{BUILD}"
ROOT = """
[project]
name = "root"
version = "1"
requires-python = ">=3.10"
dependencies = ["app", "libx", "other", "dep; sys_platform == 'linux'", "multi>=1"]
[project.optional-dependencies]
e = ["tool>=1"]
[dependency-groups]
dev = ["tool"]
new = ["attrs"]
all = ["tool", {include-group = "new"}]
[tool.uv]
override-dependencies = ["dep>=1"]
constraint-dependencies = ["app<3"]
exclude-dependencies = ["unwanted"]
build-constraint-dependencies = ["setuptools<90"]
default-groups = ["new"]
environments = ["sys_platform == 'linux'", "sys_platform == 'darwin'"]
required-environments = ["sys_platform == 'linux' and platform_machine == 'x86_64'"]
conflicts = [[{extra = "e"}, {group = "new"}]]
[tool.uv.sources]
libx = {workspace = true}
other = {path = "other", editable = true}
dep = {index = "second"}
multi = [
    {index = "second", marker = "sys_platform == 'linux'"},
    {index = "third", marker = "sys_platform == 'darwin'"},
]
[[tool.uv.index]]
name = "second"
url = "INDEX"
explicit = true
[[tool.uv.index]]
name = "third"
url = "INDEX/"
explicit = true
[[tool.uv.dependency-metadata]]
name = "app"
version = "1.0"
requires-dist = ["dep"]
[tool.uv.dependency-groups]
new = {requires-python = ">=3.12"}
[tool.uv.workspace]
members = ["libx"]
"""


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A workspace that uv has locked, and what uv is to be run with."""
    folder = tmp_path_factory.mktemp("uv") / "root"
    names = ("app", "dep", "tool", "attrs", "multi")
    with FakeIndex(*(make_wheel(name, version) for name in names for version in "12")) as index:
        for name, text in {"": ROOT, "libx": LIBX, "other": OTHER}.items():
            (folder / name).mkdir(parents=True)
            file = folder / name / "pyproject.toml"
            file.write_text(text.replace("INDEX", index.url))
        environ = {key: text for key, text in os.environ.items() if not key.startswith("UV_")}
        environ |= {
            "UV_DEFAULT_INDEX": index.url,
            "UV_PYTHON": sys.executable,
            "UV_CACHE_DIR": str(folder.parent / "cache"),
        }
        assert uv(folder, environ, "lock").returncode == 0
        yield folder, environ


def uv(folder: Path, environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [find_uv_bin(), *words],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def project(locked: tuple[Path, dict[str, str]], tmp_path: Path) -> Path:
    """A copy of it to change."""
    return shutil.copytree(locked[0], tmp_path / "root")


def stale(folder: Path) -> list[str]:
    return [f.text for f in stale_project(folder / "uv.lock", folder / "pyproject.toml")]


def test_a_fresh_lock_is_fresh_to_uv_and_to_us(
    project: Path, locked: tuple[Path, dict[str, str]]
) -> None:
    assert stale(project) == []
    assert uv(project, locked[1], "lock", "--check").returncode == 0
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace('"dep>=1"', '"DEP >= 1.0"'))
    assert stale(project) == []
    assert uv(project, locked[1], "lock", "--check").returncode == 0
    for path in (file, project / "uv.lock"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert stale(project) == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('default-groups = ["new"]', 'default-groups = "all"', "`default-groups`"),
        ('default-groups = ["new"]', "", "`default-groups`"),
        ('version = "1"', 'version = "2"', '`version = "2"`'),
        ('name = "root"', 'name = "rooted"', '`name = "rooted"`'),
        ('">=3.10"', '">=3.11"', "`requires-python"),
        ("setuptools<90", "setuptools<91", "`build-constraint-dependencies`"),
        ("unwanted", "wanted", "`exclude-dependencies`"),
        ("required-environments =", "ignored =", "`required-environments`"),
        ("\nenvironments =", "\nignored =", "`environments`"),
        ("conflicts =", "ignored =", "`conflicts`"),
        ("app<3", "app<4", "`constraint-dependencies`"),
        ('"dep>=1"', '"dep>=1", "app>=1"', "`override-dependencies`"),
        ("dep = {index", "dep_ = {index", "the project asks of `dep`"),
        ("other = {path =", "other = {git =", "the project asks of `other`"),
        ("'darwin'\"}", "'win32'\"}", "the project asks of `multi`"),
        ('"app", "libx"', '"libx"', "the project asks of `app`"),
        ('["dep"]', '["dep", "tool"]', "`dependency-metadata`"),
        (">=3.12", ">=3.13", "group new asks of `attrs`"),
        ("[tool.uv]", '[tool.uv]\nprerelease = "allow"', "`prerelease`"),
        ("[tool.uv]", '[tool.uv]\nresolution = "lowest"', "`resolution`"),
        ("[tool.uv]", '[tool.uv]\nexclude-newer = "2025-01-01T00:00:00Z"', "`exclude-newer`"),
    ],
)
def test_what_of_a_project_is_no_longer_as_its_lock_says(
    project: Path, locked: tuple[Path, dict[str, str]], before: str, after: str, told: str
) -> None:
    file = project / "pyproject.toml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))
    assert uv(project, locked[1], "lock", "--check", "--offline").returncode != 0
    notes = stale(project)
    assert any(told in note for note in notes)
    assert all(note.startswith(f"{file}: ") for note in notes)


@pytest.mark.parametrize(
    ("member", "before", "after", "told"),
    [
        ("libx", "['app']", "['app', 'attrs']", "the project asks of `attrs`"),
        ("other", "['dep']", "['dep', 'attrs']", "the project asks of `attrs`"),
        ("other", "'0.1'", "'0.2'", '`version = "0.2"`'),
        (
            "other",
            "[build",
            "[dependency-groups]\ng = ['attrs']\n[build",
            "group g asks of `attrs`",
        ),
    ],
)
def test_a_member_that_is_no_longer_as_the_lock_says(  # noqa: PLR0917
    project: Path,
    locked: tuple[Path, dict[str, str]],
    member: str,
    before: str,
    after: str,
    told: str,
) -> None:
    file = project / member / "pyproject.toml"
    file.write_text(file.read_text().replace(before, after, 1))
    assert uv(project, locked[1], "lock", "--check").returncode != 0
    (note,) = stale(project)
    assert note.startswith(f"{file}: ")
    assert told in note


@pytest.mark.parametrize(
    ("members", "more", "fresh"),
    [
        ('members = ["libx", "new"]', "", False),
        ('members = ["*"]\nexclude = ["other"]', "", False),
        ('members = ["*"]\nexclude = ["other", "new"]', "", True),
        ('members = ["lib*", "./libx", "docs"]', "", True),
        ('members = ["libx", "new"]', "[tool.uv]\nmanaged = false\n", True),
    ],
)
def test_a_workspace_has_the_members_of_its_lock(
    project: Path, locked: tuple[Path, dict[str, str]], members: str, more: str, *, fresh: bool
) -> None:
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace('members = ["libx"]', members))
    (project / "docs").mkdir()
    (project / "new").mkdir()
    text = f'[project]\nname = "new"\nversion = "1"\nrequires-python = ">=3.10"\n{more}'
    (project / "new" / "pyproject.toml").write_text(text)
    assert (uv(project, locked[1], "lock", "--check").returncode == 0) is fresh
    told = f"{file}: `workspace` is not what `{project / 'uv.lock'}` was made for"
    assert stale(project) == ([] if fresh else [told])


@pytest.mark.parametrize("key", ["index-url = ", "[[tool.uv.index]]\ndefault = true\nurl = "])
def test_a_lock_is_of_the_indexes_of_its_project(tmp_path: Path, key: str) -> None:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("UV_")}
    environ |= {"UV_PYTHON": sys.executable, "UV_CACHE_DIR": str(tmp_path / "cache")}
    folder, file = tmp_path / "p", tmp_path / "p" / "pyproject.toml"
    folder.mkdir()

    def project(url: str, more: str = "") -> None:
        file.write_text(
            '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.10"\n'
            f'dependencies = ["app"]\n[tool.uv]\n{key}"{url}"\n{more}'
        )

    with FakeIndex(make_wheel("app", "1")) as index, FakeIndex(make_wheel("app", "1")) as other:
        project(index.url)
        assert uv(folder, environ, "lock").returncode == 0
        for url, more, fresh in (
            (index.url, "", True),
            (other.url, "", False),
            (other.url, f'[[tool.uv.index]]\nurl = "{index.url}"\n', True),
        ):
            project(url, more)
            assert (uv(folder, environ, "lock", "--check").returncode == 0) is fresh
            told = f"{file}: `index` is not what `{folder / 'uv.lock'}` was made for"
            assert stale(folder) == ([] if fresh else [told])


def test_groups_that_include_each_other_twice_are_read_once(project: Path) -> None:
    """There are a thousand million ways to the last of them."""
    file = project / "pyproject.toml"
    both = (f"[{{include-group = 'g{i + 1}'}}, {{include-group = 'g{i + 1}'}}]" for i in range(30))
    groups = "".join(f"g{i} = {listed}\n" for i, listed in enumerate([*both, "['tool']"]))
    text = file.read_text().replace("[dependency-groups]\n", f"[dependency-groups]\n{groups}")
    file.write_text(text)
    notes = stale(project)
    assert all("asks of `tool`" in note for note in notes)
    assert len(notes) == 31


def test_what_is_known_only_where_it_is_built_is_said(project: Path) -> None:
    file = project / "other" / "pyproject.toml"
    dynamic = file.read_text().replace("dependencies = ['dep']", "dynamic = ['dependencies']")
    for text in (dynamic, None):
        file.write_text(text) if text else file.unlink()
        (note,) = stale(project)
        assert note.endswith(f"what `{file.parent}` asks for is known where it is built")
        assert "cannot be told" in note


def test_what_uv_builds_otherwise_is_said(project: Path) -> None:
    file = project / "pyproject.toml"
    assert list(built_by_uv(file)) == []
    text = file.read_text()
    file.write_text(text.replace("[tool.uv]", "[tool.uv]\nno-binary-package = ['app']"))
    (note,) = built_by_uv(file)
    assert "builds `app` from source" in note
    # What is in a uv.toml goes before it.
    file.with_name("uv.toml").write_text("no-binary-package = []\nno-build = true\n")
    (note,) = built_by_uv(file)
    assert "builds nothing of every package" in note
