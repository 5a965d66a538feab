"""Under which PyPI names conda packages are known to Python."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from resolvers.content import content_digest
from resolvers.errors import UnsupportedRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envid.packages import Package

__all__ = ["Guess", "PypiNames", "conda_names"]

_SEEDS = ("pip", "setuptools", "wheel")
_PYTHON = frozenset({"python", "python_abi"})
# `2024a` would be a pre-release.
_PLAIN_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?")


class Guess(NamedTuple):
    """The PyPI names that a build has, if it is what it is taken to be, and others that it may have."""

    plain: tuple[str, ...]
    doubtful: frozenset[str]


class PypiNames:
    """Tables from conda names to lists of PyPI names, as `{"names": {...}}` in a JSON file.

    What the table in `path` says of a package counts, whatever is in the package; an empty list
    says that it is none of Python's. `digest` is the sha256 of that file, for the spec that is
    resolved with it to hold.

    The table that ships with us has the names of all builds that there ever were, also of what they
    vendor, where normalising (PEP 503) does not give them. It serves where a build cannot be
    looked into.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read a table; raises `UnsupportedRequest` for a file that holds none."""
        self.digest, self._own = None, {}
        if path:
            try:
                self.digest = content_digest(path)
                self._own = _parse(path.read_text(encoding="utf-8"))
            # Each of these may come of JSON that is another thing than a table.
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise UnsupportedRequest(
                    f"`{path}` is not a table of PyPI names",
                    'write JSON such as `{"names": {"pytorch": ["torch"]}}`',
                ) from error

    def stated(self, package: Package) -> tuple[str, ...] | None:
        """The PyPI names that the user gives a conda package; None where nothing is said of it."""
        return self._own.get(package.name)

    def guess(self, package: Package, said: tuple[str, ...] | None) -> Guess:
        """What a build holds, by its name alone; `said` is what its channel says.

        What the table does not have, and what needs Python for other packages alone, holds nothing
        of PyPI's.
        """
        own = (package.name,) if _PYTHON & set(package.depends) else ()
        known = _shipped().get(package.name, own) if said is None else said
        names = {canonicalize_name(name) for name in known}
        # Of several, the package's own name is plain; others may be what some builds vendor.
        plain = {canonicalize_name(package.name)} & names if len(names) > 1 else names
        if not _PLAIN_VERSION.fullmatch(package.version):
            plain = set()
        return Guess(tuple(sorted(plain)), frozenset(names - plain))


def conda_names() -> dict[str, str]:
    """The conda package that a PyPI name most likely is, where that is called otherwise."""
    # Of a package with several names, most are what it vendors; of several packages, the shortest
    # name is what the others are variants of, as `pytorch` is of `pytorch-cpu`.
    single = {conda: names[0] for conda, names in _shipped().items() if len(names) == 1}
    conda_of: dict[str, str] = {}
    for conda in sorted(single, key=lambda name: (len(name), name), reverse=True):
        conda_of[single[conda]] = conda
    return {pypi: conda for pypi, conda in conda_of.items() if pypi not in _SEEDS}


@cache
def _shipped() -> Mapping[str, tuple[str, ...]]:
    return _parse(files("resolvers").joinpath("conda_names.json").read_text(encoding="utf-8"))


def _parse(text: str) -> dict[str, tuple[str, ...]]:
    return {
        str(name): tuple(canonicalize_name(name) for name in names)
        for name, names in json.loads(text)["names"].items()
    }
