"""Requests that start from a known environment: what makes it the answer as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from envid import EnvSpec, Package, ResolvedEnv, Source
from envid.platforms import host_platform
from envid.spec import Options
from mfenv.environments import Environments
from mfenv.errors import Contradiction
from mfenv.request import Request
from mfenv.settings import Settings
from resolvers.errors import ResolveError

if TYPE_CHECKING:
    from pathlib import Path

HERE = host_platform()
WHEELS = {"linux": "manylinux_2_28_x86_64", "osx": "macosx_12_0_arm64"}


def package(kind: str, name: str, version: str, tag: str = "any") -> Package:
    filename = f"{name}-{version}-py3-none-{tag}.whl" if kind == "pypi" else f"{name}-{version}-0"
    url = f"https://gone.test/noarch/{filename}"
    return Package.make(
        kind=kind,
        name=name,
        version=version,
        build=None if kind == "pypi" else "py39_0",
        filename=filename if kind == "pypi" else f"{filename}.conda",
        url=url if kind == "pypi" else f"{url}.conda",
        sha256="a" * 64,
    )


def imported(**more: Any) -> ResolvedEnv:
    """An environment as another system resolved it: with nothing of what are defaults here."""
    values: dict[str, Any] = {
        "requirements": {"conda": ["numpy>=1.20"], "pypi": ["rich"]},
        "python": ">=3.8",
        "sources": [Source.make("channel", "https://gone.test")],
        **more,
    }
    packages = [
        package("conda", "python", "3.9.5"),
        package("conda", "numpy", "1.26.4"),
        package("pypi", "rich", "13.7"),
        package("pypi", "wide", "1.0", WHEELS[HERE.partition("-")[0]]),
    ]
    return ResolvedEnv.co_resolve(
        EnvSpec.make(**values), {HERE: ("3.9.5", packages)}, resolved_by="them"
    )[0]


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Any]:
    return {"home": str(tmp_path), "channels": ("https://gone.test",), "offline": True}


def answer(
    base: ResolvedEnv, place: dict[str, Any], request: Request, **values: Any
) -> ResolvedEnv | None:
    """What a request beside `base` is answered with, where nothing can be resolved."""
    settings = Settings.load({**place, **values}, environ={})
    with Environments(settings) as environments:
        environments._site.registry.add([base], default=True)
        asked = request._replace(using=str(base.env_id.ref))
        try:
            found = environments.resolve(asked)
        except ResolveError:
            return None
        assert found.known
        assert environments.known(asked)[1] == found.envs
        return found.envs[0]


@pytest.mark.parametrize(
    "request_beside",
    [
        Request(),
        Request(virtual=("__cuda=12.4",)),
        Request(sys=("__cuda=12.4",)),
        Request(conda=("numpy",)),
        Request(conda=("numpy>=1.20,<2",)),
        Request(conda=("numpy=1.26",)),
        Request(conda=("numpy 1.26.4 py39*",)),
        Request(pypi=("rich>=13",)),
        Request(python="3.9"),
        Request(also=(("numpy>=2", "a host"),)),
    ],
)
def test_what_is_there_already_is_the_answer(
    place: dict[str, Any], request_beside: Request
) -> None:
    base = imported()
    assert answer(base, place, request_beside) == base


@pytest.mark.parametrize(
    "values",
    [
        {"virtual_packages": ("__cuda=12.4", "__osx=14.0", "__glibc=2.17")},
        {"python": "3.12"},
        {"pre": True},
        {"channels": ("elsewhere",)},
        {"python_provider": "conda"},
    ],
)
def test_no_default_is_looked_for_in_it(place: dict[str, Any], values: dict[str, Any]) -> None:
    base = imported()
    assert answer(base, place, Request(), **values) == base


def test_a_driver_of_this_machine_is_not_looked_for_in_it(
    place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.4")
    base = imported()
    assert answer(base, place, Request()) == base


@pytest.mark.parametrize(
    "request_beside",
    [
        Request(conda=("numpy>=2",)),
        Request(conda=("scipy",)),
        Request(conda=("numpy 1.26.4 py311*",)),
        Request(pypi=("rich>=14",)),
        Request(pypi=("numpy",)),
        Request(also=(("scipy", "a host"),)),
    ],
)
def test_what_is_not_there_is_resolved(place: dict[str, Any], request_beside: Request) -> None:
    assert answer(imported(), place, request_beside) is None


def test_a_constraint_is_not_passed_over(place: dict[str, Any], tmp_path: Path) -> None:
    def limited(text: str) -> Request:
        (tmp_path / "limits.txt").write_text(f"{text}\n")
        (tmp_path / "more.txt").write_text("-c limits.txt\nrich\n")
        return Request(files=(tmp_path / "more.txt",))

    base = imported()
    assert answer(base, place, limited("rich<13.8")) == base
    assert answer(base, place, limited("absent<1")) == base
    assert answer(base, place, limited("rich<13")) is None


def test_a_machine_that_its_wheels_are_too_new_for_is_not_enough(place: dict[str, Any]) -> None:
    newer, older = {
        "linux": ("__glibc=2.35", "__glibc=2.17"),
        "osx": ("__osx=13.0", "__osx=11.0"),
    }[HERE.partition("-")[0]]
    base = imported()
    assert answer(base, place, Request(sys=(newer,))) == base
    assert answer(base, place, Request(sys=(older,))) is None


def test_it_keeps_where_its_python_is_from(place: dict[str, Any]) -> None:
    base = imported(requirements={"pypi": ["rich"]}, options=Options.make(python_provider="system"))
    place["home"] += "/other"
    settings = Settings.load(place, environ={})
    with Environments(settings) as environments:
        environments._site.registry.add([base], default=True)
        asked = Request(using=str(base.env_id.ref), pypi=("more",))
        assert environments.known(asked)[0].spec.options.python_provider == "system"
    with pytest.raises(Contradiction, match="has its Python from `system`, and --python-provider"):
        answer(base, place, Request(), python_provider="conda")
