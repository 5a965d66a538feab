"""Environments as files of other tools: what these tools make of them."""

from __future__ import annotations

import ensurepip
import hashlib
import importlib.metadata
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomllib
from packaging.pylock import Pylock

from envid import ResolvedEnv
from envid.platforms import host_platform
from reqparse import parse_file
from resolvers.testing import make_sdist, make_wheel

from .helpers import of_the_machine

if TYPE_CHECKING:
    from resolvers.testing import FakeIndex

    from .helpers import Machine

pytestmark = pytest.mark.slow

LINUX = ("--platform", "linux-64", "--platform", "linux-aarch64", "--platform", "osx-arm64")
MARKERS = {
    "linux-64": {"sys_platform": "linux", "platform_machine": "x86_64"},
    "linux-aarch64": {"sys_platform": "linux", "platform_machine": "aarch64"},
    "osx-arm64": {"sys_platform": "darwin", "platform_machine": "arm64"},
}
WHEELS = {
    "linux-64": "py3-none-manylinux_2_17_x86_64",
    "linux-aarch64": "py3-none-manylinux_2_17_aarch64",
    "osx-arm64": "py3-none-macosx_11_0_arm64",
}


def exported(machine: Machine, env: str, form: str, *words: str) -> tuple[str, str]:
    """The file and what is said beside it; the same file when it is asked for again."""
    done = machine.run("export", env, "--format", form, *words)
    assert done.status == 0, done.err
    assert machine.run("export", env, "--format", form, *words, "-o", "again").out == ""
    shown = machine.run("export", env, "--format", form, *words, "-o", "-").out
    assert shown == (machine.work / "again").read_text()
    assert (machine.work / "again").read_text() == done.out
    assert str(machine.root) not in done.out
    return done.out, done.err


def environments(machine: Machine, env: str) -> list[ResolvedEnv]:
    return [ResolvedEnv.from_dict(one) for one in machine.json("show", env)["environments"]]


