"""What builds of conda packages bring to Python, as they say themselves, and what that costs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from packaging.utils import canonicalize_name
from tests.channel import ChannelServer, Entry, Recipe, pack, write_channel
from tests.interpreters import known_interpreters

from envid.platforms import host_platform
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec, Options, Source
from pkgcache.local.cache import PackageCache
from pkgcache.prefixes.conda_prefix import create_conda_env
from pkgcache.progress import NoProgress
from pkgcache.web.credentials import Credentials
from resolvers._conda_solve import solve_conda
from resolvers._contents import look_into, providers
from resolvers.content import content_digest
from resolvers.errors import IndexUnreachable, NoSolution, UnknownContents
from resolvers.mixed import MixedResolver
from resolvers.names import PypiNames
from resolvers.request import ResolveContext
from resolvers.testing import FakeIndex, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.channel import Channels

    from pkgcache.worker import Worker
    from resolvers.request import Resolution

LINUX = "linux-64"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"lib/python{MINOR}/site-packages"
PYTHON = (f"python {MINOR}.*",)


def metadata(name: str, version: str) -> Entry:
    return Entry(data=f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode())


def dist_info(name: str, version: str, place: str = "site-packages") -> dict[str, Entry]:
    """A distribution with a module of its name."""
    stem = name.replace("-", "_")
    return {
        f"{place}/{stem}.py": Entry(data=b""),
        f"{place}/{stem}-{version}.dist-info/METADATA": metadata(name, version),
    }


def noarch(name: str, version: str, *files: Mapping[str, Entry], **more: Any) -> Recipe:
    together = {path: entry for group in files for path, entry in group.items()}
    options = {"depends": ("python",), "noarch": "python", **more}
    return Recipe(name=name, version=version, build="pyh0_0", files=together, **options)


def native(name: str, version: str, *files: Mapping[str, Entry], **more: Any) -> Recipe:
    """A package of one platform and one version of Python."""
    recipe = noarch(name, version, *files, noarch=None, **{"depends": PYTHON, **more})
    return replace(recipe, subdir=LINUX, build=f"py{MINOR.replace('.', '')}h0_0")


class Solver:
    """Resolves over a channel of its own in front of the one that has Python."""

    def __init__(self, worker: Worker, folder: Path, main: str, index: FakeIndex) -> None:
        self.worker, self.folder, self.main, self.index = worker, folder, main, index
        self.channel = folder / "channel"
        self.url = self.channel.as_uri()
        self.credentials = Credentials()
        self.context: dict[str, Any] = {}

    def have(self, *recipes: Recipe) -> None:
        records: dict[str, Any] = {}
        # Offline, what is not there is not known to be so.
        fillers = [native("filler", "1.0"), replace(native("filler", "1.0"), subdir="osx-arm64")]
        for recipe in (*recipes, *fillers):
            records |= pack(recipe, self.channel)
        write_channel(self.channel, records)

    def spec(self, names: str | None = None, **asked: Sequence[str]) -> EnvSpec:
        return EnvSpec.make(
            requirements=asked,
            python=MINOR,
            sources=[
                Source.make("channel", self.url),
                Source.make("channel", self.main),
                Source.make("index", self.index.url),
            ],
            options=Options.make(pypi_names=names),
        )

    def all(
        self,
        *,
        platforms: Sequence[str] = (LINUX,),
        cache: str = "engines",
        offline: bool = False,
        names: Path | None = None,
        package_format: str = ".conda",
        **asked: Sequence[str],
    ) -> dict[str, Resolution]:
        digest = content_digest(names) if names else None
        context = ResolveContext(
            cache_dir=known_interpreters(self.folder / cache),
            credentials=self.credentials,
            offline=offline,
            **self.context,
        )
        resolver = MixedResolver(self.worker, pypi_names=names, package_format=package_format)
        return resolver.resolve(self.spec(digest, **asked), platforms, context)

    def __call__(self, **asked: Any) -> dict[str, str]:
        """The PyPI packages that are installed beside the conda ones."""
        found = self.all(**asked)[LINUX]
        return {one.name: one.version for one in found.packages if one.kind == "pypi"}


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    names = ("aiohttp", "bytecode", "demo", "demo-extra", "html5lib", "ray", "tzdata")
    wheels = [make_wheel(name, "7.0") for name in names]
    with FakeIndex(
        *wheels,
        make_wheel("demo", "1.0"),
        make_wheel("wants-old", "1.0", requires=["demo<2"]),
        make_wheel("wants-new", "1.0", requires=["demo>=2"]),
        make_wheel("wants-new", "0.9", requires=["demo>=1"]),
    ) as found:
        yield found


@pytest.fixture
def solve(worker: Worker, tmp_path: Path, channels: Channels, index: FakeIndex) -> Solver:
    return Solver(worker, tmp_path, channels.main.as_uri(), index)


@pytest.fixture
def served(solve: Solver) -> Iterator[ChannelServer]:
    with ChannelServer(solve.channel) as server:
        solve.url = server.url
        yield server


def packages_asked(server: ChannelServer) -> dict[str, int]:
    """How often each package was asked for."""
    found = {path.rpartition("/")[2]: count for path, count in server.requests.items()}
    return {name: count for name, count in found.items() if name.endswith((".conda", ".tar.bz2"))}


@pytest.mark.parametrize("make", [noarch, native])
def test_what_a_package_vendors_is_not_provided(solve: Solver, make: Any) -> None:
    place = "site-packages" if make is noarch else SITE
    below = f"{place}/ray/_private/thirdparty_files"
    solve.have(
        make(
            "ray-core",
            "2.9.0",
            dist_info("ray", "2.9.0", place),
            dist_info("aiohttp", "3.9.5", below),
            {f"{place}/ray/x.egg-info/PKG-INFO": metadata("html5lib", "1.0")},
            {f"{place}/ray/bytecode-1.0.egg-info": metadata("bytecode", "1.0")},
        )
    )
    asked = ["aiohttp", "html5lib", "bytecode", "ray"]
    expected = dict.fromkeys(("aiohttp", "html5lib", "bytecode"), "7.0")
    assert solve(conda=["ray-core"], pypi=asked) == expected


@pytest.mark.parametrize("make", [noarch, native])
def test_each_distribution_has_the_version_of_its_own_metadata(solve: Solver, make: Any) -> None:
    place = "site-packages" if make is noarch else SITE
    solve.have(
        make("psycopg", "3.2.1", dist_info("demo", "1.5", place), dist_info("tzdata", "1", place))
    )
    assert solve(conda=["psycopg"], pypi=["demo==1.5", "tzdata==1"]) == {}
    assert solve(conda=["psycopg"], pypi=["wants-old"]) == {"wants-old": "1.0"}
    assert solve(conda=["psycopg"], pypi=["wants-new"]) == {"wants-new": "0.9"}


@pytest.mark.parametrize(
    ("conda", "vendored"),
    [
        ("debugpy", "debugpy/_vendored/pydevd/bytecode"),
        ("ray-core", "ray/_private/runtime_env/agent/thirdparty_files/aiohttp"),
        ("bleach", "bleach/_vendor/html5lib"),
    ],
)
def test_names_that_all_builds_together_ever_had_are_not_provided(
    solve: Solver, conda: str, vendored: str
) -> None:
    folder, _, name = vendored.rpartition("/")
    own = conda.removesuffix("-core")
    solve.have(
        noarch(
            conda,
            "1.5",
            dist_info(own, "1.5"),
            dist_info(name, "0.1", f"site-packages/{folder}"),
        )
    )
    assert solve(conda=[conda], pypi=[own, name]) == {name: "7.0"}


def test_names_of_one_thing_that_pypi_splits_are_those_of_the_build(solve: Solver) -> None:
    other = "opencv-contrib-python"
    for name in ("opencv-python", "opencv-python-headless", other):
        solve.index.add(make_wheel(name, "9.0"))
    info = "site-packages/{}-4.9.0-py3.egg-info/PKG-INFO"
    both = ("opencv_python", "opencv_python_headless")
    solve.have(
        noarch("libopencv", "4.9.0", {info.format(one): metadata(one, "4.9.0") for one in both}),
        noarch("py-opencv", "4.9.0", depends=("python", "libopencv")),
    )
    asked = ["opencv-python>=4", "opencv-python-headless<5"]
    assert solve(conda=["py-opencv"], pypi=asked) == {}
    assert solve(conda=["py-opencv"], pypi=[other]) == {other: "9.0"}


@pytest.mark.slow
def test_a_conflict_names_the_distribution_and_the_package_that_has_it(solve: Solver) -> None:
    solve.have(noarch("psycopg", "3.2.1", dist_info("demo", "1.5")))
    with pytest.raises(NoSolution) as caught:
        solve(conda=["psycopg"], pypi=["demo>=2"])
    text = str(caught.value)
    assert "conda's demo 1.5" in text
    assert "conda brings `demo` 1.5 in `psycopg` 3.2.1 for `psycopg`" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "accepted", "refused"),
    [
        ("1.5+cu118", "demo==1.5", "demo>=1.6"),
        ("2.0rc1", "demo>=1.0", "demo>=2.0"),
        ("1.5.dev3", "demo<2", "demo>=1.5"),
        ("1!0.5", "demo>=1!0.1", "demo<1"),
        ("1.5.post2", "demo~=1.5", "demo==1.5"),
    ],
)
def test_versions_of_all_forms_are_offered(
    solve: Solver, version: str, accepted: str, refused: str
) -> None:
    solve.have(noarch("own", "9.0", dist_info("demo", version)))
    assert solve(conda=["own"], pypi=[accepted]) == {}
    with pytest.raises(NoSolution):
        solve(conda=["own"], pypi=[refused])


def test_a_name_alone_provides_nothing(solve: Solver) -> None:
    """A package that only needs others, or whose build recorded no distribution."""
    solve.have(
        noarch("demo", "9.0", noarch="generic"),
        native("demo-extra", "9.0", {f"{SITE}/demo_extra.so": Entry(data=b"ELF")}),
    )
    assert solve(conda=["demo"], pypi=["demo"]) == {"demo": "7.0"}
    assert solve(conda=["demo-extra"], pypi=["demo-extra"]) == {"demo-extra": "7.0"}


@pytest.mark.parametrize(
    "path",
    [
        "demo-1.5.egg-info/PKG-INFO",
        f"demo-1.5-py{MINOR}.egg-info/PKG-INFO",
        f"demo-1.5-py{MINOR}-linux-x86_64.egg-info/PKG-INFO",
        "demo-1.5.egg-info",
        f"Demo-1.5-py{MINOR}.egg-info",
        "demo.egg-info/PKG-INFO",
        "demo.egg-info",
        "demo.dist-info/METADATA",
        "demo-1.5.dist-info/METADATA",
    ],
)
@pytest.mark.parametrize("formats", [(".conda",), (".tar.bz2",)])
def test_metadata_of_all_kinds_is_found(solve: Solver, path: str, formats: tuple[str, ...]) -> None:
    solve.have(native("own", "3.0", {f"{SITE}/{path}": metadata("demo", "1.5")}, formats=formats))
    assert solve(conda=["own"], pypi=["demo==1.5"]) == {}


@pytest.mark.parametrize(
    "path",
    [
        "lib/python2.7/site-packages/demo-1.5.dist-info/METADATA",
        "site-packages/demo-1.5.dist-info/METADATA",
        "share/site-packages/demo-1.5.dist-info/METADATA",
        f"{SITE}/demo-1.5.dist-info/RECORD",
        f"{SITE}/demo-1.5.dist-info",
        f"{SITE}/demo-1.5.egg-info/SOURCES.txt",
        f"{SITE}/demo-1.5.dist-info/sub/METADATA",
    ],
)
def test_what_python_does_not_find_is_not_provided(solve: Solver, path: str) -> None:
    solve.have(native("own", "3.0", {path: metadata("demo", "1.5")}))
    assert solve(conda=["own"], pypi=["demo"]) == {"demo": "7.0"}


def test_a_python_says_where_its_packages_are(solve: Solver) -> None:
    threads = f"lib/python{MINOR}t/site-packages"
    python = Recipe(
        name="python",
        version=f"{MINOR}.99",
        build="0_cp",
        subdir=LINUX,
        extra={"python_site_packages_path": threads},
    )
    solve.have(python, native("own", "3.0", dist_info("demo", "1.5", threads)))
    assert solve(conda=["own"], pypi=["demo<2"]) == {}


def test_libraries_that_need_python_through_others_are_looked_into(solve: Solver) -> None:
    """As `libopencv` does, which has the metadata that `py-opencv` is known by."""
    solve.have(
        noarch("numeric", "1.0", dist_info("numeric", "1.0")),
        replace(
            native("libdemo", "3.0", dist_info("demo", "1.5", SITE), depends=("numeric",)),
            build="h0_0",
        ),
        native("libextra", "3.0", dist_info("demo-extra", "1.5", SITE), depends=()),
        replace(noarch("careless", "3.0", dist_info("ray", "1.5"), depends=()), build="0"),
        noarch("py-demo", "3.0", depends=("python", "libdemo", "libextra", "careless")),
    )
    asked = ["demo==1.5", "demo-extra==1.5", "ray==1.5"]
    assert solve(conda=["py-demo"], pypi=asked) == {}


@pytest.mark.slow
def test_python_itself_finds_the_same(solve: Solver, tmp_path: Path) -> None:
    native_site = {
        f"{SITE}/egg-1.5-py{MINOR}.egg-info/PKG-INFO": metadata("egg", "1.5"),
        f"{SITE}/Old.Egg-2.egg-info": metadata("Old.Egg", "2"),
        f"{SITE}/bare.egg-info/PKG-INFO": metadata("bare", "3.0"),
        f"{SITE}/leftover-1.0.dist-info/RECORD": Entry(data=b""),
        f"{SITE}/native_x/_vendor/inner-1.0.dist-info/METADATA": metadata("inner", "1.0"),
        "lib/python2.7/site-packages/py2-1.0.dist-info/METADATA": metadata("py2", "1.0"),
        "site-packages/lost-1.0.dist-info/METADATA": metadata("lost", "1.0"),
    }
    solve.have(
        native("native-x", "9.0", dist_info("native-x", "1.2.post1", SITE), native_site),
        noarch("pure", "9.0", dist_info("pure", "0.0.0"), dist_info("Demo.Extra", "2.0rc1")),
        noarch("generic", "1.0", dist_info("lost-too", "1.0"), noarch="generic"),
    )
    platform = host_platform()
    if platform != LINUX:
        pytest.skip(f"the packages are made for {LINUX}")
    names = ["native-x", "pure", "generic"]
    context = ResolveContext(cache_dir=known_interpreters(tmp_path / "engines"))
    spec = solve.spec(conda=names)
    solved = solve_conda(solve.worker, spec, [LINUX], context, alias="https://channel.test")
    contents = look_into(solved, PypiNames(), context)[LINUX]
    (env,) = ResolvedEnv.co_resolve(
        spec, {LINUX: (solved[LINUX].python, solved[LINUX].packages)}, resolved_by="me"
    )
    cache = PackageCache(tmp_path / "cache")
    cache.fetch(env.packages)
    create_conda_env(env, tmp_path / "env", cache=cache)
    program = (
        "import importlib.metadata as m, json, sys;"
        f"print(json.dumps([[d.name, d.version] for d in m.distributions(path=[{str(tmp_path / 'env' / SITE)!r}])]))"
    )
    done = subprocess.run(
        [tmp_path / "env/bin/python", "-I", "-c", program],
        check=True,
        capture_output=True,
        text=True,
    )
    found = {canonicalize_name(name): version for name, version in json.loads(done.stdout) if name}
    assert {name: one.distributions[name] for name, one in providers(contents).items()} == found
    assert found == {
        "native-x": "1.2.post1",
        "egg": "1.5",
        "old-egg": "2",
        "bare": "3.0",
        "pure": "0.0.0",
        "demo-extra": "2.0rc1",
    }
    files = {path for one in contents for path in one.files or ()}
    assert all((tmp_path / "env" / SITE / path).is_file() for path in files)


def test_only_what_may_hold_something_for_python_is_looked_into(
    solve: Solver, served: ChannelServer
) -> None:
    solve.have(
        noarch("demo", "1.5", dist_info("demo", "1.5")),
        Recipe(name="library", version="1.0", build="h0_0", subdir=LINUX),
    )
    assert solve(conda=["demo", "library"], pypi=["wants-old"]) == {"wants-old": "1.0"}
    assert packages_asked(served) == {"demo-1.5-pyh0_0.conda": 1}


def test_nothing_is_looked_into_without_need(solve: Solver, served: ChannelServer) -> None:
    solve.have(
        noarch("demo", "1.5", dist_info("demo", "1.5")),
        Recipe(name="library", version="1.0", build="h0_0", subdir=LINUX),
    )
    solve(conda=["demo"])
    solve(npconda=["library"], pypi=["demo"])
    assert packages_asked(served) == {}


@pytest.mark.slow
@pytest.mark.parametrize("package_format", [".conda", ".tar.bz2"])
def test_a_build_is_looked_into_once(
    solve: Solver, served: ChannelServer, package_format: str
) -> None:
    noise = Entry(data=hashlib.shake_128(b"seed").digest(4 << 20))
    solve.have(
        noarch(
            "demo",
            "1.5",
            dist_info("demo", "1.5"),
            {"share/noise": noise},
            formats=(package_format,),
        )
    )
    platforms = (LINUX, "osx-arm64")
    asked: dict[str, Any] = {"conda": ["demo"], "pypi": ["wants-old"]}
    found = solve.all(platforms=platforms, package_format=package_format, **asked)
    name = f"demo-1.5-pyh0_0{package_format}"
    assert packages_asked(served) == {name: 1}
    if package_format == ".conda":
        assert served.sent[f"/noarch/{name}"] == 64 << 10
    again = solve.all(platforms=platforms, package_format=package_format, **asked)
    assert packages_asked(served) == {name: 1}
    offline = solve.all(platforms=platforms, package_format=package_format, offline=True, **asked)
    # And the same where nothing is kept.
    fresh = solve.all(platforms=platforms, package_format=package_format, cache="b", **asked)
    assert found == again == offline == fresh
    assert packages_asked(served) == {name: 2}


def test_a_server_without_ranges_is_read_whole(solve: Solver, served: ChannelServer) -> None:
    noise = Entry(data=hashlib.shake_128(b"seed").digest(1 << 20))
    solve.have(noarch("own", "1.5", dist_info("demo", "1.5"), {"share/noise": noise}))
    served.ranges = False
    assert solve(conda=["own"], pypi=["demo<2"]) == {}
    assert packages_asked(served) == {"own-1.5-pyh0_0.conda": 1}


def test_a_build_that_was_made_again_is_another(solve: Solver) -> None:
    solve.have(noarch("own", "1.5", dist_info("demo", "1.5")))
    assert solve(conda=["own"], pypi=["demo==1.5"]) == {}
    solve.have(noarch("own", "1.5", dist_info("demo", "1.6")))
    assert solve(conda=["own"], pypi=["demo==1.6"]) == {}


def test_what_is_kept_and_damaged_is_looked_up_again(solve: Solver, served: ChannelServer) -> None:
    solve.have(noarch("own", "1.5", dist_info("demo", "1.5")))
    for number, text in enumerate(("", "[]", '{"schema": 99}', '{"schema": 1, "stated": []}')):
        for path in (solve.folder / "engines" / "listings").glob("*"):
            path.write_text(text)
        assert solve(conda=["own"], pypi=["demo==1.5"]) == {}
        assert packages_asked(served) == {"own-1.5-pyh0_0.conda": number + 1}


def test_purls_are_not_believed(solve: Solver) -> None:
    purls = ["pkg:pypi/bleach", "pkg:pypi/html5lib"]
    below = "site-packages/bleach/_vendor"
    solve.have(
        noarch(
            "bleach",
            "6.1.0",
            dist_info("bleach", "6.1.0"),
            dist_info("html5lib", "1.1", below),
            extra={"purls": purls},
        ),
        noarch("mute", "1.0", dist_info("demo", "1.0"), extra={"purls": []}),
    )
    assert solve(conda=["bleach"], pypi=["bleach", "html5lib"]) == {"html5lib": "7.0"}
    assert solve(conda=["mute"], pypi=["demo"]) == {}


@pytest.mark.parametrize("status", [404, 410, None])
def test_a_build_that_is_not_to_be_had_is_taken_for_its_name_and_it_is_said(
    solve: Solver, served: ChannelServer, status: int | None
) -> None:
    solve.have(noarch("demo", "1.5", dist_info("demo", "1.5")))
    solve(conda=["demo"])  # What there is to choose from is known offline, then,
    solve(pypi=["wants-old"])  # to uv, too.
    if status:
        served.faults["/noarch/demo"] = status
    found = solve.all(conda=["demo"], pypi=["wants-old"], offline=not status)[LINUX]
    (note,) = found.notes
    reason = f"the server answered {status}" if status else "downloads are switched off"
    assert f"({reason})" in note
    assert "`demo-1.5-pyh0_0.conda` for demo 1.5" in note


class Notes(NoProgress):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


@pytest.mark.slow
def test_a_conflict_with_what_was_only_guessed_says_so(
    solve: Solver, served: ChannelServer
) -> None:
    solve.have(noarch("demo", "1.5", dist_info("demo", "2.5")))
    served.faults["/noarch/demo"] = 404
    solve.context["progress"] = said = Notes()
    with pytest.raises(NoSolution, match=r"conda's demo 1\.5"):
        solve(conda=["demo"], pypi=["demo>=2"])
    assert ["`demo-1.5-pyh0_0.conda` for demo 1.5" in text for text in said.texts] == [True]


BOTH = ["pkg:pypi/demo", "pkg:pypi/html5lib"]


@pytest.mark.parametrize(
    ("recipe", "plain", "doubtful"),
    [
        (noarch("debugpy", "1.8.9"), ["debugpy"], "bytecode"),
        (noarch("demo", "1.0", extra={"purls": BOTH}), ["demo<2"], "html5lib"),
        (noarch("own", "1.0", extra={"purls": BOTH}), [], "html5lib"),
        (noarch("demo", "2024a"), [], "demo"),
    ],
)
def test_what_its_name_does_not_say_is_an_error_where_it_matters(
    solve: Solver, served: ChannelServer, recipe: Recipe, plain: list[str], doubtful: str
) -> None:
    solve.have(recipe)
    solve.index.add(make_wheel("nested", "1.0", requires=[doubtful]))
    solve.index.add(make_wheel("cannot", "1.0", requires=[f"{doubtful}>99"]))
    served.faults[f"/noarch/{recipe.name}"] = 404
    assert solve(conda=[recipe.name], pypi=["ray", *plain]) == {"ray": "7.0"}
    for asked in (doubtful, "nested", "cannot"):
        with pytest.raises(UnknownContents) as caught:
            solve(conda=[recipe.name], pypi=[asked])
        assert str(caught.value) == (
            f"nothing says whether conda's `{recipe.stem}.conda` holds `{doubtful}`, needed from"
            " PyPI: the server answered 404"
        )
        assert caught.value.hint
    table = solve.folder / "names.json"
    table.write_text(json.dumps({"names": {recipe.name: [doubtful]}}))
    assert solve(conda=[recipe.name], pypi=[doubtful], names=table) == {}


def test_what_another_package_holds_for_sure_is_in_no_doubt(
    solve: Solver, served: ChannelServer
) -> None:
    solve.have(noarch("debugpy", "1.8.9"), noarch("bytecode", "1.5", dist_info("bytecode", "1.5")))
    served.faults["/noarch/debugpy"] = 404
    assert solve(conda=["debugpy", "bytecode"], pypi=["bytecode"]) == {}


@pytest.mark.parametrize(
    ("recipe", "purls"),
    [
        (noarch("pytorch", "2.1.0"), None),
        (noarch("own", "2.1.0"), ["pkg:pypi/torch@2.1.0?x=y"]),
    ],
)
def test_a_table_or_the_channel_has_other_names(
    solve: Solver, served: ChannelServer, recipe: Recipe, purls: list[str] | None
) -> None:
    solve.have(replace(recipe, extra={"purls": purls} if purls else {}))
    solve.index.add(make_wheel("torch", "3.0"))
    served.faults["/noarch/"] = "once:404"
    del served.faults["/noarch/"]
    served.faults[f"/noarch/{recipe.name}"] = 404
    assert solve(conda=[recipe.name], pypi=["torch"]) == {}


def test_metapackages_are_plain(solve: Solver, served: ChannelServer) -> None:
    solve.have(
        noarch("demo-base", "1.0", dist_info("demo", "1.0")),
        noarch("demo", "1.0", depends=("demo-base",)),
        noarch("mute", "1.0", extra={"purls": []}),
    )
    served.faults["/noarch/demo-1"] = served.faults["/noarch/mute"] = 404
    assert solve(conda=["demo", "mute"], pypi=["demo<2"]) == {}


@pytest.mark.parametrize("fault", [500, 503, 429])
def test_a_channel_that_fails_is_an_error_whatever_the_package(
    solve: Solver, served: ChannelServer, fault: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    solve.have(noarch("demo", "1.5", dist_info("demo", "1.5")))
    served.faults["/noarch/demo"] = fault
    with pytest.raises(IndexUnreachable, match=f"the server answered {fault}"):
        solve(conda=["demo"], pypi=["demo"])
    served.faults["/noarch/demo"] = f"once:{fault}"
    assert solve(conda=["demo"], pypi=["demo"]) == {}


def test_a_channel_that_refuses_us_is_an_error(solve: Solver, served: ChannelServer) -> None:
    solve.have(noarch("demo", "1.5", dist_info("demo", "1.5")))
    served.faults["/noarch/demo"] = 403
    with pytest.raises(IndexUnreachable, match="403") as caught:
        solve(conda=["demo"], pypi=["demo"])
    assert "user name and a password" in (caught.value.hint or "")


@pytest.mark.parametrize("fault", ["garbage", "flip"])
def test_other_bytes_are_an_error_and_are_not_kept(
    solve: Solver, served: ChannelServer, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    solve.have(noarch("demo", "1.5", dist_info("demo", "1.5")))
    served.faults["/noarch/demo"] = fault
    with pytest.raises(IndexUnreachable, match=r"demo-1\.5-pyh0_0\.conda"):
        solve(conda=["demo"], pypi=["demo"])
    served.faults.clear()
    assert solve(conda=["demo"], pypi=["demo"]) == {}


@pytest.mark.slow
def test_what_this_machine_has_is_not_asked_for(
    solve: Solver, served: ChannelServer, tmp_path: Path
) -> None:
    recipe = noarch("own", "1.5", dist_info("demo", "1.5"))
    solve.have(recipe)
    cache = PackageCache(tmp_path / "cache")
    for step in ("nothing", "archive", "unpacked"):
        if step != "nothing":
            found = solve.all(conda=["own"])[LINUX].packages
            cache.fetch([one for one in found if one.name == "own"], unpack=step == "unpacked")
        served.requests.clear()
        solve.context["listing"] = cache.listing
        assert solve(conda=["own"], pypi=["demo==1.5"], cache=step) == {}
        assert bool(packages_asked(served)) == (step == "nothing")
    solve.context.clear()
    assert solve(conda=["own"], pypi=["demo==1.5"], cache="unpacked") == {}
    assert not packages_asked(served)


def test_a_channel_of_files_needs_no_network(solve: Solver) -> None:
    solve.have(noarch("own", "1.5", dist_info("demo", "1.5")))
    assert solve(conda=["own"], pypi=["demo<2"], offline=True) == {}
    (solve.channel / "noarch" / "own-1.5-pyh0_0.conda").unlink()
    assert solve(conda=["own"], pypi=["demo<2"]) == {}
    (note,) = solve.all(conda=["own"], pypi=["demo<2"], cache="other")[LINUX].notes
    assert "(no such file or directory)" in note
    assert "`own-1.5-pyh0_0.conda` for own 1.5" in note


@pytest.mark.parametrize("secret", ["login", "token"])
def test_private_channels_are_looked_into(solve: Solver, secret: str) -> None:
    solve.have(noarch("own", "1.5", dist_info("demo", "1.5")))
    options: dict[str, Any] = {"login": ("me", "word")} if secret == "login" else {"token": "t0k"}
    with ChannelServer(solve.channel, **options) as server:
        solve.url = server.url
        with_secret = server.url_with_login if secret == "login" else f"{server.url}/t/t0k"
        solve.credentials.add(with_secret)
        assert solve(conda=["own"], pypi=["demo<2"]) == {}


def test_a_table_of_the_user_counts_whatever_is_in_a_package(
    solve: Solver, served: ChannelServer, tmp_path: Path
) -> None:
    solve.have(
        noarch("own", "1.5", dist_info("demo", "1.0")),
        noarch("hidden", "1.0", dist_info("ray", "1")),
    )
    table = tmp_path / "names.json"
    table.write_text(json.dumps({"names": {"own": ["html5lib"], "hidden": []}}))
    asked = {"conda": ["own", "hidden"], "pypi": ["demo", "html5lib==1.5", "ray"]}
    assert solve(**asked, names=table) == {"demo": "7.0", "ray": "7.0"}
    assert packages_asked(served) == {}


def test_versions_that_pypi_cannot_read_are_said(solve: Solver) -> None:
    solve.have(
        noarch("own", "1.5", {"site-packages/demo-1.2-odd.egg-info": metadata("demo", "1.2-odd")}),
        noarch("two", "1.5", dist_info("ray", "1.0"), dist_info("ray", "2.0")),
        noarch("late", "1.5", dist_info("ray", "3.0")),
    )
    found = solve.all(conda=["own", "two", "late"], pypi=["demo", "ray"])[LINUX]
    assert not [one for one in found.packages if one.kind == "pypi"]
    assert set(found.notes) == {
        "`own-1.5-pyh0_0.conda` holds `demo` 1.2-odd, which is taken for 1.2",
        "`two-1.5-pyh0_0.conda` holds `ray` in versions 1.0 and 2.0, which is taken for 2.0",
        "`late-1.5-pyh0_0.conda` and `two-1.5-pyh0_0.conda` hold `ray` in several versions: 3.0 is taken",
    }
