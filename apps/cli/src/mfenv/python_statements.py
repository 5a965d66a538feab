"""Several statements of the Python version, as one specifier."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from envid.requirements import normalize_python
from mfenv.errors import Contradiction

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["combine"]

_MINORS = range(30)
_PATCHES = range(40)


def combine(stated: Sequence[tuple[str, str]], default: str) -> str:
    """The Python asked for: every statement of it, and a default where none is exact.

    Takes pairs of a specifier and where it was stated, and the default version, empty for the
    running one. Raises `Contradiction` naming the two places that exclude each other.
    """
    for number, (specifier, place) in enumerate(stated):
        for other, elsewhere in stated[:number]:
            if not _possible(f"{specifier},{other}"):
                raise Contradiction(
                    f"{elsewhere} asks for Python `{other}`, and {place} for `{specifier}`",
                    "keep one of them",
                )
    every = ",".join(specifier for specifier, _ in stated)
    if not _possible(every):
        raise Contradiction(f"no Python satisfies `{every}`", "ask for a release of Python 3")
    if any(specifier.startswith("==") for specifier, _ in stated):
        return every
    usual = normalize_python(default or f"{sys.version_info.major}.{sys.version_info.minor}")
    combined = f"{every},{usual}" if every else usual
    return combined if _possible(combined) else every


def _possible(specifier: str) -> bool:
    """Whether some Python 3 release satisfies `specifier`."""
    from packaging.specifiers import SpecifierSet

    found = SpecifierSet(specifier)
    return any(found.contains(f"3.{minor}.{patch}") for minor in _MINORS for patch in _PATCHES)