def tool(machine: Machine, *command: str | Path) -> str:
    """What another tool prints, which knows of no other configuration than its command line."""
    env = {**of_the_machine(), "HOME": str(machine.user), "PIP_CONFIG_FILE": "/dev/null"}
    done = subprocess.run(
        [str(word) for word in command],
        env={**env, "UV_NO_CONFIG": "1", "UV_CACHE_DIR": str(machine.root / "uv")},
        cwd=machine.work,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def installed(prefix: Path) -> set[tuple[str, str]]:
    """The names and versions in a virtual environment."""
    (packages,) = prefix.glob("lib/python3*/site-packages")
    found = importlib.metadata.distributions(path=[str(packages)])
    return {(one.name, one.version) for one in found}


def of_wheels(machine: Machine, index: FakeIndex) -> None:
    """An environment for three platforms that differ in what they need, and in their files."""
    index.add(*(make_wheel("many", "1.0", tag=tag) for tag in WHEELS.values()))
    index.add(make_wheel("only-mac", "3.0+local.1"))
    requires = ["many", "app>=1", "only-mac; sys_platform == 'darwin'"]
    index.add(make_wheel("top", "1.0rc1", requires=requires))
    machine.ok("resolve", "--pypi", "top==1.0rc1", *LINUX, "--alias", "team/many:v1")


def test_requirements_of_several_platforms(machine: Machine, index: FakeIndex) -> None:
    of_wheels(machine, index)
    text, notes = exported(machine, "team/many:v1", "requirements")
    read = parse_file(machine.file("requirements.txt", text))
    assert not read.notes
    assert [(source.kind, source.url) for source in read.sources] == [("index", index.url)]
    envs = environments(machine, "team/many:v1")
    assert len(envs) == len(WHEELS)
    for env in envs:
        markers = {"only-mac"} if env.platform != "osx-arm64" else set()
        held = {package.name: package for package in env.packages}
        assert {r.name for r in read.requirements} - markers == set(held)
        for requirement in read.requirements:
            if requirement.name in held:
                package = held[requirement.name]
                assert requirement.specifier == f"=={package.version}"
                assert f"sha256:{package.hashes.sha256}" in requirement.hashes
    assert {r.name: r.marker for r in read.requirements if r.marker} == {
        "only-mac": 'sys_platform == "darwin" and platform_machine == "arm64"'
    }
    assert f"does not say the version of Python: {envs[0].python}" in notes


def test_pylock_of_several_platforms(machine: Machine, index: FakeIndex) -> None:
    of_wheels(machine, index)
    text, notes = exported(machine, "team/many:v1", "pylock")
    lock = Pylock.from_dict(tomllib.loads(text))
    read = parse_file(machine.file("pylock.toml", text))
    assert read.lock is not None
    assert read.lock.supported
    assert read.notes == ()
    for env in environments(machine, "team/many:v1"):
        version = env.python.rpartition(".")[0]
        markers = {**MARKERS[env.platform], "python_version": version}
        held = {
            str(package.name): package
            for package in lock.packages
            if package.marker is None or package.marker.evaluate(markers)
        }
        assert sum(marker.evaluate(markers) for marker in lock.environments or ()) == 1
        assert lock.requires_python
        assert lock.requires_python.contains(env.python)
        assert set(held) == {package.name for package in env.packages}
        for package in env.packages:
            entry = held[package.name]
            assert (str(entry.version), entry.index) == (package.version, package.source)
            (wheel,) = (w for w in entry.wheels or () if w.name == package.filename)
            expected = (package.url, package.size, {"sha256": package.hashes.sha256})
            assert (wheel.url, wheel.size, wheel.hashes) == expected
            (again,) = (
                artifact
                for locked in read.packages
                for artifact in locked.artifacts
                if locked.name == package.name and artifact.filename == package.filename
            )
            assert (again.url, again.hashes) == (package.url, (f"sha256:{package.hashes.sha256}",))
    assert f"does not say the exact version of Python: {env.python}" in notes


@pytest.mark.parametrize("one", [True, False])
def test_a_pylock_is_installed(machine: Machine, index: FakeIndex, *, one: bool) -> None:
    of_wheels(machine, index)
    words = ("--platform", "linux-64") if one else ()
    text, _ = exported(machine, "team/many:v1", "pylock", *words)
    file = machine.file("pylock.toml", text)
    venv = machine.root / "venv"
    tool(machine, "uv", "venv", "-q", "--python", sys.executable, venv)
    tool(machine, "uv", "pip", "sync", "--python", venv / "bin/python", file)
    (env, *_) = environments(machine, "team/many:v1")
    assert installed(venv) == {(p.name, p.version) for p in env.packages}


@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize("installer", ["pip", "uv", "uv sync"])
def test_requirements_are_installed(
    machine: Machine, index: FakeIndex, installer: str, *, one: bool
) -> None:
    of_wheels(machine, index)
    words = ("--platform", "linux-64") if one else ()
    text, _ = exported(machine, "team/many:v1", "requirements", *words)
    file = machine.file("requirements.txt", text)
    venv = machine.root / "venv"
    tool(machine, "uv", "venv", "-q", "--python", sys.executable, venv)
    python, uv = venv / "bin/python", ("uv", "pip")
    if installer == "pip":
        (pip,) = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
        command = (sys.executable, pip / "pip", "--python", python, "install")
        tool(machine, *command, "--require-hashes", "-r", file)
    elif installer == "uv":
        tool(machine, *uv, "install", "--python", python, "--require-hashes", "-r", file)
    else:
        tool(machine, *uv, "sync", "--python", python, file)
    (env, *_) = environments(machine, "team/many:v1")
    assert env.platform == "linux-64"
    assert installed(venv) == {(p.name, p.version) for p in env.packages}


def test_requirements_of_what_was_built(machine: Machine, index: FakeIndex, tmp_path: Path) -> None:
    index.add(make_sdist(tmp_path, "source", "1.0"), make_sdist(tmp_path, "direct", "2.0"))
    url = f"{index.origin}/files/direct-2.0.tar.gz"
    wheel = make_wheel("here", "1.0").write(tmp_path)
    asked = ("source", f"direct @ {url}", f"here @ {wheel.as_uri()}", "dep")
    words = [word for text in asked for word in ("--pypi", text)]
    machine.ok("resolve", *words, "--alias", "team/built:v1")
    text, notes = exported(machine, "team/built:v1", "requirements")
    read = parse_file(machine.file("requirements.txt", text))
    assert [r.text for r in read.requirements] == ["dep==2.0", f"direct @ {url}", "source==1.0"]
    assert "others can check: here 1.0" in notes
    assert "builds it again, from the same source: direct 2.0, source 1.0" in notes
    text, more = exported(machine, "team/built:v1", "pylock")
    Pylock.from_dict(tomllib.loads(text))
    notes = notes.replace("requirements", "pylock").replace("the version", "the exact version")
    assert notes == more
    machine.file("pylock.toml", text)
    for file in ("requirements.txt", "pylock.toml"):
        venv = machine.root / file
        tool(machine, "uv", "venv", "-q", "--python", sys.executable, venv)
        tool(machine, "uv", "pip", "sync", "--python", venv / "bin/python", file)
        assert installed(venv) == {("dep", "2.0"), ("direct", "2.0"), ("source", "1.0")}


def test_a_file_is_replaced_whole_and_nothing_else(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    (machine.work / "folder").mkdir()
    words = ("export", "a:v1", "--format", "requirements", "-o")
    for place in ("folder", "/dev/stdout"):
        assert f"`{place}` is no file" in machine.fails(*words, place)
    said = machine.fails(*words, "absent/file")
    assert "cannot write `absent/file`: No such file or directory" in said
    assert "name a file in a directory that is there" in said
    file = machine.file("real", "old")
    (machine.work / "link").symlink_to(file)
    machine.ok(*words, "link")
    assert "app==1.0 --hash=sha256:" in file.read_text()
    assert sorted(path.name for path in machine.work.iterdir()) == ["folder", "link", "real"]


def test_an_unknown_format_is_answered_with_those_there_are(machine: Machine) -> None:
    assert "requirements" in machine.fails("export", "a", "--format", "wheels", status=2)
    assert "requirements" in machine.fails("export", "a", status=2)


def test_conda_packages_are_not_in_requirements(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "greeter", "--alias", "a:v1")
    said = conda.fails("export", "a:v1", "--format", "requirements")
    assert "there is no PyPI package" in said
    conda.ok("resolve", "--conda", "greeter", "--pypi", "app", "--alias", "b:v1")
    text, notes = exported(conda, "b:v1", "requirements")
    assert [line.split()[0] for line in text.splitlines() if " --hash=" in line] == [
        "app==1.0",
        "dep==2.0",
    ]
    (env,) = environments(conda, "b:v1")
    left = [p.name for p in env.packages if p.kind == "conda" and f"{p.name} {p.version}" in notes]
    assert "python" in left
    assert len(left) == sum(p.kind == "conda" for p in env.packages)


def test_an_explicit_list(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "greeter", "--pypi", "app", "--alias", "a:v1")
    text, notes = exported(conda, "a:v1", "explicit")
    read = parse_file(conda.file("explicit.txt", text))
    assert not read.notes
    (env,) = environments(conda, "a:v1")
    held = {package.name: package for package in env.packages if package.kind == "conda"}
    seen: set[str] = set()
    for locked in read.packages:
        package = held[locked.name]
        assert (locked.version, locked.build) == (package.version, package.build)
        assert locked.platforms == (env.platform,)
        (artifact,) = locked.artifacts
        assert artifact.url == package.url
        assert artifact.hashes == (f"sha256:{package.hashes.sha256}",)
        with urllib.request.urlopen(package.url) as answer:
            assert hashlib.sha256(answer.read()).hexdigest() == package.hashes.sha256
        assert seen.issuperset(set(package.depends) & set(held))
        seen.add(locked.name)
    assert seen == set(held)
    assert "no words for PyPI packages; left out: app 1.0, dep 2.0" in notes
    assert "what a system must have" not in notes  # it is what every system has


@pytest.mark.parametrize("form", ["environment.yml", "explicit"])
def test_what_is_for_one_platform_is_not_written_for_two(machine: Machine, form: str) -> None:
    machine.ok("resolve", "--pypi", "app", *LINUX, "--alias", "a:v1")
    said = machine.fails("export", "a:v1", "--format", form)
    assert "is for one platform" in said
    assert "`--platform`" in said
    said = machine.fails("export", "a:v1", "--format", form, "--platform", "linux-64")
    assert "there is no conda package" in said


def test_an_exact_environment_yml(conda: Machine, index: FakeIndex) -> None:
    conda.ok("resolve", "--conda", "greeter", "--pypi", "app", "--alias", "a:v1")
    text, notes = exported(conda, "a:v1", "environment.yml")
    read = parse_file(conda.file("environment.yml", text))
    assert not read.notes
    assert read.no_defaults
    (env,) = environments(conda, "a:v1")
    assert [(source.kind, source.url) for source in read.sources] == [
        ("channel", conda.environ["MFENV_CHANNELS"]),
        ("index", index.url),
    ]
    assert {(r.category, r.name, r.specifier, r.build, r.hashes) for r in read.requirements} == {
        (p.kind, p.name, f"=={p.version}", p.build, (f"sha256:{p.hashes.sha256}",))
        for p in env.packages
    }
    assert "what a system must have" not in notes  # it is what every system has
    texts = [requirement.text for requirement in read.requirements if requirement.build]
    code = "import os, rattler, sys; list(map(rattler.MatchSpec, sys.argv[1:])); os._exit(0)"
    tool(conda, sys.executable, "-c", code, *texts)
    # What it asks for is the same environment again.
    conda.ok("resolve", "-f", "environment.yml", "--alias", "b:v1")
    (again,) = environments(conda, "b:v1")
    assert again.packages == env.packages


def test_what_was_asked_for_is_the_same_request_again(conda: Machine) -> None:
    words = ("--pypi", "app>=1", "--sys", "__cuda=12.4", "--python", ">=3.8")
    conda.ok("resolve", "--conda", "greeter", *words, *LINUX[:2], "--alias", "a:v1")
    text, notes = exported(conda, "a:v1", "environment.yml", "--asked")
    assert "`sys:`, which has `__cuda=12.4`" in notes
    file = conda.file("environment.yml", text)
    assert not parse_file(file).notes
    # Whatever is set here, since the file says it all.
    env = {"MFENV_CHANNELS": "https://other.test", "MFENV_INDEX_URL": "https://other.test/simple"}
    conda.ok("resolve", "-f", file, "--alias", "b:v1", env=env)
    (asked,), (again,) = environments(conda, "a:v1"), environments(conda, "b:v1")
    assert again.env_id == asked.env_id
    said = conda.fails("export", "a:v1", "--format", "explicit", "--asked", status=2)
    assert "environment.yml" in said


READ_BY_RATTLER = """
import asyncio, json, os, sys
from rattler import LockFile, install
lock = LockFile.from_path(sys.argv[1])
env = lock.default_environment()
said, records = [], []
for platform in env.platforms():
    for package in env.packages(platform):
        hashes = package.hashes
        said.append([package.location, str(package.version), hashes.sha256.hex(), str(platform.name)])
    records += env.conda_repodata_records_for_platform(platform)
if len(sys.argv) > 2:
    asyncio.run(install(records, sys.argv[2], cache_dir=sys.argv[3]))
print(json.dumps(said), flush=True)
os._exit(0)  # it may crash after its work is done
"""


def test_a_pixi_lock_is_read_and_installed_by_rattler(conda: Machine, index: FakeIndex) -> None:
    # One of them is `noarch: python`, which is only said in the package itself.
    conda.ok("resolve", "--conda", "requests", "--pypi", "app", "--alias", "a:v1")
    text, notes = exported(conda, "a:v1", "pixi")
    file = conda.file("pixi.lock", text)
    assert not parse_file(file).notes
    (env,) = environments(conda, "a:v1")
    prefix = conda.root / "prefix"
    command = (sys.executable, "-c", READ_BY_RATTLER, file, prefix, conda.root / "cache")
    assert sorted(json.loads(tool(conda, *command))) == sorted(
        [package.url, package.version, package.hashes.sha256, env.platform]
        for package in env.packages
    )
    records = map(json.loads, (path.read_text() for path in prefix.glob("conda-meta/*.json")))
    assert {(r["name"], r["version"], r["build"], r["sha256"]) for r in records} == {
        (p.name, p.version, p.build, p.hashes.sha256) for p in env.packages if p.kind == "conda"
    }
    tool(conda, prefix / "bin/python", "-c", "import requests")
    assert "what a system must have" not in notes  # it is what every system has


READ_BY_CONDA_LOCK = """
import json, pathlib, sys
from conda_lock.conda_lock import render_lockfile_for_platform
from conda_lock.lockfile import parse_conda_lock_file
lock = parse_conda_lock_file(pathlib.Path(sys.argv[1]))
packages = [p.model_dump(mode="json") for p in lock.package]
(platform,) = lock.metadata.platforms
lines = render_lockfile_for_platform(
    lockfile=lock, include_dev_dependencies=False, extras=None, kind="explicit", platform=platform
)
print(json.dumps([packages, lines]))
"""


@pytest.mark.network
def test_a_conda_lock_is_read_by_its_own_tool(conda: Machine, index: FakeIndex) -> None:
    conda.ok("resolve", "--conda", "requests", "--pypi", "app", "--alias", "a:v1")
    text, notes = exported(conda, "a:v1", "conda-lock")
    file = conda.file("conda-lock.yml", text)
    assert not parse_file(file).notes
    (env,) = environments(conda, "a:v1")
    venv = conda.root / "conda-lock"
    tool(conda, "uv", "venv", "-q", "--python", sys.executable, venv)
    tool(conda, "uv", "pip", "install", "-q", "--python", venv / "bin/python", "conda-lock")
    command = (venv / "bin/python", "-W", "ignore", "-c", READ_BY_CONDA_LOCK, file)
    packages, lines = json.loads(tool(conda, *command))
    managers = {"conda": "conda", "pip": "pypi"}
    assert {
        (managers[p["manager"]], p["name"], p["version"], p["url"], p["hash"]["sha256"])
        for p in packages
    } == {(p.kind, p.name, p.version, p.url, p.hashes.sha256) for p in env.packages}
    assert {p["name"]: set(p["dependencies"]) for p in packages} == {
        p.name: set(p.depends) for p in env.packages
    }
    render = ("-m", "conda_lock", "render", "-k", "explicit", "-p", host_platform(), file)
    tool(conda, venv / "bin/python", "-W", "ignore", *render)
    (explicit,) = conda.work.glob(f"conda-{host_platform()}.lock")
    rendered = explicit.read_text().splitlines()
    assert {line for line in rendered if "://" in line and "#" in line and line[0] != "#"} == {
        f"{p.url}#{p.hashes.md5}" for p in env.packages if p.kind == "conda"
    }
    # What it hands to conda and pip names the same files.
    assert {line for line in lines if "://" in line} == {
        *(f"{p.url}#{p.hashes.md5}" for p in env.packages if p.kind == "conda"),
        *(
            f"# pip {p.name} @ {p.url}#sha256={p.hashes.sha256}"
            for p in env.packages
            if p.kind == "pypi"
        ),
    }
    assert "what a system must have" not in notes  # it is what every system has


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_a_bill_of_materials_says_the_licences_at_hand(
    conda: Machine, index: FakeIndex, form: str
) -> None:
    pytest.importorskip({"spdx": "spdx_tools"}.get(form, form), reason="it is of the extra `sbom`")
    index.add(make_wheel("licensed", "1.0", headers={"License-Expression": "0BSD"}))
    conda.environ["MFENV_STORE"] = ""
    words = ("--conda", "greeter", "--pypi", "app", "--pypi", "licensed")
    conda.ok("resolve", *words, "--alias", "a:v1")
    (env,) = environments(conda, "a:v1")
    _, notes = exported(conda, "a:v1", form, "--local-only")
    (absent,) = (line for line in notes.splitlines() if "not in the cache" in line)
    assert "greeter" in absent
    conda.ok("create", "a:v1", "--name", "a")
    text, notes = exported(conda, "a:v1", form, "--local-only")
    assert "not in the cache" not in notes
    assert "states no licence: app 1.0, dep 2.0" in notes
    read = licences_in_spdx if form == "spdx" else licences_in_cyclonedx
    assert read(json.loads(text)) == {
        p.name: {"licensed": "0BSD"}.get(p.name, "Apache-2.0" if p.kind == "conda" else None)
        for p in env.packages
    }


def licences_in_cyclonedx(document: Any) -> dict[str, str | None]:
    return {
        component["name"]: next((c["license"]["id"] for c in component.get("licenses", ())), None)
        for component in document["components"]
    }


def licences_in_spdx(document: Any) -> dict[str, str | None]:
    return {
        package["name"]: {"NOASSERTION": None}.get(
            package["licenseDeclared"], package["licenseDeclared"]
        )
        for package in document["packages"]
        if "externalRefs" in package
    }


LOCKS = {
    "conda-lock": "conda-lock.yml",
    "pixi": "pixi.lock",
    "explicit": "explicit.txt",
    "pylock": "pylock.toml",
    "requirements": "requirements.txt",
}


@pytest.mark.parametrize("form", LOCKS)
def test_what_is_exported_is_imported_as_it_was(conda: Machine, form: str) -> None:
    words = ["--conda", "requests"] if form in ("conda-lock", "pixi", "explicit") else []
    if form != "explicit":
        words += ["--pypi", "app"]
    if not words[0].startswith("--conda"):
        conda.environ["MFENV_PYTHON_PROVIDER"] = "system"
    conda.ok("resolve", *words, "--alias", "a:v1")
    text, _ = exported(conda, "a:v1", form)
    conda.ok("import", conda.file(LOCKS[form], text), "--alias", "b:v1")
    (env,), (again,) = environments(conda, "a:v1"), environments(conda, "b:v1")
    # The id is over all packages, by what tells one from another, and the Python.
    assert again.full_id == env.full_id
    assert {p.url for p in again.packages} == {p.url for p in env.packages}
    if form in ("conda-lock", "pixi"):
        assert {p.name: p.depends for p in again.packages} == {
            p.name: p.depends for p in env.packages
        }


@pytest.mark.parametrize("form", ["pylock", "requirements"])
def test_platforms_are_imported_as_they_were(machine: Machine, index: FakeIndex, form: str) -> None:
    of_wheels(machine, index)
    text, _ = exported(machine, "team/many:v1", form)
    machine.ok("import", machine.file(LOCKS[form], text), *LINUX, "--alias", "b:v1")
    made, again = environments(machine, "team/many:v1"), environments(machine, "b:v1")
    assert {env.full_id for env in again} == {env.full_id for env in made}
    assert [env.platform for env in again] == [env.platform for env in made]
