from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pkgcache.local.cache import PackageCache
from pkgcache.prefixes.prefix import create_venv
from pkgcache.prefixes.verifying import verify_cache, verify_prefix

from .helpers import env_of, make_wheel, package_of


@pytest.fixture
def cache(tmp_path: Path) -> PackageCache:
    return PackageCache(tmp_path / "cache")


def flip(path: Path, at: int = 5) -> None:
    """Change a byte as a failing disk does: nothing else shows it."""
    found, data = path.stat(), bytearray(path.read_bytes())
    data[at] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(found.st_mode)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.fixture
def demo(cache: PackageCache, tmp_path: Path) -> Path:
    """A prefix with a wheel of the cache."""
    data = make_wheel(
        "demo",
        files={"demo/__init__.py": b"VALUE = 1\n"},
        entry_points="[console_scripts]\nd=demo:x",
    )
    package = package_of(data, "demo")
    cache.add(data, package.filename)
    create_venv(env_of(package), tmp_path / "env", python=Path(sys.executable), cache=cache)
    return tmp_path / "env"


def file_of(cache: PackageCache, name: str) -> Path:
    (found,) = cache.root.rglob(name)
    return found


def test_a_sound_cache(cache: PackageCache, demo: Path) -> None:
    found = verify_cache(cache)
    assert (found.artifacts, found.damaged) == (2, ())
    assert (demo / "bin/d").exists()
    assert found.sound
    assert verify_prefix(demo) == verify_prefix(demo, found.sound) == ()


def test_a_file_of_another_disk_is_not_sound_for_its_inode(cache: PackageCache, demo: Path) -> None:
    sound = verify_cache(cache).sound
    flip(next(demo.glob("lib/*/site-packages/demo/__init__.py")))
    assert verify_prefix(demo, sound) == ()
    elsewhere = frozenset((device + 1, inode) for device, inode in sound)
    (problem,) = verify_prefix(demo, elsewhere)
    assert "__init__.py` was changed" in problem


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [("demo-1.0-py3-none-any.whl", "archive"), ("__init__.py", "pypi"), ("files.json", "pypi")],
)
def test_a_flipped_byte_is_found_and_dropped(
    cache: PackageCache, demo: Path, name: str, kind: str
) -> None:
    path = file_of(cache, name)
    flip(path, path.stat().st_size // 2)
    for repair in (False, True):
        (damaged,) = verify_cache(cache, repair=repair).damaged
        assert (damaged.kind, damaged.dropped) == (kind, repair)
        assert damaged.path in path.parents
        assert path.exists() is not repair
    assert verify_cache(cache).damaged == ()


def test_what_is_dropped_is_made_again(cache: PackageCache, demo: Path) -> None:
    package = package_of(file_of(cache, "*.whl").read_bytes(), "demo")
    flip(file_of(cache, "__init__.py"))
    verify_cache(cache)
    assert cache.unpacked(package).tree.joinpath("demo/__init__.py").read_text() == "VALUE = 1\n"
    assert package.digest in str(file_of(cache, "__init__.py"))


def test_a_byte_that_the_cache_and_a_prefix_share(cache: PackageCache, demo: Path) -> None:
    flip(file_of(cache, "__init__.py"))
    assert len(verify_cache(cache).damaged) == 1
    (problem,) = verify_prefix(demo)
    assert "demo/__init__.py` was changed" in problem


def test_a_prefix_that_was_changed(demo: Path) -> None:
    (module,) = demo.rglob("demo/__init__.py")
    module.unlink()
    (demo / "bin/d").write_text("#!/bin/sh\n")
    (demo / "bin/later").write_text("is nobody's business")
    script, missing = verify_prefix(demo)
    assert script == "`bin/d` was changed"
    assert missing.endswith("demo/__init__.py` is gone")


def test_a_prefix_whose_records_are_damaged(demo: Path) -> None:
    (demo / "conda-meta").mkdir()
    (demo / "conda-meta/x.json").write_text("{")
    (problem,) = verify_prefix(demo)
    assert problem.startswith("a record of its packages cannot be read")
