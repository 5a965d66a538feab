"""Universes from a seed, such as conda's newest packages often do not fit."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .model import Build, Held, Release, Universe
from .oracle import first_choice, is_apart, is_solvable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KINDS", "draw", "kind_of", "make_universe"]

KINDS = ("moves", "moves", "at once", "impossible")
"""Kinds of universes, each as often as a seed makes it: conda's newest packages do not fit and
others do; they fit; there is no solution."""

_VERSIONS = ("1.0", "1.5", "2.0", "2.1", "3.0")
_PATCHES = {
    "3.10": ("3.10.4", "3.10.9"),
    "3.11": ("3.11.2", "3.11.8"),
    "3.12": ("3.12.1", "3.12.6"),
}
_PLATFORMS = ("linux-64", "osx-arm64")
_DRAWS = 400


def make_universe(seed: int) -> Universe:
    """The universe of a seed; the same seed gives the same one."""
    rng = random.Random(seed)
    wanted = rng.choice(KINDS)
    for _ in range(_DRAWS):
        universe = draw(rng)
        if kind_of(universe) == wanted:
            break
    return universe


def draw(rng: random.Random, *, small: bool = False) -> Universe:
    """A universe of whatever kind; a `small` one has some two names on either side."""
    return _Draw(rng, small=small).universe()


def kind_of(universe: Universe) -> str:
    """Which of `KINDS` a universe is of; `apart` where only different Pythons solve it."""
    if not is_solvable(universe):
        return "impossible"
    if is_apart(universe):
        return "apart"
    firsts = [first_choice(universe, one) for one in universe.platforms]
    at_once = all(firsts) and len({one.minor for one in firsts if one}) == 1
    return "at once" if at_once else "moves"


@dataclass
class _Draw:
    """One draw of a universe; `extras` are those of all versions of a distribution, by name."""

    rng: random.Random
    small: bool = False
    versions: dict[str, list[str]] = field(default_factory=dict)
    extras: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def some(self, names: Sequence[str], least: int, most: int) -> list[str]:
        count = min(len(names), self.rng.randint(least, most))
        return sorted(self.rng.sample(list(names), count))

    def universe(self) -> Universe:
        rng = self.rng
        self.minors = sorted(rng.sample(sorted(_PATCHES), 2))
        self.conda = list("abcdef"[: rng.randint(1, 2) if self.small else rng.randint(2, 6)])
        self.own = list("pqrst"[: rng.randint(1, 2) if self.small else rng.randint(1, 4)])
        self.conda_versions = {one: self._some_versions() for one in self.conda}
        self.holding = {one: self._holding(one) for one in self.conda}
        self.held = sorted({one for names in self.holding.values() for one in names})
        published = [one for one in self.held if self.chance(0.7)]
        published += [one for one in self.conda if one not in self.held and self.chance(0.4)]
        self.published = sorted({*published, *self.own})
        for name in sorted({*self.held, *self.published}):
            own = self._some_versions()
            of_conda = [
                v
                for one in self.conda
                if name in self.holding[one]
                for v in self.conda_versions[one]
            ]
            self.versions[name] = sorted({*own, *of_conda}) if name in self.published else of_conda
            self.extras[name] = rng.choice(((), (), (), ("e",), ("e", "g")))
        builds = [*self._pythons(), *(one for name in self.conda for one in self._builds(name))]
        releases = [
            self._release(name, version)
            for name in self.published
            for version in self.some(self.versions[name], 2, 3)
        ]
        return Universe(
            builds=tuple(builds),
            releases=tuple(releases),
            conda=self._conda_request(),
            pypi=self._pypi_request(),
            constraints=self._constraints(),
            python=self._python_request(),
            platforms=rng.choice((_PLATFORMS[:1],) * 6 + (_PLATFORMS[1:], _PLATFORMS)),
        )

    def _some_versions(self) -> list[str]:
        return self.some(_VERSIONS, *self.rng.choice(((1, 2), (3, 3), (3, 3))))

    def _holding(self, name: str) -> tuple[str, ...]:
        """The distributions that a conda package has."""
        return self.rng.choice((*((name,),) * 6, (f"py-{name}",), (name, f"{name}-more"), (), ()))

    def _pythons(self) -> list[Build]:
        return [
            Build(name="python", version=version, build=f"h{at}", subdirs=_PLATFORMS)
            for minor in self.minors
            for at, version in enumerate(
                self.some(_PATCHES[minor], *self.rng.choice(((1, 1), (2, 2))))
            )
        ]

    def _builds(self, name: str) -> list[Build]:
        rng = self.rng
        native, shift = self.chance(0.3), self.chance(0.1)
        found = []
        for version in self.conda_versions[name]:
            # What is new is often not there yet for every Python, nor for every platform.
            minors = self.minors if self.chance(0.7) else [rng.choice(self.minors)]
            depends = self._depends(name)
            holding = self.holding[name] if self.chance(0.93) else ()
            for number in range(2 if self.chance(0.15) else 1):
                if number:
                    depends = tuple(self._match(one.partition(" ")[0]) for one in depends)
                subdirs = _PLATFORMS if self.chance(0.9) else (rng.choice(_PLATFORMS),)
                holds = tuple(self._held(one, version, shift=shift) for one in holding)
                if native and holds:
                    found += [
                        Build(
                            name=name,
                            version=version,
                            build=f"py{minor.replace('.', '')}_{number}",
                            number=number,
                            subdirs=subdirs,
                            depends=(_series(minor), *depends),
                            holds=holds,
                            minor=minor,
                        )
                        for minor in minors
                    ]
                else:
                    python = (self._for_python(),) if holds else ()
                    found.append(
                        Build(
                            name=name,
                            version=version,
                            build=f"{'pyh' if holds else 'h'}_{number}",
                            number=number,
                            subdirs=subdirs if native else ("noarch",),
                            depends=(*python, *depends),
                            holds=holds,
                        )
                    )
        return found

    def _depends(self, name: str) -> tuple[str, ...]:
        """Mostly on names further on, since rings are rare."""
        others = [one for one in self.conda if one > name or (one < name and self.chance(0.1))]
        return tuple(self._match(one) for one in self.some(others, 0, 2) if self.chance(0.6))

    def _for_python(self) -> str:
        newest = self.minors[-1]
        return self.rng.choice(("python",) * 5 + (f"python >={newest}", f"python <{newest}"))

    def _held(self, name: str, version: str, *, shift: bool) -> Held:
        # A package's version need not be that of what is in it.
        own = f"{int(version[0]) + 1}.{version[2:]}" if shift else version
        return Held(
            name=name,
            version=own,
            extras=self.extras[name],
            requires=(*self._requires(name, 0, 1), *self._of_extras(name)),
        )

    def _release(self, name: str, version: str) -> Release:
        rng = self.rng
        python = ""
        if self.chance(0.12):
            new = self.minors[-1]
            patch = rng.choice(_PATCHES[new])
            python = rng.choice((f">={new}", f"<{new}", f">={patch}", f"!={new}.*"))
        return Release(
            name=name,
            version=version,
            extras=self.extras[name],
            requires=(*self._requires(name, 0, 2), *self._of_extras(name)),
            requires_python=python,
            minors=(rng.choice(self.minors),) if self.chance(0.08) else (),
            platforms=(rng.choice(_PLATFORMS),) if self.chance(0.04) else (),
        )

    def _requires(self, name: str, least: int, most: int) -> tuple[str, ...]:
        others = [one for one in self.versions if one != name]
        return tuple(self._requirement(one) for one in self.some(others, least, most))

    def _of_extras(self, name: str) -> tuple[str, ...]:
        found = []
        for extra in self.extras[name]:
            others = [one for one in self.versions if one != name]
            when = f"extra == '{extra}'"
            found += [self._requirement(one, when) for one in self.some(others, 0, 1)]
            if extra == "g" and self.chance(0.5):
                found.append(f"{name}[e]; extra == 'g'")
        return tuple(found)

    def _requirement(self, name: str, when: str = "", *, marked: float = 0.15) -> str:
        extras = self.extras.get(name, ())
        asked = f"[{self.rng.choice(extras)}]" if extras and self.chance(0.3) else ""
        markers = [when] if when else []
        if self.chance(marked):
            markers.append(self._marker())
        text = f"{name}{asked}{self._specifier(name)}"
        return f"{text}; {' and '.join(markers)}" if markers else text

    def _marker(self) -> str:
        return self.rng.choice(
            (
                f"python_version >= '{self.minors[-1]}'",
                f"python_version < '{self.minors[-1]}'",
                "sys_platform == 'linux'",
                "sys_platform != 'linux'",
                "platform_machine == 'arm64'",
            )
        )

    def _specifier(self, name: str) -> str:
        rng = self.rng
        low, high = sorted((rng.choice(self.versions[name]), rng.choice(self.versions[name])))
        return rng.choice(
            (
                *("",) * 3,
                *(f"<{high}" if high > self.versions[name][0] else f"<={high}",) * 5,
                *(f">={high}",) * 3,
                f">={low},<={high}",
                f"=={low}",
                f"=={low[0]}.*",
                f"!={high}",
                f"~={low}",
                f">{low}" if low < self.versions[name][-1] else f">={low}",
            )
        )

    def _match(self, name: str) -> str:
        """A MatchSpec for a conda package."""
        versions = self.conda_versions[name]
        low, high = sorted((self.rng.choice(versions), self.rng.choice(versions)))
        bounds = self.rng.choice(
            (
                *("",) * 4,
                *(f">={low}",) * 3,
                *(f"<{high}" if high > versions[0] else f"<={high}",) * 2,
                f">={low},<={high}",
                f"=={low}",
                f"{low[0]}.*",
                f"!={high}",
            )
        )
        return f"{name} {bounds}".strip()

    def _conda_request(self) -> tuple[str, ...]:
        names = self.some(self.conda, 1, 3)
        python = [f"python <{self.minors[-1]}"] if self.chance(0.05) else []
        return (*(one if self.chance(0.6) else self._match(one) for one in names), *python)

    def _pypi_request(self) -> tuple[str, ...]:
        names = self.some(self.own, 1, 2)
        if self.held and self.chance(0.35):
            names += self.some(self.held, 1, 1)
        return tuple(self._requirement(one, marked=0.08) for one in names)

    def _constraints(self) -> tuple[str, ...]:
        if not self.chance(0.2):
            return ()
        name = self.rng.choice(sorted(self.versions))
        return (f"{name}{self._specifier(name)}",)

    def _python_request(self) -> str:
        old, new = self.minors
        return self.rng.choice(
            ("", "", "", f">={old}", f">={old},<{new}", new, old, f"<{new}", f">={new}")
        )


def _series(minor: str) -> str:
    _, number = minor.split(".")
    return f"python >={minor},<3.{int(number) + 1}.0a0"
