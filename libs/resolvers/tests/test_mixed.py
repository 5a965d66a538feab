"""PyPI packages on a Python from conda, and beside conda packages that must not change."""

from __future__ import annotations

import io
import json
import pickle
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from tests.interpreters import known_interpreters

from envid.platforms import host_platform
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec, Options, Source
from pkgcache.local.cache import PackageCache
from pkgcache.prefixes.conda_prefix import create_conda_env
from resolvers.content import content_digest
from resolvers.errors import (
    BuildFailed,
    NeedsPlatform,
    NoSolution,
    PythonRefused,
    UnsupportedRequest,
)
from resolvers.mixed import MixedResolver
from resolvers.names import PypiNames
from resolvers.pythons import stand_in
from resolvers.request import ResolveContext
from resolvers.testing import Distribution, FakeIndex, make_project, make_sdist, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.channel import Channels

    from envid.packages import Package
    from pkgcache.worker import Worker
    from resolvers.request import Artifact

LINUX = "linux-64"
HOST = host_platform()
FOREIGN = "osx-arm64" if HOST != "osx-arm64" else LINUX
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    wheels = [
        make_wheel("alpha", "1.0", requires=["late; python_version >= '3.13'"]),
        make_wheel("late", "1.0"),
        make_wheel(
            "shared", "1.5", extras=["fast"], requires=["quick>=1; extra == 'fast'", "slow"]
        ),
        make_wheel("shared", "3.0"),
        make_wheel("quick", "1.2"),
        make_wheel("slow", "1.0"),
        make_wheel("user", "1.0", requires=["shared<2"]),
        make_wheel("user", "2.0", requires=["shared>=2"]),
        make_wheel("modern", "1.0", requires=["shared>=2"]),
        make_wheel("painter", "1.0", requires=["colour-names"]),
        make_wheel("colour-names", "7.0"),
        make_wheel("greeter", "5.0"),
        make_wheel("picky", "1.0", requires_python=">=3.99"),
        make_wheel("native", "1.0", tag="cp39-abi3-manylinux_2_17_x86_64"),
        make_wheel("native", "1.0", tag="cp39-abi3-macosx_11_0_arm64"),
    ]
    with FakeIndex(*wheels) as found:
        yield found


class Solver:
    def __init__(self, worker: Worker, folder: Path, channel: Path, index: FakeIndex) -> None:
        self.worker, self.folder, self.channel, self.index = worker, folder, channel, index
        self.context: dict[str, Any] = {}
        self.artifacts: list[Artifact] = []
        self.notes: list[str] = []

    def all(
        self,
        *,
        platforms: Sequence[str] = (LINUX,),
        python: str = MINOR,
        origins: dict[str, str] | None = None,
        names: Path | None = None,
        options: dict[str, Any] | None = None,
        **asked: list[str],
    ) -> dict[str, dict[str, Package]]:
        spec = EnvSpec.make(
            requirements=asked,
            python=python,
            sources=[
                Source.make("channel", self.channel.as_uri()),
                Source.make("index", self.index.url),
            ],
            options=Options.make(
                **{"pypi_names": content_digest(names) if names else None, **(options or {})}
            ),
        )
        context = ResolveContext(
            cache_dir=known_interpreters(self.folder), origins=origins or {}, **self.context
        )
        found = MixedResolver(self.worker, pypi_names=names).resolve(spec, platforms, context)
        self.notes = [note for one in found.values() for note in one.notes]
        self.artifacts = [artifact for one in found.values() for artifact in one.artifacts]
        for one in found.values():
            conda = {package.name for package in one.packages if package.kind == "conda"}
            pypi = {package.name for package in one.packages if package.kind == "pypi"}
            assert one.python == next(p.version for p in one.packages if p.name == "python")
            assert len(conda) + len(pypi) == len(one.packages)
        return {
            platform: {f"{package.kind}:{package.name}": package for package in one.packages}
            for platform, one in found.items()
        }

    def __call__(self, **asked: Any) -> dict[str, Package]:
        return self.all(**asked)[LINUX]


