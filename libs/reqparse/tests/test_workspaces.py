"""Members of uv's workspaces come from their directories, and never from an index by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import reqparse

if TYPE_CHECKING:
    from pathlib import Path

ROOT = """\
[project]
name = "root"
version = "1"
dependencies = ["libx[fast]; os_name == 'posix'"]
[tool.uv.workspace]
members = ["packages/*"]
exclude = ["packages/out"]
[tool.uv.sources]
libx = {workspace = true}
"""


def project(name: str, *needs: str, more: str = "") -> str:
    return f"[project]\nname = '{name}'\nversion = '1'\ndependencies = {list(needs)}\n{more}"


def lay_out(root: Path, **files: str) -> None:
    for place, text in files.items():
        folder = root / place.replace("__", "/").strip("/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pyproject.toml").write_text(text)


def texts(found: reqparse.RequirementSet) -> list[str]:
    return [requirement.text for requirement in found.requirements]


def test_a_member_comes_from_its_directory(tmp_path: Path) -> None:
    lay_out(tmp_path, __=ROOT, packages__some=project("LibX", "six"))
    found = reqparse.parse_file(tmp_path / "pyproject.toml")
    place = f"file://{tmp_path}/packages/some"
    assert texts(found) == [f'libx[fast] @ {place} ; os_name == "posix"']
    assert [note.text for note in found.notes] == [
        "`libx` is a member of the workspace: built from its directory as it is now"
    ]


def test_what_members_ask_of_each_other(tmp_path: Path) -> None:
    """Whoever builds a member knows nothing of its sources: these are followed here."""
    more = (
        "[project.optional-dependencies]\nfast = ['libz']\nslow = ['libw']\n"
        "[tool.uv.sources]\nliby = [{workspace = true, marker = \"sys_platform == 'linux'\"}]\n"
        "libz = {workspace = true}\nlibw = {workspace = true}\nsix = {path = '../six'}\n"
    )
    back = project("liby", "libx", more="[tool.uv.sources]\nlibx = {workspace = true}\n")
    lay_out(
        tmp_path,
        __=ROOT,
        packages__libx=project("libx", "liby", "six", "attrs", more=more),
        packages__liby=back,
        packages__libz=project("libz"),
    )
    found = reqparse.parse_file(tmp_path / "pyproject.toml")
    names = {(r.name, r.marker) for r in found.requirements}
    assert names >= {
        ("libx", 'os_name == "posix"'),
        ("liby", 'os_name == "posix" and sys_platform == "linux"'),
        ("libz", 'os_name == "posix"'),
    }
    assert {r.name for r in found.requirements} == {"libx", "liby", "libz"}
    assert all(
        r.url and r.url.startswith(f"file://{tmp_path}/packages/") for r in found.requirements
    )
    assert any("`six`, which the member `libx` has, is not used" in n.text for n in found.notes)


def test_the_root_above_and_its_sources(tmp_path: Path) -> None:
    """What the root says of a name holds for its members, which ask for it by name alone."""
    lay_out(
        tmp_path,
        __=ROOT + "far = {git = 'https://g.test/far'}\n",
        packages__libx=project("libx"),
        packages__mine=project("mine", "libx>=1", "far", "six"),
    )
    found = reqparse.parse_file(tmp_path / "packages/mine/pyproject.toml")
    assert texts(found) == [f"libx @ file://{tmp_path}/packages/libx", "far", "six"]
    assert any("the source of `far` in the root" in note.text for note in found.notes)


@pytest.mark.parametrize(
    ("files", "file", "reason"),
    [
        ({"__": ROOT}, "", "no member `libx` of the workspace"),
        ({"__": ROOT, "packages__out": project("libx")}, "", "no member `libx` of the workspace"),
        (
            {"__": ROOT, "packages__a": project("libx"), "packages__b": project("libx")},
            "",
            "two members of the workspace are called `libx`",
        ),
        (
            {
                "__": ROOT,
                "packages__libx": project("libx"),
                "packages__out": project(
                    "o", "libx", more="[tool.uv.sources]\nlibx = {workspace = true}"
                ),
            },
            "packages/out",
            "in no workspace",
        ),
        ({"__": ROOT, "packages__a": "name ="}, "", "packages/a/pyproject.toml"),
    ],
)
def test_refused_by_name(tmp_path: Path, files: dict[str, str], file: str, reason: str) -> None:
    lay_out(tmp_path, **files)
    with pytest.raises(reqparse.ParseErrors) as caught:
        reqparse.parse_file(tmp_path / file / "pyproject.toml")
    assert reason in str(caught.value)


def test_a_file_at_a_url(tmp_path: Path) -> None:
    """Whose members nobody can look for."""
    with pytest.raises(reqparse.ParseErrors, match="this one is at a URL"):
        reqparse.parse_file("https://host.test/pyproject.toml", fetch=lambda _: ROOT.encode())
