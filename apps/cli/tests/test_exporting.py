"""Laws of exports, over generated environments: what is read back is what was there."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from packaging.markers import Marker
from packaging.pylock import Pylock
from packaging.requirements import Requirement

from envid import EnvSpec, Options, Package, ResolvedEnv
from mfenv.errors import NotExportable
from mfenv.exporting.formats import export
from reqparse import RequirementSet, parse_file

from .generated import CHANNEL, INDEX, SHARED, conda, environments, of_lock, wheel, whole
from .helpers import resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MACHINES = {"linux-64": "x86_64", "linux-aarch64": "aarch64", "osx-64": "x86_64"}


def markers(platform: str) -> dict[str, str]:
    system = "linux" if platform.startswith("linux") else "darwin"
    return {"sys_platform": system, "platform_machine": MACHINES.get(platform, "arm64")}


def read(text: str, name: str) -> RequirementSet:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text)
        return parse_file(path)


def locked(text: str, name: str) -> dict[str, set[tuple[Any, ...]]]:
    """By platform, all that a lock file says of the packages there."""
    found = read(text, name)
    assert not found.notes
    assert not found.requirements
    packages: dict[str, set[tuple[Any, ...]]] = {platform: set() for platform in found.platforms}
    for package in found.packages:
        (artifact,) = package.artifacts
        said = (package.category, package.name, package.version, package.build)
        needs = frozenset(edge.name for edge in package.dependencies)
        for platform in package.platforms or ():
            packages[platform].add((*said, artifact.url, frozenset(artifact.hashes), needs))
    return packages


def in_locks(env: ResolvedEnv, needs: Mapping[str, Iterable[str]] | None = None) -> set[Any]:
    """What a lock file is to say of an environment; `needs` are what others would have added."""
    return {
        (
            *(package.kind, package.name, package.version, package.build, package.url),
            frozenset(
                f"{algorithm}:{value}"
                for algorithm, value in (
                    ("sha256", expected(package) if package.hashes.sha256 else None),
                    ("md5", package.hashes.md5),
                )
                if value
            ),
            frozenset((needs or {}).get(package.url, package.depends)),
        )
        for package in env.packages
    }


def expected(package: Package) -> str:
    """The sha256 of what is installed."""
    origin = package.built_from
    return str(origin.sha256 if origin else package.hashes.sha256)


@pytest.mark.slow
@given(environments())
def test_requirements_say_the_same_on_every_platform(envs: tuple[ResolvedEnv, ...]) -> None:
    text = export(envs, "requirements").text
    assert export(envs[::-1], "requirements").text == text
    requirements = read(text, "requirements.txt").requirements
    for env in envs:
        there = markers(env.platform)
        held = [r for r in requirements if r.marker is None or Marker(r.marker).evaluate(there)]
        assert sorted(r.name or "" for r in held) == sorted(p.name for p in env.packages)
        by_name = {r.name: r for r in held}
        for package in env.packages:
            requirement = by_name[package.name]
            assert f"sha256:{expected(package)}" in requirement.hashes
            if package.source is None:
                assert requirement.url == package.url
            else:
                assert requirement.specifier == f"=={package.version}"


@pytest.mark.slow
@given(environments())
def test_a_pylock_says_the_same_on_every_platform(envs: tuple[ResolvedEnv, ...]) -> None:
    text = export(envs, "pylock").text
    assert export(envs[::-1], "pylock").text == text
    assert not [n for n in read(text, "pylock.toml").notes if "environments" not in n.text]
    lock = Pylock.from_dict(tomllib.loads(text))
    for env in envs:
        there = markers(env.platform)
        held = [p for p in lock.packages if p.marker is None or p.marker.evaluate(there)]
        assert sorted(p.name for p in held) == sorted(p.name for p in env.packages)
        by_name = {str(p.name): p for p in held}
        for package in env.packages:
            entry = by_name[package.name]
            assert str(entry.version) == package.version
            files: list[Any] = [*(entry.wheels or ()), *filter(None, (entry.sdist, entry.archive))]
            assert (package.url, {"sha256": expected(package)}) in [
                (f.url, f.hashes) for f in files
            ]


@pytest.mark.slow
@given(whole())
def test_what_is_for_one_platform_says_all_of_it(envs: tuple[ResolvedEnv, ...]) -> None:
    for env in envs:
        explicit = export([env], "explicit").text
        assert export([env], "explicit").text == explicit
        listed = {
            (p.name, p.version, p.build, a.url, a.hashes)
            for p in read(explicit, "explicit.txt").packages
            for a in p.artifacts
        }
        conda = [package for package in env.packages if package.kind == "conda"]
        assert listed == {(p.name, p.version, p.build, p.url, (strongest(p),)) for p in conda}
        exact = export([env], "environment.yml").text
        assert export([env], "environment.yml").text == exact
        assert exact.count("- pip:") <= 1  # of several conda takes the last alone
        requirements = read(exact, "environment.yml").requirements
        assert {(r.name, r.build, r.hashes) for r in requirements if r.category == "conda"} == {
            (p.name, p.build, (strongest(p),)) for p in conda
        }
        for requirement in (r for r in requirements if r.category == "pypi"):
            (package,) = (
                p for p in env.packages if p.kind == "pypi" and p.name == requirement.name
            )
            assert requirement.hashes == (f"sha256:{expected(package)}",)


def strongest(package: Package) -> str:
    hashes = package.hashes
    return f"sha256:{hashes.sha256}" if hashes.sha256 else f"md5:{hashes.md5}"


@pytest.mark.slow
@given(whole())
def test_a_conda_lock_says_the_same_on_every_platform(envs: tuple[ResolvedEnv, ...]) -> None:
    if any(p.kind == "conda" and not p.hashes.md5 for env in envs for p in env.packages):
        with pytest.raises(NotExportable):
            export(envs, "conda-lock")
        return
    text = export(envs, "conda-lock").text
    assert export(envs[::-1], "conda-lock").text == text
    packages = locked(text, "conda-lock.yml")
    assert packages == {env.platform: in_locks(env) for env in envs}
    assert [source.url for source in read(text, "conda-lock.yml").sources] == [f"{CHANNEL}/"]


@pytest.mark.slow
@given(whole())
def test_a_pixi_lock_says_the_same_on_every_platform(envs: tuple[ResolvedEnv, ...]) -> None:
    text = export(envs, "pixi").text
    assert export(envs[::-1], "pixi").text == text
    # One entry serves all platforms, with what the package needs on any of them.
    needs: dict[str, set[str]] = {}
    for package in (package for env in envs for package in env.packages):
        needs.setdefault(package.url, set()).update(package.depends)
    packages = locked(text, "pixi.lock")
    assert packages == {env.platform: in_locks(env, needs) for env in envs}
    sources = [(source.kind, source.url) for source in read(text, "pixi.lock").sources]
    wheels = any(package.kind == "pypi" for env in envs for package in env.packages)
    assert sources == [("channel", f"{CHANNEL}/"), *([("index", INDEX)] if wheels else [])]


def test_what_a_wheel_needs_on_some_platforms_has_a_marker() -> None:
    file = wheel("a", "1.0", "pure", "linux-64")
    more = file._replace(depends=("b",))
    python = conda("python", "3.11.7", "0", "linux-64", ending="conda", hashes=("md5",))
    found = {
        "linux-64": ("3.11.7", [python, file]),
        "osx-64": ("3.11.7", [python, more]),
        "osx-arm64": ("3.11.7", [python, more]),
    }
    spec = EnvSpec.make(requirements={"pypi": ["a"]}, python="3.11")
    text = export(ResolvedEnv.co_resolve(spec, found, resolved_by="me"), "pixi").text
    (package,) = (p for p in read(text, "pixi.lock").packages if p.name == "a")
    (needed,) = package.dependencies
    marker = Requirement(str(needed)).marker
    assert marker
    where = [platform for platform in found if marker.evaluate(markers(platform))]
    assert where == ["osx-64", "osx-arm64"]


def test_a_chain_longer_than_python_can_call_stands_in_its_order() -> None:
    names = [f"p{n:04}" for n in range(2 * sys.getrecursionlimit())]
    needs = [*((after,) for after in names[1:]), ("python",)]
    chain = [
        conda(name, "1", "0", "linux-64", ending="conda", hashes=("md5",), depends=need)
        for name, need in zip(names, needs, strict=True)
    ]
    python = conda("python", "3.11.7", "0", "linux-64", ending="conda", hashes=("md5",))
    spec = EnvSpec.make(requirements={"conda": names[:1]}, python="3.11")
    found = {"linux-64": ("3.11.7", [python, *chain])}
    text = export(ResolvedEnv.co_resolve(spec, found, resolved_by="me"), "explicit").text
    urls = [line.partition("#")[0] for line in text.splitlines() if line.startswith("https:")]
    assert urls == [python.url, *(package.url for package in reversed(chain))]


@pytest.mark.parametrize("form", ["conda-lock", "pixi"])
def test_locks_of_conda_need_a_conda_package(form: str) -> None:
    with pytest.raises(NotExportable, match="no conda package"):
        export([resolved("a")], form)


def real() -> Iterator[tuple[Path, tuple[ResolvedEnv, ...]]]:
    """Environments of public lock files; skips where these are absent."""
    if not SHARED.exists():
        pytest.skip("../shared/data is absent")
    kinds = ("public-locks/conda-lock", "public-locks/pixi-v*", "locks/pixi-v*")
    for path in (path for kind in kinds for path in sorted(SHARED.glob(f"{kind}/*"))):
        # Not what we do not read, nor what is for none of our platforms.
        with suppress(ValueError):
            yield path, of_lock(path)


@pytest.mark.slow
@pytest.mark.shared
def test_real_environments_are_read_as_they_were() -> None:
    checked = 0
    for path, envs in real():
        for form, name in (("conda-lock", "conda-lock.yml"), ("pixi", "pixi.lock")):
            try:
                packages = locked(export(envs, form).text, name)
            except NotExportable:
                continue
            assert packages == {env.platform: in_locks(env, {}) for env in envs}, (path, form)
            checked += 1
    assert checked > 40


READ_BY_RATTLER = """
import json, os, sys
from rattler import LockFile
for path in sys.argv[1:]:
    env = LockFile.from_path(path).default_environment()
    said = [
        [p.name, package.location, *(h and h.hex() for h in (hashes.sha256, hashes.md5))]
        for p in env.platforms()
        for package in env.packages(p)
        for hashes in [package.hashes]
    ]
    print(json.dumps(sorted(said, key=str)), flush=True)
