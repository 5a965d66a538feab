"""Conda packages that must not bring Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envid.graph import shortest_path
from resolvers.channels import CHANNEL_ALIAS, with_channel_urls
from resolvers.errors import UnsupportedRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envid.packages import Package
    from envid.spec import EnvSpec
    from resolvers.request import ResolveContext

__all__ = ["check_npconda", "python_path"]


def check_npconda(
    spec: EnvSpec, platform: str, packages: Iterable[Package], context: ResolveContext
) -> None:
    """Refuse `npconda` requirements whose packages need Python, whatever else is asked for.

    Raises `UnsupportedRequest`, which names the way to Python.
    """
    packages = tuple(packages)
    for text in spec.for_platform(platform).get("npconda", ()):
        name = with_channel_urls(text, CHANNEL_ALIAS).rpartition("::")[2]
        roots = [package.name for package in packages if _is_named(name, package.name)]
        path = python_path(packages, roots)
        if path:
            origin = context.origins.get(text)
            where = f"{origin}: " if origin else ""
            raise UnsupportedRequest(
                f"{where}`{text}` brings Python with it: {' needs '.join(path)}",
                "ask for it as a conda package, or take a package that is none of Python's",
            )


def python_path(packages: Iterable[Package], roots: Iterable[str]) -> tuple[str, ...]:
    """The shortest way on which one of the packages `roots` needs Python: names, both ends included.

    Empty where none of them does.
    """
    conda = [package for package in packages if package.kind == "conda"]
    return shortest_path({package.name: package.depends for package in conda}, roots, "python")


def _is_named(spec: str, name: str) -> bool:
    # A MatchSpec is not read here, only its name is looked for: what goes on behind it with a
    # letter, a digit or a dash is another name.
    rest = spec[len(name) :]
    return spec.startswith(name) and not rest[:1].isalnum() and rest[:1] not in ("-", "_", ".")
