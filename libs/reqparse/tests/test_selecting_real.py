"""Every lock of other projects in ../shared/data is selected from, or refused for a reason here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import reqparse
from reqparse.selecting import Choice, as_lock, pythons, select

from .targets import target

DATA = Path(__file__).resolve().parents[4] / "shared/data"
FOLDERS = ("locks", "public-locks", "resolved-projects")
PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64")
pytestmark = pytest.mark.shared

SOURCE = "is to be built from source"
WINDOWS = "is not for osx-arm64; it is for win-64"
# Part of the path → why no platform has anything of it, in every problem for the last platform.
REFUSED = {
    "vs2015_runtime_win-64.txt": WINDOWS,
    "pixi-v4/path-based-lock.yml": WINDOWS,
    "pixi-v5/similar-with-and-without-purl.yml": WINDOWS,
    "pixi-v6/derived-channel-lock.yml": "is not for osx-arm64",
    "pixi-v6/empty-lock.yml": "is not for osx-arm64",
    "pixi-v6/options-lock.yml": "the lock has no environment `default`; it has without-options",
    "pixi-v6/sources-lock.yml": WINDOWS,
    "conda-path-lock.yml": SOURCE,
    "pixi-v7/pixi-pack__examples__local-build": SOURCE,
    "pixi-v7/pixi__docs__source_files__pixi_workspaces__pixi_build": SOURCE,
    "pixi-v7/pixi__examples__pixi-build__array-api-extra": SOURCE,
    "pixi-v7/pixi__examples__pixi-build__polyglot": SOURCE,
    "pixi-v7/pixi__examples__pixi-build__v3": "the environment `default` is not for linux-64",
    "pixi-v7/pixi__tests__data__non-satisfiability__pypi-index": WINDOWS,
    "satisfiability__pypi-dynamic-version": WINDOWS,
    "satisfiability__pypi-no-longer-dynamic": WINDOWS,
    "source-package-with-variants-lock.yml": SOURCE,
    "source-packages-with-variants-lock.yml": SOURCE,
    "pixi-v6/pixi-build-": SOURCE,
    "conda-lock-metadata__conda-lock.yml": "needs `only_in_lockfile 0`",  # made up, for a test
}


def files() -> list[Any]:
    if not DATA.exists():
        return [pytest.param(DATA, marks=pytest.mark.skip(reason="no ../shared/data"))]
    found = (path for folder in FOLDERS for path in sorted((DATA / folder).rglob("*")))
    return [
        pytest.param(path, id=str(path.relative_to(DATA)))
        for path in found
        if path.is_file() and path.name != "INDEX.json" and not path.name.startswith("LICENSE")
    ]


def read(path: Path) -> reqparse.RequirementSet:
    """What a file says; nothing if it does not parse, for a reason that is stated elsewhere."""
    try:
        said = reqparse.parse_file(path, env={})
    except reqparse.ParseErrors:
        return reqparse.RequirementSet()
    return as_lock(said) if path.name == "requirements.txt" else said


def problems(locked: reqparse.RequirementSet, platform: str) -> list[str]:
    """What is wrong with a lock on a platform, with its own Python or the newest that it admits."""
    said = pythons(locked)
    pinned = next((p.version for p in said.pinned.get(platform, ()) if p.name == "python"), None)
    python = pinned or "3.12.4"
    try:
        selected = select(locked, target(platform, python, pinned=pinned is not None))
    except reqparse.SelectionErrors as errors:
        return [f"{p.message}; {p.hint}" for p in errors.problems]
    assert len({(s.package.category, s.package.name) for s in selected}) == len(selected)
    names = {s.package.name for s in selected}
    assert all(needed in names for s in selected for needed in s.depends)
    return []


@pytest.mark.parametrize("path", files())
def test_a_lock_is_selected_from_or_refused_as_intended(path: Path) -> None:
    locked = read(path)
    if locked.lock is None:
        return
    intended = [what for part, what in REFUSED.items() if part in str(path)]
    answers = {platform: problems(locked, platform) for platform in PLATFORMS}
    if not intended:
        assert [] in answers.values(), answers
        return
    assert [] not in answers.values()
    assert any(intended[0] in text for texts in answers.values() for text in texts), answers


@pytest.mark.parametrize("path", files())
def test_a_pylock_is_selected_from_as_packaging_does(path: Path) -> None:
    theirs = pytest.importorskip("packaging.pylock")
    if not hasattr(theirs.Pylock, "select"):
        pytest.skip("this packaging does not select")
    locked = read(path)
    if locked.lock is None or locked.lock.kind != "pylock.toml":
        return
    from reqparse._toml import tomllib

    if "pipenv__" in path.name:
        pytest.skip("packaging refuses it: its names are not normalised")
    pylock = theirs.Pylock.from_dict(tomllib.loads(path.read_text()))
    for platform in PLATFORMS:
        goal = target(platform, "3.12.4")
        for groups in ((), locked.lock.groups):
            choice = Choice(groups=groups, extras=locked.lock.extras if groups else ())
            try:
                ours = {s.package.name: s.artifact.filename for s in select(locked, goal, choice)}
            except reqparse.SelectionErrors:
                ours = {}
            try:
                both = {
                    str(package.name): file_name(file)
                    for package, file in pylock.select(
                        environment=goal.markers,
                        tags=list(goal.ranks),
                        extras=choice.extras,
                        dependency_groups=[*groups, *(locked.lock.default_groups)],
                    )
                }
            except theirs.PylockSelectError:
                both = {}
            assert ours == {name: file or ours[name] for name, file in both.items()}


def file_name(file: Any) -> str | None:
    """The name of a file that packaging selected; None of a directory or repository."""
    return getattr(file, "filename", None)
