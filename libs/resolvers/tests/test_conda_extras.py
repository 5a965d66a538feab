"""Extras of what conda brings, whoever asks for them; and modules that conda and PyPI both bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.channel import ChannelServer, Entry

from envid.spec import EnvSpec, Source
from resolvers.errors import NoSolution, PackagesClash, UnsupportedRequest
from resolvers.mixed import MixedResolver
from resolvers.request import ResolveContext
from resolvers.testing import FakeIndex, make_wheel

from .test_contents import LINUX, MINOR, SITE, Solver, native, noarch, packages_asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tests.channel import Channels

    from pkgcache.worker import Worker

PKGUTIL = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


def built(
    name: str,
    version: str,
    requires: Iterable[str] = (),
    *,
    extras: Iterable[str] = (),
    files: Mapping[str, str] | None = None,
    place: str = "site-packages",
) -> dict[str, Entry]:
    """A distribution in a conda package, with the metadata that its build recorded."""
    stem = name.replace("-", "_")
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    lines += [f"Provides-Extra: {one}" for one in extras]
    lines += [f"Requires-Dist: {one}" for one in requires]
    texts = {f"{stem}.py": f"# {name}\n"} if files is None else files
    return {
        f"{place}/{stem}-{version}.dist-info/METADATA": Entry(data="\n".join(lines).encode()),
        **{f"{place}/{path}": Entry(data=text.encode()) for path, text in texts.items()},
    }


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    wheels = [make_wheel(name, "1.0") for name in ("array-lib", "frame-lib", "deep", "plain")]
    wheels += [
        make_wheel("array-lib", "2.0"),
        make_wheel("user", "1.0", requires=["grid[Array]>=1"]),
        make_wheel("late", "1.0", requires=["grid[complete]; python_version >= '3'"]),
        make_wheel("never", "1.0", requires=["grid[array]; sys_platform == 'win32'"]),
        make_wheel("wants-old", "1.0", requires=["array-lib<2"]),
    ]
    with FakeIndex(*wheels) as found:
        yield found


@pytest.fixture
def solve(worker: Worker, tmp_path: Path, channels: Channels, index: FakeIndex) -> Solver:
    return Solver(worker, tmp_path, channels.main.as_uri(), index)


@pytest.fixture
def served(solve: Solver) -> Iterator[ChannelServer]:
    with ChannelServer(solve.channel) as server:
        solve.url = server.url
        yield server


GRID = (
    "conda-knows-better>=9",
    "array-lib>=1; extra == 'array'",
    "frame-lib; 'Data.Frame' == extra",
    "grid[array,data-frame]; extra == 'complete'",
    "deep ; (python_version >= '3' and extra == 'complete') or extra == 'other'",
    "never-there; extra == 'complete' and sys_platform == 'win32'",
)
EXTRAS = ("array", "Data.Frame", "complete", "other")


@pytest.fixture
def grid(solve: Solver) -> None:
    solve.have(noarch("grid", "1.5", built("grid", "1.5", GRID, extras=EXTRAS)))


@pytest.mark.usefixtures("grid")
class TestExtras:
    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ("grid[array]", {"array-lib": "2.0"}),
            ("grid[ARRAY]>=1", {"array-lib": "2.0"}),
            ("grid[data_frame]", {"frame-lib": "1.0"}),
            ("grid[complete]", {"array-lib": "2.0", "frame-lib": "1.0", "deep": "1.0"}),
            ("grid[array]; sys_platform == 'win32'", {}),
            ("user", {"user": "1.0", "array-lib": "2.0"}),
            ("late", {"late": "1.0", "array-lib": "2.0", "frame-lib": "1.0", "deep": "1.0"}),
            ("never", {"never": "1.0"}),
            ("grid", {}),
        ],
    )
    def test_bring_what_they_need_whoever_asks(
        self, solve: Solver, asked: str, found: dict[str, str]
    ) -> None:
        assert solve(conda=["grid"], pypi=[asked]) == found

    def test_are_part_of_the_solve(self, solve: Solver) -> None:
        found = solve(conda=["grid"], pypi=["user", "wants-old"])
        assert found == {"user": "1.0", "wants-old": "1.0", "array-lib": "1.0"}

    def test_are_met_by_conda_packages_too(self, solve: Solver) -> None:
        solve.have(
            noarch("grid", "1.5", built("grid", "1.5", GRID, extras=EXTRAS)),
            noarch("array-lib", "1.2", built("array-lib", "1.2")),
        )
        assert solve(conda=["grid", "array-lib"], pypi=["user"]) == {"user": "1.0"}

    @pytest.mark.slow
    def test_that_cannot_be_met_are_no_solution(self, solve: Solver) -> None:
        solve.have(
            noarch("grid", "1.5", built("grid", "1.5", GRID, extras=EXTRAS)),
            noarch("array-lib", "0.2", built("array-lib", "0.2")),
        )
        with pytest.raises(NoSolution, match=r"`array-lib` and `user` cannot hold together"):
            solve(conda=["grid", "array-lib"], pypi=["user"])

    def test_of_each_platform_are_its_own(self, solve: Solver) -> None:
        requires = ["array-lib; extra == 'a' and sys_platform == 'linux'", "deep; extra == 'a'"]
        solve.have(noarch("grid", "1.5", built("grid", "1.5", requires, extras=["a"])))
        found = solve.all(conda=["grid"], pypi=["grid[a]"], platforms=[LINUX, "osx-arm64"])
        names = {
            platform: {one.name for one in each.packages if one.kind == "pypi"}
            for platform, each in found.items()
        }
        assert names == {LINUX: {"array-lib", "deep"}, "osx-arm64": {"deep"}}

    def test_that_are_none_are_refused_or_noted(self, solve: Solver, index: FakeIndex) -> None:
        with pytest.raises(UnsupportedRequest, match="has no extra `loud`") as caught:
            solve(conda=["grid"], pypi=["grid[loud]"])
        assert caught.value.hint == "it has array, complete, data-frame, other"
        index.add(make_wheel("odd", "1.0", requires=["grid[loud]"]))
        found = solve.all(conda=["grid"], pypi=["odd"])[LINUX]
        assert [one.name for one in found.packages if one.kind == "pypi"] == ["odd"]
        (note,) = found.notes
        assert "grid" in note
        assert "loud" in note
        assert "+conda" not in note


@pytest.mark.slow
def test_extras_of_several_conda_packages_lead_to_each_other(
    solve: Solver, index: FakeIndex
) -> None:
    chain = ["one", "two", "three"]
    solve.have(
        *(
            noarch(
                name,
                "1.0",
                built(name, "1.0", [f"{after}; extra == 'x'"], extras=["x"]),
            )
            for name, after in zip(chain, ["two[x]", "three[x]", "deep"], strict=True)
        )
    )
    index.add(make_wheel("asks", "1.0", requires=["one[x]"]))
    assert solve(conda=chain, pypi=["asks"]) == {"asks": "1.0", "deep": "1.0"}


class TestWhereMetadataComesFrom:
    REQUIRES = ("array-lib; extra == 'array'",)

    def have(self, solve: Solver, *, own: bool) -> None:
        requires = self.REQUIRES if own else ()
        files = built("grid", "1.5", requires, extras=["array"] if own else ())
        solve.have(noarch("grid", "1.5", files))

    @pytest.mark.slow
    def test_from_the_index_of_the_same_version(
        self, solve: Solver, served: ChannelServer, index: FakeIndex
    ) -> None:
        self.have(solve, own=False)
        index.add(
            make_wheel("grid", "1.5", requires=self.REQUIRES, extras=["array"]),
            make_wheel("grid", "2.0", requires=["deep; extra == 'array'"], extras=["array"]),
        )
        for _ in range(2):
            assert solve(conda=["grid"], pypi=["user"]) == {"user": "1.0", "array-lib": "2.0"}
            # One look at the wheel, and none into the build but for its list of files.
            assert index.requests["/files/grid-1.5-py3-none-any.whl"] == 1
            assert packages_asked(served)["grid-1.5-pyh0_0.conda"] == 1

    @pytest.mark.slow
    def test_from_the_build_where_no_index_has_it(
        self, solve: Solver, served: ChannelServer
    ) -> None:
        self.have(solve, own=True)
        for _ in range(2):
            assert solve(conda=["grid"], pypi=["user"]) == {"user": "1.0", "array-lib": "2.0"}
            # Its list of files, and once all of it.
            assert packages_asked(served)["grid-1.5-pyh0_0.conda"] == 2

    def test_what_nobody_asks_an_extra_of_costs_nothing(
        self, solve: Solver, served: ChannelServer, index: FakeIndex
    ) -> None:
        self.have(solve, own=True)
        index.add(make_wheel("grid", "1.5"))
        assert solve(conda=["grid"], pypi=["never", "grid"]) == {"never": "1.0"}
        assert packages_asked(served)["grid-1.5-pyh0_0.conda"] == 1
        assert index.requests["/files/grid-1.5-py3-none-any.whl"] == 0

    @pytest.mark.parametrize("asked", ["grid[array]", "user"])
    def test_from_nowhere_is_an_error_that_names_who_asks(self, solve: Solver, asked: str) -> None:
        self.have(solve, own=False)
        with pytest.raises(
            UnsupportedRequest, match=r"asks for an extra of `grid`.*1\.5"
        ) as caught:
            solve(conda=["grid"], pypi=[asked])
        assert ("`user` 1.0" in str(caught.value)) == (asked == "user")
        assert caught.value.hint

    def test_old_metadata_that_pep_440_cannot_read_is_read_as_uv_does(self, solve: Solver) -> None:
        requires = ("array-lib>=1.0.*; extra == 'array'", "deep>=0.1<2; extra == 'array'")
        solve.have(noarch("grid", "1.5", built("grid", "1.5", requires)))
        assert solve(conda=["grid"], pypi=["user"]) == {
            "user": "1.0",
            "array-lib": "2.0",
            "deep": "1.0",
        }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("constraint", "fine"),
    [("grid<2", True), ("grid<1", False), ("grid<1; sys_platform == 'win32'", True)],
)
def test_a_constraint_binds_what_conda_brings(
    solve: Solver, constraint: str, *, fine: bool
) -> None:
    """Also where no PyPI package has anything to do with it."""
    solve.have(noarch("grid", "1.5", built("grid", "1.5")))
    spec = EnvSpec.make(
        requirements={"conda": ["grid"], "pypi": ["plain"]},
        python=MINOR,
        constraints=[constraint],
        sources=[
            Source.make("channel", solve.url),
            Source.make("channel", solve.main),
            Source.make("index", solve.index.url),
        ],
    )
    resolver = MixedResolver(solve.worker)
    context = ResolveContext(cache_dir=solve.folder / "engines")
    if fine:
        assert resolver.resolve(spec, [LINUX], context)
        return
    with pytest.raises(NoSolution, match=r"is a constraint, and conda's grid is 1\.5") as caught:
        resolver.resolve(spec, [LINUX], context)
    assert str(caught.value.hint).startswith("ask conda for another version of `grid`")


class TestModules:
    """What conda's package and a wheel both bring."""

    def found(
        self, solve: Solver, conda: Mapping[str, str], wheel: Mapping[str, str], **asked: Any
    ) -> tuple[str, ...]:
        solve.have(
            noarch("py-opencv", "4.9.0", built("opencv-python", "4.9.0", files=conda)),
        )
        solve.index.add(make_wheel("opencv-contrib-python", "4.9.1", files=wheel))
        asked = {"conda": ["py-opencv"], "pypi": ["opencv-contrib-python"], **asked}
        return solve.all(**asked)[LINUX].notes

    @pytest.mark.parametrize(
        "path", ["cv2/__init__.py", "cv2.so", "cv2/cv2.abi3.so", "cv2/data/__init__.py"]
    )
    def test_that_differ_are_refused_with_both_names(self, solve: Solver, path: str) -> None:
        with pytest.raises(PackagesClash) as caught:
            self.found(solve, {path: "x = 1\n"}, {path: "x = 2\n"})
        (pair,) = caught.value.pairs
        assert pair == (
            "conda's `py-opencv` 4.9.0 and `opencv-contrib-python` 4.9.1 both bring"
            f" `{path}`, with different content"
        )
        assert caught.value.hint

    def test_of_a_build_for_one_python_are_compared_as_well(self, solve: Solver) -> None:
        files = built("psycopg2", "2.9", files={"psycopg2/__init__.py": "x = 1\n"}, place=SITE)
        solve.have(native("psycopg2", "2.9", files))
        wheel = {"psycopg2/__init__.py": "x = 2\n", "psycopg2_binary.libs/libpq.so.5": ""}
        solve.index.add(make_wheel("psycopg2-binary", "2.9", files=wheel))
        with pytest.raises(PackagesClash, match=r"`psycopg2` 2\.9 and `psycopg2-binary` 2\.9"):
            solve(conda=["psycopg2"], pypi=["psycopg2-binary"])

    @pytest.mark.parametrize(
        ("conda", "wheel"),
        [
            ({"google/__init__.py": PKGUTIL}, {"google/__init__.py": "# c\n" + PKGUTIL}),
            ({"google/__init__.py": "x = 1\n"}, {"google/__init__.py": PKGUTIL}),
            ({"google/a/__init__.py": "1"}, {"google/b/__init__.py": "2"}),
            ({"tests/__init__.py": ""}, {"tests/__init__.py": "# tests\n"}),
            ({"six.py": "same\n"}, {"six.py": "same\n"}),
        ],
    )
    def test_that_lose_nothing_are_no_matter(
        self, solve: Solver, conda: Mapping[str, str], wheel: Mapping[str, str]
    ) -> None:
        assert self.found(solve, conda, wheel) == ()

    def test_a_namespace_of_conda_does_not_hide_code(self, solve: Solver) -> None:
        path = "google/__init__.py"
        with pytest.raises(PackagesClash, match=path):
            self.found(solve, {path: PKGUTIL}, {path: "from .api import *\n"})

    def test_that_nobody_imports_are_noted(self, solve: Solver) -> None:
        (note,) = self.found(solve, {"tests/a.py": "1"}, {"tests/a.py": "2"})
        assert note.endswith("that of conda's `py-opencv` 4.9.0 will be there")

    def test_of_two_conda_packages_are_condas_business(self, solve: Solver) -> None:
        solve.have(
            noarch("one", "1.0", built("one", "1.0", files={"x.py": "1"})),
            noarch("two", "1.0", built("two", "1.0", files={"x.py": "2"})),
        )
        assert solve.all(conda=["one", "two"], pypi=["plain"])[LINUX].notes == ()


@pytest.mark.slow
def test_what_is_warm_asks_for_nothing(solve: Solver, served: ChannelServer) -> None:
    index = solve.index
    solve.have(
        noarch("grid", "1.5", built("grid", "1.5", GRID, extras=EXTRAS)),
        noarch("other", "1.0", built("other", "1.0", files={"google/__init__.py": PKGUTIL})),
    )
    index.add(make_wheel("google-thing", "1.0", files={"google/__init__.py": "# c\n" + PKGUTIL}))
    asked: dict[str, Any] = {"conda": ["grid", "other"], "pypi": ["late", "google-thing"]}
    first = solve.all(**asked)[LINUX]

    def counts() -> tuple[dict[str, int], dict[str, int]]:
        files = {one: count for one, count in index.requests.items() if one.endswith(".whl")}
        return packages_asked(served), files

    cold = counts()
    # Five wheels, and the namespace of one of them; the list of each build, and metadata of one.
    assert sum(cold[1].values()) == 6
    assert cold[0] == {"grid-1.5-pyh0_0.conda": 2, "other-1.0-pyh0_0.conda": 1}
    assert solve.all(**asked)[LINUX] == first
    assert counts() == cold
