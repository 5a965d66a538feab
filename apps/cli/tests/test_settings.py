from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mfenv.errors import InvalidSetting
from mfenv.settings import Settings, cache_limits, describe, package_limits
from pkgcache.wheels import Limits

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def user_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "config" / "mfenv"


def test_defaults(tmp_path: Path) -> None:
    found = Settings.load(environ={}, directory=tmp_path)
    assert found == Settings()
    assert found.origins == {}


def test_the_nearer_layer_wins(tmp_path: Path, user_directory: Path) -> None:
    user_directory.mkdir(parents=True)
    (user_directory / "mfenv.toml").write_text("store = 'user'\ndownloads = 2\npre = true\n")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "mfenv.toml").write_text("# ours\nstore = 'project'\ndownloads = 3\n")
    inside = tmp_path / "project" / "deep"
    inside.mkdir()
    environ = {"MFENV_DOWNLOADS": "4", "MFENV_PLATFORMS": "linux-64, osx-64"}
    found = Settings.load({"downloads": 5, "store": None}, environ=environ, directory=inside)
    assert (found.store, found.downloads, found.pre) == ("project", 5, True)
    assert found.platforms == ("linux-64", "osx-64")
    assert found.origins == {
        "store": f"{tmp_path / 'project' / 'mfenv.toml'}:2",
        "downloads": "--downloads",
        "pre": f"{user_directory / 'mfenv.toml'}:3",
        "platforms": "MFENV_PLATFORMS",
    }


def test_what_a_host_program_says_lies_between_files_and_variables(tmp_path: Path) -> None:
    (tmp_path / "mfenv.toml").write_text("store = 'file'\npre = true\ndownloads = 2\n")
    said = [("store", "host", "HOST_STORE"), ("downloads", "3", "HOST_DOWNLOADS")]
    environ = {"MFENV_DOWNLOADS": "4"}
    found = Settings.load(environ=environ, directory=tmp_path, inherited=said)
    assert (found.store, found.downloads, found.pre) == ("host", 4, True)
    assert (found.origins["store"], found.origins["downloads"]) == ("HOST_STORE", "MFENV_DOWNLOADS")


def test_a_wrong_setting_of_a_host_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="HOST_PRE: `x` is neither"):
        Settings.load(environ={}, directory=tmp_path, inherited=[("pre", "x", "HOST_PRE")])


def test_pyproject_is_read_if_it_has_the_table(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.mfenv]\npython-provider = 'system'\n")
    inside = tmp_path / "deep"
    inside.mkdir()
    (inside / "pyproject.toml").write_text("[tool.other]\na = 1\n")
    found = Settings.load(environ={}, directory=inside)
    assert found.python_provider == "system"
    assert found.origins["python_provider"] == f"{tmp_path / 'pyproject.toml'}:2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stroe = 'x'", "mfenv.toml:1: there is no setting `stroe`"),
        ("\ndownloads = 'many'", "mfenv.toml:2: `many` is not a number"),
        ("downloads = 0", "mfenv.toml:1: `0` is not a number from 1"),
        ("pre = 'perhaps'", "mfenv.toml:1: `perhaps` is neither true nor false"),
        ("platforms = [1]", "mfenv.toml:1: is not a list of texts"),
        ("store = 3", "mfenv.toml:1: is not a text"),
        ("store = ", "is not TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mfenv.toml").write_text(text)
    with pytest.raises(InvalidSetting, match=message):
        Settings.load(environ={}, directory=tmp_path)


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="MFENV_PRE: `x` is neither"):
        Settings.load(environ={"MFENV_PRE": "x"}, directory=tmp_path)


def test_describing_hides_credentials(tmp_path: Path) -> None:
    environ = {
        "MFENV_INDEX_URL": "https://user:secret@index.test/simple",
        "MFENV_EXTRA_INDEX_URL": "https://token@other.test/simple",
    }
    shown = {name: value for name, value, _, _ in describe(Settings.load(environ=environ))}
    assert shown["index_url"] == "https://***@index.test/simple"
    assert shown["extra_index_url"] == ("https://***@other.test/simple",)


def test_home_moves_with_its_variable(tmp_path: Path) -> None:
    found = Settings.load(environ={"MFENV_HOME": str(tmp_path / "here")})
    assert found.home_path == tmp_path / "here"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", None),
        ("1000", 1000),
        ("20GB", 20 * 10**9),
        ("1.5 gib", 3 << 29),
        ("500MiB", 500 << 20),
        ("2T", 2 * 10**12),
    ],
)
def test_the_size_of_the_cache_has_a_unit(text: str, size: int | None) -> None:
    environ = {"MFENV_CACHE_SIZE": text, "MFENV_CACHE_AGE": "2"}
    assert cache_limits(Settings.load(environ=environ)) == (size, 172800.0)


def test_the_cache_has_no_limits_unless_told() -> None:
    assert cache_limits(Settings.load(environ={"MFENV_CACHE_AGE": "0"})) == (None, None)


def test_the_limits_of_packages_are_those_of_the_cache_unless_told() -> None:
    assert package_limits(Settings.load(environ={})) == Limits()
    environ = {"MFENV_PACKAGE_SIZE": "1GiB", "MFENV_PACKAGE_FILES": "7", "MFENV_PACKAGE_RATIO": "9"}
    assert package_limits(Settings.load(environ=environ)) == Limits(files=7, size=1 << 30, ratio=9)


def test_a_wrong_size_is_named() -> None:
    settings = Settings.load(environ={"MFENV_CACHE_SIZE": "much"})
    with pytest.raises(InvalidSetting, match="MFENV_CACHE_SIZE: `much` is not a size"):
        cache_limits(settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MFENV_PREFERRED_FORMAT", "zip"), ("MFENV_TRANSMUTE_LEVEL", "20")],
)
def test_what_is_none_of_the_choices_is_refused(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{variable}: `{value}` cannot be chosen") as caught:
        Settings.load(environ={variable: value}, directory=tmp_path)
    assert caught.value.hint
    assert caught.value.hint.startswith("choose ")
