"""The own check of a solution: every requirement is met by what is there, or named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from envid.packages import BuiltFrom, Package
from envid.spec import EnvSpec
from resolvers.checking import Provided, check
from resolvers.metadata import Metadata, read_requirement, read_specifiers
from resolvers.request import Resolution

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resolvers.checking import Checked


def wheel(text: str, *requires: str, **more: Any) -> tuple[Package, Metadata]:
    """A PyPI package `name==version` and its metadata."""
    name, _, version = text.partition("==")
    url = more.pop("url", f"https://host/{name}.whl")
    package = Package.make(
        kind="pypi",
        name=name,
        version=version,
        filename=f"{name}-{version}-py3-none-any.whl",
        url=url,
        sha256="0" * 64,
        built_from=more.pop("built_from", None),
    )
    known: dict[str, Any] = {"name": name, "version": version, "requires": requires, **more}
    return package, Metadata(**known)


def checked(
    asked: Iterable[str],
    *wheels: tuple[Package, Metadata],
    conda: Iterable[Provided] = (),
    constraints: Iterable[str] = (),
    platform: str = "linux-64",
    python: str = "3.11.7",
    origins: dict[str, str] | None = None,
) -> Checked:
    spec = EnvSpec.make(requirements={"pypi": asked}, python="3.11", constraints=constraints)
    return check(
        spec,
        platform,
        Resolution(python=python, packages=tuple(package for package, _ in wheels)),
        metadata={package.name: known for package, known in wheels},
        conda={one.name: one for one in conda},
        origins=origins,
    )


def problems(*args: Any, **options: Any) -> tuple[str, ...]:
    found = checked(*args, **options)
    assert not found.notes
    return found.problems


def conda(text: str, *requires: str, package: str = "", known: bool = True) -> Provided:
    name, _, version = text.partition("==")
    metadata = Metadata(name=name, version=version, requires=requires) if known else None
    return Provided(name=name, version=version, package=package or name, metadata=metadata)


def test_what_is_met_by_either_side_is_no_problem() -> None:
    user = wheel("user==1.0", "low<2", "high>=2; python_version>='3'")
    assert problems(["user"], user, wheel("low==1.5"), conda=[conda("high==2.0.1")]) == ()


@pytest.mark.parametrize(
    ("requirement", "there", "said"),
    [
        ("low<2", wheel("low==2.0"), "`low` 2.0 is there"),
        ("low", None, "there is no `low`"),
        ("low===2", wheel("low==2.0"), "`low` 2.0 is there"),
        ("Low_!=2.0".replace("_", ""), wheel("low==2.0"), "`low` 2.0 is there"),
        ("low<2; sys_platform == 'linux'", None, "there is no `low`"),
        ("low; python_full_version >= '3.11.7'", None, "there is no `low`"),
        ("low; platform_machine == 'x86_64' and extra == ''", None, "there is no `low`"),
    ],
)
def test_what_is_not_met_is_named(
    requirement: str, there: tuple[Package, Metadata] | None, said: str
) -> None:
    found = problems(["user"], wheel("user==1.0", requirement), *([there] if there else []))
    assert found[0] == f"`{requirement}` of `user` 1.0 is not met: {said}"


@pytest.mark.parametrize(
    "requirement",
    [
        "low; sys_platform == 'darwin'",
        "low; python_version < '3.11'",
        "low; python_full_version < '3.11.7'",
        "low; platform_machine == 'arm64'",
        "low; platform_system == 'Windows' or implementation_name == 'pypy'",
        "low; extra == 'fast'",
        "low; 'fast' == extra",
        "low; extra == 'fast' and python_version >= '3'",
        "low; platform_release >= '20.0'",
    ],
)
def test_what_the_target_does_not_ask_for_need_not_be_there(requirement: str) -> None:
    assert problems(["user"], wheel("user==1.0", requirement)) == ()


def test_markers_are_those_of_the_target() -> None:
    user = wheel("user==1.0", "low; sys_platform == 'darwin' and platform_machine == 'arm64'")
    assert problems(["user"], user) == ()
    assert len(problems(["user"], user, platform="osx-arm64")) == 1


def test_what_conda_brings_is_named_with_its_package() -> None:
    user = wheel("user==1.0", "aiohttp>=3.7")
    found = problems(["user"], user, conda=[conda("aiohttp==2.9.0", package="ray-core")])
    said = "conda brings `aiohttp` 2.9.0, in `ray-core`"
    assert found == (f"`aiohttp>=3.7` of `user` 1.0 is not met: {said}",)


def test_the_request_itself_is_named_with_its_origin() -> None:
    found = problems(["low>=3"], wheel("low==2.0"), origins={"low>=3": "env.yml:4"})
    assert found[0] == "`low>=3` (env.yml:4) is not met: `low` 2.0 is there"


def test_extras_and_extras_of_extras_are_followed() -> None:
    grid = wheel(
        "grid==1.0",
        "array-lib>=1; extra == 'array'",
        "grid[Array]; extra == 'complete'",
        "frame-lib; 'Data.Frame' == extra",
        "deep[inner]; extra == 'complete'",
        "never; extra == 'other'",
    )
    deep = wheel("deep==1.0", "bottom; extra == 'inner'")
    assert problems(["grid"], grid) == ()
    found = problems(["grid[complete,data-frame]"], grid, deep)
    assert {one.partition(" is not met: ")[::2] for one in found} == {
        ("`array-lib>=1; extra == 'array'` of `grid` 1.0[array]", "there is no `array-lib`"),
        ("`frame-lib; 'Data.Frame' == extra` of `grid` 1.0[data-frame]", "there is no `frame-lib`"),
        ("`bottom; extra == 'inner'` of `deep` 1.0[inner]", "there is no `bottom`"),
    }


def test_extras_of_conda_packages_count_where_they_are_known_and_are_told_where_not() -> None:
    user = wheel("user==1.0", "grid[Array]>=1")
    known = conda("grid==1.0", "array-lib; extra == 'array'", "conda-knows-better")
    asked = "`array-lib; extra == 'array'` of conda's `grid` 1.0[array]"
    assert problems(["user"], user, conda=[known]) == (
        f"{asked} is not met: there is no `array-lib`",
    )
    found = checked(["user"], user, conda=[conda("grid==1.0", known=False)])
    assert found.problems == ()
    assert found.extras == {"grid": {"array": "`user` 1.0"}}


def test_constraints_hold_for_both_sides_and_ask_for_nothing() -> None:
    limits = ["low<2", "absent<2", "high<2; python_version < '3'"]
    user = wheel("user==1.0", "low", "high")
    have = (user, wheel("low==2.0"))
    found = problems(
        ["user"], *have, conda=[conda("high==3")], constraints=limits, origins={"low<2": "c.txt:1"}
    )
    assert found == ("the constraint `low<2` (c.txt:1) is not met: `low` 2.0 is there",)
    found = problems([], conda=[conda("low==2.0")], constraints=limits)
    assert found == ("the constraint `low<2` is not met: conda brings `low` 2.0, in `low`",)


def test_python_must_be_one_that_a_package_supports() -> None:
    old = wheel("old==1.0", requires_python="<3.11")
    assert problems(["old"], old) == ("`old` 1.0 needs Python `<3.11`, and 3.11.7 is there",)
    exact = wheel("exact==1.0", requires_python="!=3.11.7")
    assert len(problems(["exact"], exact)) == 1
    assert problems(["exact"], exact, python="3.11.8") == ()
    new = wheel("new==1.0", requires_python=">=3.14")
    assert problems(["new"], new, python="3.14.0rc2") == ()


def test_what_nothing_asks_for_is_a_problem() -> None:
    found = problems(["user"], wheel("user==1.0"), wheel("stray==2.0"))
    assert len(found) == 1
    assert found[0].startswith("`stray` 2.0 is there, and nothing asks for it")


def test_a_package_that_is_another_one_than_the_index_says() -> None:
    package, _ = wheel("user==1.0")
    found = problems(["user"], (package, Metadata(name="user", version="1.1")))
    assert found == (f"`user` 1.0 says itself that it is `user` 1.1 (`{package.filename}`)",)
    assert problems(["user"], (package, Metadata(name="user", version="1.0.0"))) == ()


@pytest.mark.parametrize(
    ("asked", "url", "origin"),
    [
        ("https://host/user-1.0.whl", "https://host/user-1.0.whl", None),
        ("https://host/user-1.0.whl#sha256=" + "0" * 64, "https://host/user-1.0.whl", None),
        (
            "git+https://host/a/b.git@main",
            "git+https://host/a/b.git@" + "a" * 40,
            BuiltFrom(kind="vcs", url="https://host/a/b.git", commit="a" * 40),
        ),
        (
            "file:///at/home/user#sha256=" + "0" * 64,
            "file:///at/home/user#sha256=" + "0" * 64,
            None,
        ),
    ],
)
def test_a_url_without_a_name_asks_for_what_came_from_there(
    asked: str, url: str, origin: BuiltFrom | None
) -> None:
    user = wheel("user==1.0", "fast; extra == 'fast'", url=url, built_from=origin)
    assert problems([asked], user) == ()
    assert len(problems([f"{asked}[fast]"], user)) == 1 if "#" not in asked else True
    assert problems([f"{asked} ; python_version < '3'"], user)[0].startswith("`user` 1.0 is there")
    assert "nothing comes from there" in problems([asked])[0]


def test_a_name_at_a_url_is_not_met_by_conda() -> None:
    asked = "user @ https://host/user-1.0.whl"
    assert problems([asked], wheel("user==1.0")) == ()
    assert problems([asked], conda=[conda("user==1.0")]) == (
        f"`{asked}` (the request) is not met: conda brings `user` 1.0, in `user`",
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("bar>=1.0.*", "bar>=1.0"),
        ("bar (>1.0.*)", "bar>1.0"),
        ("bar<2.0.*,>=1", "bar<2.0,>=1"),
        ("bar>=0.16<2", "bar<2,>=0.16"),
        ("bar>=0.5,!=0.6<3", "bar!=0.6,<3,>=0.5"),
        ("bar!=~5.0", "bar!=5.0.*"),
        ("bar>='0.5'", "bar>=0.5"),
        ("bar>dev", "bar>0.0.0.dev0"),
        ("bar>=0.7,!=3.0.*,!=3.1*", "bar!=3.0.*,!=3.1.*,>=0.7"),
        ("bar>=1.0.*; python_version>='3'", 'bar>=1.0; python_version >= "3"'),
        ("bar==1.0.*", "bar==1.0.*"),
        ("bar===1.0.*", "bar===1.0.*"),
        ("bar~=1.0", "bar~=1.0"),
        ("bar>=1,<2", "bar<2,>=1"),
    ],
)
def test_old_specifiers_mean_what_they_were_meant_to(written: str, meant: str) -> None:
    assert str(read_requirement(written)) == meant


def test_what_nobody_can_read_is_a_note_and_no_reason_to_doubt_the_rest() -> None:
    found = checked(["user"], wheel("user==1.0", "stray =1"), wheel("stray==1.0"))
    assert found.problems == ()
    assert found.notes == ("`stray =1` of `user` 1.0 cannot be read, and was not checked",)
    found = checked(["user"], wheel("user==1.0", requires_python="three"))
    assert found.notes == ("`Requires-Python: three` of `user` 1.0 cannot be read",)
    assert str(read_specifiers(">=3.6.*")) == ">=3.6"


def test_metadata_is_read_up_to_the_description() -> None:
    text = (
        "Metadata-Version: 2.1\r\nName: The.User\r\nVersion: 1.0\r\nRequires-Dist: a\r\n"
        "Requires-Dist: b\r\n   >=1\r\nProvides-Extra: Fast_er\r\nRequires-Python: >=3.8\r\n\r\n"
        "Requires-Dist: c\r\n"
    )
    assert Metadata.parse(text) == Metadata(
        name="the-user",
        version="1.0",
        requires=("a", "b >=1"),
        requires_python=">=3.8",
        extras=frozenset({"fast-er"}),
    )
    with pytest.raises(ValueError, match="no name"):
        Metadata.parse("Metadata-Version: 2.1\n\nName: user\n")
