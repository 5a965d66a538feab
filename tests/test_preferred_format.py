"""Conda packages in the store in the format that a setting prefers, through the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .channel import Channels, cached
from .helpers import Machine, check_records, tidy

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

ASKED = ("--conda", "greeter", "--python", "3")


@pytest.fixture(scope="module")
def channels() -> Channels:
    return cached()


def packages(machine: Machine) -> list[dict[str, Any]]:
    (found,) = json.loads(machine.ok("show", "team/env:v1", "--json"))["environments"]
    return [one for one in found["packages"] if one["kind"] == "conda"]


@pytest.mark.parametrize(("to", "other"), [("tar.bz2", ".conda"), ("conda", ".tar.bz2")])
def test_what_one_transmutes_another_creates_without_the_channel(
    machines: Callable[[str], Machine], tmp_path: Path, channels: Channels, to: str, other: str
) -> None:
    folder = tmp_path / "channel"
    shutil.copytree(channels.main, folder)
    one, two = machines("one"), machines("two")
    one.environ |= {
        "MFENV_CHANNELS": folder.as_uri(),
        "MFENV_PYTHON_PROVIDER": "conda",
        "MFENV_PREFERRED_FORMAT": to,
        "MFENV_TRANSMUTE_LEVEL": "1",
    }
    one.ok("resolve", *ASKED, "--alias", "team/env:v1")
    shutil.rmtree(folder)
    found = packages(one)
    stored = {path.name for path in one.store.glob("packages/*/*/*")}
    assert stored == {(each["transmuted"] or each)["filename"] for each in found}
    assert all(name.endswith(f".{to}") for name in stored)
    assert all(bool(each["transmuted"]) == each["filename"].endswith(other) for each in found)
    prefix = Path(two.ok("create", "team/env:v1", "--name", "env"))
    assert check_records(prefix) == {each["name"] for each in found}
    assert two.ok("run", "env", "--", "greeter").startswith(f"hello from {prefix}")
    for each in found:
        name = f"{each['name']}-{each['version']}-{each['build']}.json"
        record = json.loads((prefix / "conda-meta" / name).read_text())
        assert (record["url"], record["fn"]) == (each["url"], each["filename"])
    for machine in (one, two):
        tidy(machine)
