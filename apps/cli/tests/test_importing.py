"""Locks of other tools as environments: what is taken, what it is called, what is refused."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.channel import ChannelServer, cached

from envid.platforms import host_platform
from mfenv.environments import Environments
from mfenv.errors import Contradiction, InvalidRequest
from mfenv.exporting.formats import export
from mfenv.importing.content_hashes import conda_lock_hashes
from mfenv.importing.preparing import prepare_import
from mfenv.request import Request
from mfenv.settings import Settings
from pkgcache.progress import NoProgress
from pkgcache.web.credentials import Credentials
from reqparse import ParseErrors, parse_file
from resolvers.errors import (
    BuildFailed,
    NeedsPlatform,
    NoMatchingFile,
    RequirementsUnmet,
    ResolveError,
    UnsupportedRequest,
)
from resolvers.testing import FakeIndex, make_project, make_sdist, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from mfenv.request import Prepared
    from pkgcache.progress import Task, Unit
    from resolvers.testing import Distribution

HERE = host_platform()
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
OSX, LINUX = "osx-arm64", "linux-64"

_started: list[str] = []
_watching = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event == "subprocess.Popen":
        _started.append(" ".join(map(str, arguments[1])))


sys.addaudithook(_audit)


@pytest.fixture
def started() -> Iterator[list[str]]:
    """The command lines of all processes that are started from now on."""
    global _watching  # noqa: PLW0603 - a hook cannot be taken away
    _started.clear()
    _watching = True
    yield _started
    _watching = False


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    with FakeIndex() as found:
        yield found


@pytest.fixture
def channel() -> Iterator[ChannelServer]:
    with ChannelServer(cached().main) as found:
        yield found


@pytest.fixture
def place(tmp_path: Path, index: FakeIndex) -> dict[str, Any]:
    values = {"python_provider": "system", "index_url": index.url}
    return {**values, "home": str(tmp_path / "home")}


def settings_of(place: dict[str, Any]) -> Settings:
    """Settings as a user has them, not as given by hand."""
    environ = {f"MFENV_{name.upper()}": str(value) for name, value in place.items()}
    return Settings.load(environ=environ, directory=Path(place["home"]))


def resolved(place: dict[str, Any], *locks: Path | str, **asked: Any) -> Any:
    """The outcome of an import."""
    with Environments(settings_of(place)) as environments:
        return environments.resolve(Request(locks=locks, **asked))


def prepared(place: dict[str, Any], lock: Path) -> Prepared:
    """What is asked of a resolver for a lock."""
    return prepare_import(
        Request(locks=(lock,)), settings_of(place), Credentials(), note=lambda _: None
    )


def envs(place: dict[str, Any], *locks: Path | str, **asked: Any) -> dict[str, ResolvedEnv]:
    return {env.platform: env for env in resolved(place, *locks, **asked).envs}


def facts(env: ResolvedEnv) -> set[tuple[str, str, str | None]]:
    return {(p.name, p.version, p.hashes.sha256 or p.hashes.md5) for p in env.packages}


# Locks as uv writes them

Needs = Mapping["Distribution", "Sequence[str]"]


def uv_lock(
    folder: Path,
    index: FakeIndex,
    packages: Needs,
    *,
    needs: Sequence[str] = (),
    groups: dict[str, list[str]] | None = None,
    requires_python: str = ">=3.9",
    metadata: str = "",
    origin: str = "",
) -> Path:
    """A uv.lock of a project `root`; of each distribution the names of what it needs."""
    by_name: dict[tuple[str, str], list[Distribution]] = {}
    edges: dict[str, Sequence[str]] = {}
    for one, needed in packages.items():
        version = one.filename.removesuffix(".tar.gz").split("-")[1]
        by_name.setdefault((one.name, version), []).append(one)
        edges[one.name] = needed
    asked = ", ".join(f"{{ name = '{name}' }}" for name in needs or [n for n, _ in by_name])
    lines = [f"version = 1\nrequires-python = '{requires_python}'"]
    lines.append("[[package]]\nname = 'root'\nversion = '1'\nsource = { virtual = '.' }")
    lines.append(f"dependencies = [{asked}]")
    if groups:
        lines.append("[package.dev-dependencies]")
        for group, names in groups.items():
            lines.append(f"{group} = [{', '.join(f'{{ name = {n!r} }}' for n in names)}]")
    lines.append(metadata)
    for (name, version), files in by_name.items():
        lines.append(f"[[package]]\nname = '{name}'\nversion = '{version}'")
        lines.append(f"source = {{ registry = '{origin or index.url}' }}")
        lines.append(f"dependencies = [{', '.join(f'{{ name = {n!r} }}' for n in edges[name])}]")
        tables = {file: f"{{ {_file(file, origin or index.origin)} }}" for file in files}
        for file, table in tables.items():
            if file.filename.endswith(".tar.gz"):
                lines.append(f"sdist = {table}")
        wheels = [table for file, table in tables.items() if file.filename.endswith(".whl")]
        if wheels:
            lines.append(f"wheels = [{', '.join(wheels)}]")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "uv.lock"
    path.write_text("\n".join(lines))
    return path


def _file(file: Distribution, origin: str) -> str:
    url = f"{origin}/files/{file.filename}"
    return f"url = '{url}', hash = 'sha256:{file.sha256}', size = {len(file.data)}"


def test_a_uv_lock_is_taken_as_it_is(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any], started: list[str]
) -> None:
    app, dep = make_wheel("app", "1.0"), make_wheel("dep", "2.0")
    extra = make_wheel("tester", "3.0")
    packages: Needs = {app: ["dep"], dep: [], extra: []}
    lock = uv_lock(tmp_path, index, packages, needs=["app"], groups={"test": ["tester"]})
    (env,) = envs(place, lock).values()
    assert facts(env) == {("app", "1.0", app.sha256), ("dep", "2.0", dep.sha256)}
    assert {p.name: p.depends for p in env.packages} == {"app": ("dep",), "dep": ()}
    assert {p.source for p in env.packages} == {index.url}
    assert env.python.startswith(f"{MINOR}.")
    assert env.spec.python == f"=={MINOR}.*"
    url = f"{index.origin}/files/{app.filename}"
    assert f"app @ {url}#sha256={app.sha256}" in env.spec.for_platform(HERE)["pypi"]
    # Looking for interpreters is all that needed another program.
    assert [line for line in started if "pip compile" in line or "rattler" in line] == []
    assert not index.requests
    # From now on it is known, and costs no process at all.
    started.clear()
    again = resolved(place, lock)
    assert (again.known, again.envs[0].env_id) == (True, env.env_id)
    assert started == []
    (more,) = envs(place, lock, groups=("test",)).values()
    assert {p.name for p in more.packages} == {"app", "dep", "tester"}
    assert more.req_id != env.req_id


def test_the_same_lock_has_the_same_id_everywhere(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    packages: Needs = {make_wheel(name, "1.0"): [] for name in ("one", "two", "three")}
    lock = uv_lock(tmp_path / "here", index, packages)
    backwards: Needs = dict(reversed(list(packages.items())))
    moved = uv_lock(tmp_path / "there", index, backwards)
    moved.write_text("# another text\n" + moved.read_text().replace("'", '"'))
    other = uv_lock(tmp_path / "other", index, {**packages, make_wheel("four", "1.0"): []})
    (first,) = envs(place, lock).values()
    elsewhere = {**place, "home": str(tmp_path / "another-home")}
    (second,) = envs(elsewhere, moved).values()
    assert (first.req_id, first.full_id) == (second.req_id, second.full_id)
    assert next(iter(envs(place, other).values())).req_id != first.req_id


def test_wheels_are_chosen_for_each_platform_and_floor(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    tags = ["manylinux_2_17_x86_64", "manylinux_2_34_x86_64", "macosx_11_0_arm64"]
    packages: Needs = {make_wheel("many", "1.0", tag=f"py3-none-{tag}"): [] for tag in tags}
    lock = uv_lock(tmp_path, index, packages)

    def chosen(*platforms: str, **asked: Any) -> dict[str, str]:
        found = envs(place, lock, platforms=platforms, **asked)
        assert len({env.full_id for env in found.values()}) == 1
        return {name: env.packages[0].filename for name, env in found.items()}

    assert chosen(LINUX, OSX) == {
        LINUX: f"many-1.0-py3-none-{tags[0]}.whl",
        OSX: f"many-1.0-py3-none-{tags[2]}.whl",
    }
    new = chosen(LINUX, sys=("__glibc=2.34",))
    assert new == {LINUX: f"many-1.0-py3-none-{tags[1]}.whl"}


def test_a_lock_that_does_not_suffice_says_all_that_is_missing(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    tag = "py3-none-manylinux_2_17_x86_64"
    packages: Needs = {make_wheel("one", "1.0", tag=tag): [], make_wheel("two", "1.0", tag=tag): []}
    lock = uv_lock(tmp_path, index, packages)
    with pytest.raises(ParseErrors) as caught:
        envs(place, lock, platforms=(OSX,))
    text = str(caught.value)
    assert "`one 1.0` has no file for osx-arm64" in text
    assert "`two 1.0` has no file for osx-arm64" in text
    assert f"{lock}:" in text
    with pytest.raises(ParseErrors, match="no group `absent`"):
        envs(place, lock, groups=("absent",))


# The Python


def test_the_python_is_stated_or_the_newest_with_wheels(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any], channel: ChannelServer
) -> None:
    place |= {"python_provider": "conda", "channels": channel.url}
    old = f"3.{sys.version_info.minor}"
    tags = [f"cp{old.replace('.', '')}-cp{old.replace('.', '')}-manylinux_2_17_x86_64"]
    packages: Needs = {make_wheel("native", "1.0", tag=tag): [] for tag in tags}
    lock = uv_lock(tmp_path / "a", index, packages, requires_python=">=3.9")
    found = envs(place, lock, platforms=(LINUX,))[LINUX]
    assert found.spec.python == f"=={old}.*"
    assert found.python.startswith(f"{old}.")
    pure = uv_lock(tmp_path / "b", index, {make_wheel("pure", "1.0"): []}, requires_python=">=3.9")
    pure.with_name(".python-version").write_text(f"# ours\n{old}\n")
    (env,) = envs(place, pure, platforms=(LINUX,)).values()
    assert env.spec.python == f"=={old}.*"
    with pytest.raises(Contradiction, match=r"asks for Python .*3\.8.*requires Python"):
        envs(place, pure, python="3.8")
    project = pure.with_name("pyproject.toml")
    project.write_text("[project]\nname='x'\nversion='1'\nrequires-python='>=3.14'\n")
    with pytest.raises(Contradiction, match=r"\.python-version asks for Python .* and .*pyproject"):
        envs(place, pure)
    assert envs(place, pure, platforms=(LINUX,), python=old)  # which wins, whatever is beside
    project.unlink()
    pure.with_name(".python-version").write_text("pypy@3.10\n")
    with pytest.raises(InvalidRequest, match=r"pypy@3\.10"):
        envs(place, pure)


class Labels(NoProgress):
    """What work began."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def start(self, label: str, total: int | None, unit: Unit) -> Task:
        self.begun.append(label)
        return super().start(label, total, unit)


