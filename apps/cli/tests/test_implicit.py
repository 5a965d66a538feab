"""What an environment holds beside all that its user names, and from which side it comes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.channel import Channels, cached
from tests.helpers import distributions

from mfenv.environments import Environments
from mfenv.request import Request, prepare
from mfenv.settings import Settings
from resolvers.errors import NoSolution
from resolvers.testing import FakeIndex, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envid.resolved import ResolvedEnv
    from mfenv.results import Resolved

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture(scope="module")
def channels() -> Channels:
    return cached()


@pytest.fixture(scope="module")
def index() -> Iterator[FakeIndex]:
    wheels = (
        make_wheel("right", "5.0"),
        make_wheel("brings-dep-one", "1.0", requires=["dep<2"]),
        make_wheel("pip", "25.0"),
        make_wheel("setuptools", "70.0"),
        make_wheel("wheel", "0.40"),
    )
    with FakeIndex(*distributions(), *wheels) as found:
        yield found


class Place:
    """A home, the channel and the index of a test."""

    def __init__(self, home: Path, channels: Channels, index: FakeIndex) -> None:
        self.index = index
        self.values: dict[str, Any] = {
            "home": str(home),
            "channels": (channels.main.as_uri(),),
            "index_url": index.url,
            "python": MINOR,
        }

    def settings(self, **more: Any) -> Settings:
        """Those of the place as a site has them, and more by hand."""
        place = {**self.values, "channels": ",".join(self.values["channels"])}
        return Settings.load(more, environ={f"MFENV_{k.upper()}": v for k, v in place.items()})

    def resolve(self, request: Request, *, force: bool = False, **more: Any) -> Resolved:
        with Environments(self.settings(**more)) as environments:
            return environments.resolve(request, force=force)

    def known(self, request: Request, **more: Any) -> ResolvedEnv | None:
        """What is known of a request, for which no engine may be started."""
        with Environments(self.settings(**more)) as environments:
            found = environments.known(request)[1]
            assert environments.resolve(request).known
            assert "worker" not in environments.__dict__
        return found[0] if found else None


@pytest.fixture
def place(tmp_path: Path, channels: Channels, index: FakeIndex) -> Place:
    return Place(tmp_path, channels, index)


def sides(resolved: Resolved) -> dict[str, str]:
    """Where packages are from, by name."""
    return {one.name: one.kind for one in resolved.envs[0].packages}


def wants(*texts: str, **request: Any) -> Request:
    return Request(**request, also=tuple((text, "a host") for text in texts))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (wants("shared>=1", python=MINOR), "conda"),
        (wants("shared>=1", conda=("colours",)), "conda"),
        (wants("dep>=1", pypi=("other",)), "pypi"),
        (wants("dep>=1", conda=("colours",), pypi=("other",)), "pypi"),
        (wants("dep>=1", npconda=("data-only",)), "pypi"),
        # The usual side has it not.
        (wants("dep>=1", python=MINOR), "pypi"),
        (wants("dep>=1", conda=("colours",)), "pypi"),
        (wants("shared>=1", pypi=("other",)), "conda"),
        (wants("shared>=1", conda=("colours",), pypi=("other",)), "conda"),
        # The usual side has one that does not go with what is asked for.
        (wants("right", conda=("shared=1.0",)), "pypi"),
    ],
)
def test_it_comes_from_the_side_that_can(place: Place, request_: Request, expected: str) -> None:
    found = place.resolve(request_)
    name = request_.also[0][0].partition(">")[0]
    assert sides(found)[name] == expected
    assert found.notes == ()
    (env,) = found.envs
    assert any(text.startswith(name) for text in env.spec.requirements[expected])
    assert place.known(request_) == env


@pytest.mark.slow
def test_each_comes_from_where_it_can(place: Place) -> None:
    found = place.resolve(wants("shared>=1", "dep>=1", conda=("colours",)))
    assert (sides(found)["shared"], sides(found)["dep"]) == ("conda", "pypi")


@pytest.mark.slow
def test_a_package_that_is_named_is_not_asked_for_again(place: Place) -> None:
    for request in (
        wants("Shared>=2", conda=("shared=1.0",)),
        wants("dep>=2", conda=("colours",), pypi=("Dep<2",)),
    ):
        found = place.resolve(request)
        assert found.notes == ()
        versions = {one.name: one.version for one in found.envs[0].packages}
        assert (versions.get("shared"), versions.get("dep")) in (("1.0", None), (None, "1.0"))


def test_it_is_asked_for_on_platforms_where_it_is_not_named(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "environment.yml"
    file.write_text("dependencies:\n- colours\n- shared=1.0 # [osx]\n")
    request = wants("shared>=2", files=(file,), platforms=("linux-64", "osx-arm64"))
    spec = prepare(request, place.settings(), lambda *_: ()).spec
    assert spec.for_platform("linux-64")["conda"] == ("colours", "shared>=2")
    assert spec.for_platform("osx-arm64")["conda"] == ("colours", "shared 1.0.*")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_", "name", "version"),
    [
        (wants("shared>=2", conda=("left",)), "shared", "1.5"),
        (wants("dep>=2", pypi=("brings-dep-one",)), "dep", "1.0"),
    ],
)
def test_what_is_asked_for_brings_another_version_and_wins(
    place: Place, request_: Request, name: str, version: str
) -> None:
    found = place.resolve(request_)
    assert {one.name: one.version for one in found.envs[0].packages}[name] == version
    note = f"a host: `{name}>=2` is left out, since it does not go with the rest"
    assert found.notes == (note,)
    assert place.known(request_) == found.envs[0]
    assert place.resolve(request_).notes == (note,)


@pytest.mark.slow
def test_what_no_side_has_is_said_with_who_asks(place: Place) -> None:
    with pytest.raises(NoSolution, match="is asked by a host"):
        place.resolve(wants("nowhere-at-all", conda=("colours",)))


def test_a_request_that_fails_by_itself_is_not_about_it(place: Place) -> None:
    with pytest.raises(NoSolution) as caught:
        place.resolve(wants("dep>=1", conda=("left", "right")))
    assert "a host" not in str(caught.value)
    assert "left" in str(caught.value)


@pytest.mark.slow
def test_by_force_the_usual_side_is_tried_again(place: Place, index: FakeIndex) -> None:
    request = wants("shared>=1", pypi=("other",))
    assert sides(place.resolve(request))["shared"] == "conda"
    index.add(make_wheel("shared", "9.0"))
    assert sides(place.resolve(request))["shared"] == "conda"
    assert sides(place.resolve(request, force=True))["shared"] == "pypi"
    assert sides(place.resolve(request))["shared"] == "pypi"


@pytest.mark.slow
def test_a_memory_that_was_deleted_or_damaged_is_made_again(place: Place, tmp_path: Path) -> None:
    request = wants("dep>=1", conda=("colours",))
    first = place.resolve(request)
    (memory,) = (tmp_path / "engines" / "placements").iterdir()
    for damaged in ("{", "[]", '{"dep>=1": "nowhere"}', '{"other": "none"}'):
        memory.write_text(damaged)
        assert place.resolve(request).envs == first.envs
    assert place.known(request) == first.envs[0]


@pytest.mark.parametrize(
    ("request_", "provider", "expected"),
    [
        (Request(conda=("colours",)), "conda", "conda"),
        (Request(pypi=("other",)), "conda", "pypi"),
        (Request(conda=("colours",), pypi=("other",)), "conda", "pypi"),
        (Request(pypi=("other",)), "system", "pypi"),
    ],
)
def test_a_seed_is_the_newest_pip_that_solves(
    place: Place, channels: Channels, request_: Request, provider: str, expected: str
) -> None:
    if not channels.has_wheels:
        pytest.skip("no index gave the wheels of the channel")
    values: dict[str, Any] = {"python_provider": provider}
    plain = place.resolve(request_, **values)
    assert "pip" not in sides(plain)
    found = place.resolve(request_, seed=True, **values)
    assert sides(found)["pip"] == expected
    assert found.envs[0].req_id != plain.envs[0].req_id
    old = tuple(map(int, found.envs[0].python.split(".")[:2])) < (3, 12)
    for name in ("setuptools", "wheel"):
        assert sides(found).get(name) == (expected if old else None)
    assert found.notes == ()


@pytest.mark.slow
def test_a_pip_that_is_stated_wins_over_the_seed(place: Place, channels: Channels) -> None:
    if not channels.has_wheels:
        pytest.skip("no index gave the wheels of the channel")
    found = place.resolve(Request(conda=("pip", "colours"), pypi=("other",)), seed=True)
    assert sides(found)["pip"] == "conda"
    found = place.resolve(Request(conda=("colours",), pypi=("pip<30",)), seed=True)
    assert sides(found)["pip"] == "pypi"


@pytest.mark.slow
def test_a_seed_that_nobody_asked_for_by_hand_may_be_left_out(place: Place, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with FakeIndex(*distributions()) as bare:
        values = {**place.values, "index_url": bare.url, "python_provider": "system"}
        del values["channels"]
        settings = Settings.load(values, environ={"MFENV_SEED": "1"})
        request = Request(pypi=("other",))
        with Environments(settings) as environments:
            found = environments.resolve(request)
            assert environments.resolve(request).known
        assert list(sides(found)) == ["other"]
        assert "MFENV_SEED: `pip` is left out, since it does not go with the rest" in found.notes
        by_hand = Settings.load({**values, "seed": True}, environ={})
        with Environments(by_hand) as environments, pytest.raises(NoSolution, match="--seed"):
            environments.resolve(request)


def test_a_known_environment_needs_no_seed_but_by_hand(
    place: Place, channels: Channels, tmp_path: Path
) -> None:
    if not channels.has_wheels:
        pytest.skip("no index gave the wheels of the channel")
    (base,) = place.resolve(Request(conda=("colours",))).envs
    request = Request(using=str(base.env_id.ref))
    with Environments(
        Settings.load(place.values, environ={"MFENV_SEED": "1"}, directory=tmp_path)
    ) as environments:
        assert environments.resolve(request).envs == (base,)
    assert "pip" in sides(place.resolve(request, seed=True))
