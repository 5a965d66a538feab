from __future__ import annotations

import pytest

from envid.errors import InvalidSpec
from envid.ids import EnvId, is_id
from envid.platforms import (
    PLATFORMS,
    VIRTUAL_PACKAGES,
    check_platform,
    host_platform,
    virtual_packages,
)
from envid.requirements import normalize

from .helpers import ID


def test_every_known_platform_is_given_back() -> None:
    assert [check_platform(name) for name in PLATFORMS] == list(PLATFORMS)


def test_an_unknown_platform_is_refused_naming_those_there_are() -> None:
    with pytest.raises(InvalidSpec, match="platform: `win-64` is not known") as caught:
        check_platform("win-64")
    assert "osx-arm64" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("system", "machine", "found"),
    [
        ("linux", "x86_64", "linux-64"),
        ("linux", "aarch64", "linux-aarch64"),
        ("darwin", "x86_64", "osx-64"),
        ("darwin", "arm64", "osx-arm64"),
    ],
)
def test_the_host_is_named_as_conda_names_it(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, found: str
) -> None:
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert host_platform() == found


def test_a_host_of_another_kind_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    with pytest.raises(InvalidSpec, match="`linux-s390x` is not known"):
        host_platform()


@pytest.mark.parametrize(
    ("text", "fine"), [(ID, True), (ID[1:], False), (ID + "0", False), (ID[:39] + "A", False)]
)
def test_an_id_is_forty_lower_case_hex_digits(text: str, *, fine: bool) -> None:
    assert is_id(text) is fine


def test_an_env_id_reads_as_what_was_asked_found_and_where() -> None:
    assert str(EnvId(ID, "f" * 40, "linux-64")) == f"{ID}:{'f' * 40}@linux-64"


def test_the_virtual_packages_of_a_platform_are_its_defaults_and_what_is_stated() -> None:
    assert virtual_packages("linux-64", ["__glibc=2.31", "__osx=13", "__cuda=12.4"]) == (
        *("__archspec=1=x86_64", "__cuda=12.4", "__glibc=2.31", "__linux=4.18", "__unix=0"),
    )
    assert virtual_packages("osx-arm64", ["__glibc=2.28", "__archspec=1=m2", "__osx=14"]) == (
        *("__archspec=1=m2", "__osx=14", "__unix=0"),
    )
    assert virtual_packages("linux-64", ["__cuda=11", "__cuda=12"])[1] == "__cuda=12"


def test_the_defaults_are_normal_requirements_of_every_platform() -> None:
    assert tuple(VIRTUAL_PACKAGES) == PLATFORMS
    for platform, texts in VIRTUAL_PACKAGES.items():
        assert virtual_packages(platform) == texts
        assert tuple(sorted(texts)) == texts
        assert [normalize("sys", one) for one in texts] == list(texts)
