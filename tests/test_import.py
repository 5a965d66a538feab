"""Locks of other tools, from the command to a program that runs in what they describe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envid import ResolvedEnv
from envid.platforms import host_platform
from mfenv.exporting.formats import export
from resolvers.testing import make_wheel

from .helpers import HELLO, of_the_machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolvers.testing import FakeIndex

    from .channel import ChannelServer
    from .helpers import Machine

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
HERE = host_platform()


def described(machine: Machine, env: str) -> list[ResolvedEnv]:
    return [ResolvedEnv.from_dict(one) for one in machine.json("show", env)["environments"]]


def locked(machine: Machine, index: FakeIndex) -> Path:
    """A pylock.toml of the index's `app` and `dep`."""
    machine.ok("resolve", "--pypi", "app", "--alias", "made:v1")
    text = machine.ok("export", "made:v1", "--format", "pylock")
    assert index.origin in text
    return machine.file("pylock.toml", text)


@pytest.mark.slow
def test_a_lock_is_imported_named_created_and_run(
    machine: Machine, machines: Callable[[str], Machine], index: FakeIndex
) -> None:
    assert "hello from" in HELLO
    lock = locked(machine, index)
    full = machine.ok("import", lock, "--alias", "team/app:v1")
    assert machine.ok("resolve", "--lock", lock) == full
    for command in (("import", lock), ("resolve", "--lock", lock)):
        assert ", imported" in machine.run(*command, "--force").err
    (made,), (env,) = described(machine, "made:v1"), described(machine, "team/app:v1")
    assert env.full_id == made.full_id
    done = machine.run("run", "team/app:v1", "--", "hello")
    assert (done.status, done.out[:10]) == (7, "hello from")
    told = machine.json("import", lock)
    assert [ResolvedEnv.from_dict(one) for one in told["environments"]] == [env]
    # Another machine knows it from the store, and asks nobody else.
    other = machines("two")
    other.environ["MFENV_INDEX_URL"] = "http://127.0.0.1:1/simple"
    done = other.run("import", other.file("pylock.toml", lock.read_text()))
    assert (done.status, done.out.strip()) == (0, full)
    assert "from the store" in done.err
    third = machines("three")
    third.environ["MFENV_USE_REMOTE_LATEST"] = "none"
    assert (
        "from the store" not in third.run("import", third.file("pylock.toml", lock.read_text())).err
    )


@pytest.mark.slow
def test_what_a_server_gives_is_compared_with_the_lock(machine: Machine, index: FakeIndex) -> None:
    lock = locked(machine, index)
    machine.environ |= {"MFENV_HOME": str(machine.root / "new"), "MFENV_STORE": ""}
    machine.ok("import", lock, "--alias", "team/app:v1")
    index.tamper(make_wheel("dep", "2.0", module="another = 1\n"))
    said = machine.fails("create", "team/app:v1")
    assert "dep-2.0-py3-none-any.whl" in said
    assert "sha256" in said or "hash" in said


@pytest.mark.slow
def test_what_stands_beside_a_lock(machine: Machine, index: FakeIndex) -> None:
    lock = locked(machine, index)
    assert "leave out --pypi, --update" in machine.fails(
        *("resolve", "--lock", lock, "--pypi", "other", "--update", "dep"), status=2
    )
    assert "--lock FILE" in machine.fails("resolve", "--pypi", "app", "--locked", status=2)
    assert "FILE" in machine.fails("import", status=2)
    assert "`mfenv import` takes it as it is" in machine.fails("resolve", "-r", lock)
    said = machine.fails("import", machine.file("pylock.bad.toml", "lock-version = '2.0'\n"))
    assert f"{machine.work}/pylock.bad.toml:1" in said
    assert machine.run("import", lock, "--dry-run").status == 0
    (machine.work / "cut").mkdir()
    cut = machine.file("cut/uv.lock", "version = 1\nrevision = 3\n")
    for _ in range(2):
        assert f"note: {cut}:1 has no packages for " in machine.run("import", cut).err
    assert f"note: {cut}:1 has no packages for " in machine.run("resolve", "--lock", cut).err


@pytest.mark.slow
@pytest.mark.parametrize("form", ["explicit", "conda-lock", "pixi"])
def test_conda_locks_are_created(conda: Machine, server: ChannelServer, form: str) -> None:
    conda.ok("resolve", "--conda", "greeter", "--alias", "made:v1")
    (made,) = described(conda, "made:v1")
    name = {"explicit": "list.txt", "conda-lock": "conda-lock.yml", "pixi": "pixi.lock"}[form]
    lock = conda.file(name, export([made], form).text)
    conda.environ["MFENV_PYTHON_PROVIDER"] = "system"
    conda.environ["MFENV_STORE"] = (conda.root / "another-store").as_uri()
    conda.environ["MFENV_HOME"] = str(conda.root / "another-home")
    server.requests.clear()
    conda.ok("import", lock, "--alias", "team/conda:v1")
    assert not [path for path in server.requests if "repodata" in str(path)]
    (env,) = described(conda, "team/conda:v1")
    assert env.full_id == made.full_id
    prefix = Path(conda.ok("create", "team/conda:v1"))
    assert (prefix / "bin" / "python").exists()
    assert (prefix / "conda-meta").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["conda-lock", "pixi"])
