"""What is said of PyPI packages that conda brings, and holds for files of an index alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from resolvers._question import plain_requirement
from resolvers.errors import UnsupportedRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envid.packages import Package
    from envid.spec import EnvSpec
    from resolvers.request import ResolveContext

__all__ = ["unheeded"]


def unheeded(
    spec: EnvSpec, platform: str, brought: Mapping[str, Package], context: ResolveContext
) -> tuple[str, ...]:
    """A note on each: hashes of a file that is not taken, and packages not to be taken as wheels.

    `brought` are the conda packages by the PyPI names that they bring. Raises `UnsupportedRequest`
    where the spec requires hashes.
    """
    notes = []
    for text in (*spec.for_platform(platform).get("pypi", ()), *spec.constraints):
        if " --hash=" not in text:
            continue
        try:
            name = canonicalize_name(Requirement(plain_requirement(text)).name)
        except InvalidRequirement:  # a reference without a name
            continue
        if name not in brought:
            continue
        origin = context.origins.get(text)
        package = brought[name]
        about = (
            f"{f'{origin}: ' if origin else ''}the hashes of `{name}` are not checked: conda's"
            f" {package.name} {package.version} brings it, with a hash of its own"
        )
        if spec.options.require_hashes:
            raise UnsupportedRequest(about, "leave out `--require-hashes`, or the conda package")
        notes.append(about)
    notes += [
        f"`--no-binary {unwanted}` is not used: conda's {brought[unwanted].name} brings it"
        for unwanted in spec.options.no_binary
        if unwanted in brought
    ]
    return tuple(notes)
