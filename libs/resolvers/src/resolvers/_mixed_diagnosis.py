"""Why PyPI packages do not go with those that conda brings, naming both sides."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envid.spec import EnvSpec
    from resolvers._conda_solve import Solved
    from resolvers._stubs import Stub, Stubs
    from resolvers.errors import NoSolution
    from resolvers.request import ResolveContext

__all__ = ["explain", "named"]


def explain(
    error: NoSolution, stubs: Stubs, solved: Solved, spec: EnvSpec, context: ResolveContext
) -> NoSolution:
    """The error with the conda packages that it is about: their versions, and who asked for them.

    It is given back as it is where it is about none.
    """
    words = named(error)
    blamed = [one for name, one in sorted(stubs.by_name.items()) if name in words]
    blamed = [one for one in blamed if one.version in error.reason]
    if not blamed:
        return error
    reason = error.reason
    for one in blamed:
        reason = reason.replace(
            f"{one.name}=={one.version}", f"conda's {one.name} {one.own_version}"
        )
        reason = reason.replace(one.version, one.own_version)
    requirements = _conda_requirements(spec, error.platform)
    sides = [_side(one, solved, requirements, context) for one in blamed]
    # uv takes what has a URL for the only version that there is.
    elsewhere = [
        one for one in blamed if f"no version of {one.name}=={one.version}" in error.reason
    ]
    if elsewhere:
        names = " and ".join(f"`{one.name}`" for one in elsewhere)
        return type(error)(
            error.platform,
            "; ".join(
                [f"{names} is asked for by a URL or a path, and conda brings it too", *sides]
            ),
            error.asked,
            "keep one of the two: ask PyPI for a version in place of the URL or path, or leave"
            " conda's out",
        )
    hints = [
        f"ask conda for another version of {', '.join(f'`{one.package.name}`' for one in blamed)}"
    ]
    if any("===" in text for text, _ in error.asked):
        hints.append("write `==` instead of `===`, which conda's packages never satisfy")
    return type(error)(
        error.platform,
        "; ".join([reason, *sides]),
        error.asked,
        "; ".join(filter(None, [error.hint, *hints])),
    )


def named(error: NoSolution) -> set[str]:
    """The names of packages, and some other words, in the reason of an error."""
    return {canonicalize_name(one) for one in re.findall(r"[A-Za-z0-9][\w.-]*\w|\w", error.reason)}


def _side(
    stub: Stub, solved: Solved, requirements: Mapping[str, str], context: ResolveContext
) -> str:
    package = stub.package
    path = _path(package.name, solved, requirements)
    text = requirements.get(path[0], path[0])
    origin = context.origins.get(text)
    asked = f"`{text}`" + (f" ({origin})" if origin else "")
    way = f", by way of {' and '.join(path[1:-1])}" if len(path) > 2 else ""  # noqa: PLR2004 - both ends
    inside = f"`{stub.name}` {stub.own_version} in " if stub.name != package.name else ""
    return f"conda brings {inside}`{package.name}` {package.version} for {asked}{way}"


def _path(name: str, solved: Solved, requirements: Mapping[str, str]) -> tuple[str, ...]:
    """The shortest way from a requirement to a package."""
    depends = {one.name: one.depends for one in solved.packages}
    waiting: deque[tuple[str, ...]] = deque((root,) for root in requirements)
    seen: set[str] = set()
    while waiting:
        path = waiting.popleft()
        if path[-1] == name:
            return path
        if path[-1] not in seen:
            seen.add(path[-1])
            waiting.extend((*path, one) for one in depends.get(path[-1], ()))
    return (name,)


def _conda_requirements(spec: EnvSpec, platform: str) -> dict[str, str]:
    asked = spec.for_platform(platform)
    found = {}
    for text in (*asked.get("conda", ()), *asked.get("npconda", ())):
        match = re.match(r"[a-z0-9_.-]+", text.rpartition("::")[2])
        if match:
            found[match[0]] = text
    return found
