"""What machines without mfenv need, put into the store."""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

from metaflow_extensions.mfenv.staging import stage
from mfenv.environments import Environments
from mfenv.errors import InvalidRequest
from mfenv.runtime import PYTHONS
from mfenv.settings import Settings
from pkgcache.share.shared import EnvStore
from pkgcache.stores.testing import MemoryStore, StoreRequest
from resolvers.errors import NoSolution
from resolvers.testing import FakeIndex, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metaflow_extensions.mfenv.run_records import Runtime

PLATFORMS = ("linux-64", "linux-aarch64")
OURS = ("envid", "mfenv", "pkgcache", "reqparse", "resolvers")
STARTS = ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec")
processes: list[str] = []


def note_process(event: str, arguments: tuple[Any, ...]) -> None:
    if event in STARTS:
        processes.append(f"{event} {arguments}")


sys.addaudithook(note_process)


@pytest.fixture(scope="module")
def index() -> Iterator[FakeIndex]:
    """An index with what our distributions import; `zstandard` is compiled for each Python."""
    asked = {Requirement(text).name.lower() for name in OURS for text in requires(name) or ()}
    wheels = [make_wheel(one, "999") for one in asked - {*OURS, "zstandard"}]
    for python in PYTHONS:
        tag = f"cp{python.replace('.', '')}"
        wheels += [
            make_wheel("zstandard", "999", tag=f"{tag}-{tag}-manylinux_2_17_{machine}")
            for machine in ("x86_64", "aarch64")
        ]
    with FakeIndex(*wheels) as found:
        yield found


@dataclass(frozen=True)
class Launcher:
    """A machine that sends steps away, its store, and what it has staged there."""

    environments: Environments
    memory: MemoryStore
    runtime: Runtime

    def stage(self) -> Runtime:
        return stage(self.environments, PLATFORMS)


@contextmanager
def launcher(home: Path, index: FakeIndex, memory: MemoryStore | None = None) -> Iterator[Launcher]:
    memory = memory or MemoryStore()
    settings = Settings(home=str(home), index_url=index.url, store=memory.url)
    with Environments(settings) as environments:
        environments._site.store = EnvStore(memory)
        yield Launcher(environments, memory, stage(environments, PLATFORMS))


@pytest.fixture(scope="module")
def known(index: FakeIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """For tests that change nothing."""
    with launcher(tmp_path_factory.mktemp("home"), index) as found:
        yield found


def needed(name: str, python: str) -> bool:
    """Whether one of our distributions asks for another one on a Python."""
    asked = [Requirement(text) for ours in OURS for text in requires(ours) or ()]
    on = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    return any(
        one.name == name and (one.marker is None or one.marker.evaluate(on)) for one in asked
    )


@pytest.mark.slow
def test_every_platform_and_python_gets_what_our_code_imports(known: Launcher) -> None:
    runtime, memory = known.runtime, known.memory
    assert tuple(runtime.wheels) == PLATFORMS
    for platform, machine in (("linux-64", "x86_64"), ("linux-aarch64", "aarch64")):
        assert tuple(runtime.wheels[platform]) == PYTHONS
        for python, wheels in runtime.wheels[platform].items():
            names = {one.key.rpartition("/")[2].partition("-")[0] for one in wheels}
            assert {"click", "packaging", "zstandard"} <= names
            assert ("tomli" in names) == needed("tomli", python)
            # Metaflow itself needs it in a container, and resolving is not done there.
            assert not names & {"requests", "uv", "py_rattler"}
            (compiled,) = (one.key for one in wheels if "/zstandard-" in one.key)
            assert f"cp{python.replace('.', '')}" in compiled
            assert machine in compiled
    staged = [one for found in runtime.wheels.values() for each in found.values() for one in each]
    for one in [runtime.code, *staged]:
        content = memory.read(one.key)
        assert hashlib.sha256(content).hexdigest() == one.sha256
        assert len(content) == one.size
        assert one.key.startswith(f"runtime/{one.sha256}/")


@pytest.mark.slow
def test_our_code_is_the_same_archive_wherever_it_is_made(known: Launcher) -> None:
    content = known.memory.read(known.runtime.code.key)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert names == sorted(names)
    assert {name.partition("/")[0] for name in names} == {*OURS, "metaflow_extensions"}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_a_known_runtime_costs_one_look_up_and_no_process(
    known: Launcher, index: FakeIndex
) -> None:
    known.memory.requests.clear()
    index.requests.clear()
    processes.clear()
    assert known.stage() == known.runtime
    assert known.memory.requests == [StoreRequest("head", known.runtime.code.key)]
    assert (list(index.requests), processes) == ([], [])


@pytest.mark.slow
def test_what_another_machine_staged_is_not_sent_again(
    known: Launcher, index: FakeIndex, tmp_path: Path
) -> None:
    known.memory.requests.clear()
    with launcher(tmp_path, index, known.memory) as other:
        assert other.runtime == known.runtime
    # The code stands for all of it, and so is put whenever it was not known to be there.
    put = [one.key for one in known.memory.requests if one.operation == "put"]
    assert put == [known.runtime.code.key]


@pytest.mark.slow
def test_what_was_deleted_in_the_store_or_cut_off_here_comes_back(
    index: FakeIndex, tmp_path: Path
) -> None:
    with launcher(tmp_path, index) as one:
        keys = [found.key for found in one.memory.list("runtime/")]
        for key in keys:
            one.memory.delete(key)
        assert one.stage() == one.runtime
        assert [found.key for found in one.memory.list("runtime/")] == keys
        (note,) = (tmp_path / "runtime").glob("*.json")
        note.write_text(note.read_text()[:40])
        assert one.stage() == one.runtime
        note.unlink()
        note.mkdir()
        with pytest.raises(OSError, match=note.name):
            one.stage()
        assert [*note.parent.iterdir()] == [note]


@pytest.mark.slow
def test_a_setting_that_can_change_the_wheels_asks_for_them_anew(
    known: Launcher, index: FakeIndex, tmp_path: Path
) -> None:
    """The wheels of the index were uploaded in 2020; a note of what was staged does not hide it."""
    settings = known.environments._site.settings
    early = settings.replaced(home=str(tmp_path), exclude_newer="2019-01-01")
    with Environments(early) as environments:
        environments._site.store = EnvStore(known.memory)
        shutil.copytree(Path(settings.home) / "runtime", tmp_path / "runtime")
        with pytest.raises(NoSolution):
            stage(environments, PLATFORMS)


def test_steps_cannot_be_sent_away_without_a_store(tmp_path: Path) -> None:
    with (
        Environments(Settings(home=str(tmp_path))) as environments,
        pytest.raises(InvalidRequest) as caught,
    ):
        stage(environments, PLATFORMS)
    assert "there is no store" in str(caught.value)
    assert caught.value.hint
    assert "MFENV_STORE" in caught.value.hint
