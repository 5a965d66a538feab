"""Questions that uv is asked before all else is ready."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.interpreters import known_interpreters

from resolvers.ahead import Ahead
from resolvers.errors import NoSolution
from resolvers.pypi import PypiResolver
from resolvers.pythons import Python
from resolvers.request import ResolveContext
from resolvers.testing import FakeIndex, make_wheel

from .helpers import LINUX, THIS_PYTHON, resolve_all, spec_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envid.spec import EnvSpec

PLATFORMS = (LINUX, "osx-arm64")


class World:
    def __init__(self, folder: Path, index: FakeIndex) -> None:
        self.folder, self.index = folder, index
        self.started: list[str] = []

    def spec(self, *asked: str, **more: Any) -> EnvSpec:
        return spec_of(*asked, index=self.index.url, **{"python": THIS_PYTHON, **more})

    def context(self, **more: Any) -> ResolveContext:
        cache = known_interpreters(self.folder / "engines")
        return ResolveContext(cache_dir=cache, on_process=self.started.append, **more)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("PATH", "")  # where there may be another of the minor version
    with FakeIndex(make_wheel("a", "1", requires=["b"]), make_wheel("b", "1")) as index:
        yield World(tmp_path, index)


@pytest.mark.parametrize("keep", [None, lambda _, __: None])
@pytest.mark.parametrize("asked", [True, False])
def test_the_answer_is_that_of_the_question_in_its_time(
    world: World, keep: Any, *, asked: bool
) -> None:
    spec, context = world.spec("a"), world.context(keep=keep)
    with Ahead(spec, PLATFORMS, context) as ahead:
        begun = [f"uv pip compile {platform}" for platform in PLATFORMS]
        assert world.started == begun
        if asked:
            ahead.ask()
        found = PypiResolver(ahead).resolve(spec, PLATFORMS, context)
        assert world.started == begun
    assert found == resolve_all(spec, world.folder / "other", PLATFORMS)


def test_uv_waits_for_what_it_is_asked(world: World) -> None:
    spec, context = world.spec("a"), world.context()
    with Ahead(spec, PLATFORMS, context) as ahead:
        assert ahead.is_about(spec, PLATFORMS)
        assert not ahead.is_about(spec, [LINUX])
        assert not ahead.is_about(world.spec("b"), PLATFORMS)
    assert len(world.started) == len(PLATFORMS)
    assert not world.index.requests


def test_a_failure_is_told_as_in_its_time(world: World) -> None:
    spec, context = world.spec("a", "b>1"), world.context()
    errors = []
    for ahead in (Ahead(spec, PLATFORMS, context), None):
        with pytest.raises(NoSolution) as caught:
            PypiResolver(ahead).resolve(spec, PLATFORMS, context)
        errors.append((caught.value.platform, caught.value.reason, caught.value.hint))
    assert errors[0] == errors[1]


def test_what_was_asked_of_another_python_or_about_other_platforms_is_ended(world: World) -> None:
    spec, context = world.spec("a"), world.context()
    other = Python(path=Path(sys.executable), version="3.99.0")
    with Ahead(spec, PLATFORMS, context) as ahead:
        assert ahead.take(dict.fromkeys(PLATFORMS, other)) is None
        assert PypiResolver(ahead).resolve(spec, PLATFORMS, context).keys() == {*PLATFORMS}
    with Ahead(spec, PLATFORMS, context) as ahead:
        assert PypiResolver(ahead).resolve(spec, [LINUX], context).keys() == {LINUX}
    # It is for one resolve: the next is asked anew.
    with Ahead(spec, PLATFORMS, context) as ahead:
        for _ in range(2):
            assert PypiResolver(ahead).resolve(spec, PLATFORMS, context).keys() == {*PLATFORMS}


def test_nothing_is_asked_of_which_more_must_be_known(world: World, tmp_path: Path) -> None:
    wheel = make_wheel("c", "1")
    local = f"{wheel.write(tmp_path).as_uri()}#sha256={wheel.sha256}"
    packages = resolve_all(world.spec("a"), world.folder)[LINUX].packages
    for spec, context in (
        (world.spec("a", constraints=["b<2"]), world.context()),
        (world.spec("a", local), world.context()),
        (world.spec(), world.context()),
        (world.spec("a"), world.context(offline=True)),
        (world.spec("a"), world.context(pypi_engine="pip")),
        (world.spec("a"), world.context(held={LINUX: packages})),
        (world.spec("a"), world.context(preferred={LINUX: packages})),
        (world.spec("a", python="==3.2.*"), world.context()),
    ):
        with Ahead(spec, [LINUX], context):
            assert world.started == []
