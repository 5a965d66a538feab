"""`metaflow environment import-netflixext`: what metaflow-netflixext left, taken over."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from uv import find_uv_bin

from envid.ids import EnvId
from envid.netflixext import full_id, read_environment, req_id
from envid.platforms import host_platform
from resolvers.testing import FakeIndex

from .channel import Channels, cached
from .helpers import METAFLOW, Machine, distributions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


pytestmark = pytest.mark.slow

if not METAFLOW.exists():
    pytest.skip("there is no Metaflow", allow_module_level=True)


class User(Machine):
    """A user whose commands are those of `metaflow environment`."""

    command = (METAFLOW, "environment")

    def __init__(self, root: Path, index: FakeIndex, store: Path, channels: Channels) -> None:
        super().__init__(root, index, store)
        self.environ |= {
            "USER": "ada",
            "METAFLOW_CONDA_SKIP_METAFLOW_DEPS": "1",
            "MFENV_CHANNELS": channels.main.as_uri(),
            "MFENV_PYTHON_PROVIDER": "conda",
        }


@pytest.fixture(scope="module")
def channels() -> Channels:
    return cached()


@pytest.fixture
def user(tmp_path: Path, index: FakeIndex, channels: Channels) -> User:
    return User(tmp_path / "new", index, tmp_path / "store", channels)


class Old:
    """What metaflow-netflixext has of one environment, in the layout of its newer releases.

    It is made of what we resolve ourselves: of the same packages, with the hashes that it keeps.
    """

    def __init__(self, resolver: Machine, root: Path) -> None:
        self.root = root
        asked = ("--conda", "greeter", "--pypi", "app", "--json")
        (self.ours,) = json.loads(resolver.ok("resolve", *asked))["environments"]
        self.archives = {path.name: path for path in (resolver.home / "cache").rglob("*.conda")}
        self.archives |= {path.name: path for path in (resolver.home / "cache").rglob("*.whl")}
        self.archives |= {path.name: path for path in (resolver.home / "cache").rglob("*.tar.bz2")}
        python = self.ours["python"]
        deps = {"conda": (f"python=={python}", "greeter"), "pypi": ("app",)}
        channel = next(one for one in self.ours["spec"]["sources"] if one["kind"] == "channel")
        sources = {"conda": (channel["url"],)}
        packages = [self._package(one) for one in self.ours["packages"]]
        self.environment: dict[str, Any] = {
            "deps": [f"{category}::{text}" for category, found in deps.items() for text in found],
            "sources": [f"conda::{channel['url']}"],
            "extras": [],
            "packages": packages,
            "resolved_on": "2024-05-01T10:00:00",
            "resolved_by": "ada",
            "resolved_archs": [host_platform()],
            "env_type": "mixed",
            "accurate_source": True,
        }
        asked_id = req_id(deps, sources, {})
        read = read_environment(self.environment, EnvId(asked_id, "0" * 40, host_platform()))
        self.ids = [asked_id, full_id(read.packages, host_platform())]

    @property
    def name(self) -> str:
        return ":".join(self.ids)

    def _package(self, package: Mapping[str, Any]) -> dict[str, Any]:
        conda = package["kind"] == "conda"
        ending = next(
            one for one in (".conda", ".tar.bz2", ".whl") if package["filename"].endswith(one)
        )
        data = self.archives[package["filename"]].read_bytes()
        value = (hashlib.md5 if conda else hashlib.sha256)(data).hexdigest()
        path = f"host.test/main/{package['subdir'] or 'simple'}/{package['filename']}"
        place = f"packages/{package['kind']}/{path}/{package['filename']}/{value}"
        return {
            "_type": package["kind"],
            "filename": package["filename"].removesuffix(ending),
            "url": package["url"],
            "url_format": ending,
            "hashes": {ending: value},
            "cache_info": {
                ending: {"_type": package["kind"], "url": f"{place}/{package['filename']}"}
            },
        }

    def manifest(self, **names: Any) -> str:
        by_req = {self.ids[0]: {self.ids[1]: self.environment, "_default": self.ids[1]}}
        environments = {host_platform(): by_req}
        return json.dumps({"version": 1, "environments": environments, **names})

    def fill_store(self, *, packages: bool = True) -> Path:
        """Lay out the shared store: the description, an alias, and the packages."""
        place = self.root / "envs" / host_platform() / self.ids[0] / self.ids[1] / "env"
        alias = self.root / "envs" / "aliases" / "generic" / "team" / "stored" / "v1"
        for path, content in ((place, self.environment), (alias, self.ids)):
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(content))
        for package in self.environment["packages"] if packages else ():
            for cached_at in package["cache_info"].values():
                path = self.root / cached_at["url"]
                path.parent.mkdir(parents=True)
                path.write_bytes(self.archives[path.name].read_bytes())
        return self.root


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory, channels: Channels) -> Iterator[Machine]:
    """A machine that resolves what the old system is said to have resolved, once for all tests."""
    root = tmp_path_factory.mktemp("resolver")
    with FakeIndex(*distributions()) as index:
        machine = Machine(root / "old", index, root / "unused")
        machine.environ |= {
            "MFENV_CHANNELS": channels.main.as_uri(),
            "MFENV_PYTHON_PROVIDER": "conda",
        }
        yield machine


@pytest.fixture
def old(tmp_path: Path, resolver: Machine) -> Old:
    return Old(resolver, tmp_path / "conda_env")


def test_a_manifest_is_taken_over(user: User, old: Old) -> None:
    manifest = old.manifest(
        aliases={"team/old/v1": old.ids, old.ids[1]: old.ids},
        mutable_aliases={"team/old/stable": old.ids},
        mappings={"OldFlow/12/start": old.ids},
    )
    user.file("conda_v2.cnd", manifest)
    printed = user.ok("import-netflixext", "conda_v2.cnd")
    before, after = printed.split()
    assert before == old.name
    (shown,) = user.json("show", after)["environments"]
    assert shown["packages"] != []
    assert shown["resolved_by"] == "ada"
    assert shown["resolved_at"] == "2024-05-01T10:00:00Z"
    for name in ("team/old:v1", "team/old:stable", old.name, old.ids[0], "step:OldFlow/12/start"):
        assert user.json("show", name)["environments"] == [shown], name
    assert user.json("show", after.partition(":")[0])["environments"] == [shown]
    prefix = Path(user.ok("create", "--pathspec", "OldFlow/12/start"))
    assert (
        user.ok("run", old.name, "--", "python", "-c", "import app; print(app.__name__)") == "app"
    )
    assert (prefix / "bin" / "greeter").exists()
    again = user.json("import-netflixext", "conda_v2.cnd")
    assert (again["skipped"], len(again["imported"])) == ([], 1)


def test_a_store_is_taken_over_with_its_packages(
    user: User, old: Old, index: FakeIndex, channels: Channels
) -> None:
    # The descriptions name places that are gone: what can be had is in the store alone.
    for package in old.environment["packages"]:
        package["url"] = f"http://127.0.0.1:9/gone/{host_platform()}/{Path(package['url']).name}"
    found = user.json("import-netflixext", "--store", old.fill_store())
    assert found["skipped"] == []
    (one,) = found["imported"]
    assert list(one["old"].values()) == old.ids
    assert one["aliases"] == ["team/stored:v1"]
    other = User(user.root.parent / "other", index, user.store, channels)
    other.environ["MFENV_CHANNELS"] = "http://127.0.0.1:9/gone"
    assert other.ok("run", "team/stored:v1", "--", "python", "-c", "import app; print(1)") == "1"


def test_the_places_are_those_of_metaflows_configuration(user: User, old: Old) -> None:
    (user.work / ".metaflow").mkdir()
    (user.work / ".metaflow" / "conda_v2.cnd").write_text(old.manifest())
    user.environ["METAFLOW_CONDA_LOCALROOT"] = str(old.fill_store())
    found = user.json("import-netflixext", "--dry-run")
    assert [one["aliases"] for one in found["imported"]] == [["team/stored:v1"]]
    assert [one["default"] for one in found["imported"]] == [True]
    assert user.json("list")["environments"] == []


def test_what_cannot_be_taken_over_is_listed(user: User, old: Old) -> None:
    user.file("conda_v2.cnd", old.manifest(aliases={"Team/v1": old.ids}))
    done = user.run("import-netflixext", "conda_v2.cnd")
    assert done.status == 0
    assert "not taken over: Team:v1: " in done.err
    del old.environment["packages"][0]["hashes"]
    old.environment["packages"][0]["hashes"] = {}
    user.file("conda_v2.cnd", old.manifest())
    done = user.run("import-netflixext", "conda_v2.cnd")
    assert (done.status, done.out) == (1, "")
    assert f"not taken over: {old.name}: " in done.err
    assert "have no md5 (conda)" in done.err


def test_a_package_that_is_nowhere_leaves_its_environment_behind(user: User, old: Old) -> None:
    package = old.environment["packages"][0]
    package["url"] = f"http://127.0.0.1:9/gone/{host_platform()}/{Path(package['url']).name}"
    user.file("conda_v2.cnd", old.manifest())
    done = user.run("import-netflixext", "conda_v2.cnd")
    assert done.status == 1
    assert f"not taken over: {old.name}: " in done.err
    assert user.json("list")["environments"] == []


def test_what_is_no_manifest_is_refused(user: User) -> None:
    assert "there is no manifest of metaflow-netflixext" in user.fails("import-netflixext")
    assert "cannot be read" in user.fails("import-netflixext", "nothing.cnd")
    user.file("wrong.cnd", "[]")
    user.fails("import-netflixext", "wrong.cnd")
    user.file("later.cnd", '{"version": 2}')
    assert "2" in user.fails("import-netflixext", "later.cnd")


WRITE = """
import json, sys
import metaflow
from datetime import datetime
from metaflow_extensions.netflixext.plugins.conda import env_descr as old
from metaflow_extensions.netflixext.plugins.conda.utils import AliasType

