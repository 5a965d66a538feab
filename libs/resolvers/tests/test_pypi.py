from __future__ import annotations

import io
import re
import tarfile
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from envid.platforms import PLATFORMS, host_platform
from envid.spec import EnvSpec
from resolvers.errors import PythonNotFound, UnsupportedRequest
from resolvers.testing import Distribution, FakeIndex, make_project, make_wheel

from .helpers import LINUX, resolve, resolve_all, spec_of, versions

if TYPE_CHECKING:
    from pathlib import Path


def test_a_package_is_described_completely(tmp_path: Path) -> None:
    wheel = make_wheel("a-b", "1.0", requires=["c>=1"])
    with FakeIndex(wheel, make_wheel("c", "2.0")) as index:
        found = resolve(spec_of("A_b", index=index.url), tmp_path)["a-b"]
        assert found.to_dict() == {
            "kind": "pypi",
            "name": "a-b",
            "version": "1.0",
            "filename": "a_b-1.0-py3-none-any.whl",
            "url": f"{index.origin}/files/a_b-1.0-py3-none-any.whl",
            "size": len(wheel.data),
            "hashes": {"sha256": wheel.sha256, "md5": None},
            "depends": ["c"],
            "source": index.url,
            "build": None,
            "subdir": None,
            "built_from": None,
            "transmuted": None,
        }


def test_all_platforms_are_resolved_with_their_own_markers_and_tags(tmp_path: Path) -> None:
    with FakeIndex(
        make_wheel(
            "app",
            "1",
            requires=[
                "mac; sys_platform == 'darwin'",
                "linux; sys_platform == 'linux'",
                "arm; platform_machine == 'arm64' or platform_machine == 'aarch64'",
                "windows; os_name == 'nt'",
            ],
        ),
        make_wheel("mac", "1", tag="py3-none-macosx_11_0_universal2"),
        make_wheel("linux", "1", tag="py3-none-manylinux_2_17_x86_64"),
        make_wheel("linux", "1", tag="py3-none-manylinux_2_17_aarch64"),
        make_wheel("arm", "1"),
        make_wheel("windows", "1"),
    ) as index:
        found = resolve_all(spec_of("app", index=index.url), tmp_path, PLATFORMS)
    assert {
        platform: sorted(one.filename for one in each.packages) for platform, each in found.items()
    } == {
        "linux-64": ["app-1-py3-none-any.whl", "linux-1-py3-none-manylinux_2_17_x86_64.whl"],
        "linux-aarch64": [
            "app-1-py3-none-any.whl",
            "arm-1-py3-none-any.whl",
            "linux-1-py3-none-manylinux_2_17_aarch64.whl",
        ],
        "osx-64": ["app-1-py3-none-any.whl", "mac-1-py3-none-macosx_11_0_universal2.whl"],
        "osx-arm64": [
            "app-1-py3-none-any.whl",
            "arm-1-py3-none-any.whl",
            "mac-1-py3-none-macosx_11_0_universal2.whl",
        ],
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sys", "expected"),
    [
        ((), "2_28"),
        (("__glibc=2.17",), "2_17"),
        (("__glibc=2.18",), "2_17"),
        (("__glibc=2.23",), "2_17"),
        (("__glibc=2.24",), "2_24"),
        (("__glibc=2.27",), "2_24"),
        (("__glibc=2.28",), "2_28"),
        (("__glibc=2.30",), "2_30"),
        (("__glibc=2.36",), "2_34"),
        (("__glibc=2.40",), "2_39"),
        (("__glibc=2.41",), "2_41"),
        (("__glibc=2.99",), "2_41"),
    ],
)
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_newest_wheel_below_the_glibc_floor_is_taken(
    tmp_path: Path, sys: tuple[str, ...], expected: str, machine: str
) -> None:
    minors = ("2_17", "2_24", "2_28", "2_30", "2_34", "2_39", "2_41")
    tags = [f"py3-none-{one}_{machine}" for one in ("musllinux_1_1", "manylinux1")]
    tags += [f"py3-none-manylinux_{one}_{machine}" for one in minors]
    # Each version of the second has a wheel for one floor alone, and must be seen by uv too.
    versions = [
        make_wheel("b", one.replace("_", "."), tag=f"py3-none-manylinux_{one}_{machine}")
        for one in minors
    ]
    with FakeIndex(*(make_wheel("a", "1", tag=tag) for tag in tags), *versions) as index:
        spec = spec_of("a", "b", index=index.url, sys=sys)
        found = resolve(spec, tmp_path, {"x86_64": LINUX}.get(machine, "linux-aarch64"))
    assert found["a"].filename == f"a-1-py3-none-manylinux_{expected}_{machine}.whl"
    assert found["b"].version == expected.replace("_", ".")


