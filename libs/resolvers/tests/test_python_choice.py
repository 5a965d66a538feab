"""The Python of a spec that leaves several open: the newest that solves, by itself and beside PyPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.channel import Recipe, pack, write_channel
from tests.interpreters import known_interpreters

from envid.spec import EnvSpec, Options, Source
from resolvers._python_choice import open_minors
from resolvers.conda import CondaResolver
from resolvers.errors import NeedsPlatform, NoSolution, PythonRefused, UnknownPackage
from resolvers.mixed import MixedResolver
from resolvers.request import ResolveContext
from resolvers.testing import FakeIndex, make_sdist, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from envid.packages import Package
    from pkgcache.worker import Worker
    from resolvers.request import Resolution

LINUX, ARM, MAC = "linux-64", "linux-aarch64", "osx-arm64"
PYTHONS = ("3.9.18", "3.10.13", "3.11.7", "3.12.1", "3.13.1", "3.14.0")


def python(version: str, subdir: str = LINUX, **fields: Any) -> Recipe:
    return Recipe(name="python", version=version, subdir=subdir, **fields)


def package(name: str, version: str, *depends: str, subdir: str = LINUX) -> Recipe:
    return Recipe(name=name, version=version, subdir=subdir, depends=depends)


class Solver:
    """Resolves on a channel of its own, beside an index."""

    def __init__(self, worker: Worker, folder: Path) -> None:
        self.worker, self.folder, self.index = worker, folder, ""
        self.channel = folder / "channel"

    def has(self, *recipes: Recipe) -> None:
        records: dict[str, Any] = {}
        for recipe in recipes:
            records |= pack(recipe, self.channel)
        write_channel(self.channel, records)

    def all(
        self,
        *conda: str,
        pypi: Iterable[str] = (),
        python: str = "",
        platforms: Sequence[str] = (LINUX,),
        special: dict[str, dict[str, list[str]]] | None = None,
        preferred: dict[str, Sequence[Package]] | None = None,
        **options: Any,
    ) -> dict[str, Resolution]:
        pypi = list(pypi)
        sources = [Source.make("channel", self.channel.as_uri())]
        spec = EnvSpec.make(
            requirements={"conda": conda, "pypi": pypi},
            platform_requirements=special,
            python=python,
            sources=[*sources, *([Source.make("index", self.index)] if self.index else [])],
            options=Options.make(**options),
        )
        resolver = MixedResolver(self.worker) if pypi else CondaResolver(self.worker)
        context = ResolveContext(
            cache_dir=known_interpreters(self.folder / "engines"), preferred=preferred or {}
        )
        return resolver.resolve(spec, platforms, context)

    def __call__(self, *conda: str, **asked: Any) -> str:
        (found,) = self.all(*conda, **asked).values()
        return found.python


@pytest.fixture
def solve(worker: Worker, tmp_path: Path) -> Solver:
    return Solver(worker, tmp_path)


@pytest.mark.parametrize(
    ("specifier", "expected"),
    [
        ("==3.11.*", (11,)),
        ("==3.11.7", (11,)),
        ("==3.15.0rc1", (15,)),
        ("~=3.11.2", (11,)),
        ("<3.12,>=3.10", (11, 10)),
        ("!=3.11.*,<3.13,>=3.9,!=3.10.*", (12, 9)),
        ("<3", ()),
    ],
)
def test_the_minor_versions_that_a_specifier_leaves(
    specifier: str, expected: tuple[int, ...]
) -> None:
    assert open_minors(specifier) == expected


def test_an_unstated_python_is_the_newest_that_solves(solve: Solver) -> None:
    solve.has(
        *map(python, PYTHONS),
        package("plain", "1.0", "python"),
        # A solver would rather have the newest of these, and an older Python with it.
        package("old", "2.0", "python <3.12"),
        package("old", "1.0", "python"),
        package("older", "1.0", "python >=3.10,<3.12"),
        package("none", "1.0", "python <3.5"),
    )
    assert solve() == "3.14.0"
    assert solve("plain", python=">=3.7") == "3.14.0"
    assert solve("plain", python=">=3.7,<3.13,!=3.12.*") == "3.11.7"
    assert solve("older") == "3.11.7"
    assert solve("older", python=">=3.10,<3.11") == "3.10.13"
    with pytest.raises(PythonRefused):
        solve("none")
    for asked in (("old",), ("older", "old"), ("plain",)):
        alone = []
        for version in reversed(PYTHONS):
            try:
                alone.append(solve(*asked, python=f"=={version}"))
            except NoSolution:
                continue
        assert solve(*asked) == alone[0]


def test_all_platforms_have_the_same_python_where_they_can(solve: Solver) -> None:
    solve.has(
        *(python(version, LINUX) for version in PYTHONS),
        *(python(version, MAC) for version in PYTHONS[:-1]),
        package("old", "1.0", "python <3.12", subdir=MAC),
        package("old", "1.0", "python", subdir=LINUX),
    )
    both = (LINUX, MAC)
    assert {one.python for one in solve.all(platforms=both).values()} == {"3.13.1"}
    assert {one.python for one in solve.all("old", platforms=both).values()} == {"3.11.7"}
    apart = {MAC: {"conda": ["python 3.9.*"]}, LINUX: {"conda": ["python >=3.11"]}}
    found = solve.all(platforms=both, special=apart)
    assert {platform: one.python for platform, one in found.items()} == {
        LINUX: "3.14.0",
        MAC: "3.9.18",
    }


def test_a_python_before_its_release_and_a_free_threaded_one_are_not_the_newest(
    solve: Solver,
) -> None:
    threads: dict[str, Any] = {"extra": {"track_features": "py_freethreading"}}
    solve.has(
        python("3.13.1"),
        python("3.14.0", build="h0_100_cp314"),
        python("3.14.0", build="h0_100_cp314t", **threads),
        python("3.15.0rc1"),
        package("new", "1.0", "python >=3.15.0rc1"),
    )
    (found,) = solve.all().values()
    assert [(one.version, one.build) for one in found.packages] == [("3.14.0", "h0_100_cp314")]
    assert solve(python=">=3.13") == "3.14.0"
    assert solve("new") == "3.15.0rc1"


def test_an_update_keeps_the_python_that_is_there(solve: Solver) -> None:
    solve.has(*map(python, PYTHONS), package("old", "1.0", "python <3.12"))
    (found,) = solve.all(python="==3.10.*").values()
    kept = {LINUX: found.packages}
    assert solve(preferred=kept) == "3.10.13"
    assert solve(preferred=kept, python=">=3.11") == "3.14.0"
    assert solve() == "3.14.0"


def compiled(name: str, version: str, *minors: int, requires: Iterable[str] = ()) -> list[Any]:
    tags = [f"cp3{minor}-cp3{minor}-manylinux_2_17_x86_64" for minor in minors]
    return [make_wheel(name, version, tag=tag, requires=requires) for tag in tags]


@pytest.mark.slow
def test_a_python_that_wheels_are_for_comes_before_building(solve: Solver, tmp_path: Path) -> None:
    solve.has(*map(python, PYTHONS))
    with FakeIndex(
        *compiled("lagging", "2.0", 11, 12),
        *compiled("other", "1.0", 12),
        make_sdist(tmp_path / "source", "lagging", "2.0", tag="broken"),
        *compiled("binary", "1.0", 10),
        make_sdist(tmp_path / "source", "sources", "1.0"),
        make_wheel("pure", "1.0"),
    ) as index:
        solve.index = index.url
        assert solve(pypi=["pure"]) == "3.14.0"
        assert solve(pypi=["lagging"]) == "3.12.1"
        assert solve(pypi=["lagging"], python=">=3.8,<3.12") == "3.11.7"
        # Without a source there is nothing to build, and nothing else that solves.
        assert solve(pypi=["binary"]) == "3.10.13"
        assert solve(pypi=["lagging", "pure"], only_binary=[":all:"]) == "3.12.1"
        # Each wheel is for one Python, and so are the hashes of them.
        digest = next(one.sha256 for one in compiled("lagging", "2.0", 11))
        assert solve(pypi=[f"lagging==2.0 --hash=sha256:{digest}"]) == "3.11.7"
        with pytest.raises(UnknownPackage):
            solve(pypi=["nowhere"])
        with pytest.raises(NoSolution) as caught:
            solve(pypi=["binary", "other"])
        assert "no other of Python 3.13, 3.12, 3.11, 3.10, 3.9 serves" in str(caught.value.hint)


def test_another_python_is_no_help_where_no_wheel_is_for_the_platform(
    solve: Solver, tmp_path: Path
) -> None:
    solve.has(*(python(one, MAC) for one in PYTHONS))
    with FakeIndex(
        *compiled("lagging", "2.0", 11),
        make_sdist(tmp_path / "source", "lagging", "2.0"),
    ) as index:
        solve.index = index.url
        with pytest.raises(NeedsPlatform) as caught:
            solve.all(pypi=["lagging"], platforms=(MAC,))
        assert "none of the wheels of 2.0 is for osx-arm64" in str(caught.value)
