"""Modules that two distributions both bring, and would install over each other's.

Files are compared, not folders, since many distributions share a namespace. The same content does
no harm, and neither does an `__init__.py` without code of its own. What projects ship by mistake,
such as their tests, is not what anybody imports: it is noted. All other modules that differ are a
clash. What conda packages do to each other is conda's business.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Clash", "Owner", "find_clashes"]

_MODULE = re.compile(r".*\.(?:py|pth|pyd|dylib|so(?:\.\d+)*)")
_INFO = (".dist-info", ".egg-info")
# At the top of site-packages these are not what they are in their project.
_BY_MISTAKE = frozenset(
    {
        *("benchmark", "benchmarks", "conftest.py", "demo", "demos", "doc", "docs", "example"),
        *(
            "examples",
            "noxfile.py",
            "notebooks",
            "sample",
            "samples",
            "scripts",
            "setup.py",
            "test",
        ),
        *("testing", "tests", "tools"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A PyPI package, or a conda package with what it brings to Python.

    `tops` are the names at the top of site-packages; `files` gives the paths there, each with its
    sha256 in hex, or what else tells its content from others; `has_code` says of a module whether
    it does anything.
    """

    label: str
    conda: bool
    tops: frozenset[str]
    files: Callable[[], Mapping[str, str]]
    has_code: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """What two packages both bring, `kept` is whose will be there; `harmless` if nobody imports that."""

    what: str
    kept: str
    harmless: bool

    def __str__(self) -> str:
        return f"{self.what}; that of {self.kept} will be there"


def find_clashes(owners: Sequence[Owner], *, fold: bool) -> Iterator[Clash]:
    """Compare what packages bring to site-packages, given in the order in which they are laid out.

    `fold`: for a disk that takes names for the same that differ in case or Unicode form alone.
    """
    for first, second, tops in _pairs(owners, fold=fold):
        paths = list(_differing(first, second, tops, fold=fold))
        lost = [path for path in paths if _is_lost(path, first, second)]
        # Of an `__init__.py` without code nothing is lost.
        if noted := lost or [path for path in paths if not path.endswith("/__init__.py")]:
            same_names = first.files().keys() >= set(noted)
            how = "with different content" if same_names else "in names that differ in case alone"
            yield Clash(
                what=f"{first.label} and {second.label} both bring {_some(noted)}, {how}",
                kept=(first if first.conda else second).label,
                harmless=not lost,
            )


def _pairs(owners: Sequence[Owner], *, fold: bool) -> Iterator[tuple[Owner, Owner, frozenset[str]]]:
    """Any two that share names at the top, and these; with a PyPI package among them, at the end."""
    # Lists of files may have to be fetched: only those that share a top are compared by them.
    by_top: dict[str, list[int]] = defaultdict(list)
    for at, owner in enumerate(owners):
        for top in {_folded(top, fold=fold) for top in owner.tops if not top.endswith(_INFO)}:
            by_top[top].append(at)
    tops: dict[tuple[int, int], set[str]] = defaultdict(set)
    for top, sharing in by_top.items():
        for pair in combinations(sharing, 2):
            tops[pair].add(top)
    for pair, shared in sorted(tops.items()):
        # Conda's first, as they are laid out.
        first, second = sorted((owners[at] for at in pair), key=lambda owner: not owner.conda)
        if not second.conda:
            yield first, second, frozenset(shared)


def _differing(first: Owner, second: Owner, tops: frozenset[str], *, fold: bool) -> Iterator[str]:
    """The paths, as the second has them, that both bring, with different content or case."""
    files = {
        _folded(path, fold=fold): (path, digest)
        for path, digest in first.files().items()
        if _folded(path.partition("/")[0], fold=fold) in tops
    }
    for path, digest in second.files().items():
        there = files.get(_folded(path, fold=fold))
        # Content that nobody can compare counts as different.
        if there and (there != (path, digest) or not digest):
            yield path


def _is_lost(path: str, first: Owner, second: Owner) -> bool:
    """Whether something that can be imported would be lost of either."""
    if path not in first.files():  # in another case: there could be no such environment
        return True
    if path.partition("/")[0] in _BY_MISTAKE or not _MODULE.fullmatch(path):
        return False
    if not path.endswith("/__init__.py"):
        return True
    # Of two wheels the module with code is kept, of a conda package whatever it has.
    return second.has_code(path) and (first.conda or first.has_code(path))


def _folded(path: str, *, fold: bool) -> str:
    return unicodedata.normalize("NFC", path).casefold() if fold else path


def _some(paths: Sequence[str]) -> str:
    """The first of some paths, and how many there are."""
    first = min(paths, key=lambda path: (path.count("/"), path))
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"`{first}`{more}"