@pytest.fixture
def solve(worker: Worker, tmp_path: Path, channels: Channels, index: FakeIndex) -> Solver:
    return Solver(worker, tmp_path / "engines", channels.main, index)


def pypi(found: dict[str, Package]) -> dict[str, str]:
    return {one.name: one.version for one in found.values() if one.kind == "pypi"}


def test_wheels_for_a_python_from_conda(solve: Solver) -> None:
    found = solve(pypi=["alpha"])
    assert set(found) == {"conda:python", "conda:python_abi", "conda:tzdata", "pypi:alpha"} | (
        {"pypi:late"} if sys.version_info >= (3, 13) else set()
    )


@pytest.mark.slow
def test_the_python_need_not_be_on_this_machine(solve: Solver, channels: Channels) -> None:
    versions = {path.name.split("-")[1] for path in channels.main.glob("*/python-3*.conda")}
    for version in versions:
        found = solve(pypi=["alpha"], python=version)
        assert found["conda:python"].version == version
        late = int(version.split(".")[1]) >= 13
        assert pypi(found) == {"alpha": "1.0"} | ({"late": "1.0"} if late else {})


def test_platforms_are_resolved_together(solve: Solver) -> None:
    found = solve.all(pypi=["native"], conda=["greeter"], platforms=[LINUX, "osx-arm64"])
    assert found[LINUX]["pypi:native"].filename.endswith("x86_64.whl")
    assert found["osx-arm64"]["pypi:native"].filename.endswith("arm64.whl")
    assert found["osx-arm64"]["conda:greeter"].subdir == "osx-arm64"


def test_npconda_packages_come_beside_it(solve: Solver) -> None:
    found = solve(pypi=["alpha"], npconda=["greeter"])
    assert "conda:greeter" in found


@pytest.mark.parametrize("beside", [{}, {"conda": ["wrapper"]}])
def test_npconda_that_brings_python_is_refused_naming_the_way(
    solve: Solver, beside: dict[str, list[str]]
) -> None:
    origins = {"wrapper>=1": "env.yml:9"}
    with pytest.raises(UnsupportedRequest) as caught:
        solve(pypi=["alpha"], npconda=["wrapper>=1"], origins=origins, **beside)
    assert str(caught.value) == (
        "env.yml:9: `wrapper>=1` brings Python with it: wrapper needs pytool needs python"
    )
    assert caught.value.hint


@pytest.mark.parametrize("form", ["{url}::wrapper", "wrapper[version='>=1']", "{package}"])
def test_npconda_is_known_in_every_spelling(solve: Solver, form: str) -> None:
    url = solve.channel.as_uri()
    (package,) = solve.channel.glob("noarch/wrapper-*")
    with pytest.raises(UnsupportedRequest, match="wrapper needs pytool needs python"):
        solve(pypi=["alpha"], npconda=[form.format(url=url, package=package.as_uri())])


def test_pypi_packages_adapt_to_what_conda_brings(solve: Solver) -> None:
    assert pypi(solve(conda=["shared=1.5"], pypi=["user"])) == {"user": "1.0"}
    assert pypi(solve(conda=["shared=3"], pypi=["user"])) == {"user": "2.0"}
    assert pypi(solve(pypi=["user"])) == {"user": "2.0", "shared": "3.0"}


@pytest.mark.parametrize("spec", ["shared", "shared==1.5", "shared>=1", "shared~=1.0", "shared<2"])
def test_conda_serves_a_requirement_itself(solve: Solver, spec: str) -> None:
    assert pypi(solve(conda=["shared=1.5"], pypi=[spec])) == {}


def test_dependents_know_what_conda_brings(solve: Solver) -> None:
    found = solve(conda=["shared=1.5"], pypi=["user"])
    assert found["pypi:user"].depends == ("shared",)


