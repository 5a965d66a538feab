"""Metaflow's configuration as settings of mfenv."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from metaflow import metaflow_config

from metaflow_extensions.mfenv._configuration import (
    UNHEEDED,
    gpu_packages,
    skips_needs,
    unheeded,
)
from metaflow_extensions.mfenv.mfenv_settings import (
    handed_on,
    load_credentials,
    load_settings,
    old_store_url,
)
from mfenv.errors import InvalidSetting
from mfenv.settings import Settings


@pytest.fixture(autouse=True)
def nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("LOCAL", "S3", "AZURE", "GS"):
        monkeypatch.setattr(metaflow_config, f"DATASTORE_SYSROOT_{name}", None)
    monkeypatch.setattr(metaflow_config, "S3_ENDPOINT_URL", None)


def test_without_configuration_there_is_nothing_of_metaflow() -> None:
    found = load_settings("local")
    assert found == Settings.load().replaced(seed=True)
    assert found.origins == {"seed": "Metaflow's default"}
    assert load_settings("local").store == ""


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        ("CONDA_CHANNELS", "a,conda-forge", "channels", ("a", "conda-forge")),
        ("CONDA_CHANNELS", '["a", "b"]', "channels", ("a", "b")),
        (
            "CONDA_DEFAULT_PYPI_SOURCE",
            "https://h.test/simple",
            "index_url",
            "https://h.test/simple",
        ),
        ("CONDA_DEFAULT_PIP_SOURCE", "https://h.test/simple", "index_url", "https://h.test/simple"),
        ("CONDA_PREFERRED_FORMAT", ".conda", "preferred_format", "conda"),
        ("CONDA_PREFERRED_FORMAT", ".tar.bz2", "preferred_format", "tar.bz2"),
        ("CONDA_PREFERRED_FORMAT", "none", "preferred_format", "none"),
        ("CONDA_USE_REMOTE_LATEST", ":none:", "use_remote_latest", ("none",)),
        ("CONDA_USE_REMOTE_LATEST", ":username:", "use_remote_latest", ("me",)),
        ("CONDA_USE_REMOTE_LATEST", ":any:", "use_remote_latest", ("anyone",)),
        ("CONDA_USE_REMOTE_LATEST", "ada,bob", "use_remote_latest", ("ada", "bob")),
        (
            "CONDA_SYS_DEFAULT_PACKAGES",
            '{"linux-64": {"__glibc": "2.28", "__cuda": "12.4=0"}}',
            "virtual_packages",
            ("linux-64:__glibc=2.28", "linux-64:__cuda=12.4=0"),
        ),
        ("MFENV_PYTHON_PROVIDER", "system", "python_provider", "system"),
        ("MFENV_DOWNLOADS", "3", "downloads", 3),
    ],
)
def test_a_setting_of_metaflow_is_one_of_mfenv(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, name: str, expected: Any
) -> None:
    monkeypatch.setenv(f"METAFLOW_{variable}", value)
    found = load_settings("local")
    assert getattr(found, name) == expected
    assert found.origins == {name: f"METAFLOW_{variable}", "seed": "Metaflow's default"}


def test_environments_of_flows_have_pip_unless_somebody_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings("local").seed
    (tmp_path / "mfenv.toml").write_text("seed = false\n")
    assert not load_settings("local").seed
    monkeypatch.setenv("METAFLOW_MFENV_SEED", "1")
    assert load_settings("local").seed
    assert handed_on(load_settings("local"))["seed"] == "True"
    monkeypatch.setenv("MFENV_SEED", "0")
    assert not load_settings("local").seed
    assert load_settings("local", {"seed": True}).seed


def test_the_channels_of_conda_itself_count_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDA_CHANNELS", "conda,other")
    assert load_settings("local").channels == ("conda", "other")
    monkeypatch.setenv("METAFLOW_CONDA_CHANNELS", "metaflow")
    assert load_settings("local").channels == ("metaflow",)
    monkeypatch.setenv("METAFLOW_MFENV_CHANNELS", "both")
    assert load_settings("local").channels == ("both",)


def test_the_glibc_that_conda_is_told_of_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.31")
    assert load_settings("local").virtual_packages == ("__glibc=2.31",)
    monkeypatch.setenv("METAFLOW_CONDA_SYS_DEFAULT_PACKAGES", '{"linux-64": {"__glibc": "2.28"}}')
    assert load_settings("local").virtual_packages == ("linux-64:__glibc=2.28",)


def test_mfenv_itself_wins_and_files_lose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mfenv.toml").write_text("index_url = 'https://file.test/simple'\n")
    monkeypatch.setenv("METAFLOW_CONDA_DEFAULT_PYPI_SOURCE", "https://metaflow.test/simple")
    assert load_settings("local").index_url == "https://metaflow.test/simple"
    monkeypatch.setenv("MFENV_INDEX_URL", "https://mfenv.test/simple")
    assert load_settings("local").index_url == "https://mfenv.test/simple"
    by_hand = load_settings("local", {"index_url": "https://hand.test/simple"})
    assert by_hand.index_url == "https://hand.test/simple"


@pytest.mark.parametrize(
    ("datastore", "variable", "root", "store"),
    [
        ("local", "CONDA_LOCALROOT", "/srv/envs", "file:///srv/envs/mfenv"),
        ("s3", "CONDA_S3ROOT", "s3://bucket/envs/", "s3://bucket/envs/mfenv"),
        ("s3", "CONDA_PACKAGE_S3ROOT", "s3://bucket/envs", "s3://bucket/envs/mfenv"),
        ("gs", "CONDA_GSROOT", "gs://bucket/envs", "gs://bucket/envs/mfenv"),
        ("azure", "CONDA_AZUREROOT", "container/envs", "az://account/container/envs/mfenv"),
    ],
)
def test_the_store_lies_in_the_root_of_the_datastore(
    monkeypatch: pytest.MonkeyPatch, datastore: str, variable: str, root: str, store: str
) -> None:
    endpoint = "https://account.blob.core.windows.net/"
    monkeypatch.setattr(metaflow_config, "AZURE_STORAGE_BLOB_SERVICE_ENDPOINT", endpoint)
    monkeypatch.setenv(f"METAFLOW_{variable}", root)
    found = load_settings(datastore)
    assert (found.store, found.origins["store"]) == (store, f"METAFLOW_{variable}")
    other = "s3" if datastore == "local" else "local"
    assert load_settings(other).store == ""
    assert old_store_url(datastore) == store.removesuffix("/mfenv")


@pytest.mark.parametrize(
    ("datastore", "root", "store"),
    [
        ("local", "/srv", "file:///srv/conda_env/mfenv"),
        ("s3", "s3://bucket/metaflow", "s3://bucket/metaflow/conda_env/mfenv"),
        ("gs", "gs://bucket/metaflow/", "gs://bucket/metaflow/conda_env/mfenv"),
    ],
)
def test_the_store_lies_beside_the_artifacts_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, datastore: str, root: str, store: str
) -> None:
    variable = f"DATASTORE_SYSROOT_{datastore.upper()}"
    monkeypatch.setattr(metaflow_config, variable, root)
    found = load_settings(datastore)
    assert (found.store, found.origins["store"]) == (store, f"METAFLOW_{variable}")
    (tmp_path / "mfenv.toml").write_text("store = 'file:///elsewhere'\n")
    assert load_settings(datastore).store == "file:///elsewhere"


def test_datastores_may_be_left_without_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metaflow_config, "DATASTORE_SYSROOT_S3", "s3://bucket/metaflow")
    monkeypatch.setenv("METAFLOW_CONDA_IGNORE_CACHING_DATASTORES", '["s3"]')
    assert load_settings("s3").store == ""
    monkeypatch.setenv("MFENV_STORE", "file:///by/hand")
    assert load_settings("s3").store == "file:///by/hand"


def test_an_endpoint_of_s3_is_part_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metaflow_config, "S3_ENDPOINT_URL", "http://minio.test:9000")
    monkeypatch.setenv("METAFLOW_CONDA_S3ROOT", "s3://bucket/envs")
    assert load_settings("s3").store == "s3://bucket/envs/mfenv?endpoint=http://minio.test:9000"
    monkeypatch.setenv("METAFLOW_CONDA_S3ROOT", "s3://bucket/envs/?region=eu-west-1")
    assert load_settings("s3").store == "s3://bucket/envs/mfenv?region=eu-west-1"


def test_azure_needs_its_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_CONDA_AZUREROOT", "container/envs")
    monkeypatch.setattr(metaflow_config, "AZURE_STORAGE_BLOB_SERVICE_ENDPOINT", None)
    with pytest.raises(InvalidSetting, match="AZURE_STORAGE_BLOB_SERVICE_ENDPOINT: is not set"):
        load_settings("azure")
    emulator = "http://127.0.0.1:10000/devstoreaccount1"
    monkeypatch.setattr(metaflow_config, "AZURE_STORAGE_BLOB_SERVICE_ENDPOINT", emulator)
    expected = f"az://devstoreaccount1/container/envs/mfenv?endpoint={emulator}"
    assert load_settings("azure").store == expected


def test_a_root_by_hand_wins_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFENV_STORE", "file:///variable")
    assert load_settings("s3", root="s3://hand/envs").store == "s3://hand/envs/mfenv"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CONDA_PREFERRED_FORMAT", "zip", "`zip` is no format"),
        ("CONDA_CHANNELS", "[1]", "is not a text"),
        ("CONDA_CHANNELS", "[", "is not JSON"),
        ("CONDA_DEFAULT_PYPI_SOURCE", "host/simple", "`host/simple` is not the URL of a package"),
        ("CONDA_DEFAULT_PIP_SOURCE", "https://", "`https://` is not the URL of a package index"),
        ("CONDA_CHANNELS", "ftp://h.test/x", "`ftp://h.test/x` is not the URL of a conda channel"),
        ("CONDA_IGNORE_CACHING_DATASTORES", '["S3"]', "there is no datastore `S3`"),
        ("CONDA_LOCALROOT", "s3://bucket/envs", "`s3://bucket/envs` is not in local"),
        ("CONDA_USE_REMOTE_LATEST", ":bad:", "`:bad:` is not the name of a user"),
        ("CONDA_USE_REMOTE_LATEST", "ada,:bad:", "`:bad:` is not the name of a user"),
        ("CONDA_USE_REMOTE_LATEST", ":any:,ada", "`:any:` stands beside others"),
        ("CONDA_SYS_DEFAULT_PACKAGES", '{"linux": {"__cuda": "1"}}', ".*`linux`"),
        ("CONDA_SYS_DEFAULT_PACKAGES", '{"linux-64": {"cuda": "1"}}', "`cuda` with '1' is not a v"),
        ("CONDA_SYS_DEFAULT_PACKAGES", '{"linux-64": {"__cuda": 12}}', "`__cuda` with 12 is not"),
        ("CONDA_SYS_DEFAULT_PACKAGES", "{", "is not JSON"),
        ("CONDA_SYS_DEFAULT_PACKAGES", '{"linux-64": 1}', "is not an object of objects"),
        ("CONDA_SRCS_AUTH_INFO", "[]", "is not an object"),
        ("CONDA_SRCS_AUTH_INFO", '{"h.test": "secret"}', "`h.test` has no pair"),
        ("CONDA_IGNORE_CACHING_DATASTORES", "[1", "is not JSON"),
        ("MFENV_DOWNLOADS", "many", "`many` is not a number"),
    ],
)
def test_what_cannot_be_meant_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"METAFLOW_{variable}", value)
    read = (
        load_credentials if variable == "CONDA_SRCS_AUTH_INFO" else partial(load_settings, "local")
    )
    with pytest.raises(InvalidSetting, match=f"METAFLOW_{variable}: {message}") as caught:
        read()
    assert "secret" not in str(caught.value)


def test_roots_are_places_of_their_datastore(monkeypatch: pytest.MonkeyPatch) -> None:
    for datastore, variable in (("s3", "CONDA_S3ROOT"), ("gs", "CONDA_GSROOT")):
        monkeypatch.setenv(f"METAFLOW_{variable}", "bucket/envs")
        with pytest.raises(InvalidSetting, match=f"METAFLOW_{variable}: `bucket/envs` is not in"):
            load_settings(datastore)
        assert load_settings("local").store == ""


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("no", False), ("False", False), ("", False)]
)
def test_what_metaflow_needs_can_be_left_out(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: bool
) -> None:
    monkeypatch.setenv("METAFLOW_CONDA_SKIP_METAFLOW_DEPS", value)
    assert skips_needs() is expected
    monkeypatch.setenv("METAFLOW_CONDA_SKIP_METAFLOW_DEPS", "perhaps")
    with pytest.raises(InvalidSetting, match="METAFLOW_CONDA_SKIP_METAFLOW_DEPS: `perhaps`"):
        skips_needs()


def test_a_gpu_has_virtual_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu_packages() == ()
    monkeypatch.setenv("METAFLOW_CONDA_SYS_DEFAULT_GPU_PACKAGES", '{"__cuda": "=12.4"}')
    assert gpu_packages() == ("__cuda=12.4",)
    for value in ('{"__cuda": 12}', '{"cuda": "12"}', "[1]", "{"):
        monkeypatch.setenv("METAFLOW_CONDA_SYS_DEFAULT_GPU_PACKAGES", value)
        with pytest.raises(InvalidSetting, match="METAFLOW_CONDA_SYS_DEFAULT_GPU_PACKAGES: "):
            gpu_packages()


def test_the_glibc_that_conda_is_told_of_is_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "new")
    with pytest.raises(InvalidSetting, match="CONDA_OVERRIDE_GLIBC: `new` is not a version"):
        load_settings("local")
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "")
    assert load_settings("local").virtual_packages == ()


@pytest.mark.parametrize(
    ("variable", "value", "setting", "means"),
    [
        ("CONDA_DEPENDENCY_RESOLVER", "mamba", "conda_resolver", "mamba"),
        ("CONDA_DEPENDENCY_RESOLVER", "micromamba", "conda_resolver", "micromamba"),
        ("CONDA_DEPENDENCY_RESOLVER", "conda", "conda_resolver", "conda"),
        ("CONDA_DEPENDENCY_RESOLVER", "/opt/bin/mamba", "conda_resolver", "/opt/bin/mamba"),
        ("CONDA_DEPENDENCY_RESOLVER", "none", "conda_resolver", "rattler"),
        ("CONDA_PIP_DEPENDENCY_RESOLVER", "pip", "pypi_resolver", "pip"),
        ("CONDA_PYPI_DEPENDENCY_RESOLVER", "pip", "pypi_resolver", "pip"),
        ("CONDA_PYPI_DEPENDENCY_RESOLVER", "uv", "pypi_resolver", "uv"),
        ("CONDA_PYPI_DEPENDENCY_RESOLVER", "none", "pypi_resolver", "uv"),
        ("CONDA_MIXED_DEPENDENCY_RESOLVER", "conda-lock", "mixed_resolver", "conda-lock"),
        ("CONDA_MIXED_DEPENDENCY_RESOLVER", "none", "mixed_resolver", "joint"),
        ("CONDA_MIXED_DEPENDENCY_RESOLVER", "None", "mixed_resolver", "joint"),
        ("CONDA_DEPENDENCY_RESOLVER", "Micromamba", "conda_resolver", "micromamba"),
    ],
)
def test_a_resolver_of_the_reference_is_ours_by_another_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, setting: str, means: str
) -> None:
    monkeypatch.setenv(f"METAFLOW_{variable}", value)
    settings = load_settings("local")
    assert getattr(settings, setting) == means
    assert settings.origins[setting] == f"METAFLOW_{variable}"
    assert list(unheeded()) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CONDA_DEPENDENCY_RESOLVER", "pixi"),
        ("CONDA_DEPENDENCY_RESOLVER", "/opt/bin/solver"),
        ("CONDA_PYPI_DEPENDENCY_RESOLVER", "poetry"),
        ("CONDA_MIXED_DEPENDENCY_RESOLVER", "mamba"),
    ],
)
def test_what_is_no_resolver_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"METAFLOW_{variable}", value)
    with pytest.raises(InvalidSetting, match=f"^METAFLOW_{variable}: `{value}`") as caught:
        load_settings("local")
    assert caught.value.hint


def test_settings_that_mean_nothing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(unheeded()) == []
    monkeypatch.setenv("METAFLOW_PYLOCK_TOML_DEPENDENCY_RESOLVER", "pylock_toml")
    monkeypatch.setenv("METAFLOW_CONDA_CHANELS", "a")
    monkeypatch.setenv("METAFLOW_MFENV_DOWNLOAD", "3")
    monkeypatch.setenv("METAFLOW_MFENV_DOWNLOADS", "3")
    monkeypatch.setenv("METAFLOW_DEFAULT_DATASTORE", "local")
    assert list(unheeded()) == [
        "METAFLOW_CONDA_CHANELS means nothing here: did you mean METAFLOW_CONDA_CHANNELS?",
        "METAFLOW_MFENV_DOWNLOAD means nothing here: did you mean METAFLOW_MFENV_DOWNLOADS?",
        "METAFLOW_PYLOCK_TOML_DEPENDENCY_RESOLVER means nothing here: mfenv reads pylock.toml itself",
    ]


def test_the_settings_of_the_readme_are_those_that_are_known() -> None:
    text = (Path(__file__).parent.parent / "README.md").read_text()
    for name in UNHEEDED:
        short = name.removeprefix("CONDA")
        assert name in text or f"`{short}" in text, name


def test_logins_are_for_their_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    logins = {"h.test": ["ada", "secret"], "http://other.test:81/a": ["bob", "hidden"]}
    monkeypatch.setenv("METAFLOW_CONDA_SRCS_AUTH_INFO", json.dumps(logins))
    found = load_credentials()
    login = found.find("https://h.test/simple/numpy/")
    assert login
    assert (login.user, login.password) == ("ada", "secret")
    assert found.find("http://h.test/simple/") is None
    other = found.find("http://other.test:81/a/b")
    assert other
    assert other.user == "bob"
    assert "secret" not in repr(found)


def test_tasks_elsewhere_get_what_decides_requests_and_no_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("USER", "ada")
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.setenv("MFENV_HOME", "/somewhere")
    monkeypatch.setenv("MFENV_CHANNELS", "one https://h.test/two")
    monkeypatch.setenv("MFENV_PRE", "1")
    monkeypatch.setenv("MFENV_PYTHON", "3.12")
    monkeypatch.setenv("MFENV_INDEX_URL", "https://me:geheim@h.test/simple")
    monkeypatch.setenv("MFENV_EXTRA_INDEX_URL", "https://h.test/a https://h.test/b?token=geheim")
    told = handed_on(load_settings("local"))
    assert told == {
        "channels": "one https://h.test/two",
        "pre": "True",
        "python": "3.12",
        "use_remote_latest": "ada",
    }
    for name, text in told.items():
        monkeypatch.setenv(f"MFENV_{name.upper()}", text)
    again = load_settings("local")
    assert (again.channels, again.pre) == (("one", "https://h.test/two"), True)


def test_tasks_elsewhere_use_the_same_python_and_whom_the_user_trusts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.setenv("MFENV_USE_REMOTE_LATEST", "me bob")
    told = handed_on(load_settings("local"))
    assert told["use_remote_latest"] == "ada bob"
    assert told["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    monkeypatch.setenv("MFENV_USE_REMOTE_LATEST", "anyone")
    assert handed_on(load_settings("local"))["use_remote_latest"] == "anyone"
