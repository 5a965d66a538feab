"""Wheels for whatever Python conda brings: free-threaded, of old ABIs, or none of CPython's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.channel import Recipe, pack, write_channel
from tests.interpreters import known_interpreters

from envid.spec import EnvSpec, Options, Source
from resolvers.conda import CondaResolver
from resolvers.errors import BuildFailed, NoSolution, UnsupportedRequest
from resolvers.mixed import MixedResolver
from resolvers.request import ResolveContext
from resolvers.targets import Target
from resolvers.testing import FakeIndex, make_sdist, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pkgcache.worker import Worker

LINUX, ARM, MAC = "linux-64", "linux-aarch64", "osx-arm64"


def pythons(version: str, build: str, abi: str | None, *more: Recipe) -> list[Recipe]:
    """Python for two platforms, and the ABI that it needs."""
    minor = ".".join(version.split(".")[:2])
    extra = {"track_features": "py_freethreading"} if build.endswith("t") else {}
    depends = (f"python_abi {minor}.* *_{abi}",) if abi else ()
    found = [
        Recipe(
            name="python", version=version, build=build, subdir=subdir, depends=depends, extra=extra
        )
        for subdir in (LINUX, ARM, MAC)
    ]
    if abi:
        found.append(Recipe(name="python_abi", version=minor, build=f"8_{abi}"))
    return [*found, *more]


THREADS = [
    *pythons("3.13.1", "h0_100_cp313t", "cp313t"),
    *pythons("3.13.1", "h0_101_cp313", "cp313"),
    Recipe(name="python-freethreading", version="3.13.1", depends=("python_abi * *_cp313t",)),
    Recipe(name="python-gil", version="3.13.1", depends=("python_abi * *_cp313",)),
]


class Resolver:
    def __init__(self, worker: Worker, folder: Path) -> None:
        self.worker, self.folder = worker, folder

    def __call__(
        self,
        recipes: Iterable[Recipe],
        index: FakeIndex,
        *,
        python: str,
        pypi: Iterable[str],
        conda: Iterable[str] = (),
        platform: str = LINUX,
        sys: Iterable[str] = (),
    ) -> dict[str, str]:
        channel = self.folder / "channel"
        records: dict[str, Any] = {}
        for recipe in recipes:
            records |= pack(recipe, channel)
        write_channel(channel, records)
        spec = EnvSpec.make(
            requirements={"conda": conda, "pypi": pypi, "sys": sys},
            python=python,
            sources=[Source.make("channel", channel.as_uri()), Source.make("index", index.url)],
            options=Options.make(),
        )
        kind = MixedResolver if spec.env_type != "conda-only" else CondaResolver
        context = ResolveContext(cache_dir=known_interpreters(self.folder / "engines"))
        found = kind(self.worker).resolve(spec, [platform], context)[platform]
        return {one.name: one.filename for one in found.packages}


@pytest.fixture
def resolve(worker: Worker, tmp_path: Path) -> Resolver:
    return Resolver(worker, tmp_path)


@pytest.mark.parametrize(
    ("conda", "threads"),
    [
        (["python 3.13.* *_cp313t"], True),
        (["python-freethreading"], True),
        (["python_abi * *_cp313t"], True),
        (["python-gil"], False),
        ([], False),
    ],
)
@pytest.mark.parametrize(
    ("platform", "tag", "sys"),
    [
        (LINUX, "manylinux_2_17_x86_64", ()),
        (ARM, "manylinux_2_24_aarch64", ("__glibc=2.24",)),
        (MAC, "macosx_11_0_arm64", ()),
    ],
)
def test_a_free_threaded_python_takes_wheels_of_its_own(
    resolve: Resolver,
    conda: list[str],
    platform: str,
    tag: str,
    sys: tuple[str, ...],
    *,
    threads: bool,
) -> None:
    own = "cp313t" if threads else "cp313"
    with FakeIndex(
        make_wheel("both", "1", tag=f"cp313-cp313-{tag}"),
        make_wheel("both", "1", tag=f"cp313-cp313t-{tag}"),
        # Each version is for one kind alone, and a stable ABI is none for threads.
        make_wheel("apart", "1", tag=f"cp313-cp313-{tag}"),
        make_wheel("apart", "2", tag=f"cp313-cp313t-{tag}"),
        make_wheel("apart", "3", tag=f"cp39-abi3-{tag}"),
        make_wheel("pure", "1"),
    ) as index:
        asked: dict[str, Any] = {"pypi": ["both", "apart", "pure"], "python": "3.13", "sys": sys}
        found = resolve(THREADS, index, conda=conda, platform=platform, **asked)
    assert found["both"] == f"both-1-cp313-{own}-{tag}.whl"
    assert found["apart"] == (
        f"apart-2-cp313-cp313t-{tag}.whl" if threads else f"apart-3-cp39-abi3-{tag}.whl"
    )
    assert found["pure"] == "pure-1-py3-none-any.whl"


@pytest.mark.slow
def test_what_has_no_wheel_for_free_threads_is_refused_or_built_for_them(
    resolve: Resolver, tmp_path: Path
) -> None:
    wheel = make_wheel("native", "1", tag="cp313-cp313-manylinux_2_17_x86_64")
    asked: dict[str, Any] = {"python": "3.13", "conda": ["python-freethreading"]}
    with FakeIndex(wheel) as index:
        with pytest.raises(NoSolution, match="native==1 has no wheels with a free-threading"):
            resolve(THREADS, index, pypi=["native"], **asked)
        index.add(make_sdist(tmp_path / "source", "native", "1"))
        with pytest.raises(BuildFailed) as caught:
            resolve(THREADS, index, pypi=["native"], **asked)
    assert "are for Python 3.13, and this is 3.13t" in str(caught.value)
    assert "there is no Python 3.13t on this machine" in str(caught.value)


@pytest.mark.parametrize(
    ("version", "build", "abi", "name"),
    [
        ("3.9.18", "0_73_pypy", "pypy39_pp73", "PyPy"),
        ("3.9.18", "0_73_pypy", None, "PyPy"),
        ("3.8.5", "0_native223_graalpy", "graalpy223_38_native", "GraalPy"),
    ],
)
def test_other_implementations_are_refused_by_name_beside_pypi_packages(
    resolve: Resolver, version: str, build: str, abi: str | None, name: str
) -> None:
    recipes = pythons(version, build, abi)
    with FakeIndex(make_wheel("a", "1")) as index:
        with pytest.raises(UnsupportedRequest, match=f"conda's Python is {name}"):
            resolve(recipes, index, pypi=["a"], python=version)
        assert "python" in resolve(recipes, index, pypi=[], python=version)


def test_a_python_without_a_word_on_its_abi_is_cpython(resolve: Resolver) -> None:
    with FakeIndex(make_wheel("a", "1", tag="cp311-cp311-manylinux_2_17_x86_64")) as index:
        found = resolve(pythons("3.11.5", "h955ad1f_0", None), index, pypi=["a"], python="3.11")
    assert found["a"] == "a-1-cp311-cp311-manylinux_2_17_x86_64.whl"


@pytest.mark.parametrize(("python", "abi"), [("3.7.12", "cp37m"), ("3.8.20", "cp38")])
def test_the_abi_of_old_pythons_has_a_flag(resolve: Resolver, python: str, abi: str) -> None:
    minor = python.rpartition(".")[0]
    tag = f"cp{minor.replace('.', '')}-{abi}-manylinux_2_17_x86_64"
    assert tag in map(str, Target.make(LINUX).tags(python))
    with FakeIndex(make_wheel("a", "1", tag=tag)) as index:
        found = resolve(pythons(python, "h0_0_cpython", None), index, pypi=["a"], python=minor)
    assert found["a"] == f"a-1-{tag}.whl"
