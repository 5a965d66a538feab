"""What can be solved is solved: small universes of packages, and an oracle that tries everything.

`MFENV_UNIVERSES` is how many, or which, such as `300` or `1000:1300`.
"""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import pytest

from envid.packages import Package
from envid.spec import EnvSpec, Source
from resolvers.errors import NoSolution, ResolveError
from resolvers.mixed import MixedResolver
from resolvers.request import Resolution, ResolveContext
from resolvers.testing import FakeIndex

from .universes import (
    KINDS,
    Build,
    Held,
    Release,
    Universe,
    conda_choices,
    draw,
    is_apart,
    is_solvable,
    kind_of,
    make_universe,
    matches,
    problems,
    solutions,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pkgcache.worker import Worker

LINUX, MAC = "linux-64", "osx-arm64"
START, _, STOP = os.environ.get("MFENV_UNIVERSES", "60").rpartition(":")
CHUNK = 10
CHUNKS = range(int(START or 0), int(STOP), CHUNK)


@dataclass
class Solver:
    """Resolves universes with one cache: each index stays, so that no two have the same URL."""

    worker: Worker
    folder: Path
    stack: ExitStack
    made: list[Path] = field(default_factory=list)

    def __call__(self, universe: Universe) -> dict[str, Resolution]:
        channel = self.folder / f"channel-{len(self.made)}"
        self.made.append(channel)
        index = self.stack.enter_context(FakeIndex(*write(universe, channel)))
        spec = EnvSpec.make(
            requirements={"conda": universe.conda, "pypi": universe.pypi},
            python=universe.python,
            constraints=universe.constraints,
            sources=[Source.make("channel", channel.as_uri()), Source.make("index", index.url)],
        )
        context = ResolveContext(cache_dir=self.folder / "engines")
        return MixedResolver(self.worker).resolve(spec, universe.platforms, context)

    def outcome(self, universe: Universe) -> dict[str, Resolution] | ResolveError:
        try:
            return self(universe)
        except ResolveError as error:
            return error


@pytest.fixture
def solve(worker: Worker, tmp_path: Path) -> Iterator[Solver]:
    with ExitStack() as stack:
        yield Solver(worker, tmp_path, stack)


@pytest.mark.slow
@pytest.mark.parametrize("first", CHUNKS)
def test_what_can_be_solved_is_solved(solve: Solver, first: int) -> None:
    for seed in range(first, min(first + CHUNK, CHUNKS.stop)):
        universe = make_universe(seed)
        about = f"seed {seed}, {kind_of(universe)}\n{universe}"
        found = solve.outcome(universe)
        if isinstance(found, dict):
            check(universe, found, about)
            continue
        assert isinstance(found, NoSolution), f"{found!r}\n{about}"
        if is_solvable(universe):
            ways = [f"{each}: {spoken(universe, each)[0]}" for each in universe.platforms]
            pytest.fail("\n".join(("there is", *ways, str(found), about)), pytrace=False)


@pytest.mark.slow
@pytest.mark.parametrize("first", CHUNKS[::3])
def test_beside_the_only_choice_of_conda_packages(solve: Solver, first: int) -> None:
    """Where conda has one answer, the oracle reads all that PyPI says as the engines do."""
    for seed in range(first, min(first + CHUNK, CHUNKS.stop)):
        universe, rng = make_universe(seed), random.Random(seed)
        platform = rng.choice(universe.platforms)
        choices = list(conda_choices(universe, platform))
        if not choices:
            continue
        alone = replace(universe, builds=rng.choice(choices), platforms=(platform,))
        found = solve.outcome(alone)
        about = f"seed {seed}\n{alone}"
        if isinstance(found, dict):
            check(alone, found, about)
        else:
            assert isinstance(found, NoSolution), f"{found!r}\n{about}"
            assert not is_solvable(alone), f"{found}\n{about}"


def check(universe: Universe, found: dict[str, Resolution], about: str) -> None:
    """What was found is valid, and no package of it can be spared."""
    assert is_solvable(universe), f"{found}\n{about}"
    assert set(found) == set(universe.platforms)
    for platform, resolution in found.items():
        wrong = problems(universe, platform, resolution)
        assert not wrong, "\n".join((*wrong, about, str(resolution.packages)))
        for one in resolution.packages:
            rest = tuple(other for other in resolution.packages if other != one)
            assert problems(universe, platform, replace(resolution, packages=rest)), one.name
    minors = {one.python.rpartition(".")[0] for one in found.values()}
    assert len(minors) == 1 or is_apart(universe), about


@cache
def package(kind: str, name: str, version: str, build: str | None, subdir: str | None) -> Package:
    filename = f"{name}-{version}"
    return Package.make(
        kind=kind,
        name=name,
        version=version,
        build=build,
        subdir=subdir,
        filename=filename,
        url=f"https://example.org/{filename}",
        sha256="0" * 64,
    )


def candidates(universe: Universe, platform: str) -> list[list[Package | None]]:
    """By name of a package all that there are for a platform, and none."""
    groups: dict[tuple[str, str], list[Package | None]] = {}
    for build in universe.builds:
        for subdir in {platform, "noarch"}.intersection(build.subdirs):
            one = package("conda", build.name, build.version, build.build, subdir)
            groups.setdefault(("conda", build.name), [None]).append(one)
    for release in universe.releases:
        one = package("pypi", release.name, release.version, None, None)
        groups.setdefault(("pypi", release.name), [None]).append(one)
    return list(groups.values())


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_the_oracle_finds_what_the_checker_accepts(first: int) -> None:
    """Without any cleverness: all sets of packages that there are, where these are few."""
    for seed in range(first, first + 100):
        universe = draw(random.Random(seed), small=True)
        for platform in universe.platforms:
            groups = candidates(universe, platform)
            if prod(map(len, groups)) > 500:
                continue
            valid = {
                chosen
                for packages in product(*groups)
                if (chosen := tuple(one for one in packages if one))
                if (python := next((one.version for one in chosen if one.name == "python"), None))
                if not problems(universe, platform, Resolution(python=python, packages=chosen))
            }
            choices = {frozenset(one for one in each if one.kind == "conda") for each in valid}
            found = {
                frozenset(
                    package("conda", one.name, one.version, one.build, subdir)
                    for one in each.builds
                    for subdir in {platform, "noarch"}.intersection(one.subdirs)
                )
                for each in solutions(universe, platform)
            }
            assert found == choices, f"seed {seed}\n{universe}"


@pytest.mark.slow
def test_a_seed_gives_the_same_universe_and_all_kinds_come() -> None:
    universes = [make_universe(seed) for seed in range(60)]
    assert universes == [make_universe(seed) for seed in range(60)]
    kinds = [kind_of(one) for one in universes]
    for kind in KINDS:
        share = KINDS.count(kind) / len(KINDS)
        assert kinds.count(kind) > len(kinds) * share / 2, kind


@pytest.mark.parametrize(
    ("spec", "version", "expected"),
    [
        ("a", "1.0", True),
        ("a >=1.5", "1.5", True),
        ("a >1.5", "1.5", False),
        ("a <2.0", "1.5", True),
        ("a <=2.0", "2.1", False),
        ("a !=2.0", "2.0", False),
        ("a ==2.0", "2", True),
        ("a 2.*", "2.1", True),
        ("a 2.*", "3.0", False),
        ("python >=3.11,<3.12.0a0", "3.11.8", True),
        ("python >=3.11,<3.12.0a0", "3.12.0", False),
    ],
)
def test_the_oracle_reads_matchspecs(spec: str, version: str, *, expected: bool) -> None:
    assert matches(spec, version) is expected


def pythons(*versions: str) -> tuple[Build, ...]:
    return tuple(
        Build(name="python", version=one, build="h0", subdirs=(LINUX, MAC)) for one in versions
    )


def module(
    name: str,
    version: str,
    *depends: str,
    own: tuple[str, str] | None = None,
    **held: tuple[str, ...],
) -> Build:
    """A `noarch: python` package with a distribution of its name and version, or of its `own`."""
    own_name, own_version = own or (name, version)
    inside = Held(name=own_name, version=own_version, **held)
    return Build(name=name, version=version, depends=("python", *depends), holds=(inside,))


def wheel(name: str, version: str, *requires: str, **options: object) -> Release:
    return Release(name=name, version=version, requires=requires, **options)  # type: ignore[arg-type]  # passed on as they are


SHARED = (*pythons("3.11.2"), module("a", "1.0"), module("a", "2.0"))
KNOWN: dict[str, tuple[Universe, list[str]]] = {
    "the newest fits": (
        Universe(builds=SHARED, releases=(wheel("p", "1.0", "a"),), conda=("a",), pypi=("p",)),
        ["a 2.0, python 3.11.2 + p 1.0", "a 1.0, python 3.11.2 + p 1.0"],
    ),
    "an older one fits": (
        Universe(builds=SHARED, releases=(wheel("p", "1.0", "a<2"),), conda=("a",), pypi=("p",)),
        ["a 1.0, python 3.11.2 + p 1.0"],
    ),
    "an older one fits, and is not asked for": (
        Universe(
            builds=SHARED, releases=(wheel("p", "1.0", "a<2"),), conda=("a >=2",), pypi=("p",)
        ),
        [],
    ),
    "what conda does not bring comes from the index": (
        Universe(
            builds=(*SHARED, Build(name="b", version="1.0")),
            releases=(wheel("a", "3.0"), wheel("a", "2.0")),
            conda=("b",),
            pypi=("a<3",),
        ),
        ["b 1.0, python 3.11.2 + a 2.0"],
    ),
    "a library of the same name is no distribution": (
        Universe(
            builds=(*pythons("3.11.2"), Build(name="a", version="1.0")),
            releases=(wheel("a", "7.0"),),
            conda=("a",),
            pypi=("a>5",),
        ),
        ["a 1.0, python 3.11.2 + a 7.0"],
    ),
    "a distribution has its own name and version": (
        Universe(
            builds=(*pythons("3.11.2"), module("a", "1.0", own=("py-a", "9.0"))),
            releases=(wheel("py-a", "9.1"), wheel("a", "3.0")),
            conda=("a",),
            pypi=("py-a==9.0", "a"),
        ),
        ["a 1.0, python 3.11.2 + a 3.0"],
    ),
    "two in one package": (
        Universe(
            builds=(
                *pythons("3.11.2"),
                Build(
                    name="a",
                    version="1.0",
                    depends=("python",),
                    holds=(Held(name="a", version="1.0"), Held(name="b", version="2.0")),
                ),
            ),
            conda=("a",),
            pypi=("b>=2", "a"),
        ),
        ["a 1.0, python 3.11.2 + "],
    ),
    "an extra of conda's brings what it needs, and no more": (
        Universe(
            builds=(
                *pythons("3.11.2"),
                module("a", "1.0", extras=("fast",), requires=("q>=1; extra == 'fast'", "nowhere")),
            ),
            releases=(wheel("q", "1.0", "r"), wheel("q", "0.9"), wheel("r", "2.0")),
            conda=("a",),
            pypi=("a[fast]",),
        ),
        ["a 1.0, python 3.11.2 + q 1.0, r 2.0"],
    ),
    "an extra that others ask of conda's decides": (
        Universe(
            builds=(
                *pythons("3.11.2"),
                module("a", "1.0", extras=("fast",), requires=("q<2; extra == 'fast'",)),
                module("a", "2.0", extras=("fast",), requires=("q>2; extra == 'fast'",)),
            ),
            releases=(wheel("p", "1.0", "a[fast]"), wheel("q", "1.0")),
            conda=("a",),
            pypi=("p",),
        ),
        ["a 1.0, python 3.11.2 + p 1.0, q 1.0"],
    ),
    "an extra of an extra": (
        Universe(
            builds=(
                *pythons("3.11.2"),
                module(
                    "a",
                    "1.0",
                    extras=("all", "fast"),
                    requires=("a[fast]; extra == 'all'", "q; extra == 'fast'"),
                ),
            ),
            releases=(wheel("q", "1.0"),),
            conda=("a",),
            pypi=("a[all]",),
        ),
        ["a 1.0, python 3.11.2 + q 1.0"],
    ),
    "tied packages move together": (
        Universe(
            builds=(
                *SHARED,
                module("b", "1.0", "a 1.*"),
                module("b", "2.0", "a 2.*"),
            ),
            releases=(wheel("p", "1.0", "a<2"),),
            conda=("b",),
            pypi=("p",),
        ),
        ["a 1.0, b 1.0, python 3.11.2 + p 1.0"],
    ),
    "Python moves": (
        Universe(
            builds=(*pythons("3.11.2", "3.12.1", "3.12.6"), module("a", "1.0")),
            releases=(wheel("p", "1.0", minors=("3.11",)), wheel("q", "1.0")),
            conda=("a",),
            pypi=("p", "q; python_version < '3.12'"),
        ),
        ["a 1.0, python 3.11.2 + p 1.0, q 1.0"],
    ),
    "Python moves by a patch": (
        Universe(
            builds=(*pythons("3.12.1", "3.12.6"), module("a", "1.0")),
            releases=(wheel("p", "1.0", requires_python="<3.12.6"),),
            conda=("a",),
            pypi=("p",),
        ),
        ["a 1.0, python 3.12.1 + p 1.0"],
    ),
    "a constraint holds for conda's too": (
        Universe(
            builds=SHARED,
            releases=(wheel("p", "1.0"),),
            conda=("a",),
            pypi=("p",),
            constraints=("a<2", "p<2"),
        ),
        ["a 1.0, python 3.11.2 + p 1.0"],
    ),
    "a constraint asks for nothing": (
        Universe(
            builds=SHARED,
            releases=(wheel("p", "1.0"),),
            conda=("a ==1.0",),
            pypi=("p",),
            constraints=("z<2",),
        ),
        ["a 1.0, python 3.11.2 + p 1.0"],
    ),
    "an older PyPI package is the way": (
        Universe(
            builds=SHARED,
            releases=(
                wheel("p", "2.0", "q>1"),
                wheel("p", "1.0", "q"),
                wheel("q", "2.0", "a<1"),
                wheel("q", "1.0"),
            ),
            conda=("a ==2.0",),
            pypi=("p",),
        ),
        ["a 2.0, python 3.11.2 + p 1.0, q 1.0"],
    ),
}


def spoken(universe: Universe, platform: str) -> list[str]:
    return [
        ", ".join(sorted(f"{build.name} {build.version}" for build in one.builds))
        + " + "
        + ", ".join(sorted(f"{name} {version}" for name, version in one.pypi.items()))
        for one in solutions(universe, platform)
    ]


@pytest.mark.parametrize("what", KNOWN)
def test_the_oracle_knows_what_is_known(solve: Solver, what: str) -> None:
    universe, expected = KNOWN[what]
    assert spoken(universe, LINUX) == expected
    found = solve.outcome(universe)
    if isinstance(found, dict):
        check(universe, found, what)
    else:
        assert isinstance(found, NoSolution)
        assert not expected, found


@pytest.mark.parametrize(
    ("specifier", "accepted"),
    [
        *((one, True) for one in ("==1.5", "<=1.5", "<2", ">=1.5", ">1", "~=1.0", "==1.*", "!=1")),
        *((one, False) for one in ("!=1.5", ">1.5", "<1.5", "!=1.*", "~=1.6")),
    ],
)
def test_the_oracle_holds_conda_s_versions_fixed(
    solve: Solver, specifier: str, *, accepted: bool
) -> None:
    universe = Universe(
        builds=(*pythons("3.11.2"), module("a", "1.5")),
        releases=(wheel("p", "1.0", f"a{specifier}"), wheel("a", "1.7")),
        conda=("a",),
        pypi=("p",),
    )
    assert is_solvable(universe) is accepted
    if accepted:
        check(universe, solve(universe), specifier)
    else:
        with pytest.raises(NoSolution):
            solve(universe)


@pytest.mark.slow
def test_platforms_have_one_minor_version_of_python_where_they_can(solve: Solver) -> None:
    native = [
        Build(
            name="a",
            version="1.0",
            build=f"py{minor.replace('.', '')}_0",
            subdirs=subdirs,
            depends=(f"python {minor}.*",),
            holds=(Held(name="a", version="1.0"),),
            minor=minor,
        )
        for minor, subdirs in (("3.11", (LINUX, MAC)), ("3.12", (LINUX,)))
    ]
    both = Universe(
        builds=(*pythons("3.11.2", "3.12.1"), *native),
        releases=(wheel("p", "1.0"),),
        conda=("a",),
        pypi=("p", "q; sys_platform == 'darwin'"),
        platforms=(LINUX, MAC),
    )
    assert not is_solvable(both)
    both = replace(both, releases=(*both.releases, wheel("q", "1.0")))
    assert is_solvable(both)
    assert not is_apart(both)
    assert spoken(both, LINUX) == [
        "a 1.0, python 3.12.1 + p 1.0",
        "a 1.0, python 3.11.2 + p 1.0",
    ]
    assert spoken(both, MAC) == ["a 1.0, python 3.11.2 + p 1.0, q 1.0"]
    check(both, solve(both), "both")
    apart = replace(both, builds=(*both.builds[:2], replace(native[0], subdirs=(MAC,)), native[1]))
    assert is_apart(apart)
    check(apart, solve(apart), "apart")
