"""Under which PyPI names conda packages are known to Python."""

from __future__ import annotations

import json
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
_NEVER = frozenset({"python", "python_abi"})


class PypiNames:
    """A table from conda names to lists of PyPI names, as `{"names": {...}}` in a JSON file.

    Without a file it is the one that ships with us, which holds what normalising (PEP 503) does
    not give. An empty list says that a package is none of Python's. `digest` is the sha256 of a
    file, for the spec that is resolved with it to hold.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read a table; raises `InvalidRequest` for a file that holds none."""
        source = path or files("resolvers") / "conda_names.json"
        try:
            self.digest = content_digest(path) if path else None
            data = json.loads(source.read_text(encoding="utf-8"))
            self._table: Mapping[str, tuple[str, ...]] = {
                str(name): tuple(canonicalize_name(one) for one in names)
                for name, names in data["names"].items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidRequest(
                f"`{source}` is not a table of PyPI names",
                'write JSON such as `{"names": {"pytorch": ["torch"]}}`',
            ) from error

    def of(self, package: Package, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        """The PyPI names of a conda package; `known` is what its channel says, by conda name.

        Only what needs Python can be a package of Python: a C library that shares its name with
        a distribution does not provide it.
        """
        if package.name in _NEVER:
            return ()
        if package.name in known:
            return tuple(canonicalize_name(one) for one in known[package.name])
        if not _PYTHON & set(package.depends):
            return ()
        return self._table.get(package.name, (canonicalize_name(package.name),))
