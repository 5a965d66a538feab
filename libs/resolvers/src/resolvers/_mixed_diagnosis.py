"""Why PyPI packages do not go with those that conda brings, naming both sides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from envid.graph import shortest_path

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
    # A name may stand in a reason for something else, but hardly beside the version of its stub.
    blamed = [stub for name, stub in sorted(stubs.by_name.items()) if name in words]
    blamed = [stub for stub in blamed if stub.version in error.reason]
    if not blamed:
        return error
    # Labels of stubs are ours, and nobody has asked for them: conda's own words take their place.
    reason = error.reason
    for stub in blamed:
        reason = reason.replace(
            f"{stub.name}=={stub.version}", f"conda's {stub.name} {stub.own_version}"
        )
        reason = reason.replace(stub.version, stub.own_version)
    requirements = _conda_requirements(spec, error.platform)
    sides = [_side(stub, solved, requirements, context) for stub in blamed]
    # uv takes what has a URL for the only version that there is, and then knows of no stub.
    elsewhere = [
        stub for stub in blamed if f"no version of {stub.name}=={stub.version}" in error.reason
    ]
    if elsewhere:
        names = " and ".join(f"`{stub.name}`" for stub in elsewhere)
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
        f"ask conda for another version of {', '.join(f'`{stub.package.name}`' for stub in blamed)}"
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
    return {
        canonicalize_name(word) for word in re.findall(r"[A-Za-z0-9][\w.-]*\w|\w", error.reason)
    }


def _side(
    stub: Stub, solved: Solved, requirements: Mapping[str, str], context: ResolveContext
) -> str:
    package = stub.package
    needs = {needing.name: needing.depends for needing in solved.packages}
    path = shortest_path(needs, requirements, package.name) or (package.name,)
    text = requirements.get(path[0], path[0])
    origin = context.origins.get(text)
    asked = f"`{text}`" + (f" ({origin})" if origin else "")
    way = f", by way of {' and '.join(path[1:-1])}" if len(path) > 2 else ""  # noqa: PLR2004 - both ends
    inside = f"`{stub.name}` {stub.own_version} in " if stub.name != package.name else ""
    return f"conda brings {inside}`{package.name}` {package.version} for {asked}{way}"


def _conda_requirements(spec: EnvSpec, platform: str) -> dict[str, str]:
    """The conda requirements by the name of the package that each asks for."""
    asked = spec.for_platform(platform)
    by_name = {}
    for text in (*asked.get("conda", ()), *asked.get("npconda", ())):
        match = re.match(r"[a-z0-9_.-]+", text.rpartition("::")[2])
        if match:
            by_name[match[0]] = text
    return by_name
