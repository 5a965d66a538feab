"""Under which PyPI names conda packages are known to Python."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from resolvers.content import content_digest
from resolvers.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envid.packages import Package

__all__ = ["PypiNames"]

_PYTHON = frozenset({"python", "python_abi"})
# `2024a` would be a pre-release.
_PLAIN_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?")


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
        """Read a table; raises `InvalidRequest` for a file that holds none."""
        self.digest, self._own = None, {}
        if path:
            try:
                self.digest = content_digest(path)
                self._own = _parse(path.read_text(encoding="utf-8"))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise InvalidRequest(
                    f"`{path}` is not a table of PyPI names",
                    'write JSON such as `{"names": {"pytorch": ["torch"]}}`',
                ) from error

    def stated(self, package: Package) -> tuple[str, ...] | None:
        """The PyPI names that the user gives a conda package; None where nothing is said of it."""
        return self._own.get(package.name)

    def plain(self, package: Package, said: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The PyPI name of a build, or none, by its name alone; None where that is not plain.

        `said` is what its channel says. What the table does not have, and what needs Python for
        other packages alone, is none of PyPI's.
        """
        names = said
        if names is None:
            own = (package.name,) if _PYTHON & set(package.depends) else ()
            names = _shipped().get(package.name, own)
        if len(names) > 1 or (names and not _PLAIN_VERSION.fullmatch(package.version)):
            return None
        return tuple(map(canonicalize_name, names))


@cache
def _shipped() -> Mapping[str, tuple[str, ...]]:
    return _parse(files("resolvers").joinpath("conda_names.json").read_text(encoding="utf-8"))


def _parse(text: str) -> dict[str, tuple[str, ...]]:
    return {
        str(name): tuple(canonicalize_name(one) for one in names)
        for name, names in json.loads(text)["names"].items()
    }
