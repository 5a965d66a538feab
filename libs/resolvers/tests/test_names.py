"""PyPI names by conda names alone, held against what public lock files say of real builds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from envid.packages import Package
from resolvers._distributions import InstalledDistribution, distributions
from resolvers.names import PypiNames

SHARED = Path(__file__).parents[4] / "shared" / "data"

# Builds of which a lock file says something else than the name does, and why.
OTHERWISE = {
    # The lock file took the name of the conda package, of which nothing is on PyPI, for one of it.
    "libnsl": "a C library",
    "libstdcxx-ng": "a C library",
    "libuuid": "a C library",
    "tk": "a C library; tk of PyPI is something else",
    "nbconvert-pandoc": "holds no files",
    "cached-property": "holds no files: cached_property, which it needs, has the distribution",
    "importlib_metadata": "holds no files: importlib-metadata has the distribution",
    "pandera": "holds no files: pandera-base has the distribution",
    # The lock file has nothing, or too much.
    "httpcore": "not known yet when the lock file was written",
    "networkx": "not known yet when the lock file was written",
    "setuptools": "that lists what it vendors",
    "bleach": "not known once, and once with html5lib, which it vendors",
    "flit-core": "named flit, which the package flit holds",
    # The name is one that PyPI has, too, for another time of the same project.
    "docker-py": "holds docker",
    # The name says too much, and a package that it needs brings the same in the same version.
    "importlib-resources": "holds no files: importlib_resources has the distribution",
    "python-lsp-server": "holds no files: python-lsp-server-base has the distribution",
    "qtconsole": "holds no files: qtconsole-base has the distribution",
}


def records() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((SHARED / "channels" / "conda-forge-sample").glob("*/repodata.json")):
        data = json.loads(path.read_bytes())
        found |= {**data["packages"], **data["packages.conda"]}
    return found


def package_of(filename: str, record: dict[str, Any]) -> Package:
    return Package.make(
        kind="conda",
        name=record["name"],
        version=record["version"],
        build=record["build"],
        subdir=record["subdir"],
        filename=filename,
        url=f"https://channel.test/{record['subdir']}/{filename}",
        sha256=record["sha256"],
        depends={text.split()[0] for text in record["depends"]},
    )


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the data of other projects is not here")
def test_names_that_are_plain_are_those_that_lock_files_know() -> None:
    oracle, known, names = (
        json.loads((SHARED / "names" / "purls-by-build.json").read_bytes()),
        records(),
        PypiNames(),
    )
    otherwise, right, doubtful = {}, 0, 0
    for name, groups in oracle.items():
        for group in groups:
            record = known.get(group["example"])
            if record is None:
                continue
            guess, held = names.guess(package_of(group["example"], record), None), group["pypi"]
            if guess.doubtful:
                doubtful += 1
                fits = set(guess.plain) <= set(held) <= {*guess.plain, *guess.doubtful}
            else:
                right += 1
                fits = list(guess.plain) == held
            if not fits:
                otherwise[name] = (guess, held)
    assert otherwise.keys() == OTHERWISE.keys(), otherwise
    assert right > 480
    assert doubtful < 15


@pytest.mark.parametrize(
    ("path", "name", "version"),
    [
        ("demo-1.0.dist-info/METADATA", "demo", "1.0"),
        ("Demo.Extra_x-1.0.post1.dist-info/METADATA", "demo-extra-x", "1.0.post1"),
        ("demo-1!2.0+cu118.dist-info/METADATA", "demo", "1!2.0+cu118"),
        ("demo-1.0_1.dist-info/METADATA", "demo", None),
        ("demo-1.0_rc1.dist-info/METADATA", "demo", "1.0rc1"),
        ("demo-1.0-1.dist-info/METADATA", "demo", "1.0.post1"),
        ("my-demo-1.0.dist-info/METADATA", "my-demo", "1.0"),
        ("demo-0.0.0.dist-info/METADATA", "demo", "0.0.0"),
        ("demo.dist-info/METADATA", "demo", None),
        ("demo-unknown.dist-info/METADATA", "demo", None),
        ("demo-1.0.egg-info/PKG-INFO", "demo", "1.0"),
        ("demo-1.0-py3.11.egg-info/PKG-INFO", "demo", "1.0"),
        ("demo-1.0-py3.11-linux-x86_64.egg-info/PKG-INFO", "demo", "1.0"),
        ("zope.interface-5.4.0-py3.8.egg-info", "zope-interface", "5.4.0"),
        ("opencv_python-4.9.0-py3.egg-info", "opencv-python", "4.9.0"),
        ("py_demo-2.egg-info", "py-demo", "2"),
        ("demo-2024.1.dist-info/METADATA", "demo", "2024.1"),
        ("demo.egg-info", "demo", None),
    ],
)
def test_distributions_are_named_by_their_folder(path: str, name: str, version: str | None) -> None:
    assert list(distributions([path])) == [InstalledDistribution(name, version, path)]


@pytest.mark.parametrize(
    "path",
    [
        "demo/_vendor/demo-1.0.dist-info/METADATA",
        "demo-1.0.dist-info/RECORD",
        "demo-1.0.dist-info",
        "demo-1.0.dist-info/licenses/METADATA",
        "demo-1.0.egg-info/top_level.txt",
        "demo-1.0.egg/EGG-INFO/PKG-INFO",
        "demo.py",
        "METADATA",
    ],
)
def test_other_paths_are_no_distributions(path: str) -> None:
    assert list(distributions([path])) == []
