"""Conda and PyPI packages solved together: conda's choice moves where PyPI needs it to."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.channel import Entry, Recipe, pack, write_channel
from tests.interpreters import known_interpreters

from envid.spec import EnvSpec, Options, Source
from resolvers.errors import NoExtra, NoSolution
from resolvers.mixed import MixedResolver
from resolvers.request import ResolveContext
from resolvers.testing import FakeIndex, make_sdist, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from envid.packages import Package
    from pkgcache.worker import Worker

LINUX = "linux-64"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def python(version: str) -> Recipe:
    return Recipe(name="python", version=version, subdir=LINUX, build="0_cpython")


def library(
    name: str,
    version: str,
    *depends: str,
    holds: Mapping[str, str] | None = None,
    extras: Mapping[str, Iterable[str]] | None = None,
    for_python: str = "",
) -> Recipe:
    """A conda package with its distribution, or those that it `holds`."""
    more = "".join(
        f"Provides-Extra: {extra}\n"
        + "".join(f"Requires-Dist: {text}; extra == '{extra}'\n" for text in texts)
        for extra, texts in (extras or {}).items()
    )
    files = {
        f"site-packages/{one.replace('-', '_')}-{text}.dist-info/METADATA": Entry(
            data=f"Metadata-Version: 2.1\nName: {one}\nVersion: {text}\n{more}".encode()
        )
        for one, text in ({name: version} if holds is None else holds).items()
    }
    return Recipe(
        name=name,
        version=version,
        noarch="python",
        depends=(f"python {for_python}".strip(), *depends),
        files=files,
    )


class World:
    """A channel and an index, and what was done to resolve with them."""

    def __init__(self, worker: Worker, folder: Path, index: FakeIndex) -> None:
        self.worker, self.folder, self.index = worker, folder, index
        self.records: dict[str, dict[str, Any]] = {}
        self.done: Counter[str] = Counter()
        self.notes: tuple[str, ...] = ()
        self.packages: tuple[Package, ...] = ()
        self.conda(python(f"{MINOR}.1"))

    def conda(self, *recipes: Recipe) -> None:
        for one in recipes:
            self.records |= pack(one, self.folder / "channel")
        write_channel(self.folder / "channel", self.records)

    def pypi(self, name: str, version: str, *requires: str, **options: Any) -> None:
        self.index.add(make_wheel(name, version, requires=requires, **options))

    def all(
        self,
        conda: Iterable[str] = (),
        pypi: Iterable[str] = (),
        *,
        platforms: Sequence[str] = (LINUX,),
        python: str = MINOR,
        options: Mapping[str, Any] | None = None,
        **context: Any,
    ) -> dict[str, dict[str, str]]:
        spec = EnvSpec.make(
            requirements={"conda": conda, "pypi": pypi},
            python=python,
            sources=[
                Source.make("channel", (self.folder / "channel").as_uri()),
                Source.make("index", self.index.url),
            ],
            options=Options.make(**(options or {})),
        )
        self.done.clear()
        context = {"cache_dir": known_interpreters(self.folder / "engines"), **context}
        asked = ResolveContext(on_process=lambda name: self.done.update([name]), **context)
        found = MixedResolver(self.worker).resolve(spec, platforms, asked)
        self.notes = tuple(note for one in found.values() for note in one.notes)
        self.packages = tuple(package for one in found.values() for package in one.packages)
        return {
            platform: {f"{one.kind}:{one.name}": one.version for one in resolution.packages}
            for platform, resolution in found.items()
        }

    def resolve(self, *asked: Iterable[str], **more: Any) -> dict[str, str]:
        return self.all(*asked, **more)[LINUX]


@pytest.fixture
def world(worker: Worker, tmp_path: Path) -> Iterator[World]:
    with FakeIndex() as index:
        yield World(worker, tmp_path, index)


def test_conda_moves_to_what_pypi_needs(world: World) -> None:
    world.conda(*(library("shared", one) for one in ("1.0", "1.4", "1.5", "2.0", "2.1")))
    world.pypi("needsold", "1.0", "shared<2")
    found = world.resolve(["shared"], ["needsold"])
    assert found == {"conda:python": f"{MINOR}.1", "conda:shared": "1.5", "pypi:needsold": "1.0"}
    assert world.notes == (
        "conda's shared 1.5 instead of 2.1, because needsold 1.0 needs shared<2",
    )
    assert world.done["py-rattler solve"] == 2


def test_what_solves_at_once_costs_and_gives_what_it_did(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # with another Python of this minor version, uv were asked of it
    world.conda(*(library("shared", one) for one in ("1.0", "2.0")))
    world.pypi("user", "1.0", "shared>=2")
    world.pypi("user", "2.0", "shared<2")  # newer, and conda's choice comes first
    found = world.resolve(["shared"], ["user"])
    assert found == {"conda:python": f"{MINOR}.1", "conda:shared": "2.0", "pypi:user": "1.0"}
    assert world.notes == ()
    assert world.done == {
        "py-rattler solve": 1,
        "uv pip compile linux-64": 2,
    }


def test_what_is_built_together_moves_together(world: World) -> None:
    world.conda(
        *(library("numeric", one) for one in ("1.0", "1.9", "2.0", "2.1")),
        library("science", "3.0", "numeric >=2,<3"),
        library("science", "2.5", "numeric >=1,<2"),
        library("plots", "1.0", "numeric >=1"),
    )
    world.pypi("old", "1.0", "numeric<2")
    found = world.resolve(["science", "plots"], ["old"])
    assert found["conda:numeric"] == "1.9"
    assert found["conda:science"] == "2.5"
    assert world.notes == (
        "conda's numeric 1.9 instead of 2.1, because old 1.0 needs numeric<2",
        "with that, conda's science 2.5 instead of 3.0",
    )


@pytest.mark.slow
def test_the_fewest_packages_move(world: World) -> None:
    # Either `left` or `right` could move; with `right` three others would.
    world.conda(
        *(library("left", one) for one in ("1.0", "2.0")),
        library("right", "2.0"),
        library("right", "1.0", "third <2", "fourth <2"),
        *(library(name, one) for name in ("third", "fourth") for one in ("1.0", "2.0")),
    )
    world.pypi("picky", "1.0", "left<2")
    world.pypi("picky", "1.1", "right<2")
    found = world.resolve(["left", "right", "third", "fourth"], ["picky"])
    assert found["conda:left"] == "1.0"
    assert found["conda:right"] == "2.0"
    assert found["pypi:picky"] == "1.0"


def test_what_pypi_asks_itself_moves_conda(world: World) -> None:
    world.conda(*(library("shared", one) for one in ("1.0", "1.5", "2.0")))
    found = world.resolve(["shared"], ["shared<2"], origins={"shared<2": "req.txt:3"})
    assert found == {"conda:python": f"{MINOR}.1", "conda:shared": "1.5"}
    assert world.notes == (
        "conda's shared 1.5 instead of 2.0, because you ask (req.txt:3) for shared<2",
    )


def test_what_conda_provides_under_another_name_moves(world: World) -> None:
    world.conda(
        library("lib-python", "7.0", holds={"bindings": "2.0", "other": "1.0"}),
        library("lib-python", "6.0", holds={"bindings": "1.9", "other": "1.0"}),
        library("lib-python", "5.0", holds={"bindings": "1.0", "other": "1.0"}),
    )
    world.pypi("old", "1.0", "bindings<1.9")
    found = world.resolve(["lib-python"], ["old"])
    assert found["conda:lib-python"] == "5.0"


def test_what_conda_leaves_out_comes_from_pypi(world: World) -> None:
    world.conda(
        library("app", "2.0", "helper"),
        library("app", "1.0"),
        library("helper", "3.0"),
    )
    world.pypi("helper", "1.0")
    world.pypi("old", "1.0", "helper<2")
    found = world.resolve(["app"], ["old"])
    assert found == {
        "conda:app": "1.0",
        "conda:python": f"{MINOR}.1",
        "pypi:helper": "1.0",
        "pypi:old": "1.0",
    }


def test_conda_brings_what_pypi_has_with_other_needs(world: World) -> None:
    # PyPI's helper needs another `shared` than conda has; conda's needs none.
    world.conda(
        library("shared", "2.0"),
        library("app", "2.0"),
        library("app", "1.0", "helper"),
        library("helper", "3.0"),
    )
    world.pypi("helper", "3.0", "shared<2")
    world.pypi("user", "1.0", "helper")
    found = world.resolve(["app", "shared"], ["user"])
    assert found["conda:helper"] == "3.0"
    assert found["pypi:user"] == "1.0"


def test_an_extra_that_another_version_has(world: World) -> None:
    world.conda(
        library("shared", "2.0", extras={"slow": []}),
        library("shared", "1.0", extras={"fast": ["quick<2"]}),
    )
    world.pypi("quick", "1.0")
    world.pypi("quick", "2.0")
    found = world.resolve(["shared"], ["shared[fast]"])
    assert found["conda:shared"] == "1.0"
    assert found["pypi:quick"] == "1.0"


def test_another_release_of_python(world: World) -> None:
    world.conda(python(f"{MINOR}.0"))
    world.conda(library("shared", "1.0"))
    world.pypi("careful", "1.0", requires_python=f"!={MINOR}.1")
    found = world.resolve(["shared"], ["careful"])
    assert found["conda:python"] == f"{MINOR}.0"


def test_python_moves_within_what_was_stated(world: World) -> None:
    world.conda(python("3.8.1"))
    world.conda(
        library("shared", "2.0", for_python=f"{MINOR}.*"),
        library("shared", "1.0", for_python="3.8.*"),
    )
    world.pypi("needsold", "1.0", "shared<2")
    found = world.resolve(["shared"], ["needsold"], python=">=3.8")
    assert found["conda:python"] == "3.8.1"


@pytest.mark.slow
def test_what_was_pinned_does_not_move(world: World) -> None:
    world.conda(*(library("shared", one) for one in ("1.0", "1.5", "2.0", "2.1")))
    world.conda(library("bystander", "1.0"))
    world.pypi("needsold", "1.0", "shared<2")
    world.pypi("shared", "1.0")
    world.pypi("harmless", "1.0")
    with pytest.raises(NoSolution) as caught:
        world.resolve(
            ["shared>=2", "bystander"],
            ["needsold", "harmless"],
            origins={"shared>=2": "env.yml:4", "needsold": "req.txt:2", "bystander": "env.yml:5"},
        )
    text = str(caught.value)
    assert "whatever conda chooses, `shared>=2` and `needsold` cannot hold together" in text
    assert "conda has shared 2.1, 2.0, 1.5, 1.0" in text
    assert "PyPI has needsold 1.0" in text
    assert "needsold depend on shared<2" in text
    assert "`needsold` is asked by req.txt:2" in text
    assert "env.yml:4" in text
    assert "env.yml:5" not in text


@pytest.mark.slow
def test_what_is_held_does_not_move(world: World) -> None:
    world.conda(*(library("shared", one) for one in ("1.0", "2.0")))
    world.pypi("needsold", "1.0", "shared<2")
    world.resolve(["shared"])
    held = {LINUX: [one for one in world.packages if one.name == "shared"]}
    assert [one.version for one in held[LINUX]] == ["2.0"]
    with pytest.raises(NoSolution):
        world.resolve(["shared"], ["needsold"], held=held)
    assert world.resolve(["shared"], ["needsold"], preferred=held)["conda:shared"] == "1.0"


@pytest.mark.slow
def test_the_answer_is_the_same_with_other_caches_and_another_order(world: World) -> None:
    names = ("a", "b", "c", "d")
    world.conda(*(library(name, one) for name in names for one in ("1.0", "2.0", "3.0")))
    world.pypi("old", "1.0", "a<3", "b<3", "c<2")
    world.pypi("old", "2.0", "a<2", "d<3")
    first = world.resolve(names, ["old"])
    rounds = world.done["py-rattler solve"]
    for folder, order in (("other", names[::-1]), ("third", ("c", "a", "d", "b"))):
        assert (
            world.resolve(order, ["old"], cache_dir=known_interpreters(world.folder / folder))
            == first
        )
        assert world.done["py-rattler solve"] == rounds


@pytest.mark.slow
def test_the_rounds_are_bounded(world: World) -> None:
    world.conda(*(library(name, one) for name in ("a", "b") for one in ("1.0", "2.0")))
    world.pypi("old", "1.0", "a<2", "b<2")
    assert world.resolve(["a", "b"], ["old"])["conda:a"] == "1.0"
    with pytest.raises(NoSolution) as caught:
        world.resolve(["a", "b"], ["old"], joint_rounds=1)
    assert "1 other choices" in str(caught.value.hint)
    assert "`joint_rounds`" in str(caught.value.hint)
    with pytest.raises(NoSolution):
        world.resolve(["a", "b"], ["old"], joint_rounds=0)


def test_platforms_move_each_for_itself(world: World) -> None:
    world.conda(
        *(library("shared", one) for one in ("1.0", "2.0")),
        Recipe(name="python", version=f"{MINOR}.1", subdir="osx-arm64", build="0_cpython"),
    )
    world.pypi("user", "1.0", "shared<2; sys_platform == 'darwin'")
    found = world.all(["shared"], ["user"], platforms=[LINUX, "osx-arm64"])
    assert found[LINUX]["conda:shared"] == "2.0"
    assert found["osx-arm64"]["conda:shared"] == "1.0"


@pytest.mark.slow
def test_what_several_conflicts_move_is_not_tried_in_all_combinations(world: World) -> None:
    names = [f"{side}{number}" for number in range(3) for side in ("left", "right")]
    world.conda(*(library(name, one) for name in names for one in ("1.0", "2.0")))
    for number in range(3):
        world.pypi(f"picky{number}", "1.0", f"left{number}<2")
        world.pypi(f"picky{number}", "1.1", f"right{number}<2")
    found = world.resolve(names, [f"picky{number}" for number in range(3)])
    assert sum(found[f"conda:{name}"] == "1.0" for name in names) == 3
    # The first choice, and two ways out of each conflict.
    assert world.done["py-rattler solve"] == 1 + 2 * 3


@pytest.mark.slow
def test_a_source_that_cannot_be_built_hides_no_other_choice(world: World, tmp_path: Path) -> None:
    # uv goes back to the old source, which asks for nothing.
    world.conda(*(library("numeric", one) for one in ("1.0", "2.0")))
    world.pypi("user", "3.0", "numeric<2")
    for version in ("2.0", "1.0"):
        world.index.add(make_sdist(tmp_path, "user", version, tag="broken"))
    found = world.resolve(["numeric"], ["user"])
    assert found["conda:numeric"] == "1.0"
    assert found["pypi:user"] == "3.0"
    assert world.notes == ("conda's numeric 1.0 instead of 2.0, because user 3.0 needs numeric<2",)


@pytest.mark.slow
def test_a_newer_source_than_one_that_cannot_be_built(world: World, tmp_path: Path) -> None:
    world.conda(*(library("numeric", one) for one in ("1.0", "2.0")))
    world.index.add(
        make_sdist(tmp_path, "user", "2.0", requires=["numeric<2"]),
        make_sdist(tmp_path, "user", "1.0", tag="broken"),
    )
    found = world.resolve(["numeric"], ["user"])
    assert found["conda:numeric"] == "1.0"
    assert found["pypi:user"] == "2.0"


@pytest.mark.slow
def test_what_conda_alone_has_is_not_called_unknown(world: World) -> None:
    world.conda(*(library("shared", one) for one in ("1.0", "2.0")))
    world.pypi("needsold", "1.0", "shared<2")
    with pytest.raises(NoSolution) as caught:
        world.resolve(["shared>=2"], ["needsold"])
    text = str(caught.value)
    assert "whatever conda chooses, `shared>=2` and `needsold` cannot hold together" in text
    assert "not found" not in text
    assert "conda has shared 2.0, 1.0" in text


def test_what_fails_beside_another_choice_is_told(world: World) -> None:
    world.conda(*(library("shared", one) for one in ("1.0", "2.0")))
    world.pypi("needsold", "1.0", "shared<2")
    with pytest.raises(NoSolution) as caught:
        world.resolve(["shared"], ["needsold"], options={"require_hashes": True})
    assert (
        "beside other conda packages, hashes are required, and none is given for `needsold==1.0`"
        in (caught.value.hint or "")
    )


def test_the_bound_is_named_where_an_extra_is_looked_for(world: World) -> None:
    world.conda(*(library("shared", one, extras={"slow": []}) for one in ("4.0", "3.0", "2.0")))
    world.conda(library("shared", "1.0", extras={"fast": []}))
    with pytest.raises(NoExtra) as caught:
        world.resolve(["shared"], ["shared[fast]"], joint_rounds=2)
    assert caught.value.hint == (
        "it has slow; 2 other choices of conda packages were tried; with a higher `joint_rounds`"
        " more are"
    )
    assert world.resolve(["shared"], ["shared[fast]"], joint_rounds=3)["conda:shared"] == "1.0"


@pytest.mark.slow
def test_a_bound_of_conda_is_named_where_pypi_lacks_the_package(world: World) -> None:
    world.conda(*(library("shared", one) for one in ("1.0", "1.5", "2.0")), library("b", "2.0"))
    world.pypi("needsold", "1.0", "shared<2")
    world.pypi("innocent", "1.0")
    with pytest.raises(NoSolution) as caught:
        world.resolve(["shared==2.0", "b"], ["needsold", "innocent"])
    assert {text for text, _ in caught.value.asked} == {"shared==2.0", "needsold"}
    world.pypi("neednew", "1.0", "shared>=2")
    with pytest.raises(NoSolution) as caught:
        world.resolve(["shared", "b"], ["needsold", "innocent", "neednew"])
    assert {text for text, _ in caught.value.asked} >= {"needsold", "neednew"}
    assert not {text for text, _ in caught.value.asked} & {"b", "innocent"}


@pytest.mark.slow
def test_a_bound_of_conda_that_fixes_python_is_named(world: World) -> None:
    world.conda(python("3.8.1"))
    world.conda(
        library("compiled", "2.0", for_python=f"{MINOR}.*"),
        library("compiled", "1.0", for_python="3.8.*"),
    )
    world.pypi("native", "1.0", tag="cp38-cp38-manylinux_2_17_x86_64")
    found = world.resolve(["compiled"], ["native"], python=">=3.8")
    assert found["conda:compiled"] == "1.0"
    with pytest.raises(NoSolution) as caught:
        world.resolve(["compiled>=2"], ["native"], python=">=3.8")
    assert {text for text, _ in caught.value.asked} == {"compiled>=2", "native"}
