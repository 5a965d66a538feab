from __future__ import annotations

import pytest

from envid.errors import InvalidSpec
from envid.ids import EnvId, is_id
from envid.platforms import PLATFORMS, check_platform, host_platform

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
