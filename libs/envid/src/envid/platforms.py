"""Platforms, named as conda names its subdirectories."""

from __future__ import annotations

import platform
import sys

from envid.errors import InvalidSpec

__all__ = ["PLATFORMS", "check_platform", "host_platform"]

PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64")

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


def host_platform() -> str:
    """The platform of the running interpreter; raises `InvalidSpec` on one that is not known."""
    found = _MACHINES.get((sys.platform, platform.machine().lower()))
    return check_platform(found or f"{sys.platform}-{platform.machine().lower()}")
