from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from mfenv.errors import InvalidSetting
from mfenv.settings import Settings, cache_limits, describe, package_limits
from mfenv.user import config_folder, data_folder
from pkgcache.archives.records import PackageLimits

if TYPE_CHECKING:
    from collections.abc import Callable
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
    (user_directory / "mfenv.toml").write_text(
        "store = 'file:///user'\ndownloads = 2\npre = true\n"
    )
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "mfenv.toml").write_text(
        "# ours\nstore = 'file:///project'\ndownloads = 3\n"
    )
    inside = tmp_path / "project" / "deep"
    inside.mkdir()
    environ = {"MFENV_DOWNLOADS": "4", "MFENV_PLATFORMS": "linux-64, osx-64"}
    found = Settings.load({"downloads": 5, "store": None}, environ=environ, directory=inside)
    assert (found.store, found.downloads, found.pre) == ("file:///project", 5, True)
    assert found.platforms == ("linux-64", "osx-64")
    assert found.origins == {
        "store": f"{tmp_path / 'project' / 'mfenv.toml'}:2",
        "downloads": "--downloads",
        "pre": f"{user_directory / 'mfenv.toml'}:3",
        "platforms": "MFENV_PLATFORMS",
    }


def test_what_a_host_program_says_lies_between_files_and_variables(tmp_path: Path) -> None:
    (tmp_path / "mfenv.toml").write_text("store = 'file:///file'\npre = true\ndownloads = 2\n")
    said = [("store", "file:///host", "HOST_STORE"), ("downloads", "3", "HOST_DOWNLOADS")]
    environ = {"MFENV_DOWNLOADS": "4"}
    found = Settings.load(environ=environ, directory=tmp_path, inherited=said)
    assert (found.store, found.downloads, found.pre) == ("file:///host", 4, True)
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
        ("[tool]\nx = 1", "mfenv.toml:1: there is no setting `tool`"),
        ("downloads = true", "mfenv.toml:1: `True` is not a number"),
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


@pytest.mark.parametrize("value", ["1", "0", "'perhaps'", "[]"])
@pytest.mark.parametrize("name", ["mfenv.toml", "pyproject.toml"])
def test_what_is_neither_true_nor_false_is_told_in_the_words_of_its_place(
    tmp_path: Path, value: str, name: str
) -> None:
    table = "[tool.mfenv]\n" if name.startswith("py") else ""
    (tmp_path / name).write_text(f"{table}offline = {value}\n")
    with pytest.raises(InvalidSetting) as caught:
        Settings.load(environ={}, directory=tmp_path)
    assert caught.value.hint == "say `true` or `false`"
    (tmp_path / name).unlink()
    with pytest.raises(InvalidSetting) as caught:
        Settings.load(environ={"MFENV_OFFLINE": "perhaps"}, directory=tmp_path)
    assert caught.value.hint == "say `1` or `0`"


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
    assert package_limits(Settings.load(environ={})) == PackageLimits()
    environ = {"MFENV_PACKAGE_SIZE": "1GiB", "MFENV_PACKAGE_FILES": "7", "MFENV_PACKAGE_RATIO": "9"}
    assert package_limits(Settings.load(environ=environ)) == PackageLimits(
        files=7, size=1 << 30, ratio=9
    )


# Every value is checked when it is read, whichever command reads it.
WRONG = {
    "cache_age": ("-1", "never"),
    "cache_size": ("much", "-1GB", "1 XB"),
    "channel_alias": ("conda.test", "https://"),
    "channel_priority": ("none", "true"),
    "channels": ("https://", "conda-forge::x", "a<b", "https://host:99999/x"),
    "always_verify": ("maybe",),
    "clobber": ("maybe",),
    "compile_bytecode": ("maybe",),
    "conda_resolver": ("pixi", "conda3", "/usr/bin/solver", "bin/"),
    "detect_cuda": ("12.4",),
    "downloads": ("0", "many", "1.5"),
    "exclude_newer": ("yesterday", "2026-13-01", "2026-01-31T00:00"),
    "extra_index_url": ("nonsense", "https://", "ftp://host/simple"),
    "find_links": ("https://", "ftp://host/"),
    "index_strategy": ("worst",),
    "index_url": ("nonsense", "host/simple", "http://host:0/"),
    "joint_rounds": ("-1", "many"),
    "link_scripts": ("2",),
    "locked": ("maybe",),
    "local_only": ("perhaps",),
    "mixed_resolver": ("poetry", "conda_lock", ""),
    "network_silence": ("0", "-1", "0.5", "long"),
    "network_speed": ("0", "fast"),
    "network_tries": ("0", "thrice"),
    "no_index": ("pypi",),
    "offline": ("-",),
    "package_files": ("0", "x"),
    "package_ratio": ("0", "1%"),
    "package_size": ("all", ""),
    "platforms": ("linux", "win-64", "linux-64 osx"),
    "pre": ("maybe",),
    "preferred_format": ("zip", ".conda"),
    "pypi_resolver": ("poetry", "pip3", ""),
    "python": ("three", "3.x", "python3"),
    "python_provider": ("magic", "pyenv"),
    "seed": ("maybe",),
    "store": (
        *("ftp://host/", "/srv/store", "file://", "s3:bucket", "file://host/store", "file:///"),
        *("file://store", "s3:///prefix", "az://account", "az://account/", "gs://?endpoint=x"),
    ),
    "transmute_level": ("0", "20"),
    "transmute_memory": ("some", ""),
    "use_remote_latest": ("none me", "anyone,ada"),
    "virtual_packages": (
        *("glibc=2.28", "linux:__cuda=12", "__glibc", "__glibc>=2.28"),
        *("__glibc=2.1", "linux-64:__glibc=new", "__osx=10.1", "__win=0", "linux-64:__osx=13.0"),
        "__glibc=2.28 __glibc=2.35",
    ),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("store", "file:///srv/\udcff"),
        ("index_url", "https://host/\udcff"),
        ("find_links", "links\udcff"),
        ("use_remote_latest", "ada\udcff"),
    ],
)
def test_bytes_that_are_no_text_are_paths_alone(tmp_path: Path, name: str, value: str) -> None:
    variable = f"MFENV_{name.upper()}"
    with pytest.raises(InvalidSetting, match=f"{variable}: holds bytes that are no text"):
        Settings.load(environ={variable: value}, directory=tmp_path)
    known = Settings.load(environ={"MFENV_HOME": "/srv/\udcff"}, directory=tmp_path)
    assert str(known.home_path) == "/srv/\udcff"


