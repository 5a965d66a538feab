"""Conda solving on real repodata and real lock files, beside py-rattler called directly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from envid.platforms import PLATFORMS
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec, Options, Source
from pkgcache.worker import Worker
from resolvers.conda import CondaResolver
from resolvers.request import ResolveContext

from .channel import write_channel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envid.packages import Package

pytestmark = pytest.mark.shared

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
CHANNELS = DATA / "channels"
LOCKS = ("pixi-v4/numpy-lock.yml", "pixi-v4/python-lock.yml", "pixi-v5/stability-original.yml")

REQUESTS = [
    ("conda-forge-sample", "linux-64", "3.12", ["numpy", "pandas"]),
    ("conda-forge-sample", "linux-64", "3.11", ["scikit-learn", "pandas>=2", "matplotlib-base"]),
    ("conda-forge-sample", "linux-64", "3.12", ["gdal", "rasterio", "geopandas"]),
    ("conda-forge-sample", "linux-64", "3.12", ["pytorch", "numpy"]),
    ("conda-forge-sample", "linux-64", "3.13", ["jupyterlab"]),
    ("conda-forge-py39", "linux-64", "3.9", []),
    ("conda-forge-py39", "linux-64", "3.9", ["openssl=1.1.*"]),
    ("conda-forge-py39", "osx-arm64", "3.9", []),
]

# Ends hard, as its engine can crash an interpreter that ends by itself.
DIRECT = """
import asyncio, json, os, sys
import rattler
question = json.load(sys.stdin)
virtual = [
    rattler.GenericVirtualPackage(
        rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
    )
    for name, version, build in question["virtual"]
]
found = asyncio.run(rattler.solve(
    question["channels"],
    [rattler.MatchSpec(one) for one in question["specs"]],
    platforms=[question["platform"], "noarch"],
    virtual_packages=virtual,
))
print(json.dumps(sorted(one.url for one in found)), flush=True)
os._exit(0)
"""


@pytest.fixture(autouse=True)
def data() -> None:
    if not CHANNELS.is_dir():
        pytest.skip("there is no real repodata in ../shared/data")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as found:
        yield found


def spec_of(channel: str, python: str, conda: list[str], sys: list[str]) -> EnvSpec:
    return EnvSpec.make(
        requirements={"conda": conda, "sys": sys},
        python=python,
        sources=[Source.make("channel", channel)],
        options=Options.make(),
    )


def solve(
    worker: Worker, folder: Path, spec: EnvSpec, *platforms: str
) -> dict[str, tuple[Package, ...]]:
    found = CondaResolver(worker).resolve(spec, platforms, ResolveContext(cache_dir=folder))
    return {platform: one.packages for platform, one in found.items()}


@pytest.mark.parametrize("asked", REQUESTS, ids=str)
def test_the_result_is_that_of_the_engine_called_directly(
    worker: Worker, tmp_path: Path, asked: tuple[str, str, str, list[str]]
) -> None:
    channel, platform, python, conda = asked
    url = (CHANNELS / channel).as_uri()
    ours = solve(
        worker, tmp_path, spec_of(url, python, conda, ["__glibc=2.28", "__osx=13.0"]), platform
    )
    linux = [("__linux", "4.18", "0"), ("__glibc", "2.28", "0"), ("__archspec", "1", "x86_64")]
    mac = [("__osx", "13.0", "0"), ("__archspec", "1", "m1")]
    question = {
        "channels": [url],
        "platform": platform,
        "specs": [f"python {python}.*", *conda],
        "virtual": [("__unix", "0", "0"), *(linux if platform == "linux-64" else mac)],
    }
    done = subprocess.run(
        [sys.executable, "-c", DIRECT],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(one.url for one in ours[platform]) == json.loads(done.stdout)
    check_closed(ours[platform])


def check_closed(packages: tuple[Package, ...]) -> None:
    """Every edge leads to a package, and whatever is there is needed or was asked for."""
    names = {one.name for one in packages}
    assert all(name in names for one in packages for name in one.depends)


def test_two_machines_agree(worker: Worker, tmp_path: Path) -> None:
    url = (CHANNELS / "conda-forge-py39").as_uri()
    spec = spec_of(url, "3.9", [], ["__glibc=2.28", "__osx=13.0"])
    ids = set()
    with Worker() as other:
        for engine, folder in ((worker, tmp_path / "a"), (other, tmp_path / "b")):
            context = ResolveContext(cache_dir=folder)
            found = CondaResolver(engine).resolve(spec, ["linux-64", "osx-arm64"], context)
            chosen = {name: (one.python, one.packages) for name, one in found.items()}
            ids.add(ResolvedEnv.co_resolve(spec, chosen, resolved_by="me")[0].full_id)
    assert len(ids) == 1


def locked(path: Path) -> Iterator[tuple[str, str, list[Mapping[str, Any]]]]:
    """The environments of a lock file: name, platform, and the records of its packages."""
    lock = yaml.safe_load(path.read_text())
    records = {one["url"]: one for one in lock["packages"] if one["kind"] == "conda"}
    for name, environment in lock["environments"].items():
        for platform, entries in environment["packages"].items():
            urls = [one["conda"] for one in entries if "conda" in one]
            if platform in PLATFORMS and all(url in records for url in urls):
                yield name, platform, [records[url] for url in urls]


def build_of(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """Name, version and build, as the file name has them."""
    stem = record["url"].split("/")[-1].removesuffix(".conda").removesuffix(".tar.bz2")
    name, version, build = stem.rsplit("-", 2)
    return name, version, build


def as_channel(folder: Path, records: list[Mapping[str, Any]]) -> Path:
    found = {}
    for one in records:
        subdir, filename = one["url"].split("/")[-2:]
        name, version, build = build_of(one)
        found[f"{subdir}/{filename}"] = {
            **{key: one[key] for key in ("md5", "sha256", "size") if key in one},
            "name": name,
            "version": version,
            "build": build,
            "build_number": one.get("build_number", 0),
            "depends": one.get("depends", []),
            "constrains": one.get("constrains", []),
            "subdir": subdir,
        }
    write_channel(folder, found)
    return folder


@pytest.mark.parametrize("lock", LOCKS)
def test_what_a_real_lock_chose_is_a_solution(worker: Worker, tmp_path: Path, lock: str) -> None:
    solved = 0
    for name, platform, records in locked(DATA / "locks" / lock):
        names = {build_of(one)[0] for one in records}
        if "python" not in names:
            continue
        channel = as_channel(tmp_path / f"{name}-{platform}", records)
        exactly = ["{} =={} {}".format(*build_of(one)) for one in records]
        newest = ["__glibc=2.40", "__osx=15.0", "__cuda=12.4", "__archspec=1=x86_64_v4"]
        spec = spec_of(channel.as_uri(), "", exactly, newest)
        found = solve(worker, tmp_path / "engines", spec, platform)[platform]
        assert {one.filename for one in found} == {one["url"].split("/")[-1] for one in records}
        assert names == {one.name for one in found}
        solved += 1
    assert solved


@pytest.mark.parametrize("channel", ["dummy", "pytorch", "empty", "dummy-noarch-str"])
def test_odd_channels_are_read(worker: Worker, tmp_path: Path, channel: str) -> None:
    python = (CHANNELS / "conda-forge-sample").as_uri()
    spec = EnvSpec.make(
        requirements={"conda": [], "sys": ["__glibc=2.28"]},
        python="3.12",
        sources=[
            Source.make("channel", (CHANNELS / "corner-cases" / channel).as_uri()),
            Source.make("channel", python),
        ],
    )
    (packages,) = solve(worker, tmp_path, spec, "linux-64").values()
    assert "python" in {one.name for one in packages}
