"""A cache that several users of a group share; needs root, to be other users."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .helpers import make_wheel, package_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")

GROUP, ANN, BOB, EVE = 54321, 54322, 54323, 54324

PROGRAM = """
import hashlib, os, pathlib, sys, tempfile, time
from envid.packages import Package
from pkgcache.local.cache import PackageCache
from pkgcache.local.collecting import collect

root, wheel, do, user, group = sys.argv[1:]
wheel = pathlib.Path(wheel)
package = Package.make(
    kind="pypi", name="demo", version="1.0", filename=wheel.name, url=wheel.as_uri(),
    sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(), size=wheel.stat().st_size,
)

def run(root, do):
    cache = PackageCache(pathlib.Path(root))
    if do == "begin":
        cache.part_path(package).write_bytes(wheel.read_bytes()[:50])
    elif do == "fetch":
        cache.fetch([package], unpack=True)
        assert cache.unpacked(package).name == "demo"
    elif do == "collect":
        found = collect(cache, frozenset(), now=time.time() + 7200)
        print(len(found.holdings))

# What is imported on the way is not for everybody to read.
with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
    sys.stdout = nowhere
    run(folder + "/cache", "fetch")
    run(folder + "/cache", "collect")
sys.stdout = sys.__stdout__
os.umask(0o022)
os.setgroups([int(group)])
os.setgid(int(user))
os.setuid(int(user))
run(root, do)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody can reach, with a cache of the group and a wheel.

    It is not below that of pytest, which every pytest that starts closes to other users.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        cache = place / "cache"
        cache.mkdir()
        os.chown(cache, ANN, GROUP)
        cache.chmod(0o2775)
        (place / "demo-1.0-py3-none-any.whl").write_bytes(make_wheel("demo"))
        yield place


def by(user: int, place: Path, do: str, *, group: int = GROUP) -> str:
    wheel = place / "demo-1.0-py3-none-any.whl"
    words = [str(place / "cache"), str(wheel), do, str(user), str(group)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env={"HOME": "/nonexistent", "PATH": os.defpath},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_one_goes_on_where_another_stopped(place: Path) -> None:
    by(ANN, place, "begin")
    by(BOB, place, "fetch")
    by(ANN, place, "fetch")


@pytest.mark.slow
def test_what_one_keeps_another_can_collect(place: Path) -> None:
    by(ANN, place, "fetch")
    digest = package_of(make_wheel("demo"), "demo").digest
    tree = place / "cache" / "wheels-2" / digest[:2] / digest / "tree"
    assert stat.S_IMODE(tree.stat().st_mode) == 0o2775
    assert by(BOB, place, "collect") == "2"
    assert not tree.exists()
    by(ANN, place, "fetch")


def test_somebody_outside_of_the_group_is_refused(place: Path) -> None:
    with pytest.raises(AssertionError, match="it belongs to another user"):
        by(EVE, place, "fetch", group=EVE)
