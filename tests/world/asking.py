"""Requests, made of a seed and a number."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PLATFORMS", "Ask", "Known", "known", "make"]

PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64")
_NAMES = Path(__file__).with_name("names.txt")
_KINDS = {"alone": 5, "group": 5, "extras": 3, "older": 2}
_YEARS_BACK = (1.0, 3.0)
_OLD = 2023  # from when on the newest of the Pythons had wheels


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A package of the list: what it is imported by, and some of its extras."""

    imports: tuple[str, ...]
    extras: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request for PyPI packages; nothing published at `moment` or later is seen."""

    number: int
    kind: str
    requirements: tuple[str, ...]
    python: str
    provider: str
    platforms: tuple[str, ...]
    moment: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        where = ", ".join(self.platforms)
        asked = " ".join(self.requirements)
        return f"#{self.number} {asked} (Python {self.python}, {self.provider}, {where})"


def known() -> dict[str, Known]:
    """The list of packages, by name."""
    found = {}
    for line in _NAMES.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, imports, *extras = (part.strip() for part in line.split(";"))
        found[name] = Known(imports=_split(imports), extras=_split("".join(extras)))
    return found


def make(
    seed: int, number: int, *, packages: Mapping[str, Known], pythons: Sequence[str], now: datetime
) -> Ask:
    """The request of that number; `pythons` are minor versions, oldest first."""
    chance = random.Random(f"{seed}:{number}")
    kind = chance.choices(list(_KINDS), list(_KINDS.values()))[0]
    moment, names = now, sorted(packages)
    if kind == "alone":
        asked = [chance.choice(names)]
    elif kind == "extras":
        with_extras = [name for name in names if packages[name].extras]
        asked = [
            f"{name}[{chance.choice(packages[name].extras)}]"
            for name in chance.sample(with_extras, chance.randint(1, 3))
        ]
    else:
        asked = chance.sample(names, chance.randint(2, 7))
    if kind == "older":
        days = chance.uniform(*_YEARS_BACK) * 365
        moment = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0)
        pythons = pythons[: -1 if moment.year > _OLD else -2]
    return Ask(
        number=number,
        kind=kind,
        requirements=tuple(asked),
        python=chance.choice(pythons),
        provider=chance.choice(["system", "conda"]),
        platforms=tuple(sorted(chance.sample(PLATFORMS, chance.choice([1, 1, 2, 3])))),
        moment=f"{moment:%Y-%m-%dT%H:%M:%SZ}",
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
