"""What a container runs before its task, as far as it needs no container: see also tests/nodes."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import host_platform, platform_of
from metaflow_extensions.mfenv.container import add_runtime, this_platform
from metaflow_extensions.mfenv.fetching import Failed, fetcher
from metaflow_extensions.mfenv.run_records import Runtime, RuntimeObject

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SOURCE = Path(sys.modules[add_runtime.__module__].__file__ or "").parent
OLD = sorted(Path.home().glob(".pyenv/versions/3.8.*/bin/python"))


# What a document says beside what is needed to fetch mfenv.
KNOWN = {
    "steps": {"start": {"env_id": ["a", "b", "linux-64"]}},
    "environments": {"a:b@linux-64": {}},
    "settings": {},
}


def staged(root: Path, **modules: str) -> Runtime:
    """A store with a wheel for each module, and what would be said of it as a runtime."""
    objects = []
    for name, text in modules.items():
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(f"{name}.py", text)
        content = buffer.getvalue()
        digest = hashlib.sha256(content).hexdigest()
        key = f"runtime/{digest}/{name}.whl"
        path = root / key
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        objects.append(RuntimeObject(key=key, sha256=digest, size=len(content)))
    code, *wheels = objects
    return Runtime(code=code, wheels={host_platform(): {PYTHON: tuple(wheels)}})


def add(runtime: Runtime, home: Path, store: Path) -> list[str]:
    """As one container does it; at the top of the module for other processes to call."""
    return add_runtime(runtime, home, fetcher(store.as_uri()))


def said(message: str) -> str:
    """A message, after it was checked to be one line that says what to do."""
    assert "\n" not in message
    assert not message.endswith(".")
    return message


def test_each_object_becomes_a_directory_named_by_its_hash(tmp_path: Path) -> None:
    runtime = staged(tmp_path / "store", code="CODE = 1", wheel="WHEEL = 1")
    folders = add(runtime, tmp_path / "home", tmp_path / "store")
    wheel = runtime.wheels[host_platform()][PYTHON][0]
    assert [Path(one).name for one in folders] == [runtime.code.sha256, wheel.sha256]
    assert Path(folders[0], "code.py").read_text() == "CODE = 1"
    assert Path(folders[1], "wheel.py").read_text() == "WHEEL = 1"


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    runtime = staged(tmp_path / "store", code="", wheel="")
    folders = add(runtime, tmp_path / "home", tmp_path / "store")
    assert add(runtime, tmp_path / "home", tmp_path / "nowhere") == folders


@pytest.mark.slow
def test_containers_that_start_at_once_share_what_they_fetch(tmp_path: Path) -> None:
    modules = {f"module_{number}": f"NUMBER = {number}\n" * 5000 for number in range(12)}
    runtime = staged(tmp_path / "store", **modules)
    home, count = tmp_path / "home", 4
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        pending = [pool.submit(add, runtime, home, tmp_path / "store") for _ in range(count)]
        first, *others = [one.result() for one in pending]
    assert all(one == first for one in others)
    for folder, (name, text) in zip(first, modules.items(), strict=True):
        assert [path.name for path in Path(folder).iterdir()] == [f"{name}.py"]
        assert Path(folder, f"{name}.py").read_text() == text
    # Nothing half done stays beside them.
    assert {str(path) for path in (home / "runtime").iterdir()} == set(first)


def test_a_damaged_object_is_named_and_nothing_of_it_stays(tmp_path: Path) -> None:
    runtime = staged(tmp_path / "store", code="", wheel="")
    key = runtime.code.key
    (tmp_path / "store" / key).write_bytes(b"other bytes")
    with pytest.raises(Failed) as caught:
        add(runtime, tmp_path / "home", tmp_path / "store")
    assert f"`{key}` in the store is damaged" in said(str(caught.value))
    assert "delete `runtime/` there" in str(caught.value)
    assert not (tmp_path / "home" / "runtime" / runtime.code.sha256).exists()


def test_a_lost_object_is_named(tmp_path: Path) -> None:
    runtime = staged(tmp_path / "store", code="", wheel="")
    (tmp_path / "store" / runtime.code.key).unlink()
    with pytest.raises(Failed) as caught:
        add(runtime, tmp_path / "home", tmp_path / "store")
    assert f"`{runtime.code.key}` cannot be fetched" in said(str(caught.value))


def test_what_fails_for_a_moment_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long it waits is chance: of so many times one is long enough.
    monkeypatch.setenv("MFENV_NETWORK_TRIES", "9")
    runtime = staged(tmp_path / "store", code="CODE = 1")
    path = tmp_path / "store" / runtime.code.key
    away = path.rename(tmp_path / "away")
    later = threading.Timer(0.2, away.rename, [path])
    later.start()
    (folder,) = add(runtime, tmp_path / "home", tmp_path / "store")
    later.join()
    assert Path(folder, "code.py").read_text() == "CODE = 1"


@pytest.mark.parametrize(
    ("system", "machine"),
    [
        *(("linux", "x86_64"), ("linux", "aarch64"), ("linux", "arm64")),
        *(("darwin", "x86_64"), ("darwin", "arm64")),
    ],
)
def test_a_container_knows_its_platform_as_the_one_that_started_it(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert this_platform() == platform_of(system, machine)


@pytest.mark.parametrize("known", [{"linux-ppc": {PYTHON: ()}}, {host_platform(): {"2.7": ()}}])
def test_a_container_of_another_kind_is_told_what_was_staged(
    tmp_path: Path, known: dict[str, dict[str, tuple[RuntimeObject, ...]]]
) -> None:
    runtime = replace(staged(tmp_path / "store", code=""), wheels=known)
    with pytest.raises(Failed) as caught:
        add(runtime, tmp_path / "home", tmp_path / "store")
    ((platform, versions),) = known.items()
    (python,) = versions
    message = said(str(caught.value))
    assert f"this container is {host_platform()} with Python {PYTHON}" in message
    assert f"staged for {platform} with Python {python}" in message


def test_a_store_that_only_others_can_read_is_refused() -> None:
    with pytest.raises(Failed) as caught:
        fetcher("ftp://somewhere/")
    assert "`ftp://` cannot be read from here" in said(str(caught.value))


def container(
    folder: Path,
    document: Mapping[str, Any] | None,
    python: str = sys.executable,
    **environ: str,
) -> subprocess.CompletedProcess[str]:
    """The entry, in a directory as Metaflow lays it out from a code package."""
    code = folder / ".mf_code"
    (code / "metaflow_extensions").mkdir(parents=True)
    (code / "metaflow").symlink_to(Path(str(distribution("metaflow").locate_file("metaflow"))))
    (code / "metaflow_extensions" / "mfenv").symlink_to(SOURCE)
    (code / "requests.py").write_text(
        "class Session:\n    def mount(self, *_): pass\n"
        "class adapters:\n    class HTTPAdapter:\n        def __init__(self, **_): pass\n"
    )
    if document is not None:
        (folder / ".mf_meta").mkdir()
        (folder / ".mf_meta" / "mfenv.json").write_text(json.dumps(document))
    (folder / ".mf_install").write_text(json.dumps({"version": 1, "module_files": []}))
    return subprocess.run(
        [python, "-B", "-S", "-m", "metaflow_extensions.mfenv.bootstrap", "start", "local"],
        env={
            "PYTHONPATH": str(code),
            "HOME": str(folder),
            "METAFLOW_EXTRACTED_ROOT": str(folder),
            **environ,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def failure(done: subprocess.CompletedProcess[str]) -> str:
    """What the entry said that failed, which must be one line."""
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("Environment of step `start`: ")
    return said(line)


def test_a_code_package_without_descriptions_is_told(tmp_path: Path) -> None:
    assert "has no `mfenv.json`" in failure(container(tmp_path, None))


def test_a_run_that_had_no_store_is_told(tmp_path: Path) -> None:
    assert "set MFENV_STORE" in failure(container(tmp_path, {"steps": {}, "environments": {}}))


@pytest.mark.parametrize("store", ["s3://b/p", "az://a/c/p", "gs://b/p"])
def test_an_image_without_the_library_of_the_store_is_told(tmp_path: Path, store: str) -> None:
    runtime = staged(tmp_path / "store", code="")
    document = {**KNOWN, "runtime": asdict(runtime), "store": store}
    assert "this image lacks the library of its datastore" in failure(container(tmp_path, document))


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    runtime = staged(tmp_path / "store", code="")
    document = {**KNOWN, "runtime": asdict(runtime), "store": (tmp_path / "store").as_uri()}
    folder, occupied = tmp_path / "task", tmp_path / "occupied"
    folder.mkdir()
    occupied.touch()
    said = failure(container(folder, document, MFENV_HOME=str(occupied)))
    assert "Not a directory" in said
    assert "set MFENV_HOME to a directory with room" in said


def test_descriptions_of_another_release_are_refused_by_their_version(tmp_path: Path) -> None:
    document = {**KNOWN, "version": 99}
    said = failure(container(tmp_path, document))
    assert "`mfenv.json`: a record has the version 99" in said


@pytest.mark.skipif(not OLD, reason="this machine has no Python 3.8")
def test_a_python_that_is_too_old_is_told_which_one_is_needed(tmp_path: Path) -> None:
    said = failure(container(tmp_path, {"steps": {}}, str(OLD[0])))
    assert "this image has Python 3.8, and creating environments needs 3.10 or newer" in said
