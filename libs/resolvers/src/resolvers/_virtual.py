"""The virtual packages that a conda solver is told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolvers.targets import DEFAULT_FLOORS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["virtual_packages"]

_DEFAULTS = {
    "linux": ("__unix=0", "__linux=4.18"),  # of the oldest kernel that conda-forge builds for
    "osx": ("__unix=0",),
}
_ARCHSPEC = {
    "linux-64": "__archspec=1=x86_64",
    "linux-aarch64": "__archspec=1=aarch64",
    "osx-64": "__archspec=1=x86_64",
    "osx-arm64": "__archspec=1=m1",
}
_FOREIGN = {"linux": ("__osx", "__win"), "osx": ("__glibc", "__linux", "__win", "__cuda")}


def virtual_packages(platform: str, sys: Iterable[str]) -> list[tuple[str, str, str]]:
    """Name, version and build of each: the defaults of the platform, then what `sys` says.

    What another system has, such as `__osx` for Linux, is left out: a spec for several platforms
    states both. The machine that runs us is never looked at.
    """
    family = platform.partition("-")[0]
    found = {}
    for text in (*_DEFAULTS[family], _ARCHSPEC[platform], DEFAULT_FLOORS[platform], *sys):
        name, version, build = [*text.split("="), "0"][:3]
        if name not in _FOREIGN[family]:
            found[name] = (name, version, build)
    return [found[name] for name in sorted(found)]
