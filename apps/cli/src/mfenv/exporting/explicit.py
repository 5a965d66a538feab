"""`@EXPLICIT` lists: the URL of every conda package with its hash, for `conda create --file`.

What others need stands before them, since conda links packages in the order of the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfenv.errors import NotExportable
from mfenv.exporting.exported import (
    Exported,
    heading,
    named,
    notes_on_places,
    one_platform,
    what_systems_need,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv

__all__ = ["in_order", "write"]

_FORM = "explicit"


def write(envs: Sequence[ResolvedEnv]) -> Exported:
    """The conda packages of an environment.

    Raises `NotExportable` where there are none, and for several platforms.
    """
    env = one_platform(envs, "an `@EXPLICIT` list")
    conda = [package for package in env.packages if package.kind == "conda"]
    if not conda:
        raise NotExportable(
            f"there is no conda package in this environment, and {_FORM} holds no others",
            "export it in another format",
        )
    notes = [*what_systems_need(envs, _FORM), *notes_on_places(conda)]
    if pypi := [package for package in env.packages if package.kind == "pypi"]:
        notes.append(f"{_FORM} has no words for PyPI packages; left out: {named(pypi)}")
    lines = [
        *heading(envs),
        f"# platform: {env.platform}",
        "@EXPLICIT",
        *map(_line, in_order(conda)),
    ]
    return Exported(text="".join(f"{line}\n" for line in lines), notes=tuple(notes))


def in_order(packages: Sequence[Package]) -> Iterator[Package]:
    """Packages by name, each behind those that it depends on."""
    left = {package.name: package for package in sorted(packages, key=lambda p: p.name)}
    # Each with what is to be looked at before it; a chain may be longer than Python can call.
    waiting: list[tuple[Package, Iterator[str]]] = []
    while left:
        first = left.pop(next(iter(left)))
        waiting.append((first, iter(first.depends)))
        while waiting:
            package, names = waiting[-1]
            # Where some depend on each other, one of them has to be the first.
            if name := next((name for name in names if name in left), None):
                needed = left.pop(name)
                waiting.append((needed, iter(needed.depends)))
            else:
                waiting.pop()
                yield package


def _line(package: Package) -> str:
    hashes = package.hashes
    return f"{package.url}#" + (f"sha256:{hashes.sha256}" if hashes.sha256 else f"{hashes.md5}")