def test_what_a_channel_says_is_not_believed_over_the_package(solve: Solver) -> None:
    # The purls of `colours` name `colour-names`, and its build holds the distribution `colours`.
    found = solve(conda=["colours"], pypi=["painter", "colours"])
    assert pypi(found) == {"painter": "1.0", "colour-names": "7.0"}


def test_a_table_of_names_can_be_replaced(solve: Solver, tmp_path: Path) -> None:
    table = tmp_path / "names.json"
    table.write_text(json.dumps({"names": {"either": ["Colour_Names"]}}))
    found = solve(conda=["either"], pypi=["painter"], names=table)
    assert pypi(found) == {"painter": "1.0"}
    # An edge leads to the package, whatever Python calls what is in it.
    assert found["pypi:painter"].depends == ("either",)
    with pytest.raises(UnsupportedRequest, match="made for another table") as caught:
        solve(conda=["either"], pypi=["painter"], options={"pypi_names": "0" * 64})
    assert caught.value.hint
    for text in ("no json", "[]", '{"names": []}', '{"names": {"a": 3}}'):
        table.write_text(text)
        with pytest.raises(UnsupportedRequest) as caught:
            PypiNames(table)
        assert caught.value.hint


def test_a_library_of_the_same_name_is_no_distribution(solve: Solver) -> None:
    found = solve(conda=["greeter"], pypi=["greeter"])
    assert found["conda:greeter"].version == "1.1"
    assert pypi(found) == {"greeter": "5.0"}


def test_an_extra_of_a_conda_package_brings_what_it_needs(solve: Solver) -> None:
    assert pypi(solve(conda=["shared=1.5"], pypi=["shared[fast]"])) == {"quick": "1.2"}
    with pytest.raises(UnsupportedRequest, match="has no extra `loud`") as caught:
        solve(conda=["shared=1.5"], pypi=["shared[loud]"])
    assert caught.value.hint == "it has fast"
    with pytest.raises(UnsupportedRequest, match="no index has that version"):
        solve(conda=["shared=1.0"], pypi=["shared[fast]"])


@pytest.mark.slow
def test_a_conflict_names_both_sides(solve: Solver) -> None:
    with pytest.raises(NoSolution) as caught:
        solve(
            conda=["either", "shared<2"],
            pypi=["modern"],
            origins={"shared<2": "env.yml:4", "modern": "env.yml:7"},
        )
    text = str(caught.value)
    assert "all versions of modern depend on shared>=2 and conda's shared 1.5" in text
    assert "conda brings `shared` 1.5 for `shared<2` (env.yml:4)" in text
    assert "`modern` is asked by env.yml:7" in text
    assert "+conda" not in text
    assert "ask conda for another version of `shared`" in str(caught.value.hint)
    assert str(pickle.loads(pickle.dumps(caught.value))) == text


@pytest.mark.slow
def test_a_conflict_names_the_way_to_the_conda_package(solve: Solver) -> None:
    with pytest.raises(NoSolution, match=r"conda brings `shared` 1\.5 for `left`"):
        solve(conda=["left"], pypi=["modern"])


@pytest.mark.slow
def test_what_conda_builds_never_satisfies_is_said(solve: Solver) -> None:
    with pytest.raises(NoSolution) as caught:
        solve(conda=["shared=1.5"], pypi=["shared===1.5"])
    assert "write `==` instead of `===`" in str(caught.value.hint)


def test_a_python_that_a_package_refuses(solve: Solver) -> None:
    with pytest.raises(PythonRefused):
        solve(pypi=["picky"])


def test_a_cutoff_spares_what_conda_brings(solve: Solver) -> None:
    found = solve(conda=["shared=1.5"], pypi=["user"], options={"exclude_newer": "2021-01-01"})
    assert pypi(found) == {"user": "1.0"}


