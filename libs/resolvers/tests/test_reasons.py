"""Why there is no wheel: said in errors and notes, and known before anything is compiled."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import host_platform
from resolvers.errors import BuildFailed, NeedsPlatform, NoSolution, ResolveError
from resolvers.pypi import resolve_wheels
from resolvers.pythons import stand_in
from resolvers.request import ResolveContext
from resolvers.testing import FakeIndex, make_sdist, make_wheel

from .helpers import LINUX, resolve, spec_of, versions

if TYPE_CHECKING:
    from pathlib import Path

HOST = host_platform()
OTHER = "osx-arm64" if HOST != "osx-arm64" else LINUX
THIS = f"{sys.version_info[0]}.{sys.version_info[1]}"
OWN = f"cp{sys.version_info[0]}{sys.version_info[1]}"
ARCH = {"linux-64": "manylinux_2_17_x86_64", "linux-aarch64": "manylinux_2_17_aarch64"}.get(HOST)


def why(folder: Path, asked: str, *wheels: Any, sdist: Any = None, **spec: Any) -> str:
    """The error of a package whose build fails, with some wheels beside its sdist."""
    sdist = sdist or make_sdist(folder / "source", "a", "1", tag="broken")
    with FakeIndex(sdist, *wheels) as index, pytest.raises((BuildFailed, NeedsPlatform)) as caught:
        resolve(spec_of(asked, index=index.url, python=THIS, **spec), folder, HOST)
    return str(caught.value)


@pytest.mark.slow
def test_what_must_be_built_says_why(tmp_path: Path) -> None:
    if not ARCH:
        pytest.skip("the tags are those of Linux")
    machine = ARCH.partition("17_")[2]
    newer = make_wheel("a", "1", tag=f"py3-none-manylinux_2_34_{machine}")
    newest = make_wheel("a", "1", tag=f"py3-none-manylinux_2_39_{machine}")
    fitting = make_wheel("a", "1", tag=f"{OWN}-{OWN}-{ARCH}")
    others = [make_wheel("a", "1", tag=f"cp3{one}-cp3{one}-{ARCH}") for one in (7, 8)]
    elsewhere = make_wheel("a", "1", tag="py3-none-win_amd64")
    cases: list[tuple[str, Any, dict[str, Any]]] = [
        ("only the source of 1 is published", (), {}),
        ("its wheels need glibc 2.34, and the floor is glibc 2.28", (newest, newer), {}),
        ("none of the wheels of 1 is for", (elsewhere,), {}),
        (f"are for Python 3.7, 3.8, and this is {THIS}", others, {}),
        ("`no_binary` forbids its wheels", (fitting,), {"no_binary": ["a"]}),
    ]
    for number, (expected, wheels, options) in enumerate(cases):
        said = why(tmp_path / str(number), "a==1", *wheels, **options)
        assert "cannot build `a` (it must be built: " in said
        assert expected in said
    sdist = make_sdist(tmp_path / "source", "a", "1", tag="broken")
    hashed = f"a==1 --hash=sha256:{sdist.sha256}"
    said = why(tmp_path / "hash", hashed, fitting, sdist=sdist)
    assert "no wheel of 1 has a hash that is allowed" in said


@pytest.mark.slow
def test_a_version_with_wheels_for_platforms_alone_is_not_compiled_for_another(
    tmp_path: Path,
) -> None:
    started: list[str] = []
    bound = make_wheel("a", "1", tag="cp39-cp39-manylinux_2_17_x86_64")
    pure = make_wheel("b", "1", tag="py2-none-any")
    with FakeIndex(
        bound,
        make_wheel("a", "1", tag="py3-none-win_amd64"),
        make_sdist(tmp_path / "source", "a", "1"),
        pure,
        make_sdist(tmp_path / "source", "b", "1"),
    ) as index:
        with pytest.raises(NeedsPlatform) as caught:
            resolve(spec_of("a", index=index.url), tmp_path, OTHER, on_process=started.append)
        assert f"of `a` (none of the wheels of 1 is for {OTHER})" in str(caught.value)
        assert "uv build" not in started
        # The other wheels of this one say that it is pure.
        assert versions(resolve(spec_of("b", index=index.url), tmp_path, OTHER)) == {"b": "1"}


@pytest.mark.parametrize(
    ("platform", "tags", "sys", "option"),
    [
        (LINUX, ("manylinux_2_34_x86_64", "manylinux_2_39_x86_64"), (), "__glibc=2.34"),
        (LINUX, ("manylinux_2_27_x86_64.manylinux_2_28_x86_64",), ("2.17",), "__glibc=2.27"),
        ("linux-aarch64", ("manylinux_2_41_aarch64",), ("2.40",), "__glibc=2.41"),
        ("osx-arm64", ("macosx_14_0_arm64", "macosx_15_0_arm64"), (), "__osx=14.0"),
        ("osx-64", ("macosx_26_0_universal2",), (), "__osx=26.0"),
    ],
)
def test_a_floor_that_hides_the_wheels_of_a_pin_is_named_with_the_option_that_mends_it(
    tmp_path: Path, platform: str, tags: tuple[str, ...], sys: tuple[str, ...], option: str
) -> None:
    wheels = [make_wheel("a", "2", tag=f"py3-none-{tag}") for tag in tags]
    floor = [f"__glibc={one}" for one in sys]
    with FakeIndex(*wheels, make_wheel("a", "1"), make_wheel("b", "1", requires=["a>=2"])) as index:
        for asked in ("a==2", "a>=2", "b"):
            with pytest.raises(NoSolution) as caught:
                resolve(spec_of(asked, index=index.url, sys=floor), tmp_path, platform)
            assert f"`--sys {option}`" in str(caught.value.hint)
        mended = spec_of("a==2", index=index.url, sys=[option])
        assert versions(resolve(mended, tmp_path, platform)) == {"a": "2"}


@pytest.mark.parametrize(
    ("platform", "tag", "option"),
    [
        ("linux-64", "manylinux_2_34_x86_64", "__glibc=2.34"),
        ("linux-aarch64", "manylinux_2_34_aarch64", "__glibc=2.34"),
        ("osx-64", "macosx_14_0_x86_64", "__osx=14.0"),
        ("osx-arm64", "macosx_14_0_arm64", "__osx=14.0"),
    ],
)
def test_the_option_is_named_where_a_source_cannot_be_built_either(
    tmp_path: Path, platform: str, tag: str, option: str
) -> None:
    sdist = make_sdist(tmp_path / "source", "a", "1", tag="broken")
    wheel = make_wheel("a", "1", tag=f"py3-none-{tag}")
    with FakeIndex(sdist, wheel) as index:
        with pytest.raises(ResolveError) as caught:
            resolve(spec_of("a", index=index.url), tmp_path, platform)
        assert f"`--sys {option}`" in str(caught.value.hint)
        with pytest.raises(ResolveError) as caught:
            resolve(spec_of("a", index=index.url, no_binary=["a"]), tmp_path, platform)
        assert "--sys" not in str(caught.value.hint)
        mended = spec_of("a", index=index.url, sys=[option])
        assert versions(resolve(mended, tmp_path, platform)) == {"a": "1"}


@pytest.mark.slow
@pytest.mark.network
def test_real_wheels_are_taken_at_the_floor_that_they_need(tmp_path: Path) -> None:
    def found(*asked: str, python: str = "3.11", **options: Any) -> dict[str, str]:
        spec = spec_of(*asked, index="pypi", python=python, **options)
        return versions(resolve(spec, tmp_path, LINUX))

    assert found("numpy==2.4.1", "greenlet==3.2.4") == {"numpy": "2.4.1", "greenlet": "3.2.4"}
    assert found("numpy==2.4.1", sys=["__glibc=2.27"]) == {"numpy": "2.4.1"}
    with pytest.raises(NoSolution) as caught:
        found("torch==2.10.0", sys=["__glibc=2.17"])
    assert "`--sys __glibc=2.28`" in str(caught.value.hint)
    spec = spec_of("greenlet==2.0.1", index="pypi")
    context = ResolveContext(cache_dir=tmp_path / "engines")
    with pytest.raises(NeedsPlatform) as bound:
        resolve_wheels(spec, {"osx-arm64": stand_in("3.10.4", context)}, context)
    assert "`greenlet` (the wheels of 2.0.1 for osx-arm64 are for Python 3.11," in str(bound.value)
