"""What manifests of several tools say beside packages, with settings and options around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

from mfenv.errors import Contradiction, InvalidRequest
from mfenv.request import Request, prepare
from mfenv.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from mfenv.request import Prepared

UV = "[project]\ndependencies = ['a']\n[tool.uv]\n"


def prepared(
    folder: Path, *texts: str, environ: Any = (), options: Any = None, **asked: Any
) -> Prepared:
    """The request of some manifests, each in a folder of its own."""
    paths = []
    for number, text in enumerate(texts):
        name = "pixi.toml" if "dependencies." in text else "pyproject.toml"
        path = folder / str(number) / name
        path.parent.mkdir()
        path.write_text(text)
        paths.append(path)
    (folder / "here").mkdir()
    settings = Settings.load(options, environ=dict(environ), directory=folder / "here")
    return prepare(Request(pyprojects=tuple(paths), **asked), settings, lambda *_: ())


def test_what_a_file_states_holds_before_a_setting(tmp_path: Path) -> None:
    found = prepared(
        tmp_path,
        "workspace.channel-priority = 'flexible'\ndependencies.a = '*'\n",
        environ={"MFENV_CHANNEL_PRIORITY": "disabled"},
    )
    assert found.spec.options.channel_priority == "flexible"
    (note,) = (note for note in found.notes if "priority" in note)
    assert note.startswith(
        "MFENV_CHANNEL_PRIORITY is not used: `channel-priority = flexible` is in"
    )
    assert note.endswith("pixi.toml:1")


def test_an_option_holds_before_what_a_file_states(tmp_path: Path) -> None:
    found = prepared(
        tmp_path, f"{UV}exclude-newer = '2026-01-31'\n", options={"exclude_newer": "2025-01-01"}
    )
    assert found.spec.options.exclude_newer == "2025-01-02T00:00:00Z"
    (note,) = (note for note in found.notes if "exclude-newer" in note)
    assert "pyproject.toml:4: `exclude-newer = 2026-01-31` is not used: --exclude-newer" in note


def test_two_files_that_state_the_same_agree(tmp_path: Path) -> None:
    found = prepared(
        tmp_path,
        f"{UV}exclude-newer = '2026-01-31'\nindex-strategy = 'unsafe-first-match'\n",
        "workspace.exclude-newer = '2026-01-31'\ndependencies.b = '*'\n",
    )
    assert found.spec.options.exclude_newer == "2026-02-01T00:00:00Z"
    assert found.spec.options.index_strategy == "unsafe-first-match"


def test_two_files_that_state_different_things_are_refused_with_both_places(
    tmp_path: Path,
) -> None:
    places = r"0/pyproject.toml:4 states `exclude-newer = 2026-01-31`, and .*1/pixi.toml:1 `2025"
    with pytest.raises(Contradiction, match=places):
        prepared(
            tmp_path,
            f"{UV}exclude-newer = '2026-01-31'\n",
            "workspace.exclude-newer = '2025-01-31'\ndependencies.b = '*'\n",
        )


def test_an_explicit_index_serves_what_is_bound_to_it(tmp_path: Path) -> None:
    indexes = "index = [{name = 'far', url = 'https://far.test/s', explicit = true}]\n"
    found = prepared(tmp_path, f"{UV}{indexes}")
    assert "https://far.test/s" not in [source.url for source in found.spec.sources]
    (tmp_path / "more").mkdir()
    found = prepared(tmp_path / "more", f"{UV}{indexes}sources.a = {{index = 'far'}}\n")
    assert "https://far.test/s" in [source.url for source in found.spec.sources]
    assert any("`a` is looked for in every index" in note for note in found.notes)


def test_a_group_is_known_however_it_is_spelled(tmp_path: Path) -> None:
    text = "[project]\ndependencies = ['a']\n[dependency-groups]\nMore_Of = ['b']\n"
    found = prepared(tmp_path, text, groups=("more.of",))
    assert found.spec.requirements["pypi"] == ("a", "b")
    assert found.notes == ()


def test_groups_without_a_project_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "pixi.toml"
    path.write_text("dependencies.a = '*'\n")
    settings = Settings.load(environ={}, directory=tmp_path)
    with pytest.raises(InvalidRequest, match="groups and extras"):
        prepare(Request(files=(path,), groups=("x",)), settings, lambda *_: ())


def test_settings_of_a_project_elsewhere_are_noted(tmp_path: Path) -> None:
    text = f"{UV}package = true\n[tool.mfenv]\npre = true\n"
    found = prepared(tmp_path, text)
    assert not found.spec.options.prereleases
    assert [note for note in found.notes if "[tool.mfenv]" in note]
    settings = Settings.load(environ={}, directory=tmp_path / "0")
    request = Request(pyprojects=(tmp_path / "0/pyproject.toml",))
    found = prepare(request, settings, lambda *_: ())
    assert found.spec.options.prereleases
    assert not [note for note in found.notes if "[tool.mfenv]" in note]


@pytest.mark.parametrize(
    ("constraint", "text"),
    [
        ("'<2'", "b<2[when='b']"),
        ("{version = '<2', build = 'x*'}", "b<2 x*[when='b']"),
        ("{version = '<2', license = 'MIT'}", "b<2[license='MIT',when='b']"),
    ],
)
def test_a_constraint_holds_where_its_package_is(
    tmp_path: Path, constraint: str, text: str
) -> None:
    found = prepared(tmp_path, f"dependencies.a = '*'\nconstraints.b = {constraint}\n")
    assert found.spec.requirements["conda"] == ("a", text)
    assert found.spec.constraints == ()
    assert re.search(r"pixi.toml:2$", found.origins[text])


def test_a_constraint_for_some_platforms_holds_there(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("b<2\nc<3 ; python_version > '3.8'\n")
    path = tmp_path / "environment.yml"
    path.write_text("dependencies:\n- pip:\n  - a\n  - -c c.txt  # [osx]\n")
    settings = Settings.load(environ={}, directory=tmp_path)
    found = prepare(Request(environment_files=(path,)), settings, lambda *_: ()).spec.constraints
    here = {"sys_platform": "darwin", "platform_machine": "arm64", "python_version": "3.11"}
    there = {"sys_platform": "linux", "platform_machine": "aarch64", "python_version": "3.11"}
    for text, name in zip(found, ("b<2", "c<3"), strict=True):
        requirement = Requirement(text)
        assert requirement.marker is not None
        assert f"{requirement.name}{requirement.specifier}" == name
        assert requirement.marker.evaluate(here)
        assert not requirement.marker.evaluate(there)