os._exit(0)  # it may crash after its work is done
"""


@pytest.mark.slow
@pytest.mark.shared
def test_real_environments_are_read_by_rattler(tmp_path: Path) -> None:
    paths, expected = [], []
    for number, (_, envs) in enumerate(real()):
        paths.append(tmp_path / f"{number}.lock")
        paths[-1].write_text(export(envs, "pixi").text)
        expected.append(of_all(envs))
    command = [sys.executable, "-c", READ_BY_RATTLER, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected
    assert len(paths) > 20


def test_packages_of_a_channel_on_disk_are_read_by_rattler(tmp_path: Path) -> None:
    channel = (tmp_path / "main").as_uri()
    packages = [
        package._replace(url=package.url.replace(CHANNEL, channel), source=channel)
        for name, subdir in (("python", "linux-64"), ("tzdata", "noarch"))
        for package in [conda(name, "3.11.7", "h1_0", subdir, ending="conda", hashes=("sha256",))]
    ]
    envs = ResolvedEnv.co_resolve(
        EnvSpec.make(requirements={"conda": ["tzdata"]}, python="3.11"),
        {"linux-64": ("3.11.7", packages)},
        resolved_by="me",
    )
    lock = tmp_path / "pixi.lock"
    lock.write_text(export(envs, "pixi").text)
    command = [sys.executable, "-c", READ_BY_RATTLER, str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = {tuple(package[2:]) for package in json.loads(done.stdout)}
    assert said == {(package.hashes.sha256, None) for package in packages}


READ_BY_CONDA_LOCK = """
import json, pathlib, sys
from conda_lock.lockfile import parse_conda_lock_file
for path in sys.argv[1:]:
    packages = parse_conda_lock_file(pathlib.Path(path)).package
    said = [[p.platform, p.url, p.hash.sha256, p.hash.md5] for p in packages]
    print(json.dumps(sorted(said, key=str)))
