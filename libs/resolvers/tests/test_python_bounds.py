"""A release that is not for the chosen Python is passed over, whatever bound says so."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from resolvers._python_bounds import excludes
from resolvers.errors import PythonRefused
from resolvers.pypi import resolve_wheels
from resolvers.pythons import stand_in
from resolvers.request import ResolveContext
from resolvers.testing import FakeIndex, make_sdist, make_wheel

from .helpers import LINUX, resolve, spec_of, versions

if TYPE_CHECKING:
    from pathlib import Path

MAJOR, MINOR, PATCH = sys.version_info[:3]
THIS = f"{MAJOR}.{MINOR}"
BOUNDS = (
    f"<{THIS}",
    f"!={THIS}.*",
    f">=3.6,<{THIS}.{PATCH}",
    f"!={THIS}.{PATCH}",
    f"<={MAJOR}.{MINOR - 1}",
    f">=3.6, !={THIS}.*, <4",
)


@pytest.mark.slow
@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("as_json", [True, False])
def test_a_release_that_is_not_for_this_python_is_passed_over(
    tmp_path: Path, bound: str, *, as_json: bool
) -> None:
    with FakeIndex(
        make_wheel("a", "1"),
        *(make_wheel("a", f"2.{number}", requires_python=bound) for number in range(5)),
        make_wheel("b", "1", requires=["a"]),
        make_wheel("b", "2", requires=["a>=2"]),
        as_json=as_json,
    ) as index:
        spec = spec_of("a", index=index.url, python=THIS)
        assert versions(resolve(spec, tmp_path)) == {"a": "1"}
        # What needs such a release is passed over too.
        spec = spec_of("b", index=index.url, python=THIS)
        assert versions(resolve(spec, tmp_path)) == {"a": "1", "b": "1"}
        for asked in ("a>=2", "a==2.1", "b>=2"):
            with pytest.raises(PythonRefused) as caught:
                resolve(spec_of(asked, index=index.url, python=THIS), tmp_path)
            assert "is for Python " in str(caught.value)
            assert f"and this is {MAJOR}.{MINOR}.{PATCH}" in str(caught.value)


def test_a_source_is_passed_over_like_a_wheel(tmp_path: Path) -> None:
    newer = make_sdist(tmp_path / "source", "a", "2")
    with FakeIndex(make_wheel("a", "1")) as index:
        index.add(
            type(newer)(
                name="a",
                filename=newer.filename,
                data=newer.data,
                metadata=newer.metadata,
                requires_python=f"<{THIS}",
            )
        )
        assert versions(resolve(spec_of("a", index=index.url, python=THIS), tmp_path)) == {"a": "1"}


@pytest.mark.parametrize("bound", [f">={THIS}", f">=3.6,<{MAJOR + 1}", f"<={THIS}.{PATCH}", "?!"])
def test_a_release_for_this_python_or_with_an_unreadable_bound_is_taken(
    tmp_path: Path, bound: str
) -> None:
    assert not excludes(bound, f"{MAJOR}.{MINOR}.{PATCH}")
    if bound == "?!":
        return
    with FakeIndex(make_wheel("a", "1"), make_wheel("a", "2", requires_python=bound)) as index:
        assert versions(resolve(spec_of("a", index=index.url, python=THIS), tmp_path)) == {"a": "2"}


def test_what_a_wheel_says_is_asked_once(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1", requires_python=">=3.6")) as index:
        spec = spec_of("a", index=index.url, python=THIS)
        for _ in range(3):
            resolve(spec, tmp_path)
        # Once for this and for the check of the answer; uv asks for what lies beside the wheel.
        assert index.requests["/files/a-1-py3-none-any.whl"] == 1


@pytest.mark.slow
@pytest.mark.network
def test_real_releases_that_are_not_for_this_python(tmp_path: Path) -> None:
    context = ResolveContext(cache_dir=tmp_path / "engines")
    python = stand_in("3.11.7", context)
    spec = spec_of("numba==0.55.2", index="pypi")
    with pytest.raises(PythonRefused, match=r"`numba` 0\.55\.2 is for Python \S*<3\.11"):
        resolve_wheels(spec, {LINUX: python}, context)
    # The wheels say the same, and uv takes such a version only where it is told nothing else.
    spec = spec_of("scipy<1.11,!=1.10.*", index="pypi")
    found = resolve_wheels(spec, {LINUX: python}, context)[LINUX]
    assert {one.name: one.version for one in found.packages}["scipy"] == "1.9.3"
