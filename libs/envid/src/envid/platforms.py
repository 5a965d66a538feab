"""Platforms, named as conda names its subdirectories, and what each is taken to have."""

from __future__ import annotations

import platform
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING

from envid.errors import InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "LINUX_PLATFORMS",
    "MACOS_PLATFORMS",
    "PLATFORMS",
    "VIRTUAL_PACKAGES",
    "check_platform",
    "host_platform",
    "platform_of",
    "virtual_packages",
]

LINUX_PLATFORMS = ("linux-64", "linux-aarch64")
MACOS_PLATFORMS = ("osx-64", "osx-arm64")
PLATFORMS = (*LINUX_PLATFORMS, *MACOS_PLATFORMS)

VIRTUAL_PACKAGES = MappingProxyType(
    {
        "linux-64": ("__archspec=1=x86_64", "__glibc=2.28", "__linux=4.18", "__unix=0"),
        "linux-aarch64": ("__archspec=1=aarch64", "__glibc=2.28", "__linux=4.18", "__unix=0"),
        "osx-64": ("__archspec=1=x86_64", "__osx=13.0", "__unix=0"),
        "osx-arm64": ("__archspec=1=m1", "__osx=13.0", "__unix=0"),
    }
)
"""The virtual packages of a platform where nothing is said: the floors of uv and pixi."""

_LINUX_ONLY, _MACOS_ONLY = ("__glibc", "__linux", "__cuda"), ("__osx",)
_MACHINES = {
    ("linux", "x86_64"): "linux-64",
    ("linux", "aarch64"): "linux-aarch64",
    ("linux", "arm64"): "linux-aarch64",
    ("darwin", "x86_64"): "osx-64",
    ("darwin", "arm64"): "osx-arm64",
}


def check_platform(text: str) -> str:
    """Give `text` back if it names a platform, or raise `InvalidSpec` naming those there are."""
    if text not in PLATFORMS:
        known = ", ".join(PLATFORMS)
        raise InvalidSpec("platform", f"`{text}` is not known", f"known platforms: {known}")
    return text


def platform_of(system: str, machine: str) -> str:
    """The platform where `sys.platform` and `platform.machine()` say this; `InvalidSpec` if unknown."""
    subdir = _MACHINES.get((system, machine.lower()))
    # One that is not in the table is refused by the name that it would have.
    return check_platform(subdir or f"{system}-{machine.lower()}")


def host_platform() -> str:
    """The platform of the running interpreter; raises `InvalidSpec` where that is not known."""
    return platform_of(sys.platform, platform.machine())


def virtual_packages(platform: str, stated: Iterable[str] = ()) -> tuple[str, ...]:
    """The virtual packages of a platform, sorted: its defaults, and what is stated over them.

    Both are normal `sys` requirements, such as `__glibc=2.28`; of two for one name the later
    counts. What only another system has is left out, so that a request for several platforms can
    state `__glibc` and `__osx`.
    """
    foreign = _MACOS_ONLY if platform in LINUX_PLATFORMS else _LINUX_ONLY
    texts = {text.partition("=")[0]: text for text in (*VIRTUAL_PACKAGES[platform], *stated)}
    return tuple(text for name, text in sorted(texts.items()) if name not in foreign)
