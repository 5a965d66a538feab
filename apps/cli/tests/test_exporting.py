"""Laws of exports, over generated environments: what is read back is what was there."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.pylock import Pylock

from envid import EnvSpec, Package, ResolvedEnv, Source
from envid.packages import BuiltFrom
from envid.platforms import PLATFORMS
from mfenv.exporting.formats import export
from reqparse import RequirementSet, parse_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

INDEX = "https://index.test/simple"
NAMES = ("a-b", "one", "two", "zope")
MACHINES = {"linux-64": "x86_64", "linux-aarch64": "aarch64", "osx-64": "x86_64"}


def markers(platform: str) -> dict[str, str]:
    system = "linux" if platform.startswith("linux") else "darwin"
    return {"sys_platform": system, "platform_machine": MACHINES.get(platform, "arm64")}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def wheel(name: str, version: str, kind: str, platform: str) -> Package:
    """A wheel: pure, for a platform, asked for by its URL, or built from an sdist."""
    tag = platform.replace("-", "_") if kind == "own" else "any"
    filename = f"{name.replace('-', '_')}-{version}-py3-none-{tag}.whl"
    url = f"https://files.test/{filename}"
    sdist = f"https://files.test/{name.replace('-', '_')}-{version}.tar.gz"
    origin = BuiltFrom(kind="sdist", url=sdist, sha256=digest(sdist))
    return Package.make(
        kind="pypi",
        name=name,
        version=version,
        filename=filename,
        url=sdist if kind == "built" else url,
        sha256=digest(filename),
        size=len(filename),
        source=None if kind == "direct" else INDEX,
        built_from=origin if kind == "built" else None,
    )


@st.composite
def environments(draw: st.DrawFn) -> tuple[ResolvedEnv, ...]:
    versions = st.sampled_from(["1.0", "2.0rc1", "1!3.0+local.1"])
    kinds = st.sampled_from(["pure", "own", "direct", "built"])
    found = st.dictionaries(st.sampled_from(NAMES), st.tuples(versions, kinds), min_size=1)
    platforms = draw(st.lists(st.sampled_from(PLATFORMS), min_size=1, unique=True))
    resolved = {
        platform: (
            "3.11.7",
            [wheel(name, *chosen, platform) for name, chosen in draw(found).items()],
        )
        for platform in platforms
    }
    spec = EnvSpec.make(
        requirements={"pypi": NAMES}, python="3.11", sources=[Source.make("index", INDEX)]
    )
    return ResolvedEnv.co_resolve(spec, resolved, resolved_by="me")


def read(text: str, name: str) -> RequirementSet:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text)
        return parse_file(path)


def expected(package: Package) -> str:
    """The sha256 of what is installed."""
    origin = package.built_from
    return str(origin.sha256 if origin else package.hashes.sha256)


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
