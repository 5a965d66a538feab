"""The main job with conda's Python: what is resolved is created, runs, is whole, and goes away."""

from __future__ import annotations

import base64
import csv
import ensurepip
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import PLATFORMS, host_platform
from resolvers.testing import Distribution, make_sdist

from .channel import Channels, cached
from .helpers import Machine, check_records, tidy

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolvers.testing import FakeIndex

pytestmark = pytest.mark.slow

HOST = host_platform()
THREE = (HOST, *[one for one in PLATFORMS if one != HOST][:2])
ASKED = {
    "conda-only": ("--conda", "pip", "--conda", "pytool", "--npconda", "greeter"),
    "pypi-only": ("--pypi", "pip", "--pypi", "app", "--pypi", "crafted"),
    "npconda": ("--pypi", "pip", "--pypi", "app", "--npconda", "greeter"),
    "mixed": ("--conda", "pytool", "--conda", "greeter>=1", "--pypi", "pip", "--pypi", "crafted"),
}
SCRIPTS = {"pytool": "pytool 1.0", "greeter": "hello from {prefix}", "hello": "hello from {prefix}"}


@pytest.fixture(scope="module")
def channels() -> Channels:
    return cached()


@pytest.fixture
def led(index: FakeIndex, channels: Channels, tmp_path: Path) -> Callable[[Machine], Machine]:
    """Gives a machine a channel, and an index with a real pip and something to build."""
    index.add(make_sdist(tmp_path / "source", "crafted", "1.0", requires=["dep"]))
    for wheel in (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"):
        index.add(real(wheel))

    def lead(machine: Machine) -> Machine:
        machine.environ |= {
            "MFENV_CHANNELS": channels.main.as_uri(),
            "MFENV_PYTHON_PROVIDER": "conda",
        }
        return machine

    return lead


def real(path: Path) -> Distribution:
    """A wheel from a file."""
    with zipfile.ZipFile(path) as wheel:
        name = next(one for one in wheel.namelist() if one.endswith(".dist-info/METADATA"))
        metadata = wheel.read(name).decode()
    return Distribution(
        name=path.name.split("-")[0],
        filename=path.name,
        data=path.read_bytes(),
        metadata=metadata,
    )


def needs_pip(kind: str, channels: Channels) -> None:
    if kind == "conda-only" and not channels.has_wheels:
        pytest.skip("no index gave the wheels of the channel")
    if kind != "conda-only" and not list(Path(ensurepip.__file__).parent.glob("_bundled/pip-*")):
        pytest.skip("this Python has no wheel of pip")


def check_distributions(prefix: Path) -> set[str]:
    """Every distribution has a record whose hashes hold, and says who installed it."""
    found = set()
    (packages,) = prefix.glob("lib/python3.*/site-packages")
    for record in packages.glob("*.dist-info/RECORD"):
        found.add(record.parent.name.split("-")[0])
        assert (record.parent / "INSTALLER").read_text().strip()
        for path, digest, _ in csv.reader(record.read_text().splitlines()):
            file = packages / path
            assert file.exists(), file
            kind, _, expected = digest.partition("=")
            # Conda rewrites scripts, and keeps their hashes in its own record.
            if expected and file.is_relative_to(packages) and ".." not in path:
                actual = base64.urlsafe_b64encode(hashlib.new(kind, file.read_bytes()).digest())
                assert actual.decode().rstrip("=") == expected, file
    return found


@pytest.mark.parametrize("kind", ASKED)
def test_an_environment_is_whole_runs_and_goes_away(
    machine: Machine, led: Callable[[Machine], Machine], channels: Channels, kind: str
) -> None:
    needs_pip(kind, channels)
    led(machine).ok("resolve", *ASKED[kind], "--alias", "team/env:v1")
    described = json.loads(machine.ok("show", "team/env:v1", "--json"))
    prefix = Path(machine.ok("create", "team/env:v1", "--name", "env"))
    code = "import ssl, sqlite3, sys; print(ssl.OPENSSL_VERSION, sys.prefix)"
    assert machine.ok("run", "env", "--", "python", "-c", code).endswith(f" {prefix}")
    assert machine.ok("run", "env", "--", "pip", "check") == "No broken requirements found."
    packages = described["environments"][0]["packages"]
    assert check_records(prefix) == {one["name"] for one in packages if one["kind"] == "conda"}
    wheels = {one["name"] for one in packages if one["kind"] == "pypi"}
    assert wheels <= check_distributions(prefix)
    listed = json.loads(machine.ok("run", "env", "--", "pip", "list", "--format=json"))
    assert wheels <= {one["name"] for one in listed}
    ran = 0
    for name, line in SCRIPTS.items():
        if (prefix / "bin" / name).exists():
            # By its path alone, as nobody has activated the environment.
            done = subprocess.run(
                [prefix / "bin" / name],
                capture_output=True,
                text=True,
                check=False,
                env={"PATH": os.defpath},
            )
            assert done.stdout.splitlines()[0] == line.format(prefix=prefix)
            ran += 1
    assert ran
    machine.ok("rm", "env")
    assert list(prefix.parent.iterdir()) == []
    assert "prefixes" not in machine.rows()
    tidy(machine)


@pytest.mark.parametrize("kind", ASKED)
def test_two_machines_that_share_nothing_find_the_same(
    tmp_path: Path,
    index: FakeIndex,
    led: Callable[[Machine], Machine],
    channels: Channels,
    kind: str,
) -> None:
    needs_pip(kind, channels)
    found = []
    for name, order in (("one", THREE), ("two", THREE[::-1])):
        platforms = [word for one in order for word in ("--platform", one)]
        machine = led(Machine(tmp_path / name, index, tmp_path / f"store-{name}"))
        (tmp_path / f"store-{name}").mkdir()
        envs = machine.json("resolve", *ASKED[kind], *platforms)["environments"]
        assert {one["platform"] for one in envs} == set(THREE)
        assert len({one["full_id"] for one in envs}) == 1
        found.append({one["platform"]: without_the_moment(one) for one in envs})
        tidy(machine)
    assert found[0] == found[1]


def without_the_moment(description: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in description.items() if key != "resolved_at"}


def test_what_was_built_is_built_for_everybody(
    machines: Callable[[str], Machine], led: Callable[[Machine], Machine]
) -> None:
    one, other = led(machines("one")), led(machines("other"))
    first = one.ok("resolve", "--pypi", "crafted")
    assert list((one.home / "engines" / "builders").iterdir())
    again = other.ok("resolve", "--pypi", "crafted", "--force")
    assert first == again
    assert not (other.home / "engines" / "builders").exists()
    code = "import crafted, dep"
    assert other.ok("run", again, "--", "python", "-c", code) == ""


def test_sources_are_built_for_a_python_that_is_nowhere_but_in_the_channel(
    machine: Machine, led: Callable[[Machine], Machine], channels: Channels, tmp_path: Path
) -> None:
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found = {path.name.split("-")[1] for path in channels.main.glob(f"{HOST}/python-3*.conda")}
    version = next((one for one in sorted(found) if not one.startswith(f"{own}.")), None)
    if version is None:
        pytest.skip("the channel has one Python only")
    led(machine).ok("resolve", "--pypi", "crafted", "--python", version, "--alias", "a:v1")
    code = "import crafted, platform; print(platform.python_version())"
    assert machine.ok("run", "a:v1", "--", "python", "-c", code) == version
