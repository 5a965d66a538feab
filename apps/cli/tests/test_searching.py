"""What is found among what is known: names, packages, versions; and what is listed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from envid import EnvSpec, ResolvedEnv
from envid.aliases import FullRef
from mfenv.environments import Environments
from mfenv.errors import InvalidRequest
from mfenv.exploring.searching import Wanted, fits, is_called, wanted
from mfenv.listing import Filter
from mfenv.settings import Settings

from .generated import conda, wheel
from .linked import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("numpy", Wanted(None, "numpy", "")),
        ("Ruamel_YAML", Wanted(None, "ruamel-yaml", "")),
        ("numpy>=1.26, <3", Wanted(None, "numpy", ">=1.26, <3")),
        ("numpy==1.26.*", Wanted(None, "numpy", "==1.26.*")),
        ("numpy=1.26", Wanted(None, "numpy", "==1.26.*")),
        ("numpy=1.26.*", Wanted(None, "numpy", "==1.26.*")),
        ("numpy 1.26", Wanted(None, "numpy", "==1.26.*")),
        ("conda:openssl", Wanted("conda", "openssl", "")),
        ("pypi:a~=1.0", Wanted("pypi", "a", "~=1.0")),
        ("lib*", Wanted(None, "lib*", "")),
        ("7zip", Wanted(None, "7zip", "")),
    ],
)
def test_what_a_text_looks_for(text: str, meant: Wanted) -> None:
    assert wanted(text) == meant


@pytest.mark.parametrize("text", ["", "a b c", "a>>1", "a>=", "npm:a", "a=>1", "a>=1,", "a@1"])
def test_what_looks_for_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        wanted(text)
    assert caught.value.hint


@given(
    st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}(a1|rc2|\.post1)?", fullmatch=True),
    st.lists(st.sampled_from([">=1", "<2.5", "==1.*", "!=1.0", "~=1.2", ">1rc1"]), max_size=3),
)
def test_versions_fit_as_pep_440_says(version: str, clauses: list[str]) -> None:
    specifier = ",".join(clauses)
    expected = SpecifierSet(specifier).contains(version, prereleases=True)
    assert fits(specifier, version) is expected


@pytest.mark.parametrize(
    ("specifier", "answer"),
    [
        ("", True),
        ("==1.1.1w", True),
        ("==1.1.1", False),
        ("==1.1.*", True),
        ("==1.*,!=1.1.1w", False),
        (">=1.1", None),
        (">=1.1,==2", False),
    ],
)
def test_of_a_version_that_only_conda_orders_it_is_told_what_is_certain(
    specifier: str, answer: bool | None
) -> None:
    assert fits(specifier, "1.1.1w") is answer


def test_a_name_is_called_by_a_part_of_it_or_by_a_pattern() -> None:
    assert is_called("team/etl:v1", "etl")
    assert is_called("team/etl:v1", "team/*")
    assert not is_called("team/etl:v1", "etl*")
    assert is_called("a[b", "*[b")


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Environments]:
    settings = Settings.load({"home": str(tmp_path), "local_only": True}, environ={})
    with Environments(settings) as environments:
        yield environments


def environment(name: str, *packages: object, python: str = "3.11.7", **asked: str) -> ResolvedEnv:
    requirements = {what: [text] for what, text in (asked or {"pypi": name}).items()}
    spec = EnvSpec.make(requirements=requirements, python="")
    found = {PLATFORM: (python, packages)}
    (env,) = ResolvedEnv.co_resolve(spec, found, resolved_by="me")  # type: ignore[arg-type]
    return env


def brought(name: str, version: str, size: int | None = 7) -> object:
    return conda(name, version, "0", PLATFORM, ending="conda", hashes=["md5"], size=size)


def test_packages_are_found_by_name_kind_and_version(known: Environments) -> None:
    one = environment("one", brought("ruamel.yaml", "0.17"), wheel("zope", "1.0", "pure", PLATFORM))
    two = environment("two", brought("ruamel.yaml", "0.18"), brought("zope", "2.0"))
    known.add([one, two])
    known.name_here("team/zope:v1", one)

    def found(text: str) -> set[tuple[str, str, str, str]]:
        ids = {one.full_id: "one", two.full_id: "two"}
        rows = known.search(text).packages
        return {(ids[held.env_id.full_id], held.kind, held.name, held.version) for held, _ in rows}

    both = {("one", "pypi", "zope", "1.0"), ("two", "conda", "zope", "2.0")}
    assert found("zope") == found("ZOPE") == found("zop*") == found("zope>=1") == both
    assert found("conda:zope") == found("zope>1") == {("two", "conda", "zope", "2.0")}
    assert found("zop") == found("ope") == set()
    assert found("Ruamel_Yaml<0.18") == {("one", "conda", "ruamel.yaml", "0.17")}
    assert found("r*l") == found("ruamel.yaml")
    ((name, target),) = known.search("zope").aliases
    assert (name, target) == ("team/zope:v1", FullRef(one.req_id, one.full_id))
    assert known.search("team/zope").packages == ()
    assert dict(known.search("zope<2").packages).popitem()[1] == ("team/zope:v1",)


def test_what_is_forgotten_is_found_no_more(known: Environments) -> None:
    env = environment("one", wheel("zope", "1.0", "pure", PLATFORM))
    known.add([env])
    assert known.search("zope").packages
    known.remove(str(env.env_id.ref))
    assert known.search("zope").packages == ()


def test_a_list_has_what_is_meant_in_the_order_that_is_asked_for(known: Environments) -> None:
    large = environment("one", brought("a", "1.0", 900), brought("b", "1.0", None))
    small = environment("two", wheel("a", "2.0", "pure", PLATFORM), python="3.12.1", conda="a")
    known.add([large, small])
    known.name_here("team/large:v1", large)

    def listed(**meant: object) -> list[str]:
        names = {large.full_id: "large", small.full_id: "small"}
        rows = known.rows(None, Filter(**meant))  # type: ignore[arg-type]
        return [names[row.env_id.full_id] for row in rows]

    assert sorted(listed()) == ["large", "small"]
    assert listed(sort="size") == listed(sort="packages") == ["large", "small"]
    assert listed(called="team/*") == listed(called="larg") == ["large"]
    assert listed(package="a<2") == listed(python="3.11") == ["large"]
    assert listed(env_type="conda-only") == listed(python=">=3.12") == ["small"]
    assert listed(platforms=("osx-64",)) == listed(created=True) == []
    assert listed(unused_since=time.time() - 60) == []
    assert len(listed(unused_since=time.time() + 60)) == 2
    sizes = {row.env_id.full_id: (row.size, row.unsized) for row in known.rows()}
    assert sizes[large.full_id] == (900, 1)
    assert sizes[small.full_id] == (sum(p.size or 0 for p in small.packages), 0)
    with pytest.raises(InvalidRequest):
        listed(package="a b c")
