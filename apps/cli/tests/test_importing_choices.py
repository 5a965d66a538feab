"""For which platforms and which Python a lock is imported where that is not said exactly."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from mfenv.errors import InvalidRequest
from mfenv.importing.platforms import allowed_by_markers, named_by_markers
from mfenv.importing.pythons import WantedPython, candidates, in_words
from reqparse import ParseErrors
from resolvers.testing import FakeIndex, make_wheel

from .test_importing import LINUX, MINOR, OSX, Needs, envs, requirements, resolved, uv_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def index() -> Iterator[FakeIndex]:
    with FakeIndex() as index:
        yield index


@pytest.fixture
def place(tmp_path: Path, index: FakeIndex) -> dict[str, Any]:
    home = tmp_path / "home"
    return {"home": str(home), "index_url": index.url, "python_provider": "system"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(">=3.9", ["3.14", "3.13", "3.12", "3.11", "3.10", "3.9"]), ("==3.15.*", ["3.15"])],
)
def test_no_python_is_thought_up(asked: str, expected: list[str]) -> None:
    wanted = WantedPython(asked=asked, place="--python", required="")
    assert [in_words(version) for version in candidates(wanted)] == expected
    assert in_words("3.12.4") == "3.12.4"


def test_an_open_range_means_the_python_that_is_here(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    wheel = make_wheel("open", "1.0")
    index.add(wheel)
    for lock in (requirements(tmp_path, index, wheel), uv_lock(tmp_path, index, {wheel: []})):
        (env,) = envs(place, lock, platforms=(LINUX,), python=">=3.9").values()
        assert env.spec.python == f"==3.{sys.version_info.minor}.*"


def test_problems_name_no_release_that_there_is_not(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    packages: Needs = {make_wheel("never", "1.0", tag="cp33-cp33-win32"): []}
    lock = uv_lock(tmp_path, index, packages)
    with pytest.raises(ParseErrors) as caught:
        envs(place, lock, platforms=(LINUX,), python=MINOR)
    assert str(caught.value).endswith(f"has no file for {LINUX} and Python {MINOR}")


def test_the_platforms_that_markers_name() -> None:
    linux = "sys_platform == 'linux' and platform_machine == 'x86_64'"
    mac = "sys_platform == 'darwin' and platform_machine == 'arm64' and python_version >= '3.12'"
    assert named_by_markers([linux, mac]) == (LINUX, OSX)
    assert named_by_markers([]) == ()
    assert named_by_markers(["sys_platform == 'darwin'"]) == ()
    assert allowed_by_markers(["sys_platform == 'darwin'"]) == ("osx-64", OSX)


def test_a_lock_for_another_system_says_what_to_choose(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    lock = uv_lock(tmp_path, index, {make_wheel("pure", "1.0"): []})
    marker = "sys_platform == 'win32'" if sys.platform == "darwin" else "sys_platform == 'darwin'"
    text = lock.read_text().replace(
        "version = 1\n", f'version = 1\nsupported-markers = ["{marker}"]\n'
    )
    lock.write_text(text)
    if sys.platform != "darwin":
        with pytest.raises(InvalidRequest) as caught:
            envs(place, lock)
        assert "--platform osx-64" in str(caught.value.hint)
        assert set(envs(place, lock, platforms=(OSX,))) == {OSX}


def test_an_environment_of_one_platform_needs_no_python_for_the_others(
    tmp_path: Path, place: dict[str, Any]
) -> None:
    url = "https://channel.test/linux-64/python-3.12.1-h1_0_cpython.conda"
    lock = tmp_path / "pixi.lock"
    lock.write_text(
        "version: 6\nenvironments:\n  default:\n    channels: []\n    packages:\n"
        f"      linux-64:\n      - conda: {url}\n      osx-arm64: []\n"
        f"packages:\n- conda: {url}\n  sha256: {'0' * 64}\n"
    )
    with pytest.raises(InvalidRequest, match="no Python for osx-arm64"):
        envs(place, lock)
    assert set(envs(place, lock, environment="default@linux-64")) == {LINUX}


def test_a_python_for_every_platform_is_the_one_of_each(
    tmp_path: Path, place: dict[str, Any]
) -> None:
    url = f"https://channel.test/noarch/python-3.11.0-h1_0.conda#sha256:{'0' * 64}"
    lock = tmp_path / "list.txt"
    lock.write_text(f"@EXPLICIT\n{url}\n")
    found = envs(place, lock, platforms=(LINUX, OSX))
    assert {platform: env.python for platform, env in found.items()} == dict.fromkeys(
        (LINUX, OSX), "3.11.0"
    )


def test_groups_are_left_out_and_members_chosen(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    wheels = [make_wheel(name, "1.0") for name in ("own", "grouped", "other")]
    lock = uv_lock(tmp_path, index, {wheel: [] for wheel in wheels})
    listed = lock.read_text().partition("[[package]]\nname = 'own'")
    lock.write_text(
        'version = 1\n[manifest]\nmembers = ["app", "api"]\n'
        '[[package]]\nname = "app"\nversion = "0"\nsource = { virtual = "." }\n'
        'dependencies = [{ name = "own" }]\n'
        '[package.dev-dependencies]\ndev = [{ name = "grouped" }]\n'
        '[[package]]\nname = "api"\nversion = "0"\nsource = { virtual = "api" }\n'
        'dependencies = [{ name = "other" }]\n' + "".join(listed[1:])
    )

    def names(**asked: Any) -> set[str]:
        return {p.name for p in envs(place, lock, platforms=(LINUX,), **asked)[LINUX].packages}

    assert names() == {"own", "grouped"}
    assert names(without_groups=("dev",)) == names(default_groups=False) == {"own"}
    assert names(only_groups=("dev",)) == {"grouped"}
    assert names(members=("api",)) == {"other"}
    notes = resolved(place, lock, platforms=(LINUX,), members=("API",)).notes
    assert [note for note in notes if "`api` is not installed" in note]
    with pytest.raises(InvalidRequest, match="only some groups"):
        names(only_groups=("dev",), extras=("some",))


def test_hashes_alone_are_for_the_python_that_runs_us(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    wheel = make_wheel("hashed", "1.0")
    index.add(wheel)
    (env,) = envs(place, requirements(tmp_path, index, wheel), platforms=(LINUX,)).values()
    assert env.python.startswith(f"{MINOR}.")
