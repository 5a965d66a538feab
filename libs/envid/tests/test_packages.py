from __future__ import annotations

from typing import Any

import pytest

from envid import BuiltFrom, Package
from envid.errors import InvalidDescription
from envid.packages import Transmuted

from .helpers import MD5, SHA256, changed, package

CONDA: dict[str, Any] = {
    "kind": "conda",
    "name": "_libgcc_mutex",
    "version": "0.1",
    "build": "conda_forge",
    "filename": "_libgcc_mutex-0.1-conda_forge.tar.bz2",
    "url": "https://h/conda-forge/linux-64/_libgcc_mutex-0.1-conda_forge.tar.bz2",
    "md5": MD5,
    "sha256": None,
    "subdir": "linux-64",
    "source": "conda-forge",
}
BUILT = BuiltFrom(
    kind="vcs", url="git+https://h/r.git", commit="c" * 40, subdirectory="lib/a", sha256=None
)
OTHER = Transmuted(filename="_libgcc_mutex-0.1-conda_forge.conda", sha256=SHA256, size=7)


@pytest.mark.parametrize(
    "found",
    [
        package(),
        package(size=0, depends=["a", "b"], source="pypi", build="1"),
        package(**CONDA),
        package(**CONDA, transmuted=OTHER),
        package(built_from=BUILT),
        package(built_from=BuiltFrom(kind="directory", url="file:a", sha256=SHA256)),
    ],
    ids=["plain", "full", "conda", "transmuted", "vcs", "directory"],
)
def test_a_package_reads_back_from_its_plain_data(found: Package) -> None:
    assert Package.from_dict(found.to_dict()) == found


def test_names_of_pypi_packages_are_normal_and_needs_sorted() -> None:
    found = package("Zope_Interface", depends=["b", "A.a", "b"])
    assert (found.name, found.depends) == ("zope-interface", ("a-a", "b"))


def test_names_of_conda_packages_stay() -> None:
    assert package(**CONDA).name == "_libgcc_mutex"


def test_the_identity_holds_the_strongest_hash() -> None:
    assert package(md5=MD5).identity == {
        "build": None,
        "filename": "flask-3.1.0-py3-none-any.whl",
        "hash": f"sha256:{SHA256}",
        "kind": "pypi",
        "name": "flask",
        "version": "3.1.0",
    }
    assert package(**CONDA).identity["hash"] == f"md5:{MD5}"


def test_a_transmuted_package_is_still_the_original() -> None:
    assert package(**CONDA, transmuted=OTHER).identity == package(**CONDA).identity


def built(**changes: Any) -> BuiltFrom:
    fields: dict[str, Any] = {"kind": "vcs", "url": "git+https://h/r.git", "commit": "c" * 40}
    return BuiltFrom(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "npm"}, "kind: `npm` is none of conda, pypi"),
        ({"name": ""}, "name: `` is not a name"),
        ({"name": "a\ud800"}, "name: `a\\ud800` is not a name"),
        ({"version": "1 0"}, "version: `1 0` is not a version"),
        ({"filename": "../x"}, "filename: `../x` is not a file name"),
        ({"sha256": None}, "hashes: has neither a sha256 nor an md5"),
        ({"sha256": SHA256.upper()}, "hashes.sha256: `"),
        ({"sha256": ""}, "hashes.sha256: `` is not 64"),
        ({"md5": "x"}, "hashes.md5: `x` is not 32"),
        ({"build": ""}, "build: `` is not a build string"),
        ({"subdir": "../x"}, "subdir: `../x` is not a conda subdirectory"),
        ({"size": -1}, "size: is not a number of bytes"),
        ({"size": 2**63}, "size: is not a number of bytes"),
        ({"url": "x.whl"}, "url: `x.whl` is not a URL"),
        ({"url": "https://a:b@h/x"}, "url: the URL at `h` holds a credential"),
        ({"source": "https://a:b@h/x"}, "source: the URL at `h` holds a credential"),
        ({"source": ""}, "source: the URL is empty"),
        ({"depends": ["b", "a b"]}, "depends[1]: `a b` is not a name"),
        ({"built_from": built(kind="x")}, "built_from.kind: `x` is none of directory"),
        ({"built_from": built(url="https://[")}, "built_from.url: it is not a URL"),
        ({"built_from": built(sha256="x")}, "built_from.sha256: `x` is not 64"),
        ({"built_from": built(commit="a b")}, "built_from.commit: `a b` is not a commit"),
        *(
            ({"built_from": built(subdirectory=path)}, "built_from.subdirectory: `")
            for path in ["", "/a", "a/../..", "a\n"]
        ),
        ({"transmuted": OTHER._replace(filename="a/b")}, "transmuted.filename: `a/b` is not"),
        ({"transmuted": OTHER._replace(sha256="a")}, "transmuted.sha256: `a` is not 64"),
        ({"transmuted": OTHER._replace(size=-1)}, "transmuted.size: is not a number of bytes"),
    ],
)
def test_a_field_that_cannot_be_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDescription) as caught:
        package(**changes)
    assert str(caught.value).startswith(message)
    assert type(caught.value) is InvalidDescription


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["hashes"], None, "hashes: is not an object"),
        (["hashes", "sha256"], 1, "hashes.sha256: is not a text"),
        (["hashes", "sha1"], "x", "hashes.sha1: is not a known field"),
        (["built_from", "url"], None, "built_from.url: is not a text"),
        (["built_from", "new"], 1, "built_from.new: is not a known field"),
        (["transmuted", "size"], None, "transmuted.size: is not a number of bytes"),
        (["transmuted", "new"], 1, "transmuted.new: is not a known field"),
        (["depends", 1], 1, "depends[1]: is not a text"),
        (["size"], True, "size: is not a number of bytes"),
        (["size"], 1.5, "size: is not a number of bytes"),
        (["name"], 1, "name: is not a text"),
        (["new"], 1, "new: is not a known field"),
    ],
)
def test_a_wrong_field_is_refused_with_its_path(path: list[Any], value: Any, message: str) -> None:
    data = package(depends=["a", "b"], built_from=BUILT, transmuted=OTHER).to_dict()
    with pytest.raises(InvalidDescription) as caught:
        Package.from_dict(changed(data, path, value))
    assert str(caught.value) == message