@pytest.mark.slow
def test_a_source_that_is_asked_for_what_it_needs_is_asked_here(tmp_path: Path) -> None:
    """uv, told of another machine by an interpreter, wants what builds it to be for that machine."""
    here, other = ("x86_64", "linux-aarch64")
    if host_platform() != LINUX:
        pytest.skip("the tags are those of linux-64")
    tree = make_project(tmp_path / "a-1", "a", "1", requires=["b"])
    backend = 'requires = ["tool"]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (tree / "pyproject.toml").write_text(f"[build-system]\n{backend}")
    stated = (tree / "PKG-INFO").read_text()
    (tree / "PKG-INFO").write_text(re.sub("Metadata-Version: .*", "Metadata-Version: 2.1", stated))
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as packed:
        packed.add(tree, tree.name)
    sdist = Distribution(name="a", filename="a-1.tar.gz", data=archive.getvalue(), metadata="")
    wheels = [make_wheel("tool", "1", tag=f"py3-none-manylinux_2_17_{here}")]
    wheels += [
        make_wheel("b", version, tag=f"py3-none-manylinux_{version.replace('.', '_')}_{machine}")
        for version in ("2.17", "2.24")
        for machine in (here, "aarch64")
    ]
    with FakeIndex(sdist, *wheels) as index:
        spec = spec_of("a", index=index.url, sys=["__glibc=2.24"])
        assert versions(resolve(spec, tmp_path)) == {"a": "1", "b": "2.24"}
        found = resolve_all(spec, tmp_path / "fresh", (other,))[other]
    assert {one.name: one.version for one in found.packages} == {"a": "1", "b": "2.17"}
    assert "no wheel was looked for that needs more than glibc 2.17" in found.notes[0]


@pytest.mark.parametrize(
    ("sys", "expected"), [((), "12_0"), (("__osx=14.2",), "14_0"), (("__osx=11",), "11_0")]
)
def test_the_newest_wheel_below_the_macos_floor_is_taken(
    tmp_path: Path, sys: tuple[str, ...], expected: str
) -> None:
    tags = [f"py3-none-macosx_{one}_arm64" for one in ("11_0", "12_0", "14_0", "15_0")]
    with FakeIndex(*(make_wheel("a", "1", tag=tag) for tag in tags)) as index:
        found = resolve(spec_of("a", index=index.url, sys=sys), tmp_path, "osx-arm64")["a"]
    assert found.filename == f"a-1-py3-none-macosx_{expected}_arm64.whl"


def test_a_version_that_is_too_new_for_the_floor_gives_way_to_an_older_one(tmp_path: Path) -> None:
    with FakeIndex(
        make_wheel("a", "1", tag="py3-none-manylinux_2_17_x86_64"),
        make_wheel("a", "2", tag="py3-none-manylinux_2_34_x86_64"),
    ) as index:
        assert versions(resolve(spec_of("a", index=index.url), tmp_path)) == {"a": "1"}


