from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from resolvers.errors import PythonNotFound
from resolvers.pythons import Pythons, find_python, minor
from resolvers.request import ResolveContext
from resolvers.testing import FakeIndex, make_sdist, make_wheel

from .helpers import LINUX, resolve_all, spec_of

THIS = ".".join(str(part) for part in sys.version_info[:3])


def test_the_interpreter_that_is_found_has_the_version_that_is_said(tmp_path: Path) -> None:
    found = find_python(">=3.10", ResolveContext(cache_dir=tmp_path))
    code = "import platform; print(platform.python_version())"
    done = subprocess.run([found.path, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == found.version


def test_with_nothing_on_path_the_running_interpreter_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    found = find_python(f"=={THIS}", ResolveContext(cache_dir=tmp_path))
    assert found.version == THIS
    assert found.path.exists()


def test_interpreters_are_found_where_nothing_can_be_kept(tmp_path: Path) -> None:
    place = tmp_path / "engines"
    place.touch()
    assert find_python(f"=={THIS}", ResolveContext(cache_dir=place)).version == THIS
    with pytest.raises(OSError, match="engines"):
        resolve_all(spec_of("six"), tmp_path)


def test_broken_shims_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shims, versions = tmp_path / "pyenv" / "shims", tmp_path / "pyenv" / "versions"
    shims.mkdir(parents=True)
    shim = shims / "python3"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    (versions / "own").mkdir(parents=True)
    (versions / "own" / "bin").symlink_to(Path(sys.base_prefix) / "bin")
    monkeypatch.setenv("PATH", f"{shims}{os.pathsep}/nowhere")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert find_python(f"=={THIS}", ResolveContext(cache_dir=tmp_path)).version == THIS


def test_virtual_environments_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    monkeypatch.setenv("PATH", str(tmp_path / "venv" / "bin"))
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    found = find_python(f"=={THIS}", ResolveContext(cache_dir=tmp_path))
    assert tmp_path not in found.path.parents


def test_what_is_not_there_is_an_error_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(PythonNotFound) as caught:
        find_python("<3", ResolveContext(cache_dir=tmp_path))
    assert THIS in caught.value.found
    assert caught.value.hint


def test_without_uv_the_running_interpreter_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)  # as where it is not installed
    context = ResolveContext(cache_dir=tmp_path)
    assert find_python(">=3.10", context).version == THIS
    with pytest.raises(PythonNotFound) as caught:
        find_python("<3", context)
    assert caught.value.found == (THIS,)


@pytest.fixture
def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """All minor versions that this machine has."""
    monkeypatch.delenv("PYENV_ROOT")
    found = list(Pythons(">=3.9", ResolveContext(cache_dir=tmp_path)))
    if len(found) < 2:
        pytest.skip("this machine has one Python alone")
    return tuple(minor(one.version) for one in found)


def test_of_several_pythons_each_minor_version_is_there_once_the_newest_first(
    several: tuple[str, ...], tmp_path: Path
) -> None:
    assert sorted(set(several), key=Version, reverse=True) == list(several)
    context = ResolveContext(cache_dir=tmp_path, preferred_python=f"{several[-1]}.0")
    found = list(Pythons(">=3.9", context))
    assert [minor(one.version) for one in found] == [several[-1], *several[:-1]]


def test_only_the_interpreters_are_started_that_may_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an executable is called says its minor version."""
    log = tmp_path / "log"
    for name in ("python3.8", "python3.39", "python3"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho {name} >> {log}\nexec {sys.executable} "$@"\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    started: list[str] = []
    context = ResolveContext(cache_dir=tmp_path / "engines", on_process=started.append)
    assert find_python(f"=={THIS}", context).version == THIS
    assert log.read_text().split() == ["python3"]
    assert set(started) == {"uv python list"}
    log.unlink()
    assert next(iter(Pythons(">=3.8", context))).version == THIS  # whatever `python3.39` is
    assert "python3.8" not in log.read_text().split()


def test_python_2_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    old = tmp_path / "bin" / "python2.7"
    old.parent.mkdir()
    old.write_text(f"#!/bin/sh\necho started >> {log}\nexit 2\n")
    old.chmod(0o755)
    (old.parent / "python").symlink_to("python2")
    (old.parent / "python2").symlink_to("python2.7")
    monkeypatch.setenv("PATH", str(old.parent))
    find_python("", ResolveContext(cache_dir=tmp_path / "engines"))
    assert not log.exists()


def test_an_interpreter_is_started_once_and_ours_not_to_be_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv keeps what an interpreter says by its path, so that resolving with it asks no more."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    log = tmp_path / "log"
    other = tmp_path / "bin" / name
    other.parent.mkdir()
    ours = Path(sys.base_prefix) / "bin" / name
    # It says that it is where it is, as an interpreter of its own does.
    other.write_text(f'#!/bin/bash\necho asked >> {log}\nexec -a "$0" {ours} "$@"\n')
    other.chmod(0o755)
    (tmp_path / "lib").symlink_to(Path(sys.base_prefix) / "lib")
    monkeypatch.setenv("PATH", str(other.parent))
    started: list[str] = []
    with FakeIndex(make_wheel("a", "1")) as index:
        spec = spec_of("a", index=index.url, python=f"=={THIS}")
        context = ResolveContext(cache_dir=tmp_path / "engines", on_process=started.append)
        assert (
            find_python(f"=={THIS}", context).path == other
        )  # of the same version, and before ours
        resolve_all(spec, tmp_path)
    assert log.read_text().split() == ["asked"]
    assert started == ["uv python list"]


def test_what_an_interpreter_said_is_kept_as_long_as_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    other = tmp_path / "bin" / name
    other.parent.mkdir()
    ours = Path(sys.base_prefix) / "bin" / name
    monkeypatch.setenv("PATH", str(other.parent))
    started: list[str] = []

    def find() -> tuple[Path, int]:
        started.clear()
        context = ResolveContext(cache_dir=tmp_path / "engines", on_process=started.append)
        return find_python(f"=={THIS}", context).path, len(started)

    (tmp_path / "lib").symlink_to(Path(sys.base_prefix) / "lib")
    for _ in range(2):
        shutil.copy(ours, other)
        assert [find(), find()] == [(other, 1), (other, 0)]
    (tmp_path / "moved").mkdir()
    other.rename(tmp_path / "moved" / name)
    other.symlink_to(tmp_path / "moved" / name)
    assert [find(), find()] == [(other, 1), (other, 0)]
    for path in (tmp_path / "engines" / "pythons").iterdir():
        path.write_text("damaged")
    assert find() == (other, 1)


@pytest.mark.parametrize("kind", ["script", "program"])
def test_what_chooses_an_interpreter_is_asked_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """As version managers have them, which look at the directory: their files stay what they are."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    shim, ours = tmp_path / "bin" / name, Path(sys.base_prefix) / "bin" / name
    shim.parent.mkdir()
    if kind == "script":
        shim.write_text(f'#!/bin/sh\nexec {ours} "$@"\n')
        shim.chmod(0o755)
    else:
        shutil.copy(ours, tmp_path / "manager")
        shim.symlink_to(tmp_path / "manager")
        (tmp_path / "lib").symlink_to(Path(sys.base_prefix) / "lib")
    monkeypatch.setenv("PATH", str(shim.parent))
    started: list[str] = []
    for number in (1, 2):
        context = ResolveContext(cache_dir=tmp_path / "engines", on_process=started.append)
        assert find_python(f"=={THIS}", context).path == shim
        assert started == ["uv python list"] * number


@pytest.mark.slow
def test_the_newest_python_that_has_wheels_is_taken(
    several: tuple[str, ...], tmp_path: Path
) -> None:
    older = several[1].replace(".", "")
    with FakeIndex(
        make_wheel("pure", "1"),
        make_wheel("lagging", "1", tag=f"cp{older}-cp{older}-manylinux_2_17_x86_64"),
        make_sdist(tmp_path, "lagging", "1", tag="broken"),
    ) as index:
        for asked, expected in (("pure", several[0]), ("lagging", several[1])):
            spec = spec_of(asked, index=index.url, python=">=3.9")
            found = resolve_all(spec, tmp_path)[LINUX]
            assert minor(found.python) == expected


def test_a_directory_that_path_would_split_is_none_to_look_in(tmp_path: Path) -> None:
    context = ResolveContext(cache_dir=tmp_path / "a:b")
    version = ".".join(map(str, sys.version_info[:2]))
    assert find_python(f"=={version}.*", context).version.startswith(version)