def test_conda_and_pypi_packages_come_back_as_they_were(conda: Machine, form: str) -> None:
    conda.ok("resolve", "--conda", "greeter", "--pypi", "app", "--alias", "made:v1")
    (made,) = described(conda, "made:v1")
    name = {"conda-lock": "conda-lock.yml", "pixi": "pixi.lock"}[form]
    lock = conda.file(name, export([made], form).text)
    conda.ok("import", lock, "--alias", "back:v1")
    (env,) = described(conda, "back:v1")
    assert env.full_id == made.full_id
    assert env.env_type == "mixed"


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("locks/pixi-v5/stability-original.yml", "locks/pixi-v5/stability-shuffled.yml"),
        (
            "locks/pixi-v4/python-lock.yml",
            "public-locks/conda-lock/rattler__test-data__conda-lock__v0__python-conda-lock.yml",
        ),
    ],
)
def test_the_same_lock_in_another_order_or_format_has_the_same_id(
    machine: Machine, one: str, other: str
) -> None:
    if not (SHARED / one).exists():
        pytest.skip(f"{SHARED} is not here")
    ids = {machine.ok("import", SHARED / lock, "--local-only") for lock in (one, other)}
    assert len(ids) == 1


# With the public index


def tool(machine: Machine, *command: str | Path) -> str:
    """What another tool prints, which knows of no other configuration than its command line."""
    env = {**of_the_machine(), "HOME": str(machine.user), "UV_NO_CONFIG": "1"}
    done = subprocess.run(
        [str(word) for word in command],
        env={**env, "UV_CACHE_DIR": str(machine.root / "uv"), "UV_PYTHON": sys.executable},
        cwd=machine.work,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def public(machine: Machine) -> Machine:
    """A machine that reaches the public index."""
    machine.environ |= {**of_the_machine(), "MFENV_INDEX_URL": "pypi"}
    return machine


PROJECT = """
[project]
name = "ours"
version = "1"
requires-python = ">=3.10"
dependencies = ["requests>=2.31", "rich ; python_version >= '3.9'", "colorama ; sys_platform == 'win32'"]
[project.optional-dependencies]
socks = ["requests[socks]"]
[dependency-groups]
dev = ["iniconfig"]
docs = ["markdown-it-py"]
"""
PIP = ("--no-install-project", "--frozen", "--python", sys.executable)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize(
    "choice",
    [(), ("--extra", "socks"), ("--group", "docs"), ("--extra", "socks", "--group", "docs")],
)
def test_a_project_of_uv_is_what_uv_makes_of_it(public: Machine, choice: tuple[str, ...]) -> None:
    public.file("pyproject.toml", PROJECT)
    tool(public, "uv", "lock", "-q", "--python", sys.executable)
    tool(public, "uv", "sync", "-q", *PIP, *choice)
    listed = tool(public, "uv", "pip", "freeze", "--python", public.work / ".venv")
    minor = f"3.{sys.version_info.minor}"
    done = public.run(
        *("import", "uv.lock", *choice, "--python", minor, "--locked", "--alias", "team/uv:v1")
    )
    assert done.status == 0, done.err
    (env,) = described(public, "team/uv:v1")
    assert {f"{p.name}=={p.version}" for p in env.packages} == set(listed.split())
    code = "import requests, rich; print(requests.__version__)"
    version = next(p.version for p in env.packages if p.name == "requests")
    assert public.ok("run", "team/uv:v1", "--", "python", "-c", code) == version
    # Another project than the one that was locked.
    public.file("pyproject.toml", PROJECT.replace("iniconfig", "iniconfig>1"))
    assert "asks of `iniconfig`" in public.fails(*("import", "uv.lock", *choice, "--locked"))


@pytest.mark.slow
@pytest.mark.network
def test_compiled_requirements_are_what_uv_installs(public: Machine) -> None:
    public.file("requirements.in", "requests>=2.31\nmarkupsafe\n")
    words = ("--generate-hashes", "-q", "-o", "requirements.txt", "--python", sys.executable)
    tool(public, "uv", "pip", "compile", "requirements.in", *words)
    tool(public, "uv", "venv", "-q", ".venv", "--python", sys.executable)
    install = ("--require-hashes", "-q", "-r", "requirements.txt", "--python", ".venv")
    tool(public, "uv", "pip", "install", *install)
    listed = tool(public, "uv", "pip", "freeze", "--python", ".venv")
    public.ok("import", "requirements.txt", "--locked", "--alias", "team/req:v1")
    (env,) = described(public, "team/req:v1")
    assert {f"{p.name}=={p.version}" for p in env.packages} == set(listed.split())
    public.ok("run", "team/req:v1", "--", "python", "-c", "import requests, markupsafe")