told = json.load(sys.stdin)
kinds = {
    "conda": (old.CondaPackageSpecification, old.CondaCachePackage),
    "pypi": (old.PypiPackageSpecification, old.PypiCachePackage),
}
packages = []
for one in told["packages"]:
    kind, cache = kinds[one["_type"]]
    ending = one["url_format"]
    package = kind(one["filename"], one["url"], url_format=ending, hashes=one["hashes"])
    place = cache.make_cache_url(one["url"], one["filename"], ending, one["hashes"][ending])
    package.add_cached_version(ending, cache(place))
    packages.append(package)
env = old.ResolvedEnvironment(
    told["deps"], told["sources"], {}, told["arch"], all_packages=packages,
    resolved_on=datetime(2024, 5, 1, 10), resolved_by="ada", env_type=old.EnvType.MIXED)
found = old.CachedEnvironmentInfo()
found.add_resolved_env(env)
found.set_default(env.env_id)
for kind, name in (
    (AliasType.GENERIC, "team/old/v1"),
    (AliasType.GENERIC, "team/old/stable"),
    (AliasType.PATHSPEC, "OldFlow/12/start"),
):
    found.add_alias(kind, name, env.env_id.req_id, env.env_id.full_id)
old.write_to_conda_manifest(told["root"], found)
print(json.dumps(list(env.env_id)))
"""


@pytest.mark.network
@pytest.mark.slow
def test_what_that_system_itself_wrote_is_taken_over(user: User, old: Old, tmp_path: Path) -> None:
    there = tmp_path / "theirs"
    uv = find_uv_bin()
    for words in (
        ("venv", "--python", sys.executable, there),
        ("pip", "install", "--python", there / "bin" / "python", "metaflow-netflixext==1.3.17"),
    ):
        subprocess.run([uv, "--quiet", *words], check=True)
    deps = {"conda": ["greeter", f"python=={old.ours['python']}"], "pypi": ["app"]}
    told = {
        "packages": old.environment["packages"],
        "deps": deps,
        "sources": {"conda": [old.environment["sources"][0].removeprefix("conda::")]},
        "arch": host_platform(),
        "root": str(user.work / ".metaflow"),
    }
    done = subprocess.run(
        [there / "bin" / "python", "-c", WRITE],
        input=json.dumps(told),
        env={**user.environ, "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(user.work)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # That system's ids are what we compute for it.
    assert json.loads(done.stdout) == [*old.ids, host_platform()]
    found = user.json("import-netflixext")
    assert found["skipped"] == []
    (one,) = found["imported"]
    assert one["aliases"] == ["team/old:stable", "team/old:v1"]
    assert one["default"]
    assert (
        user.ok("run", "step:OldFlow/12/start", "--", "python", "-c", "import app; print(1)") == "1"
    )
