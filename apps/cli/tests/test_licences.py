"""The licences that packages of the cache state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envid import Package
from mfenv.licences import licences_of
from pkgcache.local.cache import PackageCache
from resolvers.testing import make_wheel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path) -> PackageCache:
    return PackageCache(tmp_path / "cache")


@pytest.mark.parametrize(
    ("headers", "stated"),
    [
        ({}, ""),
        ({"License": "UNKNOWN"}, ""),
        ({"License": "MIT"}, "MIT"),
        ({"License": "Old", "License-Expression": "MIT OR Apache-2.0"}, "MIT OR Apache-2.0"),
        ({"License": "Copyright (c)  \n        all others"}, "Copyright (c)\n        all others"),
        ({"License": "© somebody"}, "© somebody"),
    ],
)
def test_a_wheel_states_its_licence(
    cache: PackageCache, headers: dict[str, str], stated: str
) -> None:
    made = make_wheel("demo", "1.0", headers=headers)
    received = cache.add(made.data, made.filename)
    package = Package.make(
        kind="pypi",
        name="demo",
        version="1.0",
        filename=made.filename,
        url=f"https://files.test/{made.filename}",
        sha256=received.sha256,
        size=len(made.data),
    )
    absent = package._replace(hashes=package.hashes._replace(sha256="a" * 64))
    assert licences_of([package, absent], cache) == {package: stated}
    cache.unpacked(package)
    cache.archive(package).unlink()
    assert licences_of([package, absent], cache) == {package: stated}
