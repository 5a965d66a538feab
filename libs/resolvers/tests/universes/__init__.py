"""Small universes of conda and PyPI packages, and an oracle that knows what is solvable there."""

from __future__ import annotations

from .channel import write
from .checker import problems
from .generator import KINDS, draw, kind_of, make_universe
from .model import Build, Held, Release, Universe
from .oracle import conda_choices, first_choice, is_apart, is_solvable, solutions
from .reading import matches

__all__ = [
    "KINDS",
    "Build",
    "Held",
    "Release",
    "Universe",
    "conda_choices",
    "draw",
    "first_choice",
    "is_apart",
    "is_solvable",
    "kind_of",
    "make_universe",
    "matches",
    "problems",
    "solutions",
    "write",
]
