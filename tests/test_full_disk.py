"""Disks without space or inodes, wherever something is written: a file system of a few kilobytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolvers.testing import make_wheel

from .helpers import COMMAND, Done, Machine, failure, finish, private_mounts, tidy

if TYPE_CHECKING:
    from resolvers.testing import FakeIndex

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not private_mounts(),
        reason="this user may not mount a file system in a name space of its own",
    ),
]

# The command on the small disk, and again once there is enough room.
SCRIPT = """
    mount -t tmpfs -o "$0" none "$DISK" && mkdir "$DISK/at" || exit 9
    "$@"
    echo $? > "$DISK.first"
    mount -o remount,size=200m,nr_inodes=50000 "$DISK"
    exec "$@" > /dev/null 2>&1
"""
PYPI = ("resolve", "--pypi", "large", "--alias", "a")
CONDA = ("resolve", "--conda", "greeter", "--alias", "a")


def starved(machine: Machine, place: str, limits: str, *words: str) -> str:
    """What a command says where `place` has so little room; with enough it does its work."""
    disk = machine.root / "disk"
    at = disk / "at"
    disk.mkdir()
    machine.environ["DISK"] = str(disk)
    if place == "engines":
        machine.home.mkdir(exist_ok=True)
        (machine.home / "engines").symlink_to(at)
    elif place:
        machine.environ[place] = at.as_uri() if place == "MFENV_STORE" else str(at)
    command = ("unshare", "--map-root-user", "--mount", "sh", "-c", SCRIPT, limits)
    done = finish(machine.spawn(*command, COMMAND, *words))
    assert done.status == 0, done.err
    first = int(disk.with_name("disk.first").read_text())
    said = failure(Done(status=first, out=done.out, err=done.err))
    assert "report" not in said
    assert "the spelling" not in said
    assert "no Python" not in said
    shown = str(machine.home / "engines" if place == "engines" else disk)
    assert f"\nhint: disk full: `{shown}" in said
    assert " has room for " in said
    tidy(machine)
    return said


@pytest.mark.parametrize(
    ("place", "limits"),
    [
        ("MFENV_HOME", "size=40k"),
        ("MFENV_HOME", "size=100k"),
        ("MFENV_HOME", "size=2m"),
        ("MFENV_HOME", "nr_inodes=12"),
        ("MFENV_HOME", "nr_inodes=24"),
        ("MFENV_HOME", "nr_inodes=40"),
        ("MFENV_STORE", "size=60k"),
        ("MFENV_STORE", "nr_inodes=8"),
        ("TMPDIR", "size=60k"),
        ("engines", "size=8k"),
        ("engines", "size=60k"),
        ("engines", "nr_inodes=10"),
    ],
)
def test_resolving_pypi_packages(
    machine: Machine, index: FakeIndex, place: str, limits: str
) -> None:
    index.add(make_wheel("large", "1.0", module="x = 1\n" * 500_000))
    said = starved(machine, place, limits, *PYPI)
    assert ("(inodes)" in said) is limits.startswith("nr_inodes")
    if limits == "size=2m":
        assert "no space left on device: the archives to keep there have 3.0 MB" in said


@pytest.mark.parametrize(
    ("place", "limits"),
    [
        ("MFENV_HOME", "size=100k"),
        ("MFENV_HOME", "size=400k"),
        ("engines", "size=20k"),
        ("engines", "nr_inodes=10"),
    ],
)
def test_resolving_conda_packages(conda: Machine, place: str, limits: str) -> None:
    starved(conda, place, limits, *CONDA)


@pytest.mark.parametrize("limits", ["size=400k", "size=10m", "nr_inodes=100"])
def test_creating(conda: Machine, limits: str) -> None:
    conda.ok(*CONDA)
    starved(conda, "MFENV_HOME", limits, "create", "a")


@pytest.mark.parametrize("limits", ["size=10m", "nr_inodes=100"])
def test_creating_elsewhere(conda: Machine, limits: str) -> None:
    conda.ok(*CONDA)
    conda.ok("create", "a")
    starved(conda, "", limits, "create", "a", "--prefix", str(conda.root / "disk" / "at" / "env"))


def test_a_home_on_a_full_disk_is_read(machine: Machine) -> None:
    """What was left of it went to something else."""
    disk = machine.root / "disk"
    disk.mkdir()
    machine.environ |= {"DISK": str(disk), "MFENV_HOME": str(disk / "home")}
    script = """
        mount -t tmpfs -o size=20m none "$DISK"
        "$0" resolve --pypi app --alias a:v1 2>&1 && "$0" create a:v1 --name e 2>&1 || exit
        dd if=/dev/zero of="$DISK/full" 2> /dev/null
        "$0" list > /dev/null && "$0" show a:v1 > /dev/null && "$0" cache info > /dev/null || exit
        "$0" run e -- hello; echo "run $?"
        "$0" resolve --pypi other; echo "resolve $?"
        "$0" rm e; echo "rm $?"
        "$0" gc; echo "gc $?"
    """
    command = ("unshare", "--map-root-user", "--mount", "sh", "-c", script)
    done = finish(machine.spawn(*command, COMMAND))
    assert done.out.splitlines()[-4:] == ["run 7", "resolve 1", "rm 0", "gc 0"], done.err