def test_python_of_a_pypi_lock_is_one_solve_of_python_alone(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any], channel: ChannelServer
) -> None:
    place |= {"python_provider": "conda", "channels": channel.url}
    wheel = make_wheel("app", "1.0")
    lock = uv_lock(tmp_path, index, {wheel: []}, requires_python=f"=={MINOR}.*")
    labels = Labels()
    with Environments(settings_of(place), progress=labels) as environments:
        request = Request(locks=(lock,), platforms=(LINUX, OSX))
        (env, *_) = environments.resolve(request).envs
    solves = [label for label in labels.begun if label.startswith("solving conda packages")]
    assert solves == ["solving conda packages for linux-64, osx-arm64"]
    assert env.env_type == "pypi-only"
    kinds = {p.kind for p in env.packages}
    assert kinds == {"conda", "pypi"}
    assert [p.name for p in env.packages if p.kind == "pypi"] == ["app"]
    assert "python" in {p.name for p in env.packages if p.kind == "conda"}
    assert not index.requests


# What has no wheel


def test_what_has_no_wheel_is_built_or_refused(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    pure = make_sdist(tmp_path, "pure", "1.0")
    index.add(pure)
    lock = uv_lock(tmp_path / "a", index, {pure: []})
    (env,) = envs(place, lock).values()
    (package,) = env.packages
    assert package.built_from
    assert (package.built_from.kind, package.built_from.sha256) == ("sdist", pure.sha256)
    native = make_sdist(tmp_path, "native", "1.0", tag="py3-none-linux_x86_64")
    index.add(native)
    lock = uv_lock(tmp_path / "b", index, {native: []})
    with pytest.raises(NeedsPlatform, match="native"):
        envs(place, lock, platforms=(OSX,))
    changed = uv_lock(tmp_path / "c", index, {replace(pure, data=b"another"): []})
    with pytest.raises(NoMatchingFile):
        envs(place, changed)


def test_hashes_of_other_kinds_are_checked(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    wheel, source = make_wheel("app", "1.0"), make_sdist(tmp_path, "source", "1.0")
    index.add(wheel, source)

    def lock(file: Distribution, digest: str) -> Path:
        path = tmp_path / "pylock.toml"
        url = f"{index.origin}/files/{file.filename}"
        path.write_text(
            f"lock-version = '1.0'\ncreated-by = 'me'\n[[packages]]\nname = '{file.name}'\n"
            f"version = '1.0'\n[packages.archive]\nurl = '{url}'\nhashes = {{sha512 = '{digest}'}}\n"
        )
        return path

    (env,) = envs(place, lock(wheel, hashlib.sha512(wheel.data).hexdigest())).values()
    assert facts(env) == {("app", "1.0", wheel.sha256)}
    with pytest.raises(NoMatchingFile, match="sha512"):
        envs(place, lock(wheel, "0" * 128))
    with pytest.raises(UnsupportedRequest, match="sha512 alone"):
        envs(place, lock(source, hashlib.sha512(source.data).hexdigest()))


def test_what_lies_beside_a_lock_is_taken_by_its_content(
    tmp_path: Path, place: dict[str, Any]
) -> None:
    def lock_in(folder: Path) -> Path:
        make_project(folder / "member", "member", "1.0", module="a = 1\n")
        path = folder / "pylock.toml"
        path.write_text(
            "lock-version = '1.0'\ncreated-by = 'me'\n[[packages]]\nname = 'member'\n"
            "[packages.directory]\npath = 'member'\neditable = true\n"
        )
        return path

    outcome = resolved(place, lock_in(tmp_path / "a"))
    assert [p.name for p in outcome.envs[0].packages] == ["member"]
    assert any("editable in the lock" in note for note in outcome.notes)
    (moved,) = envs(place, lock_in(tmp_path / "b")).values()
    assert moved.env_id == outcome.envs[0].env_id
    (tmp_path / "b" / "member" / "module.py").write_text("a = 2\n")
    (changed,) = envs(place, tmp_path / "b" / "pylock.toml").values()
    assert changed.req_id != moved.req_id


@pytest.mark.slow
def test_what_was_built_and_needs_more_than_the_lock_has_is_refused(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    old = make_wheel("old", "1.0")
    index.add(old)
    make_project(
        tmp_path / "member",
        "member",
        "1.0",
        module="a = 1\n",
        requires=["attrs>=1", "old>=2", "root", "other; sys_platform == 'win32'"],
    )

    def lock(manifest: str = "", roots: str = "") -> Path:
        path = uv_lock(tmp_path, index, {old: []}, needs=["old", "member"], metadata=roots)
        member = (
            "[[package]]\nname = 'member'\nversion = '1.0'\nsource = { directory = 'member' }\n"
        )
        path.write_text(f"{path.read_text()}\n{member}\n{manifest}")
        return path

    with pytest.raises(RequirementsUnmet) as caught:
        envs(place, lock())
    assert caught.value.problems == (
        "`member` 1.0 was built as it is now, and requires `attrs>=1`: the lock has no `attrs`",
        "`member` 1.0 was built as it is now, and requires `old>=2`: the lock has `old` 1.0",
    )
    assert "lock again" in str(caught.value.hint)
    # What uv leaves out on purpose its lock says, and that is noted.
    for manifest in (
        "[manifest]\nexcludes = ['attrs']\noverrides = [{ name = 'Old', specifier = '==1.0' }]\n",
        "[[manifest.dependency-metadata]]\nname = 'member'\n",
    ):
        place |= {"home": str(tmp_path / f"home of {manifest[3]}")}  # where nothing is known yet
        notes = [n for n in resolved(place, lock(manifest)).notes if "built as" in n]
        assert len(notes) == 3, notes
        assert all("the lock means it so" in note for note in notes)
    pylock = tmp_path / "pylock.toml"
    pylock.write_text(
        "lock-version = '1.0'\ncreated-by = 'me'\n[[packages]]\nname = 'member'\n"
        "[packages.directory]\npath = 'member'\n"
    )
    with pytest.raises(RequirementsUnmet, match="the lock has no `attrs`"):
        envs(place, pylock)


# Conda's locks


def conda_packages(channel: ChannelServer, place: dict[str, Any], *names: str) -> ResolvedEnv:
    """An environment of the channel, whose packages locks can name."""
    values = {**place, "python_provider": "conda", "channels": channel.url}
    with Environments(settings_of(values)) as environments:
        request = Request(conda=names, python=MINOR, platforms=(HERE,))
        return environments.resolve(request).envs[0]


def pixi_lock(folder: Path, packages: Sequence[Package], **environments: Sequence[str]) -> Path:
    """A pixi.lock of version 6; each environment names its packages."""
    lines = ["version: 6", "environments:"]
    for environment, names in environments.items():
        lines += [f"  {environment}:", "    channels:", "    - url: https://channel.test/"]
        lines += ["    packages:", f"      {HERE}:"]
        lines += [f"      - conda: {p.url}" for p in packages if p.name in names]
    lines.append("packages:")
    for package in packages:
        lines += [f"- conda: {package.url}", f"  sha256: {package.hashes.sha256}"]
        lines += [f"  md5: {package.hashes.md5}", f"  size: {package.size}", "  depends:"]
        lines += [f"  - {name}" for name in package.depends]
    path = folder / "pixi.lock"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_conda_locks_of_all_kinds_are_one_environment(
    tmp_path: Path, place: dict[str, Any], channel: ChannelServer, started: list[str]
) -> None:
    made = conda_packages(channel, place, "greeter")
    names = [package.name for package in made.packages]
    pixi = pixi_lock(
        tmp_path, made.packages, default=names, bare=[n for n in names if n != "greeter"]
    )
    explicit = tmp_path / "list.txt"
    explicit.write_text(export([made], "explicit").text)
    conda_lock = tmp_path / "conda-lock.yml"
    entries = "".join(
        f"- name: {p.name}\n  version: {json.dumps(p.version)}\n  manager: conda\n"
        f"  platform: {HERE}\n  dependencies: {json.dumps(dict.fromkeys(p.depends, '*'))}\n"
        f"  url: {p.url}\n  hash: {{md5: {p.hashes.md5}, sha256: {p.hashes.sha256}}}\n"
        "  category: main\n  optional: false\n"
        for p in made.packages
    )
    conda_lock.write_text(
        f"version: 1\nmetadata:\n  content_hash: {{{HERE}: {'0' * 64}}}\n  channels: []\n"
        f"  platforms: [{HERE}]\n  sources: [environment.yml]\npackage:\n{entries}"
    )
    elsewhere = {**place, "home": str(tmp_path / "other")}
    channel.requests.clear()
    started.clear()
    found = [envs(elsewhere, lock)[HERE] for lock in (pixi, explicit, conda_lock)]
    # Nothing was asked, nothing solved.
    assert not channel.requests
    assert started == []
    assert len({env.req_id for env in found}) == 1
    # The packages and the Python are those that had been solved.
    assert {env.full_id for env in found} == {made.full_id}
    for env in (found[0], found[2]):
        assert {p.name: p.depends for p in env.packages} == {
            p.name: p.depends for p in made.packages
        }
    assert found[0].env_type == "conda-only"
    assert f"=={made.python}" == found[0].spec.python
    bare = envs(elsewhere, pixi, environment="bare")[HERE]
    assert "greeter" not in {p.name for p in bare.packages}
    assert bare.req_id != found[0].req_id
    with pytest.raises(ParseErrors, match="no environment `absent`"):
        envs(elsewhere, pixi, environment="absent")


def test_variants_of_a_platform_are_chosen_by_their_name(
    tmp_path: Path, place: dict[str, Any]
) -> None:
    path = tmp_path / "pixi.lock"
    url = "https://channel.test/linux-64/python-3.12.1-h1_0_cpython.conda"
    wheel = "https://files.test/many-1.0-py3-none-manylinux_2_35_x86_64.whl"
    variants = ("old", "2.28", ""), ("new", "2.35", f"      - pypi: {wheel}\n")
    listed = "".join(f"      {name}:\n      - conda: {url}\n{more}" for name, _, more in variants)
    stated = "".join(
        f"- name: {name}\n  subdir: linux-64\n  virtual-packages:\n  - __unix=0=0\n"
        f"  - __glibc={glibc}\n"
        for name, glibc, _ in variants
    )
    path.write_text(
        f"version: 7\nplatforms:\n{stated}environments:\n  default:\n    channels: []\n"
        f"    packages:\n{listed}packages:\n- conda: {url}\n  sha256: {'0' * 64}\n"
        f"- pypi: {wheel}\n  name: many\n  version: '1.0'\n  sha256: {'1' * 64}\n"
    )
    with pytest.raises(ParseErrors, match="several platforms for linux-64: old, new"):
        envs(place, path)
    found = envs(place, path, environment="default@new")[LINUX]
    assert {p.name for p in found.packages} == {"python", "many"}
    assert "__glibc=2.35" in found.spec.for_platform(LINUX)["sys"]
    old = envs(place, path, environment="@old")[LINUX]
    assert {p.name for p in old.packages} == {"python"}
    with pytest.raises(ParseErrors, match="has no file for linux-64"):
        envs(place, path, environment="default@new", sys=("__glibc=2.28",))


def test_platforms_of_conda_locks_are_those_they_name(
    tmp_path: Path, place: dict[str, Any]
) -> None:
    digest = hashlib.sha256(b"").hexdigest()

    def listed(*platforms: str) -> Path:
        path = tmp_path / f"{'-'.join(platforms)}.txt"
        url = f"https://channel.test/{platforms[0]}/python-3.12.1-h1_0_cpython.conda"
        path.write_text(f"# platform: {platforms[0]}\n@EXPLICIT\n{url}#{digest}\n")
        return path

    both = envs(place, listed("linux-aarch64"), listed("osx-64"))
    assert set(both) == {"linux-aarch64", "osx-64"}
    assert len({env.full_id for env in both.values()}) == 1
    assert set(envs(place, listed("linux-aarch64"), listed("osx-64"), platforms=("osx-64",))) == {
        "osx-64"
    }
    with pytest.raises(InvalidRequest, match=r"no lock is for osx-arm64: .* is for linux-aarch64"):
        envs(place, listed("linux-aarch64"), platforms=("osx-arm64",))
    with pytest.raises(InvalidRequest, match="for win-64, and none of these is supported"):
        envs(place, listed("win-64"))
    outcome = resolved(place, listed("osx-64"), listed("win-64"))
    assert any("`win-64` of the lock is left out" in note for note in outcome.notes)


def test_pypi_packages_beside_another_python_than_cpython(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    wheel = make_wheel("pure", "1.0")

    def lock(build: str, *more: str) -> Path:
        url = "https://channel.test/forge/linux-64"
        names = [f"{url}/python-3.13.1-{build}.conda", *more]
        lines = ["version: 6", "environments:", "  default:", "    channels:"]
        lines += ["    - url: https://channel.test/forge/", "    packages:", "      linux-64:"]
        kinds = [("conda" if "channel.test" in name else "pypi", name) for name in names]
        lines += [f"      - {kind}: {name}" for kind, name in kinds]
        lines.append("packages:")
        for kind, name in kinds:
            lines += [f"- {kind}: {name}", f"  sha256: {'0' * 64}"]
            lines += ["  name: pure", "  version: '1.0'"] if kind == "pypi" else []
        path = tmp_path / "pixi.lock"
        path.write_text("\n".join(lines) + "\n")
        return path

    pure = f"{index.origin}/files/{wheel.filename}"
    tag = "cp313-cp313{}-manylinux_2_17_x86_64"
    for build in ("0_73_pypy", "0_graalpy"):
        # Without any it is conda's business alone.
        assert prepared(place, lock(build)).pins
        with pytest.raises(UnsupportedRequest, match=f"build `{build}`"):
            prepared(place, lock(build, pure))
    for build, threads in (("0_cp313", ""), ("0_cp313t", "t")):
        native = f"{index.origin}/files/pure-1.0-{tag.format(threads)}.whl"
        other = f"{index.origin}/files/pure-1.0-{tag.format('t' * (not threads))}.whl"
        assert prepared(place, lock(build, native)).pins
        with pytest.raises(ParseErrors, match="no file"):
            prepared(place, lock(build, other))


def test_python_is_added_to_conda_packages_without_one(
    tmp_path: Path, place: dict[str, Any], channel: ChannelServer
) -> None:
    made = conda_packages(channel, place, "greeter")
    needed = {"python"} | {p.name for p in made.packages if "python" in p.depends}
    some = [p for p in made.packages if p.name not in needed]
    assert some
    path = tmp_path / "list.txt"
    lines = [f"{p.url}#sha256:{p.hashes.sha256}\n" for p in some]
    path.write_text(f"# platform: {HERE}\n@EXPLICIT\n{''.join(lines)}")
    outcome = resolved({**place, "channels": channel.url}, path)
    (env,) = outcome.envs
    assert {p.name for p in some} | {"python"} <= {p.name for p in env.packages}
    assert {(p.name, p.build) for p in some} <= {(p.name, p.build) for p in env.packages}
    assert any("no Python" in note for note in outcome.notes)


# The same there and back


@pytest.mark.slow
@pytest.mark.parametrize("form", ["pylock", "requirements"])
def test_what_was_exported_is_imported_as_it_was(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any], form: str
) -> None:
    tags = {LINUX: "manylinux_2_17_x86_64", OSX: "macosx_11_0_arm64"}
    index.add(*(make_wheel("many", "1.0", tag=f"py3-none-{tag}") for tag in tags.values()))
    index.add(make_wheel("only-mac", "3.0"), make_wheel("dep", "2.0", requires=["many"]))
    index.add(make_sdist(tmp_path, "source", "1.0"))
    asked = ("dep", "source", "only-mac; sys_platform == 'darwin'")
    with Environments(settings_of(place)) as environments:
        request = Request(pypi=asked, platforms=(LINUX, OSX), python=MINOR)
        made = environments.resolve(request).envs
    file = tmp_path / {"pylock": "pylock.toml", "requirements": "requirements.txt"}[form]
    file.write_text(export(made, form).text)
    found = resolved(place, file).envs  # the file says for which platforms and Python it is
    assert [env.platform for env in found] == [env.platform for env in made]
    assert [facts(env) for env in found] == [facts(env) for env in made]
    assert found[0].full_id == made[0].full_id


# Files that are named by their hashes


def requirements(folder: Path, index: FakeIndex, *wheels: Distribution, more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "requirements.txt"
    lines = [
        f"{one.name}=={one.filename.split('-')[1]} --hash=sha256:{one.sha256}" for one in wheels
    ]
    path.write_text("\n".join((f"--index-url {index.url}", *lines, more, "")))
    return path


@pytest.mark.slow
def test_files_that_are_named_by_hashes_are_confirmed_by_the_index(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any], started: list[str]
) -> None:
    app, dep = make_wheel("app", "1.0", requires=["dep"]), make_wheel("dep", "2.0")
    index.add(app, dep, make_wheel("dep", "3.0"))
    lock = requirements(tmp_path, index, app, dep)
    started.clear()
    (env,) = envs(place, lock).values()
    assert facts(env) == {("app", "1.0", app.sha256), ("dep", "2.0", dep.sha256)}
    assert {p.source for p in env.packages} == {index.url}
    assert sum("pip compile" in line for line in started) == 1
    assert all("--no-deps" in line for line in started if "pip compile" in line)
    started.clear()
    assert resolved(place, lock).known
    assert started == []
    other = requirements(tmp_path / "other", index, replace(app, data=b"another"), dep)
    with pytest.raises(NoMatchingFile, match=r"app==1\.0"):
        envs(place, other)
    lacking = requirements(tmp_path / "lacking", index, app)
    with pytest.raises(RequirementsUnmet, match="dep"):
        envs(place, lacking)
    text = lacking.read_text()
    for told in (
        f"{text}\n# The following packages were excluded from the output:\n# dep\n",
        f"# This was made by uv:\n#    uv pip compile a.in --overrides b.txt -o c.txt\n{text}",
    ):
        lacking.write_text(told)
        place |= {"home": str(tmp_path / f"home {len(told)}")}  # where nothing is known yet
        outcome = resolved(place, lacking)
        (note,) = [note for note in outcome.notes if "as the lock says" in note]
        assert note.endswith("there is no `dep`")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
@pytest.mark.parametrize("inside", ["out", "member/../../other", "member/up/other"])
def test_nothing_outside_a_source_is_built_for_it(
    tmp_path: Path, place: dict[str, Any], inside: str
) -> None:
    source = tmp_path / "source"
    make_project(source / "member", "member", "1.0", module="a = 1\n")
    make_project(tmp_path / "other", "member", "6.0", module="a = 6\n")
    for link, target in (("in", "member"), ("out", "../other"), ("member/up", "../..")):
        (source / link).symlink_to(target)
    for words in ("init --quiet", "add .", "-c user.name=n -c user.email=e@localhost commit -qm a"):
        subprocess.run(["git", *words.split()], cwd=source, check=True)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=source, text=True).strip()
    lock = tmp_path / "requirements.txt"
    text = f"member @ git+{source.as_uri()}@{head}#subdirectory="
    lock.write_text(f"{text}{inside}\n")
    with pytest.raises(BuildFailed, match="leads out of its source"):
        envs(place, lock)
    lock.write_text(f"{text}in\n")
    (env,) = envs(place, lock).values()
    assert [(package.name, package.version) for package in env.packages] == [("member", "1.0")]


def test_what_the_extras_of_a_lock_need_must_be_in_it(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    needs = ["dep; extra == 'more'", "win; extra == 'more' and sys_platform == 'win32'"]
    app, dep = make_wheel("app", "1.0", requires=needs, extras=["more"]), make_wheel("dep", "2.0")
    index.add(app, dep)
    lock = requirements(tmp_path, index, app, dep)
    lock.write_text(lock.read_text().replace("app==", "app[more]=="))
    # What an extra of another entry needs is needed, too.
    twice = requirements(
        tmp_path / "twice", index, app, more=f"app[more]==1.0 --hash=sha256:{app.sha256}"
    )
    pipfile = tmp_path / "Pipfile.lock"
    entry = {"version": "==1.0", "hashes": [f"sha256:{app.sha256}"], "extras": ["more"]}
    meta = {
        "hash": {"sha256": "x"},
        "pipfile-spec": 6,
        "sources": [{"name": "a", "url": index.url}],
    }
    pipfile.write_text(json.dumps({"_meta": meta, "default": {"app": entry}}))
    for lacking in (twice, pipfile):
        with pytest.raises(RequirementsUnmet, match=r"\[more\] is not met: there is no `dep`"):
            envs(place, lacking)
    (env,) = envs(place, lock).values()
    assert facts(env) == {("app", "1.0", app.sha256), ("dep", "2.0", dep.sha256)}


@pytest.mark.slow
def test_a_poetry_lock_chooses_by_groups_extras_and_file_names(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any], channel: ChannelServer
) -> None:
    tag = f"cp{MINOR.replace('.', '')}"
    native = make_wheel("native", "1.0", tag=f"{tag}-{tag}-manylinux_2_17_x86_64")
    app, tool = make_wheel("app", "1.0", requires=["native"]), make_wheel("tool", "1.0")
    with FakeIndex(app) as private:
        index.add(native, tool)
        needs = (
            "[package.dependencies]\nnative = '*'\n[package.source]\ntype = 'legacy'\n"
            f"url = '{private.url}'\nreference = 'ours'\n"
        )
        lines = []
        for one, group, more in (
            (
                app,
                "main",
                needs,
            ),
            (native, "main", ""),
            (tool, "dev", ""),
        ):
            lines.append(
                f"[[package]]\nname = '{one.name}'\nversion = '1.0'\noptional = false\n"
                f"python-versions = '>=3.9'\ngroups = ['{group}']\n"
                f"files = [{{file = '{one.filename}', hash = 'sha256:{one.sha256}'}}]\n{more}"
            )
        lock = tmp_path / "poetry.lock"
        metadata = (
            "[metadata]\nlock-version = '2.1'\npython-versions = '>=3.9'\ncontent-hash = ''\n"
        )
        lock.write_text("".join((*lines, metadata)))
        place |= {"python_provider": "conda", "channels": channel.url}
        (env,) = envs(place, lock, platforms=(LINUX,)).values()
        project = lock.with_name("pyproject.toml")
        same = (
            "[project]\nname='x'\nversion='1'\nrequires-python='>=3.9'\ndependencies=['app>=1']\n"
        )
        project.write_text(same)
        assert stale(place, lock, platforms=(LINUX,)) == []
        project.write_text(same.replace(">=1", ">=2"))
        assert "`app>=2` is asked for" in stale(place, lock, platforms=(LINUX,))[0]
    assert {p.name: p.source for p in env.packages if p.kind == "pypi"} == {
        "app": private.url,
        "native": index.url,
        "tool": index.url,
    }
    assert env.python.startswith(f"{MINOR}.")
    assert {p.name: p.depends for p in env.packages if p.kind == "pypi"}["app"] == ("native",)


def test_a_pipfile_lock(tmp_path: Path, index: FakeIndex, place: dict[str, Any]) -> None:
    app, tool = make_wheel("app", "1.0"), make_wheel("tool", "1.0")
    index.add(app, tool)

    def entry(one: Distribution) -> dict[str, Any]:
        return {"hashes": [f"sha256:{one.sha256}", f"md5:{'0' * 32}"], "version": "==1.0"}

    lock = tmp_path / "Pipfile.lock"
    meta = {
        "hash": {"sha256": ""},
        "pipfile-spec": 6,
        "requires": {"python_version": MINOR},
        "sources": [{"name": "ours", "url": index.url, "verify_ssl": True}],
    }
    content = {"_meta": meta, "default": {"app": entry(app)}, "develop": {"tool": entry(tool)}}
    lock.write_text(json.dumps(content))
    (env,) = envs(place, lock).values()
    assert facts(env) == {("app", "1.0", app.sha256)}
    assert env.spec.for_platform(HERE)["pypi"] == (f"app==1.0 --hash=sha256:{app.sha256}",)
    (more,) = envs(place, lock, groups=("develop",)).values()
    assert {p.name for p in more.packages} == {"app", "tool"}


def test_requirements_that_pin_nothing_are_no_lock(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    lock = requirements(tmp_path, index, make_wheel("app", "1.0"), more="dep>=1\nother==1.*")
    with pytest.raises(ParseErrors) as caught:
        envs(place, lock)
    assert f"{lock}:3: `dep>=1`" in str(caught.value)
    assert f"{lock}:4: `other==1.*`" in str(caught.value)


@pytest.mark.parametrize(
    ("top", "python"),
    [
        ("# This file is autogenerated by pip-compile with Python {}", "=={}.*"),
        ("# autogenerated by uv:\n#    uv pip compile a.in --python-version {} -o b", "=={}.*"),
        ("# autogenerated by uv:\n#    uv pip compile a.in -o b", ""),
    ],
)
def test_versions_without_hashes_are_taken_as_the_index_has_them(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any], top: str, python: str
) -> None:
    wheel = make_wheel("app", "1.0")
    index.add(wheel, make_wheel("app", "2.0"))
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"{top.format(MINOR)}\napp==1.0\n")
    outcome = resolved(place, lock)
    assert facts(outcome.envs[0]) == {("app", "1.0", wheel.sha256)}
    assert any("no hashes of app" in note for note in outcome.notes)
    if python:
        assert outcome.envs[0].spec.python == python.format(MINOR)


def test_the_newest_python_with_wheels_is_taken_where_hashes_leave_it_open(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any], channel: ChannelServer
) -> None:
    tag = f"cp{MINOR.replace('.', '')}"
    wheel = make_wheel("native", "1.0", tag=f"{tag}-{tag}-manylinux_2_17_x86_64")
    index.add(wheel)
    place |= {"python_provider": "conda", "channels": channel.url}
    (env,) = envs(place, requirements(tmp_path, index, wheel), platforms=(LINUX,)).values()
    assert env.python.startswith(f"{MINOR}.")
    assert wheel.sha256 in {p.hashes.sha256 for p in env.packages}