@pytest.mark.parametrize("refused", [":all:", "shared"])
def test_wheels_may_be_unwanted_and_conda_packages_serve(
    solve: Solver, tmp_path: Path, refused: str
) -> None:
    solve.index.add(make_sdist(tmp_path / "source", "crafted", "1.0", requires=["shared<2"]))
    found = solve(conda=["shared=1.5"], pypi=["crafted"], options={"no_binary": [refused]})
    assert pypi(found) == {"crafted": "1.0"}


def test_hashes_of_an_index_say_nothing_of_conda_packages(solve: Solver) -> None:
    text = f"shared==1.5 --hash=sha256:{'0' * 64}"
    origins = {text: "requirements.txt:3"}
    assert pypi(solve(conda=["shared=1.5"], pypi=[text], origins=origins)) == {}
    note = (
        "requirements.txt:3: the hashes of `shared` are not checked: conda's shared 1.5 brings it"
    )
    assert [one for one in solve.notes if one.startswith(note)]
    with pytest.raises(UnsupportedRequest, match="the hashes of `shared` are not checked"):
        solve(conda=["shared=1.5"], pypi=[text], options={"require_hashes": True})


def test_a_conda_package_is_no_wheel_that_could_be_refused(solve: Solver) -> None:
    solve(conda=["shared=1.5"], pypi=["shared"], options={"no_binary": ["shared"]})
    assert "`--no-binary shared` is not used: conda's shared brings it" in solve.notes


@pytest.fixture
def absent(channels: Channels, tmp_path: Path) -> str:
    """A Python of the channel whose minor version this machine does not have itself."""
    context = ResolveContext(cache_dir=known_interpreters(tmp_path))
    versions = {path.name.split("-")[1] for path in channels.main.glob(f"{HOST}/python-3*.conda")}
    for one in sorted(versions):
        if not stand_in(one, context).is_near:
            return one
    pytest.skip("every Python of the channel is on this machine")


