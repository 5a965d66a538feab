"""A solution is one only if the wheels themselves agree: what they require, and what they bring."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import host_platform
from resolvers.errors import IndexUnreachable, PackagesClash, PythonRefused, RequirementsUnmet
from resolvers.testing import FakeIndex, make_sdist, make_wheel

from .helpers import LINUX, resolve, resolve_all, spec_of, versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from resolvers.request import Resolution
    from resolvers.testing import Distribution

PKGUTIL = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


def described_as(wheel: Distribution, other: Distribution) -> Distribution:
    """A wheel that its index describes as another one."""
    return replace(wheel, metadata=other.metadata, requires_python=other.requires_python)


def asks(index: FakeIndex) -> int:
    """How often wheels were asked for, and not what the index says beside them."""
    return sum(
        count
        for path, count in index.requests.items()
        if path.startswith("/files/") and not path.endswith(".metadata")
    )


class TestWhatTheIndexSaysBesideAWheel:
    def refused(self, folder: Path, asked: str, *wheels: Distribution) -> str:
        with FakeIndex(*wheels) as index:
            spec = spec_of(asked, index=index.url)
            for _ in range(2):  # a warm cache knows no better
                with pytest.raises(RequirementsUnmet) as caught:
                    resolve(spec, folder)
        assert caught.value.hint
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        (problem,) = caught.value.problems
        return problem

    def test_lacks_a_requirement(self, tmp_path: Path) -> None:
        wheel = make_wheel("app", "1.0", requires=["dep>=1"])
        lying = described_as(wheel, make_wheel("app", "1.0"))
        assert self.refused(tmp_path, "app", lying, make_wheel("dep", "1.0")) == (
            "`dep>=1` of `app` 1.0 is not met: there is no `dep`"
        )

    def test_has_another_requirement(self, tmp_path: Path) -> None:
        wheel = make_wheel("app", "1.0", requires=["dep<2"])
        lying = described_as(wheel, make_wheel("app", "1.0", requires=["dep"]))
        assert self.refused(tmp_path, "app", lying, make_wheel("dep", "2.0")) == (
            "`dep<2` of `app` 1.0 is not met: `dep` 2.0 is there"
        )

    def test_has_a_requirement_too_many(self, tmp_path: Path) -> None:
        lying = described_as(make_wheel("app", "1.0"), make_wheel("app", "1.0", requires=["dep"]))
        problem = self.refused(tmp_path, "app", lying, make_wheel("dep", "2.0"))
        assert problem.startswith("`dep` 2.0 is there, and nothing asks for it")

    def test_has_another_extra(self, tmp_path: Path) -> None:
        wheel = make_wheel("app", "1.0", requires=["dep>2; extra == 'fast'"], extras=["fast"])
        lying = described_as(
            wheel, make_wheel("app", "1.0", requires=["dep; extra == 'fast'"], extras=["fast"])
        )
        assert self.refused(tmp_path, "app[fast]", lying, make_wheel("dep", "2.0")) == (
            "`dep>2; extra == 'fast'` of `app` 1.0[fast] is not met: `dep` 2.0 is there"
        )

    @pytest.mark.slow
    def test_has_another_python(self, tmp_path: Path) -> None:
        wheel = make_wheel("app", "1.0", requires_python=">=3.99")
        index = FakeIndex(described_as(wheel, make_wheel("app", "1.0")))
        with index, pytest.raises(PythonRefused, match=r"`app` 1\.0 is for Python >=3\.99"):
            resolve(spec_of("app", index=index.url), tmp_path)


class TestCost:
    @pytest.mark.parametrize("as_json", [True, False])  # HTML pages do not tell sizes
    def test_each_wheel_is_asked_once_and_never_again(self, tmp_path: Path, as_json: bool) -> None:
        wheels = [
            make_wheel("app", "1.0", requires=["dep", "other"], module="x = 1\n" * 100_000),
            make_wheel("dep", "1.0", requires=["other; extra == 'x'"], extras=["x"]),
            make_wheel("other", "1.0"),
        ]
        with FakeIndex(*wheels, as_json=as_json) as index:
            spec = spec_of("app", index=index.url)
            assert len(resolve(spec, tmp_path)) == 3
            assert asks(index) == 3
            platforms = [LINUX, "osx-arm64"]
            assert len(resolve_all(spec, tmp_path, platforms)["osx-arm64"].packages) == 3
            resolve(spec_of("dep[x]", index=index.url), tmp_path)
            assert asks(index) == 3

    def test_a_server_without_ranges_is_asked_once_as_well(self, tmp_path: Path) -> None:
        wheel = make_wheel("app", "1.0", module="x = 1\n" * 100_000)
        with FakeIndex(wheel) as index:
            index.ranges = False
            spec = spec_of("app", index=index.url)
            resolve(spec, tmp_path)
            resolve(spec, tmp_path)
            assert asks(index) == 1

    def test_a_wheel_that_is_here_is_not_asked_for(self, tmp_path: Path) -> None:
        wheel = make_wheel("app", "1.0")
        path = wheel.write(tmp_path)
        with FakeIndex(wheel) as index:
            spec = spec_of("app", index=index.url)
            resolve(spec, tmp_path, wheel=lambda package: path if package.name == "app" else None)
            assert asks(index) == 0

    def test_offline_what_was_looked_into_before_is_known(self, tmp_path: Path) -> None:
        with FakeIndex(make_wheel("app", "1.0")) as index:
            spec = spec_of("app", index=index.url)
            (online,) = resolve_all(spec, tmp_path).values()
            (offline,) = resolve_all(spec, tmp_path, offline=True).values()
            assert offline.notes == online.notes == ()
            for path in (tmp_path / "engines/wheels").iterdir():
                path.write_text("damaged")
            (blind,) = resolve_all(spec, tmp_path, offline=True).values()
            assert blind.packages == online.packages
            (note,) = blind.notes
            assert note.endswith("what they require was not checked: `app` 1.0")
            assert resolve_all(spec, tmp_path)[LINUX].notes == ()


def test_what_is_built_here_is_looked_into_where_it_is(tmp_path: Path) -> None:
    sdist = make_sdist(tmp_path / "source", "crafted", "1.0", requires=["dep"])
    with FakeIndex(sdist, make_wheel("dep", "1.0")) as index:
        spec = spec_of("crafted", index=index.url)
        found = resolve_all(spec, tmp_path, [host_platform()])[host_platform()]
        assert {one.name for one in found.packages} == {"crafted", "dep"}
        assert found.notes == ()


def test_a_held_wheel_that_was_built_is_looked_up_or_named(tmp_path: Path) -> None:
    sdist = make_sdist(tmp_path / "source", "crafted", "1.0")
    host = host_platform()
    with FakeIndex(sdist) as index:
        spec = spec_of("crafted", index=index.url)
        base = resolve_all(spec, tmp_path, [host])[host]
        held: dict[str, Any] = {"held": {host: base.packages}}
        (artifact,) = base.artifacts
        elsewhere = tmp_path / "elsewhere"
        again = resolve_all(spec, elsewhere, [host], wheel=lambda _: artifact.path, **held)
        assert again[host].packages == base.packages
        assert again[host].notes == ()
        (note,) = resolve_all(spec, tmp_path / "third", [host], **held)[host].notes
        assert note.endswith("what they require was not checked: `crafted` 1.0")


def test_a_wheel_that_is_not_to_be_had_is_an_error(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("app", "1.0")) as index:
        index.failures["/files/app-1.0-py3-none-any.whl"] = 403
        # The index describes it, and that is all that an engine wants to see.
        index.failures.pop("/files/app-1.0-py3-none-any.whl.metadata", None)
        with pytest.raises(IndexUnreachable) as caught:
            resolve(spec_of("app", index=index.url), tmp_path)
        assert caught.value.status == 403


def test_a_wheel_that_is_another_one_than_the_index_says_is_an_error(tmp_path: Path) -> None:
    with FakeIndex(make_wheel("app", "1.0")) as index:
        index.tamper(make_wheel("app", "1.0", module="other = 1\n"))
        with pytest.raises(IndexUnreachable, match="expected "):
            resolve(spec_of("app", index=index.url), tmp_path)


def test_a_wheel_that_is_none_is_noted_and_left_to_who_unpacks_it(tmp_path: Path) -> None:
    broken = replace(make_wheel("app", "1.0"), data=b"no zip at all")
    with FakeIndex(broken) as index:
        (found,) = resolve_all(spec_of("app", index=index.url), tmp_path).values()
    (note,) = found.notes
    assert note.endswith("what they require was not checked: `app` 1.0")


def test_a_wheel_that_came_as_a_whole_is_handed_on(tmp_path: Path) -> None:
    kept: dict[str, object] = {}
    small, large = make_wheel("small", "1.0"), make_wheel("large", "1.0", module="x=1\n" * 99_999)
    with FakeIndex(small, large) as index:
        resolve(
            spec_of("small", "large", index=index.url),
            tmp_path,
            keep=lambda package, wheel: kept.update({package.filename: wheel}),
        )
    assert kept == {small.filename: small.data}


class TestModulesOfTwoWheels:
    def found(
        self,
        folder: Path,
        files: Iterable[Mapping[str, str]],
        platform: str = LINUX,
        **context: Any,
    ) -> Resolution:
        wheels = [
            make_wheel(name, "1.0", files=one)
            for name, one in zip(("first", "second", "third"), files, strict=False)
        ]
        with FakeIndex(*wheels) as index:
            spec = spec_of(*(one.name for one in wheels), index=index.url)
            found = resolve_all(spec, folder, [platform], **context)[platform]
            asked = asks(index)
            again = resolve_all(spec, folder, [platform], **context)[platform]
            assert again == found
            assert asks(index) == asked
        return found

    def refused(self, *args: Any) -> str:
        with pytest.raises(PackagesClash) as caught:
            self.found(*args)
        assert caught.value.hint
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        return "; ".join(caught.value.pairs)

    @pytest.mark.parametrize(
        "path",
        [
            "shared/__init__.py",
            "shared.py",
            "shared/deep/module.py",
            "shared/fast.cpython-311-x86_64-linux-gnu.so",
            "shared/lib/libdeep.so.8",
            "shared.pth",
            "namespace/shared/__init__.py",
        ],
    )
    def test_that_differ_are_refused_with_both_names(self, tmp_path: Path, path: str) -> None:
        files = ({path: "x = 1\n", "first.py": ""}, {path: "x = 2\n"})
        assert self.refused(tmp_path, files) == (
            f"`first` 1.0 and `second` 1.0 both bring `{path}`, with different content"
        )

    def test_are_found_wherever_they_lie_in_the_wheel(self, tmp_path: Path) -> None:
        files = (
            {"shared/one.py": "1", "shared/two.py": "1"},
            {
                "second-1.0.data/platlib/shared/one.py": "2",
                "second-1.0.data/purelib/shared/two.py": "2",
            },
        )
        assert "both bring `shared/one.py` and 1 more, with" in self.refused(tmp_path, files)

    def test_are_accepted_where_they_may_be_and_noted(self, tmp_path: Path) -> None:
        files = ({"shared.py": "x = 1\n"}, {"shared.py": "x = 2\n"})
        (note,) = self.found(tmp_path, files, clobber=True).notes
        assert note == (
            "`first` 1.0 and `second` 1.0 both bring `shared.py`, with different content; that of"
            " `second` 1.0 will be there"
        )

    @pytest.mark.parametrize(
        "files",
        [
            ({"shared.py": "x = 1\n"}, {"shared.py": "x = 1\n"}),
            ({"shared/__init__.py": PKGUTIL, "shared/a.py": "1"}, {"shared/b.py": "2"}),
            ({"shared/__init__.py": PKGUTIL}, {"shared/__init__.py": "# a note\n" + PKGUTIL}),
            ({"shared/__init__.py": PKGUTIL}, {"shared/__init__.py": ""}),
            ({"shared/__init__.py": ""}, {"shared/__init__.py": "x = 1\n"}),
            ({"shared/__init__.py": "x = 1\n"}, {"shared/__init__.py": ""}),
            ({"shared/a.py": "1"}, {"shared/b.py": "2"}),
            ({"shared.py": "1"}, {"shared/__init__.py": "2"}),
            ({"Shared.py": "1"}, {"shared.py": "2"}),
            (
                {"shared/__init__.py": PKGUTIL, "shared/a.py": "1"},
                {"shared/__init__.py": PKGUTIL, "shared/b.py": "1"},
                {"shared/c.py": "1"},
            ),
        ],
    )
    def test_that_are_no_matter(self, tmp_path: Path, files: Any) -> None:
        assert self.found(tmp_path, files).notes == ()

    @pytest.mark.parametrize(
        "path",
        [
            "tests/test_it.py",
            "docs/conf.py",
            "setup.py",
            "LICENSE",
            "shared/data.json",
            "README.md",
        ],
    )
    def test_that_nobody_imports_are_noted(self, tmp_path: Path, path: str) -> None:
        (note,) = self.found(tmp_path, ({path: "x = 1\n"}, {path: "x = 2\n"})).notes
        assert note == (
            f"`first` 1.0 and `second` 1.0 both bring `{path}`, with different content; that of"
            " `second` 1.0 will be there"
        )

    def test_empty_tests_are_no_matter(self, tmp_path: Path) -> None:
        files = ({"tests/__init__.py": ""}, {"tests/__init__.py": "# tests\n"})
        assert self.found(tmp_path, files).notes == ()

    def test_in_another_case_cannot_be_on_the_disk_of_a_mac(self, tmp_path: Path) -> None:
        files = ({"Shared/a.py": "1"}, {"shared/A.py": "1"})
        said = "both bring `shared/A.py`, in names that differ in case alone"
        assert said in self.refused(tmp_path, files, "osx-arm64")


def test_three_that_share_a_module_are_named_pair_by_pair(tmp_path: Path) -> None:
    wheels = [make_wheel(name, "1.0", files={"x.py": name}) for name in ("a", "b", "c")]
    with FakeIndex(*wheels) as index, pytest.raises(PackagesClash) as caught:
        resolve(spec_of("a", "b", "c", index=index.url), tmp_path)
    assert len(caught.value.pairs) == 3


def test_platforms_are_judged_each(tmp_path: Path) -> None:
    mac = make_wheel("second", "1.0", tag="py3-none-macosx_11_0_arm64", files={"first.py": "2"})
    linux = make_wheel("second", "1.0", tag="py3-none-manylinux_2_17_x86_64", files={"s.py": ""})
    with FakeIndex(make_wheel("first", "1.0", module="1"), mac, linux) as index:
        spec = spec_of("first", "second", index=index.url)
        assert versions(resolve(spec, tmp_path)) == {"first": "1.0", "second": "1.0"}
        with pytest.raises(PackagesClash, match="osx-arm64"):
            resolve_all(spec, tmp_path, [LINUX, "osx-arm64"])
