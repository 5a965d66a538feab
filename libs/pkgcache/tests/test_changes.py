"""Files of the cache that were changed without a trace in their sizes, times and modes."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pkgcache.local.cache import PackageCache
from pkgcache.prefixes.conda_prefix import create_conda_env
from pkgcache.prefixes.prefix import create_venv, remove_prefix

from .conda_helpers import Conda
from .conda_helpers import package_of as conda_package
from .helpers import Recorder, env_of, make_wheel, package_of

if TYPE_CHECKING:
    from envid.resolved import ResolvedEnv

FILES = {f"demo/{name}.py": f"{name} = 1\n".encode() for name in ("one", "two", "three")}
TWO = "demo/two.py"
# What is found to be wrong is looked at once more with the lock of the package held.
AGAIN = 2
# A wheel also has its METADATA, RECORD, WHEEL.
LISTED = {"pypi": len(FILES) + 3, "conda": len(FILES)}


class Home:
    """A cache with one package, and environments of it; `hashed` counts the files read."""

    def __init__(self, root: Path, kind: str, *, always_verify: bool = False) -> None:
        self.root, self.kind = root, kind
        self.cache = PackageCache(root / "cache", always_verify=always_verify)
        self.recorder = Recorder()
        if kind == "pypi":
            data = make_wheel("demo", files=FILES)
            package = package_of(data, "demo")
        else:
            conda = Conda(name="demo", files={**FILES})
            data = conda.conda()
            package = conda_package(conda, data)
        self.env: ResolvedEnv = env_of(package)
        self.cache.add(data, package.filename)

    def create(self, name: str, *, replace: bool = False) -> int:
        """How many files of the cache were hashed in order to make an environment."""
        self.recorder = Recorder()
        prefix = self.root / "envs" / name
        more: dict[str, Any] = {"cache": self.cache, "replace": replace, "progress": self.recorder}
        if self.kind == "pypi":
            create_venv(self.env, prefix, python=Path(sys.executable), **more)
        else:
            create_conda_env(self.env, prefix, **more)
        (made,) = prefix.rglob(TWO)
        assert made.read_bytes() == FILES[TWO]
        return self.recorder.files["checking files"]

    @property
    def file(self) -> Path:
        (found,) = self.cache.root.rglob(TWO)
        return found


@pytest.fixture(params=["pypi", "conda"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    made = Home(tmp_path, request.param)
    assert made.create("first") == 0
    tick()
    return made


def tick() -> None:
    """Let the clock of the file system go on, which is a coarse one."""
    time.sleep(0.02)


def rot(path: Path) -> None:
    """Change a file in place, and put back all that can be."""
    found = path.stat()
    path.chmod(0o644)
    path.write_bytes(bytes(found.st_size))
    path.chmod(found.st_mode)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_a_file_whose_size_time_and_mode_were_put_back_is_not_linked(home: Home) -> None:
    rot(home.file)
    assert home.create("second") == AGAIN
    assert home.create("third") == 0


def test_a_file_that_was_replaced_likewise_is_not_linked(home: Home) -> None:
    found, other = home.file.stat(), home.root / "other"
    other.write_bytes(bytes(found.st_size))
    other.chmod(found.st_mode)
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(home.file)
    assert home.create("second") == AGAIN


def test_a_change_through_an_environment_is_found(home: Home) -> None:
    (made,) = (home.root / "envs/first").rglob(TWO)
    rot(made)
    home.create("second")


def test_what_we_do_ourselves_makes_nobody_hash(home: Home) -> None:
    assert home.create("second") == 0
    assert home.create("second", replace=True) == 0
    remove_prefix(home.root / "envs/first", cache=home.cache)
    assert home.create("third") == 0


def test_what_changed_before_an_environment_was_deleted_is_found(home: Home) -> None:
    rot(home.file)
    remove_prefix(home.root / "envs/first", cache=home.cache)
    assert home.create("second")


def test_what_others_do_is_hashed_once(home: Home) -> None:
    shutil.rmtree(home.root / "envs/first")
    assert home.create("second") == len(FILES) + (home.kind == "pypi") * 2
    assert home.create("third") == 0


def test_a_copy_of_the_cache_is_hashed_once(home: Home, tmp_path: Path) -> None:
    shutil.copytree(home.cache.root, tmp_path / "copy", symlinks=True)
    shutil.rmtree(home.cache.root)
    (tmp_path / "copy").rename(home.cache.root)
    home.cache = PackageCache(home.cache.root)
    rot(home.file)
    tick()
    for path in home.cache.root.rglob("checked"):
        os.utime(path)
    assert home.create("second") == LISTED[home.kind] * AGAIN
    assert home.create("third") == 0


@pytest.mark.parametrize("damage", ["gone", "empty", "pipe", "folder", "link"])
def test_without_the_mark_everything_is_hashed_once(home: Home, damage: str) -> None:
    (mark,) = home.cache.root.rglob("checked")
    mark.unlink()
    if damage == "empty":
        mark.touch()
    elif damage == "pipe":
        os.mkfifo(mark)
    elif damage == "folder":
        mark.mkdir()
    elif damage == "link":
        mark.symlink_to(home.file)
    hashed = LISTED[home.kind]
    assert home.create("second") == hashed
    assert home.create("third") == (hashed if damage == "folder" else 0)


@pytest.mark.parametrize("kind", ["pypi", "conda"])
def test_everything_is_hashed_every_time_where_that_is_asked_for(tmp_path: Path, kind: str) -> None:
    home = Home(tmp_path, kind, always_verify=True)
    home.create("first")
    assert home.create("second") == LISTED[kind]
    rot(home.file)
    home.create("third")
