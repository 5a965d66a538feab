"""poetry's language of versions against what its clauses say one by one."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

from reqparse._flaw import Flaw
from reqparse._poetry_versions import (
    constraint,
    platform_marker,
    python_marker,
    without_extras,
)

VERSIONS = [f"{x}.{y}.{z}" for x in range(5) for y in range(5) for z in range(4)]
PYTHONS = [f"{x}.{y}.{z}" for x in (2, 3) for y in range(8 if x == 2 else 16) for z in range(3)]

release = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(lambda p: ".".join(map(str, p)))
clause = st.one_of(
    st.builds("{}{}".format, st.sampled_from(["^", "~", ">=", "<", "!="]), release),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!=", ""]), release),
    st.builds("~={}.{}".format, release, st.integers(0, 4)),
    st.just("*"),
)
alternative = st.lists(clause, min_size=1, max_size=3).map(",".join)


@pytest.mark.slow
@settings(max_examples=600)
@given(alternatives=st.lists(alternative, min_size=2, max_size=4))
def test_alternatives_are_said_exactly_or_not_at_all(alternatives: list[str]) -> None:
    text = " || ".join(alternatives)
    with suppress(Flaw):
        joined = SpecifierSet(constraint(text))
        sets = [SpecifierSet(constraint(part)) for part in alternatives]
        wanted = [v for v in VERSIONS if any(v in one for one in sets)]
        assert [v for v in VERSIONS if v in joined] == wanted


@pytest.mark.parametrize(
    ("poetry", "pep440"),
    [
        ("~2.7 || ^3.4", "!=3.0.*,!=3.1.*,!=3.2.*,!=3.3.*,<4,>=2.7"),
        (
            "~2.7 || ~3.6 || ^3.8",
            "!=3.0.*,!=3.1.*,!=3.2.*,!=3.3.*,!=3.4.*,!=3.5.*,!=3.7.*,<4,>=2.7",
        ),
        ("3.8.* || >=3.10", "!=3.9.*,>=3.8"),
        (">=2.7, !=3.0.*", "!=3.0.*,>=2.7"),
    ],
)
def test_alternatives_of_python(poetry: str, pep440: str) -> None:
    assert constraint(poetry, python=True) == pep440
    sets = [SpecifierSet(constraint(part)) for part in poetry.split("||")]
    wanted = [v for v in PYTHONS if any(v in one for one in sets)]
    assert [v for v in PYTHONS if v in SpecifierSet(pep440)] == wanted


@pytest.mark.parametrize("text", ["~2.7 || ^3.4", "~1.2 || ^3.4", "~1.4.2 || >=2.3"])
def test_a_gap_without_end_is_refused(text: str) -> None:
    with pytest.raises(Flaw, match="has a gap"):
        constraint(text)


@pytest.mark.parametrize(
    "text", ["<1 || >=1.2000000000", "<1.2 || >=1.3.2000000000", "<1 || >=9999999999"]
)
def test_a_gap_of_too_many_versions_is_refused_before_they_are_made(text: str) -> None:
    with pytest.raises(Flaw, match="has a gap"):
        constraint(text)


@pytest.mark.parametrize(
    "text", ["^3.8", "~3.8", ">3.8", "<=3.8", "!=3.8", "~2.7 || ^3.9", "3.8.*", ">=3.8.1"]
)
def test_a_python_marker_holds_where_its_constraint_does(text: str) -> None:
    marker = Marker(python_marker(text) or "")
    allowed = [SpecifierSet(constraint(part)) for part in text.split("||")]
    for version in PYTHONS:
        environment = {
            "python_version": version.rpartition(".")[0],
            "python_full_version": version,
        }
        assert marker.evaluate(environment) == any(version in one for one in allowed), version


def test_no_marker_for_every_python() -> None:
    assert python_marker("*") is None
    assert python_marker("^3.8 || *") is None


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("linux", {"linux"}),
        ("!=win32", {"linux", "darwin"}),
        ("linux || darwin", {"linux", "darwin"}),
        ("!=win32,!=darwin", {"linux"}),
    ],
)
def test_a_platform_as_a_marker(text: str, holds: set[str]) -> None:
    marker = Marker(platform_marker(text))
    found = {p for p in ("linux", "darwin", "win32") if marker.evaluate({"sys_platform": p})}
    assert found == holds


@pytest.mark.parametrize(
    ("text", "asked", "holds"),
    [
        ("extra == 'x'", {"x"}, True),
        ("extra == 'x'", set(), False),
        ("extra != 'x'", set(), True),
        ("'X_y' == extra", {"x-y"}, True),
        ("'x' != extra", {"x"}, False),
        ("extra == 'x' and extra != 'y'", {"x"}, True),
        ("sys_platform == 'extra' or extra == \"x\"", {"x"}, True),
        ("sys_platform == 'extra' or extra == 'x'", {"y"}, False),
    ],
)
def test_what_is_said_of_an_extra_is_known(text: str, asked: set[str], holds: bool) -> None:
    marker = Marker(without_extras(text, asked))
    assert marker.evaluate({"sys_platform": "linux"}) is holds