def test_indexes_are_asked_in_order_and_the_first_decides(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1")) as one, FakeIndex(make_wheel("a", "2")) as two:
        for urls, expected in (((one.url, two.url), "1"), ((two.url, one.url), "2")):
            found = resolve(spec_of("a", index=urls), tmp_path)["a"]
            assert (found.version, found.source) == (expected, urls[0])
        best = spec_of("a", index=(one.url, two.url), index_strategy="unsafe-best-match")
        assert versions(resolve(best, tmp_path)) == {"a": "2"}


def test_find_links_serve_without_any_index(tmp_path: Path) -> None:
    wheel = make_wheel("a", "1")
    (tmp_path / "links, all").mkdir()
    path = wheel.write(tmp_path / "links, all")
    found = resolve(spec_of("a", find_links=[path.parent.as_uri()]), tmp_path)["a"]
    assert unquote(found.url) == f"file://{path}"
    assert (found.hashes.sha256, found.source) == (wheel.sha256, path.parent.as_uri())


@pytest.mark.parametrize("as_json", [True, False])
def test_pre_releases_count_only_if_they_are_allowed_or_all_there_is(
    tmp_path: Path, as_json: bool
) -> None:
    with FakeIndex(make_wheel("a", "1"), make_wheel("a", "2rc1"), as_json=as_json) as index:
        assert versions(resolve(spec_of("a", index=index.url), tmp_path)) == {"a": "1"}
        assert versions(resolve(spec_of("a>1", index=index.url), tmp_path)) == {"a": "2rc1"}
        allowed = spec_of("a", index=index.url, prereleases=True)
        assert versions(resolve(allowed, tmp_path)) == {"a": "2rc1"}


def test_constraints_hold_without_asking_for_a_package(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1"), make_wheel("a", "2"), make_wheel("b", "1")) as index:
        spec = spec_of("a", index=index.url, constraints=["a<2", "b<1"])
        assert versions(resolve(spec, tmp_path)) == {"a": "1"}


def test_nothing_uploaded_after_the_cut_off_date_is_seen(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1")) as index:
        index.add(make_wheel("a", "2"), uploaded="2024-05-05T00:00:00Z")
        spec = spec_of("a", index=index.url, exclude_newer="2024-05-01")
        assert versions(resolve(spec, tmp_path)) == {"a": "1"}


def test_held_packages_stay_as_they_are(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1"), make_wheel("b", "1", requires=["a"])) as index:
        base = resolve(spec_of("a", index=index.url), tmp_path)
        index.add(make_wheel("a", "2"))
        derived = spec_of("a", "b", index=index.url)
        assert versions(resolve(derived, tmp_path / "fresh")) == {"a": "2", "b": "1"}
        held = resolve(derived, tmp_path / "fresh", held={LINUX: [base["a"]]})
    assert held["a"] == base["a"]
    assert versions(held) == {"a": "1", "b": "1"}


def test_what_the_user_has_set_for_uv_and_pip_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "links").mkdir()
    make_wheel("a", "9").write(tmp_path / "links")
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, str(tmp_path / "links"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_PRERELEASE", "allow")
    (tmp_path / "uv.toml").write_text("no-index = true\n")
    monkeypatch.chdir(tmp_path)
    with FakeIndex(make_wheel("a", "1"), make_wheel("a", "2rc1")) as index:
        assert versions(resolve(spec_of("a", index=index.url), tmp_path)) == {"a": "1"}


def test_one_process_per_platform_and_none_to_find_our_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # where there may be another of its minor version
    started: list[str] = []
    with FakeIndex(make_wheel("a", "1")) as index:
        resolve_all(
            spec_of("a", index=index.url), tmp_path, (LINUX, "osx-64"), on_process=started.append
        )
        assert index.requests["/simple/a/"] <= 2
    assert sorted(started) == ["uv pip compile linux-64", "uv pip compile osx-64"]


def test_no_requirement_gives_no_package(tmp_path: Path) -> None:
    assert resolve(spec_of(), tmp_path) == {}


def test_what_is_known_is_resolved_offline(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("a", "1")) as index:
        spec = spec_of("a", index=index.url)
        online = resolve(spec, tmp_path)
    assert resolve(spec, tmp_path, offline=True) == online


def test_a_spec_with_condas_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedRequest, match="spec asks for conda's"):
        resolve(EnvSpec.make(requirements={"pypi": ["a"]}, python="3.11"), tmp_path)


def test_a_python_that_is_not_here_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(PythonNotFound, match=r"satisfies `==3\.2\.\*`; found 3\.") as caught:
        resolve(spec_of("a", index="pypi", python="3.2"), tmp_path)
    assert caught.value.found


@pytest.mark.slow
@pytest.mark.network
def test_the_public_index_serves_every_platform(tmp_path: Path) -> None:
    found = resolve_all(spec_of("numpy", "rich", index="pypi"), tmp_path, PLATFORMS)
    assert list(found) == list(PLATFORMS)
    for each in found.values():
        named = {one.name: one for one in each.packages}
        assert named["rich"].depends == ("markdown-it-py", "pygments")
        assert {one.source for one in each.packages} == {"pypi"}
        assert all(one.hashes.sha256 and one.size for one in each.packages)


@pytest.mark.network
def test_the_public_index_can_stand_before_another(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("six", "999"), make_wheel("only-here-for-a-test", "1")) as index:
        spec = spec_of("six", "only-here-for-a-test", index=("pypi", index.url))
        found = resolve(spec, tmp_path)
    assert (found["six"].source, found["only-here-for-a-test"].source) == ("pypi", index.url)
