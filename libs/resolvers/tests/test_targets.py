from __future__ import annotations

import platform
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import sys_tags

from resolvers.errors import UnsupportedRequest
from resolvers.targets import Target, needed_glibc, wheel_tags

FLOORS = st.one_of(
    st.tuples(
        st.sampled_from(["linux-64", "linux-aarch64"]),
        st.integers(17, 45).map("__glibc=2.{}".format),
    ),
    st.tuples(
        st.sampled_from(["osx-64", "osx-arm64"]), st.integers(11, 26).map("__osx={}.0".format)
    ),
)


@pytest.mark.parametrize(
    ("name", "floors", "expected"),
    [
        ("linux-64", (), "x86_64-manylinux_2_28"),
        ("linux-64", ("__glibc=2.27",), None),
        ("linux-64", ("__glibc=2.28",), "x86_64-manylinux_2_28"),
        ("linux-64", ("__glibc=2.30",), None),
        ("linux-aarch64", ("__glibc=2.36", "__cuda=12"), "aarch64-manylinux_2_36"),
        ("linux-aarch64", ("__glibc=2.99",), None),
        ("osx-64", (), "x86_64-apple-darwin"),
        ("osx-arm64", (), "aarch64-apple-darwin"),
    ],
)
def test_uv_is_given_a_name_where_it_has_one_for_the_floor(
    name: str, floors: tuple[str, ...], expected: str | None
) -> None:
    target = Target.make(name, floors)
    assert target.uv_platform == expected
    assert target.nearest.uv_platform
    assert target.nearest.floor <= target.floor


def test_uv_is_given_the_floor_of_macos_in_the_environment() -> None:
    assert Target.make("osx-64").uv_environment == {"MACOSX_DEPLOYMENT_TARGET": "13.0"}
    found = Target.make("osx-arm64", ["__osx=14.2"])
    assert found.uv_environment == {"MACOSX_DEPLOYMENT_TARGET": "14.2"}
    assert Target.make("linux-64").uv_environment == {}


@pytest.mark.slow
@given(FLOORS)
def test_a_higher_floor_accepts_all_that_a_lower_one_does(asked: tuple[str, str]) -> None:
    name, floor = asked
    lower = set(Target.make(name).tags("3.11.7"))
    target = Target.make(name, [floor])
    if target.floor >= Target.make(name).floor:
        assert lower <= set(target.tags("3.11.7"))
    assert set(target.tags("3.11.7")) <= set(target.newest.tags("3.11.7"))


@given(FLOORS)
def test_every_tag_is_there_once_and_none_is_of_musl(asked: tuple[str, str]) -> None:
    tags = Target.make(asked[0], [asked[1]]).tags("3.12.1")
    assert len(set(tags)) == len(tags)
    assert not any("musl" in tag.platform or "win" in tag.platform[:3] for tag in tags)


def test_the_tags_of_this_machine_are_in_the_order_that_packaging_gives() -> None:
    libc, version = platform.libc_ver()
    here = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}.get(platform.machine())
    if sys.platform != "linux" or libc != "glibc" or here is None:
        pytest.skip("not a Linux with glibc")
    own = [tag for tag in sys_tags() if not tag.platform.startswith("linux_")]
    found = Target.make(here, [f"__glibc={version}"]).tags(platform.python_version())
    assert [tag for tag in found if not tag.platform.startswith("linux_")] == own


@pytest.mark.parametrize(
    ("name", "floors"),
    [
        ("win-64", ()),
        ("linux-64", ("__glibc=1.0",)),
        ("osx-64", ("__osx=10.4",)),
        ("osx-64", ("__osx=new",)),
    ],
)
def test_what_wheels_do_not_know_is_refused_with_a_hint(name: str, floors: tuple[str, ...]) -> None:
    with pytest.raises(UnsupportedRequest) as caught:
        Target.make(name, floors)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("any", None),
        ("linux_x86_64", None),
        ("macosx_11_0_arm64", None),
        ("manylinux1_x86_64", (2, 5)),
        ("manylinux2014_aarch64", (2, 17)),
        ("manylinux_2_34_x86_64", (2, 34)),
        ("manylinux_2_27_x86_64.manylinux_2_28_x86_64", (2, 27)),
        ("manylinux1_x86_64.manylinux_2_28_x86_64", (2, 5)),
        ("manylinux_2_28_x86_64.linux_x86_64", None),
    ],
)
def test_the_glibc_that_a_wheel_asks_for(platform: str, expected: tuple[int, int] | None) -> None:
    assert needed_glibc(f"a-1-cp311-cp311-{platform}.whl") == expected


def test_what_is_no_wheel_has_no_tags() -> None:
    assert {str(tag) for tag in wheel_tags("a-1-py2.py3-none-any.whl")} == {
        "py2-none-any",
        "py3-none-any",
    }
    for name in ("a-1.tar.gz", "a-1.zip", "a.whl", "a-1-py3-none-any.tar.gz"):
        assert not wheel_tags(name)