"""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.shared
def test_real_environments_are_read_by_conda_lock(tmp_path: Path) -> None:
    import uv

    python = tmp_path / "venv/bin/python"
    program = [uv.find_uv_bin(), "--quiet"]
    subprocess.run([*program, "venv", "--python", sys.executable, tmp_path / "venv"], check=True)
    subprocess.run([*program, "pip", "install", "--python", python, "conda-lock"], check=True)
    paths, expected = [], []
    for number, (_, envs) in enumerate(real()):
        with suppress(NotExportable):  # a package without an md5
            text = export(envs, "conda-lock").text
            paths.append(tmp_path / f"{number}.yml")
            paths[-1].write_text(text)
            expected.append(of_all(envs))
    command = [str(python), "-W", "ignore", "-c", READ_BY_CONDA_LOCK, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected
    assert len(paths) > 20


def of_all(envs: Iterable[ResolvedEnv]) -> list[list[str | None]]:
    said = [
        [env.platform, package.url, package.hashes.sha256, package.hashes.md5]
        for env in envs
        for package in env.packages
        if package.kind == "conda" or package.hashes.sha256
    ]
    return sorted(said, key=str)


def image_for(platform: str = "linux-64", python: str = "3.11.7", **said: Any) -> str:
    sys = said.pop("sys", ["__glibc=2.28"])
    packages = said.pop("packages", ())
    spec = EnvSpec.make(requirements={"pypi": ["a"], "sys": sys}, python="", **said)
    envs = ResolvedEnv.co_resolve(spec, {platform: (python, packages)}, resolved_by="me")
    text = export(envs, "dockerfile").text
    assert f"mfenv create {envs[0].env_id.ref} --prefix /opt/env\n" in text
    froms = [line.split()[1:3] for line in text.splitlines() if line.startswith("FROM ")]
    assert froms[0] == froms[1]
    return " ".join(froms[0])


def test_an_image_has_what_an_environment_needs() -> None:
    assert image_for() == "--platform=linux/amd64 python:3.12-slim-bookworm"
    assert image_for("linux-aarch64", sys=["__glibc=2.39"]) == (
        "--platform=linux/arm64 python:3.12-slim-trixie"
    )
    system = Options.make(python_provider="system")
    assert image_for(options=system).endswith("python:3.11-slim-bookworm")
    newer = wheel("a", "1.0", "pure", "linux-64")._replace(
        filename="a-1.0-py3-none-manylinux_2_40_x86_64.whl"
    )
    assert image_for(packages=[newer]).endswith("trixie")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"platform": "osx-arm64"}, "no images of osx-arm64"),
        ({"sys": ["__glibc=3.0"]}, "glibc 3.0"),
        ({"python": "3.9.2", "options": Options.make(python_provider="system")}, "Python 3.9.2"),
    ],
)
def test_where_there_is_no_image_it_is_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(NotExportable, match=why):
        image_for(**said)
