"""What kind of Python conda brings, which decides the wheels that go with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from resolvers.errors import UnsupportedRequest

if TYPE_CHECKING:
    from collections.abc import Iterable


__all__ = ["Named", "is_free_threaded"]


class Named(Protocol):
    """A package of conda, as a channel or a lock has it."""

    @property
    def name(self) -> str: ...
    @property
    def build(self) -> str | None: ...


# So end the builds of `python_abi`, and by now those of `python` too.
_FREE_THREADED = re.compile(r"_cp\d+t$")
_OTHERS = {"pypy": "PyPy", "graalpy": "GraalPy"}


def is_free_threaded(packages: Iterable[Named]) -> bool:
    """Whether the Python among conda packages is free-threaded (PEP 703).

    Raises `UnsupportedRequest` for one that is not CPython, since wheels are chosen for that.
    """
    builds = [
        package.build or "" for package in packages if package.name in ("python", "python_abi")
    ]
    for build in builds:
        for word, name in _OTHERS.items():
            if word in build:
                raise UnsupportedRequest(
                    f"conda's Python is {name} (build `{build}`), and PyPI packages are chosen"
                    " for CPython alone",
                    "ask conda for `python=*=*_cpython` or `python-gil`, or for conda packages only",
                )
    return any(_FREE_THREADED.search(build) for build in builds)