@pytest.mark.slow
def test_a_python_that_may_do_is_named_where_another_does_not(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any], channel: ChannelServer
) -> None:
    tag = f"cp{MINOR.replace('.', '')}"
    native = make_wheel("native", "1.0", tag=f"{tag}-{tag}-manylinux_2_17_x86_64")
    never = make_wheel("never", "1.0", tag="cp27-cp27m-manylinux_2_17_x86_64")
    pure = make_wheel("pure", "1.0")
    index.add(native, never, pure)
    place |= {"python_provider": "conda", "channels": channel.url}

    def hint(lock: Path, **asked: Any) -> str:
        with pytest.raises(ResolveError) as caught:
            envs(place, lock, platforms=(LINUX,), **asked)
        return str(caught.value.hint)

    # No Python of the channel is the newest that there may be.
    lock = uv_lock(tmp_path / "uv", index, {pure: []})
    newest = re.search(r"`--python (3\.\d+)` may do", hint(lock))
    assert newest
    assert envs(place, lock, platforms=(LINUX,), python=newest[1])
    lock = requirements(tmp_path / "hashes", index, native)
    for asked in ("3.14", "3.8", "3.10" if MINOR != "3.10" else "3.11"):
        assert f"`--python {MINOR}` may do" in hint(lock, python=asked)
    assert "may do" not in hint(requirements(tmp_path / "none", index, native, never))
    place |= {"python_provider": "system"}
    assert f"`--python {MINOR}` may do" in hint(lock, python="3.8")
    pylock = tmp_path / "pylock.toml"
    pylock.write_text(
        "lock-version = '1.0'\ncreated-by = 'me'\nrequires-python = '>=3.9'\n[[packages]]\n"
        "name = 'pure'\nversion = '1.0'\nrequires-python = '>=3.14'\n"
        f"wheels = [{{name = '{pure.filename}', url = '{index.origin}/files/{pure.filename}',"
        f" hashes = {{sha256 = '{pure.sha256}'}}}}]\n"
    )
    place |= {"python_provider": "conda"}
    assert "may do" not in hint(pylock)


