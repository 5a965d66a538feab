"""What an environment is to hold beside all that its user names, and from which side it comes.

Packages are asked for so by the program that mfenv is part of (`Request.also`), and by the setting
`seed`. What the user states wins: a package that is named is left out here, and the rest comes from
whichever side goes with what is stated: from PyPI where PyPI packages are asked for, else from
conda, and if that cannot be, from the other one. The side is in the spec, and so in the id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from envid.requirements import normal_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from envid.resolved import ResolvedEnv
    from mfenv.settings import Settings
    from reqparse import Requirement
    from reqparse.model import Category

__all__ = ["Implicit", "Placement", "Side", "implicit_packages"]

Side = Literal["usual", "other", "none"]
Placement = Mapping[str, Side]
"""By key of what is implicit, from which side it comes."""

_BUILDERS = ("setuptools", "wheel")
_NEW = 12  # the minor version of Python 3 from which on nobody takes these to be there


class Implicit(NamedTuple):
    """What somebody asks for that nobody names: as packages of the usual side, or of the other.

    Those of the other side, none where there is only one, are `read_other` when they are wanted,
    which they hardly ever are. What is `optional` may be left out.
    """

    text: str
    who: str
    usual: tuple[Requirement, ...]
    read_other: Callable[[], tuple[Requirement, ...]]
    optional: bool = False

    @property
    def key(self) -> str:
        """By which it is placed."""
        return f"{self.text} (optional)" if self.optional else self.text

    @property
    def sides(self) -> tuple[Side, ...]:
        """From where it may come, the best first."""
        return ("usual", "other") if self.read_other() else ("usual",)

    def at(self, side: Side) -> tuple[Requirement, ...]:
        """The requirements of one side."""
        if side == "other":
            return self.read_other()
        return self.usual if side == "usual" else ()


def implicit_packages(
    also: Iterable[tuple[str, str]],
    named: Sequence[Requirement],
    *,
    base: ResolvedEnv | None,
    settings: Settings,
    platforms: Sequence[str],
    python: str,
) -> tuple[Implicit, ...]:
    """What is wanted beside what is `named`, for a Python as it is asked for.

    `also` are texts, each with who asks. A known environment, `base`, has no need of what is only a
    default.
    """
    wheels = any(requirement.category in ("pypi", "npconda") for requirement in named)
    wheels = wheels or (base is not None and base.env_type != "conda-only")
    # The usual side first: that of the packages it is wanted beside.
    order: tuple[Category, ...] = ("pypi", "conda") if wheels else ("conda", "pypi")
    if settings.python_provider == "system":
        order = ("pypi",)
    asked: list[tuple[str, Mapping[Category, tuple[str, ...]], bool]] = [
        (who, dict.fromkeys(order, (text,)), False) for text, who in also
    ]
    origin = settings.origins.get("seed", "seed")
    by_hand = origin == "--seed"
    # A base has what its own request wanted; the setting would add to it what its user may have
    # left out.
    if settings.seed and (base is None or by_hand):
        asked += ((origin, texts, not by_hand) for texts in _seed(python))
    there = _named(named, base, platforms)
    implicit: dict[str, Implicit] = {}

    def read(
        who: str, texts: Mapping[Category, tuple[str, ...]], side: int
    ) -> tuple[Requirement, ...]:
        # Of Python alone, there is one side.
        return tuple(
            requirement
            for category in order[side : side + 1]
            for requirement in _unnamed(who, category, texts[category], there, platforms)
        )

    for who, texts, optional in asked:
        if usual := read(who, texts, 0):
            text, other = texts[order[0]][0], partial(read, who, texts, 1)
            implicit[text] = Implicit(
                text=text, who=who, usual=usual, read_other=other, optional=optional
            )
    return tuple(implicit.values())


def _seed(python: str) -> list[Mapping[Category, tuple[str, ...]]]:
    """What `virtualenv` and `uv venv --seed` put in; a conda package of pip brings what it needs."""
    new = _may_be_new(python)
    seeds: list[Mapping[Category, tuple[str, ...]]] = [{"conda": ("pip",), "pypi": ("pip",)}]
    for name in _BUILDERS:
        # conda has no words for `on an older Python`: so only where no newer Python may come.
        conda = () if new else (name,)
        seeds.append({"conda": conda, "pypi": (f"{name}; python_version < '3.12'",)})
    return seeds


def _may_be_new(python: str) -> bool:
    """Whether a Python as it is asked for may be one that brings no builders, 3.12 or newer."""
    # What most ask for, told without `packaging`.
    if series := re.fullmatch(r"==3\.([0-9]+)\.\*", python):
        return int(series[1]) >= _NEW
    if not python:
        return True
    from packaging.specifiers import SpecifierSet

    asked = SpecifierSet(python)
    return any(
        asked.contains(f"3.{minor}.{patch}") for minor in range(_NEW, 30) for patch in range(40)
    )


def _named(
    named: Iterable[Requirement], base: ResolvedEnv | None, platforms: Sequence[str]
) -> dict[str, set[str]]:
    """By name of a package, the platforms that it is there or asked for on."""
    places: dict[str, set[str]] = {}
    for requirement in named:
        if requirement.name:
            where = platforms if requirement.platforms is None else requirement.platforms
            places.setdefault(normal_name(requirement.name), set()).update(where)
    for package in base.packages if base else ():
        places.setdefault(normal_name(package.name), set()).update(platforms)
    return places


def _unnamed(
    who: str,
    category: Category,
    texts: Iterable[str],
    named: Mapping[str, set[str]],
    platforms: Sequence[str],
) -> Iterator[Requirement]:
    from reqparse import Origin, parse_requirement

    for text in texts:
        requirement = parse_requirement(text, category=category, origin=Origin(file=who, line=None))
        there = named.get(normal_name(requirement.name or ""), set())
        rest = tuple(platform for platform in platforms if platform not in there)
        # Where it is named on some platforms, it is added on the others alone.
        if rest:
            yield replace(requirement, platforms=rest if there else None)