def test_every_setting_that_can_be_wrong_is_checked() -> None:
    free = {"home", "pypi_names"}  # any text is a path
    assert set(WRONG) == {name for name, *_ in describe(Settings())} - free


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_refused_when_it_is_read(tmp_path: Path, name: str, value: str) -> None:
    variable = f"MFENV_{name.upper()}"
    with pytest.raises(InvalidSetting, match=rf"^{variable}: ") as caught:
        Settings.load(environ={variable: value}, directory=tmp_path)
    assert caught.value.hint
    (tmp_path / "mfenv.toml").write_text(f"\n{name} = '{value}'\n")
    with pytest.raises(InvalidSetting, match=r"mfenv\.toml:2: "):
        Settings.load(environ={}, directory=tmp_path)
    with pytest.raises(InvalidSetting, match=r"^HOST: "):
        Settings.load(environ={}, directory=tmp_path.parent, inherited=[(name, value, "HOST")])


@pytest.mark.parametrize(
    ("name", "value", "means"),
    [
        ("conda_resolver", "none", "rattler"),
        ("conda_resolver", "MicroMamba", "micromamba"),
        ("conda_resolver", "/opt/Conda/mamba", "/opt/Conda/mamba"),
        ("mixed_resolver", "None", "joint"),
        ("pypi_resolver", "PIP", "pip"),
    ],
)
def test_a_resolver_is_named_as_elsewhere(
    tmp_path: Path, name: str, value: str, means: str
) -> None:
    environ = {f"MFENV_{name.upper()}": value}
    assert getattr(Settings.load(environ=environ, directory=tmp_path), name) == means


def test_a_login_in_a_wrong_value_is_not_shown(tmp_path: Path) -> None:
    for name in ("CHANNELS", "CHANNEL_ALIAS", "FIND_LINKS", "INDEX_URL", "STORE"):
        environ = {f"MFENV_{name}": "ftp://me:s3cret@host/x"}
        with pytest.raises(InvalidSetting) as caught:
            Settings.load(environ=environ, directory=tmp_path)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", "conda-forge/label/rc"),
        ("conda_resolver", "/opt/conda/bin/mamba"),
        ("conda_resolver", "~/bin/micromamba-2"),
        ("channels", "./local ~/mine /srv/channel file:///srv/channel"),
        ("channels", "https://me:pass@host/t/abc/channel"),
        ("find_links", "./wheels https://host/links.html"),
        ("index_url", "file:///srv/simple"),
        ("use_remote_latest", "me ada"),
        ("virtual_packages", "__glibc=2.28 linux-64:__cuda=12.4 __archspec=1=zen2"),
        ("python", ">=3.10"),
        ("exclude_newer", ""),
        ("store", ""),
        ("platforms", ""),
    ],
)
def test_what_looks_odd_and_is_right_is_taken(tmp_path: Path, name: str, value: str) -> None:
    environ = {f"MFENV_{name.upper()}": value}
    assert Settings.load(environ=environ, directory=tmp_path).origins


def test_a_variable_that_is_no_setting_is_noted_with_the_nearest(tmp_path: Path) -> None:
    environ = {
        "MFENV_DOWNLOAD": "3",
        "MFENV_XYZZY": "1",
        "MFENV_DEBUG": "1",
        "_MFENV_COMPLETE": "bash_source",
        "MFENVX": "1",
    }
    assert Settings.load(environ=environ, directory=tmp_path).notes == (
        "the variable MFENV_DOWNLOAD is no setting: did you mean MFENV_DOWNLOADS?",
        "the variable MFENV_XYZZY is no setting: `mfenv config` lists them",
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MFENV_PREFERRED_FORMAT", "zip"), ("MFENV_TRANSMUTE_LEVEL", "20")],
)
def test_what_is_none_of_the_choices_is_refused(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{variable}: `{value}` cannot be chosen") as caught:
        Settings.load(environ={variable: value}, directory=tmp_path)
    assert caught.value.hint
    assert caught.value.hint.startswith("choose ")


@pytest.mark.parametrize(
    ("variable", "folder", "usual"),
    [("XDG_DATA_HOME", data_folder, ".local/share"), ("XDG_CONFIG_HOME", config_folder, ".config")],
)
def test_where_what_is_a_users_own_lies(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    folder: Callable[[], Path],
    usual: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, str(tmp_path / "there"))
    assert folder() == tmp_path / "there" / "mfenv"
    # As the XDG specification has it, a relative path is passed over.
    for none in ("there", "~/there", ""):
        monkeypatch.setenv(variable, none)
        assert folder() == tmp_path / usual / "mfenv"
    monkeypatch.delenv(variable)
    assert folder() == tmp_path / usual / "mfenv"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert folder() == tmp_path / "Library" / "Application Support" / "mfenv"
