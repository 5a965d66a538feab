"""Conda packages that must not bring Python."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from resolvers.channels import CHANNEL_ALIAS, with_channel_urls
from resolvers.errors import InvalidRequest

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

    Raises `InvalidRequest`, which names the way to Python.
    """
    packages = tuple(packages)
    for text in spec.for_platform(platform).get("npconda", ()):
        name = with_channel_urls(text, CHANNEL_ALIAS).rpartition("::")[2]
        roots = [one.name for one in packages if _is_named(name, one.name)]
        path = python_path(packages, roots)
        if path:
            origin = context.origins.get(text)
            where = f"{origin}: " if origin else ""
            raise InvalidRequest(
                f"{where}`{text}` brings Python with it: {' needs '.join(path)}",
                "ask for it as a conda package, or take a package that is none of Python's",
            )


def python_path(packages: Iterable[Package], roots: Iterable[str]) -> tuple[str, ...]:
    """The shortest way on which one of the packages `roots` needs Python: names, both ends included.

    Empty where none of them does.
    """
    depends = {one.name: one.depends for one in packages if one.kind == "conda"}
    waiting: deque[tuple[str, ...]] = deque((root,) for root in roots)
    seen: set[str] = set()
    while waiting:
        path = waiting.popleft()
        if path[-1] == "python":
            return path
        if path[-1] not in seen:
            seen.add(path[-1])
            waiting.extend((*path, name) for name in depends.get(path[-1], ()))
    return ()


def _is_named(spec: str, name: str) -> bool:
    rest = spec[len(name) :]
    return spec.startswith(name) and not rest[:1].isalnum() and rest[:1] not in ("-", "_", ".")
