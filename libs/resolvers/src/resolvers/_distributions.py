"""Distributions by the paths of their metadata ("Recording installed projects", and what came before).

A `.dist-info` or `.egg-info` folder is named after the distribution and its version, and so is an
`.egg-info` file, as distutils wrote it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["InstalledDistribution", "distributions", "pep440"]

# `foo-1.0-py3.11` or `foo-1.0-py3.11-linux-x86_64`: what an egg was made for.
_EGG_TAIL = re.compile(r"-py\d(\.\d+)?(-.*)?$")


class InstalledDistribution(NamedTuple):
    """A normalised name, a version as PEP 440 has it, and the path of the metadata.

    `version` is None where the name of the folder gives none that PEP 440 can read.
    """

    name: str
    version: str | None
    path: str


def distributions(paths: Iterable[str]) -> Iterator[InstalledDistribution]:
    """Those whose metadata lies at the top of site-packages, which `paths` are relative to."""
    for path in paths:
        folder, _, rest = path.partition("/")
        stem, _, kind = folder.rpartition(".")
        if (kind == "dist-info" and rest == "METADATA") or (
            kind == "egg-info" and rest in ("", "PKG-INFO")
        ):
            yield InstalledDistribution(
                *_split(stem if kind == "dist-info" else _EGG_TAIL.sub("", stem)), path
            )


def _split(stem: str) -> tuple[str, str | None]:
    """Name and version; a dash in either is not allowed and happens, so the version decides."""
    dashes = [at for at, char in enumerate(stem) if char == "-"]
    for at in dashes:
        if version := pep440(stem[at + 1 :]):
            return canonicalize_name(stem[:at]), version
    return canonicalize_name(stem[: dashes[0]] if dashes else stem), None


def pep440(text: str) -> str | None:
    """A version as PEP 440 writes it, None for what it cannot read."""
    try:
        return str(Version(text))
    except InvalidVersion:
        return None