# Beside what


def test_nothing_else_is_asked_for_beside_a_lock(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    lock = uv_lock(tmp_path, index, {make_wheel("app", "1.0"): []})
    with pytest.raises(InvalidRequest, match="`--pypi` asks for more"):
        envs(place, lock, pypi=("more",))
    with (
        Environments(settings_of(place)) as environments,
        pytest.raises(InvalidRequest, match="nothing of it is updated"),
    ):
        environments.resolve(Request(locks=(lock,)), update=["app"])
    outcome = resolved(place, lock, also=(("more>=1", "somebody"),))
    assert "somebody: `more>=1` is not in the lock, and nothing is added to it" in outcome.notes
    (tmp_path / "environment.yml").write_text("dependencies: [numpy]\n")
    with pytest.raises(InvalidRequest, match="is no lock"):
        envs(place, tmp_path / "environment.yml")


def test_locks_that_contradict_each_other(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    one = uv_lock(tmp_path / "a", index, {make_wheel("app", "1.0"): []})
    other = uv_lock(tmp_path / "b", index, {make_wheel("app", "2.0"): []})
    more = uv_lock(tmp_path / "c", index, {make_wheel("app", "1.0"): [], make_wheel("x", "1"): []})
    with pytest.raises(Contradiction, match="different packages `app`"):
        envs(place, one, other)
    (env,) = envs(place, one, more).values()
    assert [p.name for p in env.packages] == ["app", "x"]


def test_a_lock_from_a_url_with_a_login(tmp_path: Path, place: dict[str, Any]) -> None:
    wheel = make_wheel("app", "1.0")
    with FakeIndex(wheel, login=("me", "secret")) as private:
        origin = private.origin.replace("://", "://me:secret@")
        lock = uv_lock(tmp_path, private, {wheel: []}, origin=origin)
        private.serve("uv.lock", lock.read_text())
        (env,) = envs(place, f"{origin}/uv.lock").values()
        assert facts(env) == {("app", "1.0", wheel.sha256)}
        assert "secret" not in env.to_json()
        with Environments(settings_of(place)) as environments:
            environments.resolve(Request(locks=(f"{origin}/uv.lock",)))
            environments.fetch(env.packages)


def test_the_heading_of_compiled_requirements_counts_from_a_url(
    index: FakeIndex, place: dict[str, Any]
) -> None:
    wheel = make_wheel("app", "1.0")
    index.add(wheel)
    index.serve(
        "requirements.txt",
        f"# made by uv:\n#    uv pip compile a.in --python-version {MINOR} --python-platform linux\n"
        f"app==1.0 --hash=sha256:{wheel.sha256}\n",
    )
    url = f"{index.origin}/requirements.txt"
    ((platform, env),) = envs(place, url).items()
    assert (platform, env.spec.python) == (LINUX, f"=={MINOR}.*")
    with pytest.raises(InvalidRequest, match="is for linux-64"):
        envs(place, url, platforms=(OSX,))


# Locks that their source has left behind


def stale(place: dict[str, Any], lock: Path, **asked: Any) -> list[str]:
    outcome = resolved(place, lock, **asked)
    notes = [note for note in outcome.notes if "was made for" in note or "is asked for" in note]
    if notes:
        with pytest.raises(InvalidRequest, match="is behind its source"):
            resolved(place, lock, locked=True, **asked)
    else:
        resolved(place, lock, locked=True, **asked)
    return notes


@pytest.mark.parametrize(
    "text",
    [
        "project = 'x'",
        "tool = 'x'",
        "tool.uv = 'x'",
        "tool.uv.index = [{}]",
        "tool.uv.sources = 'x'",
        "tool.uv.sources.app = 'x'",
        "tool.uv.constraint-dependencies = [1]",
        "tool.uv.default-groups = 1",
        "tool.uv.no-binary-package = 1",
        "dependency-groups = 'x'",
        "dependency-groups.dev = 'x'",
        "dependency-groups.dev = [1]",
        "project = {name = 'root', dependencies = 'x', optional-dependencies = 'x'}",
        "project = {name = 'root', dependencies = [1], requires-python = 1, version = 1}",
    ],
)
def test_a_source_of_another_shape_is_told(
    text: str, tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    metadata = "[package.metadata]\nrequires-dist = [{ name = 'app' }]\n"
    lock = uv_lock(tmp_path, index, {make_wheel("app", "1.0"): []}, metadata=metadata)
    lock.with_name("pyproject.toml").write_text(f"{text}\n")
    notes = resolved(place, lock).notes
    assert [note for note in notes if "behind" in note or "pyproject.toml" in note]
    with pytest.raises(InvalidRequest, match=r"not known|behind"):
        resolved(place, lock, locked=True)


def test_a_uv_lock_behind_its_project_is_noticed(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    metadata = (
        "[package.metadata]\nrequires-dist = [{ name = 'app', specifier = '>=1,<3',"
        " marker = \"python_full_version >= '3.9'\" },"
        " { name = 'app', marker = \"extra == 'more'\", extras = ['x'] }]\n"
        "[package.metadata.requires-dev]\ndev = [{ name = 'dep' }]\n"
    )
    wheels: Needs = {make_wheel("app", "1.0"): [], make_wheel("dep", "1.0"): []}
    lock = uv_lock(tmp_path, index, wheels, metadata=metadata)
    project = lock.with_name("pyproject.toml")
    same = (
        "[project]\nname = 'root'\nversion = '1'\nrequires-python = '>=3.9'\n"
        "dependencies = ['App <3, >=1 ; python_version >= \"3.9\"']\n"
        "[project.optional-dependencies]\nmore = ['app[X]']\n"
        "[dependency-groups]\nbase = []\ndev = ['dep', {include-group = 'base'}]\n"
    )
    project.write_text(same)
    assert stale(place, lock) == []
    for before, after, name in (
        ("<3", "<4", "`app`"),
        ("'dep'", "'dep>1'", "`dep`"),
        ("App <3", "new', 'App <3", "`new`"),
        ("app[X]", "app", "`app`"),
        (">=3.9'", ">=3.8'", "requires-python"),
        ("python_version >=", "sys_platform ==", "`app`"),
    ):
        project.write_text(same.replace(before, after, 1))
        (note,) = stale(place, lock)
        assert name in note
        assert str(project) in note


def test_requirements_behind_their_input_are_noticed(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    wheel = make_wheel("app", "1.5")
    index.add(wheel)
    lock = requirements(tmp_path, index, wheel)
    source = lock.with_suffix(".in")
    source.write_text("app>=1\nother ; sys_platform == 'win32'\n")
    assert stale(place, lock) == []
    source.write_text("app>=2\nmore\n")
    notes = stale(place, lock)
    assert f"{source}:1: `app>=2` is asked for, and `{lock}` has 1.5" in notes
    assert f"{source}:2: `more` is asked for, and `{lock}` has none" in notes


def test_conda_locks_behind_their_source_are_noticed(
    tmp_path: Path, place: dict[str, Any], channel: ChannelServer
) -> None:
    made = conda_packages(channel, place, "greeter")
    greeter = next(p for p in made.packages if p.name == "greeter")
    lock = pixi_lock(tmp_path, made.packages, default=[p.name for p in made.packages])
    lock.write_text(lock.read_text().replace("https://channel.test", channel.url))
    manifest = tmp_path / "pixi.toml"
    same = (
        f"[workspace]\nname='x'\nchannels = ['{channel.url}']\nplatforms = ['{HERE}']\n"
        f"[dependencies]\ngreeter = '=={greeter.version}'\npython = '{MINOR}.*'\n"
    )
    manifest.write_text(same)
    assert stale(place, lock) == []
    manifest.write_text(same.replace(f"=={greeter.version}", ">=99"))
    (note,) = stale(place, lock)
    assert "greeter" in note
    manifest.write_text(same + "absent = '*'\n")
    (note,) = stale(place, lock)
    assert "absent" in note
    assert "has none" in note
    lock = tmp_path / "conda-lock.yml"
    lock.write_text(export([made], "conda-lock").text)
    source = lock.with_name("environment.yml")
    same = f"channels: ['{channel.url}']\nplatforms: [{HERE}]\ndependencies: [greeter, python]\n"
    source.write_text(same)
    with pytest.raises(InvalidRequest, match="it is not known that a lock is fresh"):
        resolved(place, lock, locked=True)
    (digest, *_) = conda_lock_hashes(parse_file(source), HERE)
    lock.write_text(re.sub(f"{HERE}: [0-9a-f]{{64}}", f"{HERE}: {digest}", lock.read_text()))
    assert stale(place, lock) == []
    source.write_text(same.replace("greeter", f"greeter >{greeter.version}"))
    (note,) = stale(place, lock)
    assert note.startswith(f"{source}:3: `greeter >{greeter.version}` is asked for on {HERE}")


EMPTY = {
    "uv.lock": "version = 1\nrevision = 3\nrequires-python = '>=3.9'\n",
    "pylock.toml": "lock-version = '1.0'\ncreated-by = 'me'\npackages = []\n",
    "poetry.lock": "[metadata]\nlock-version = '2.1'\npython-versions = '*'\ncontent-hash = ''\n",
    "Pipfile.lock": '{"_meta": {"pipfile-spec": 6, "sources": []}, "default": {}}',
    "pixi.lock": f"version: 6\nenvironments: {{default: {{packages: {{{HERE}: []}}}}}}\npackages: []\n",
    "list.txt": "@EXPLICIT\n",
    "requirements.txt": "six==1.16.0 ; sys_platform == 'win32'\n",
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_lock_that_has_nothing_is_noted(tmp_path: Path, place: dict[str, Any], name: str) -> None:
    lock = tmp_path / name
    lock.write_text(EMPTY[name])
    (said,) = [note for note in prepared(place, lock).notes if "has no packages" in note]
    line = "" if name.endswith(".txt") else ":1"
    assert said.startswith(f"{lock}{line} has no packages for {HERE}: ")
    assert "lock again, or copy the whole file" in said


def test_each_platform_that_a_lock_has_nothing_for_is_noted(
    tmp_path: Path, index: FakeIndex, place: dict[str, Any]
) -> None:
    index.add(wheel := make_wheel("solo", "1"))
    full = requirements(tmp_path, index, wheel)
    part = tmp_path / "part.txt"
    part.write_text(full.read_text().replace("==1", "==1 ; sys_platform == 'linux'"))
    asked = Request(locks=(part, full), platforms=(LINUX, OSX))
    done = prepare_import(asked, settings_of(place), Credentials(), note=lambda _: None)
    (said,) = [note for note in done.notes if "has no packages" in note]
    assert said.startswith(f"{part} has no packages for {OSX}: ")
