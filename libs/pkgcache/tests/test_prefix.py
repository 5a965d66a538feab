from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pkgcache.cache import PackageCache
from pkgcache.errors import NotOurPrefix, PrefixExists
from pkgcache.prefix import create_venv, read_marker, remove_prefix

from .helpers import env_of, make_wheel, package_of

PYTHON = Path(sys.executable)
MAIN = b"import sys\ndef main():\n    print('ran', *sys.argv[1:])\n"


@pytest.fixture
def cache(tmp_path: Path) -> PackageCache:
    return PackageCache(tmp_path / "cache")


def test_an_environment_runs_its_packages(tmp_path: Path, cache: PackageCache) -> None:
    data = make_wheel(
        "demo",
        files={"demo/__init__.py": b"", "demo/main.py": MAIN},
        entry_points="[console_scripts]\ndemo = demo.main:main\n",
    )
    cache.add(data, "demo-1.0-py3-none-any.whl")
    env = env_of(package_of(data, "demo"))
    prefix = tmp_path / "envs" / "one"
    create_venv(env, prefix, python=PYTHON, cache=cache)
    done = subprocess.run([prefix / "bin" / "demo", "a", "b"], capture_output=True, check=True)
    assert done.stdout == b"ran a b\n"
    assert read_marker(prefix) == env.env_id
    with pytest.raises(PrefixExists):
        create_venv(env, prefix, python=PYTHON, cache=cache)
    create_venv(env, prefix, python=PYTHON, cache=cache, replace=True)
    assert [one.name for one in prefix.parent.iterdir()] == ["one"]
    remove_prefix(prefix, cache=cache)
    assert list(prefix.parent.iterdir()) == []


def test_a_directory_of_somebody_else_is_not_deleted(tmp_path: Path, cache: PackageCache) -> None:
    prefix = tmp_path / "precious"
    prefix.mkdir()
    with pytest.raises(NotOurPrefix):
        remove_prefix(prefix, cache=cache)
    with pytest.raises(NotOurPrefix):
        create_venv(env_of(), prefix, python=PYTHON, cache=cache, replace=True)
    assert prefix.is_dir()