class Workshop:
    """Makes builder environments, each at a place of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made: list[tuple[str, str]] = []
        self.cache = PackageCache(root / "cache")

    def __call__(self, packages: tuple[Package, ...]) -> Path:
        python = next(one.version for one in packages if one.name == "python")
        found = {HOST: (python, packages)}
        (env,) = ResolvedEnv.co_resolve(
            EnvSpec.make(requirements={}, python=python), found, resolved_by="me"
        )
        self.cache.fetch(env.packages)
        prefix = self.root / f"{len(self.made)}"
        create_conda_env(env, prefix, cache=self.cache)
        self.made.append((python, str(prefix)))
        return prefix / "bin" / "python"


@pytest.fixture
def workshop(solve: Solver, tmp_path: Path) -> Workshop:
    found = Workshop(tmp_path)
    solve.context["builder_python"] = found
    return found


def builder_of(artifact: Artifact) -> str:
    """The prefix of the Python that built a wheel."""
    with zipfile.ZipFile(artifact.path) as wheel:
        name = next(one for one in wheel.namelist() if one.endswith(".py"))
        return wheel.read(name).decode()


@pytest.mark.slow
def test_without_a_builder_a_python_of_the_minor_version_must_be_here(
    solve: Solver, tmp_path: Path, absent: str
) -> None:
    solve.index.add(make_sdist(tmp_path / "source", "crafted", "1.0"))
    assert pypi(solve(pypi=["crafted"])) == {"crafted": "1.0"}
    with pytest.raises(BuildFailed) as caught:
        solve(pypi=["crafted"], python=absent)
    assert "on this machine to build it with" in str(caught.value)


@pytest.mark.slow
def test_wheels_are_built_with_conda_s_own_python(
    solve: Solver, tmp_path: Path, absent: str, workshop: Workshop
) -> None:
    tree = make_project(tmp_path / "local", "local", "1.0", module="@BUILDER@")
    digest = content_digest(tree)
    solve.context["local_paths"] = {digest: tree}
    solve.index.add(make_sdist(tmp_path / "source", "crafted", "1.0", module="@BUILDER@"))
    asked = ["crafted", f"file:local#sha256={digest}"]
    # A version that this machine has too: where wheels come from does not depend on that.
    for python in (absent, MINOR):
        workshop.made.clear()
        solve.folder = workshop.root = tmp_path / python
        found = solve.all(pypi=asked, python=python, platforms=[HOST, FOREIGN])
        assert {one.filename for one in found[HOST].values() if one.kind == "pypi"} == {
            "crafted-1.0-py3-none-any.whl",
            "local-1.0-py3-none-any.whl",
        }
        ((version, prefix),) = workshop.made
        assert version == found[HOST]["conda:python"].version
        assert {builder_of(one) for one in solve.artifacts} == {prefix}
        assert solve.all(pypi=asked, python=python, platforms=[HOST, FOREIGN]) == found
    assert len(workshop.made) == 1


def test_nothing_is_made_where_nothing_is_built(solve: Solver, workshop: Workshop) -> None:
    solve(pypi=["alpha"])
    assert workshop.made == []


@pytest.mark.slow
def test_a_foreign_platform_is_built_for_with_a_python_of_this_one(
    solve: Solver, tmp_path: Path, absent: str, workshop: Workshop
) -> None:
    solve.index.add(make_sdist(tmp_path / "source", "crafted", "1.0", module="@BUILDER@"))
    found = solve.all(pypi=["crafted"], python=absent, platforms=[FOREIGN])
    assert found[FOREIGN]["conda:python"].subdir == FOREIGN
    assert [builder_of(one) for one in solve.artifacts] == [workshop.made[0][1]]


@pytest.mark.slow
def test_compiled_code_for_a_foreign_platform_needs_that(
    solve: Solver, tmp_path: Path, workshop: Workshop
) -> None:
    tag = f"py3-none-{'linux_x86_64' if HOST == 'linux-64' else 'linux_aarch64'}"
    solve.index.add(make_sdist(tmp_path / "source", "crafted", "1.0", tag=tag))
    with pytest.raises(NeedsPlatform) as caught:
        solve.all(pypi=["crafted", "alpha"], platforms=[FOREIGN])
    assert (caught.value.platform, caught.value.packages) == (FOREIGN, ("crafted",))


@pytest.mark.slow
def test_an_sdist_is_asked_for_its_metadata_with_the_right_python_if_need_be(
    solve: Solver, tmp_path: Path, absent: str, workshop: Workshop
) -> None:
    tree = make_project(tmp_path / "old-1.0", "old", "1.0", module="@BUILDER@")
    backend = tree / "backend.py"
    minor = tuple(int(part) for part in absent.split(".")[:2])
    backend.write_text(f"import sys\nassert sys.version_info[:2] == {minor}\n{backend.read_text()}")
    project = tree / "pyproject.toml"
    project.write_text(project.read_text().partition("[project]")[0])
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as sdist:
        sdist.add(tree, tree.name)
    solve.index.add(
        Distribution(
            name="old", filename="old-1.0.tar.gz", data=archive.getvalue(), metadata="Name: old\n"
        )
    )
    assert pypi(solve(pypi=["old"], python=absent)) == {"old": "1.0"}
    assert [builder_of(one) for one in solve.artifacts] == [workshop.made[0][1]]
    solve.context.clear()
    solve.folder = tmp_path / "fresh"
    with pytest.raises(BuildFailed):
        solve(pypi=["old"], python=absent)


def test_only_specs_with_conda_s_python_are_taken(solve: Solver) -> None:
    with pytest.raises(UnsupportedRequest, match="takes Python from conda"):
        solve(pypi=["alpha"], options={"python_provider": "system"})
    with pytest.raises(UnsupportedRequest, match="no platform"):
        solve.all(pypi=["alpha"], platforms=[])
