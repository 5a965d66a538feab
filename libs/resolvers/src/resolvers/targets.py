"""Target platforms: their floors, the wheel tags they accept, and what uv calls them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from envid.platforms import VIRTUAL_PACKAGES, virtual_packages
from resolvers.errors import UnsupportedRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.tags import Tag

__all__ = ["Target", "needed_glibc", "own_glibc", "wheel_tags"]

_MACHINES = {
    "linux-64": "x86_64",
    "linux-aarch64": "aarch64",
    "osx-64": "x86_64",
    "osx-arm64": "arm64",
}
# The manylinux policies that every supported uv has.
_UV_GLIBC = (17, 28, *range(31, 41))
# The names of policies before PEP 600, and the oldest policy of each processor.
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_OLDEST_MINOR = {"x86_64": 5, "aarch64": 17}
_NO_MALLOC_FLAG = 8  # the minor version of Python 3 from which on the ABI has no `m`
_NEWEST_MACOS = (26, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A platform and the oldest system that packages for it must run on.

    `floor` is the (major, minor) version of glibc on Linux, of the system itself on macOS.
    """

    platform: str
    floor: tuple[int, int]

    @classmethod
    def make(cls, platform: str, sys: Iterable[str] = ()) -> Target:
        """Read the floor from the `sys` requirements of a spec, such as `__glibc=2.28`.

        Raises `UnsupportedRequest` for a platform or a floor that wheels do not know.
        """
        if platform not in VIRTUAL_PACKAGES:
            known = ", ".join(VIRTUAL_PACKAGES)
            raise UnsupportedRequest(
                f"there is no platform `{platform}`", f"known platforms: {known}"
            )
        name = "__glibc" if platform.startswith("linux-") else "__osx"
        text = next(
            text for text in virtual_packages(platform, sys) if text.partition("=")[0] == name
        )
        version = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:\.\d+)*", text.partition("=")[2])
        if not version:
            raise UnsupportedRequest(f"`{text}` is not a version", f"write it like `{name}=2.28`")
        floor = int(version[1]), int(version[2] or 0)
        if name == "__glibc" and not (2, 17) <= floor < (3, 0):
            raise UnsupportedRequest(
                f"`{text}` is out of range", "wheels are for glibc 2.17 and newer, and below 3"
            )
        if name == "__osx" and floor < (10, 9):
            raise UnsupportedRequest(
                f"`{text}` is out of range", "the oldest macOS supported is 10.9"
            )
        return cls(platform=platform, floor=floor)

    @property
    def newest(self) -> Target:
        """The same platform without a floor that any wheel could be too new for."""
        newest = (2, _UV_GLIBC[-1]) if self.is_linux else _NEWEST_MACOS
        return Target(platform=self.platform, floor=max(newest, self.floor))

    @property
    def highest(self) -> Target:
        """The same platform with a floor that is above all that there will ever be."""
        return Target(platform=self.platform, floor=(2, 999) if self.is_linux else (99, 0))

    @property
    def platform_tags(self) -> frozenset[str]:
        """The platforms in the tags of the wheels that are accepted here."""
        return frozenset(self._platforms())

    @property
    def spoken_floor(self) -> str:
        """The floor in words, such as `glibc 2.28`."""
        return self.spoken(self.floor)

    def spoken(self, floor: tuple[int, int]) -> str:
        """A version of what floors are of here, in words."""
        return f"{'glibc' if self.is_linux else 'macOS'} {floor[0]}.{floor[1]}"

    @property
    def is_linux(self) -> bool:
        return self.platform.startswith("linux-")

    @property
    def machine(self) -> str:
        """The processor as wheel tags name it."""
        return _MACHINES[self.platform]

    @property
    def uv_platform(self) -> str | None:
        """The value of uv's `--python-platform`; None where it has no name for the floor."""
        if self.is_linux:
            known = self.floor[1] in _UV_GLIBC
            return f"{self.machine}-manylinux_2_{self.floor[1]}" if known else None
        return f"{'aarch64' if self.machine == 'arm64' else self.machine}-apple-darwin"

    @property
    def nearest(self) -> Target:
        """The same platform with the highest floor, up to its own, that uv has a name for."""
        if self.uv_platform:
            return self
        minor = max(minor for minor in _UV_GLIBC if minor <= self.floor[1])
        return Target(platform=self.platform, floor=(2, minor))

    @property
    def uv_environment(self) -> dict[str, str]:
        """The environment variables that go with `uv_platform`."""
        if self.is_linux:
            return {}
        return {"MACOSX_DEPLOYMENT_TARGET": f"{self.floor[0]}.{self.floor[1]}"}

    def markers(self, python: str) -> dict[str, str]:
        """The environment that markers (PEP 508) see there under a full version of CPython.

        Versions of the kernel are not known of a target: as in uv, they are empty texts.
        """
        return {
            "implementation_name": "cpython",
            "implementation_version": python,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux" if self.is_linux else "Darwin",
            "platform_version": "",
            "python_full_version": python,
            "python_version": ".".join(python.split(".")[:2]),
            "sys_platform": "linux" if self.is_linux else "darwin",
        }

    def tags(self, python: str) -> tuple[Tag, ...]:
        """The wheel tags that a CPython accepts here, best first (PEP 425, 600, 703).

        `python` is its version, `3.13` or `3.13.1`, with a `t` behind it if it is free-threaded.
        Newer platforms come before older ones. musllinux is never among them.
        """
        threads = "t" * python.endswith("t")
        major, minor = (int(part.rstrip("t")) for part in python.split(".")[:2])
        platforms = list(self._platforms())
        interpreter = f"cp{major}{minor}"
        # Named outright, because the default would be the flags of the interpreter running us.
        flags = threads or "m" * (minor < _NO_MALLOC_FLAG)
        from packaging.tags import compatible_tags, cpython_tags

        own = cpython_tags((major, minor), [f"{interpreter}{flags}"], platforms)
        return (*own, *compatible_tags((major, minor), interpreter, platforms))

    @cache  # noqa: B019 - a handful of targets, whose thousand tags everyone asks for
    def ranks(self, python: str) -> dict[Tag, int]:
        """The place of each tag in `tags`."""
        return {tag: rank for rank, tag in enumerate(self.tags(python))}

    def _platforms(self) -> Iterator[str]:
        if not self.is_linux:
            from packaging.tags import mac_platforms

            yield from mac_platforms(self.floor, self.machine)
            return
        for minor in range(self.floor[1], _OLDEST_MINOR[self.machine] - 1, -1):
            yield f"manylinux_2_{minor}_{self.machine}"
            if minor in _LEGACY:
                yield f"{_LEGACY[minor]}_{self.machine}"
        # Promises no floor at all, and so comes last.
        yield f"linux_{self.machine}"


def wheel_tags(filename: str) -> frozenset[Tag]:
    """The tags of a wheel by its file name; none where that is no wheel's."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        return parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:
        return frozenset()


def needed_glibc(filename: str) -> tuple[int, int] | None:
    """The glibc that the tags of a wheel ask for, by its file name; None where they ask for none."""
    floors = []
    for platform in filename.removesuffix(".whl").rpartition("-")[2].split("."):
        legacy = next(
            (policy for policy, tag in _LEGACY.items() if platform.startswith(f"{tag}_")), None
        )
        stated = re.match(r"manylinux_(\d+)_(\d+)_", platform)
        if legacy is None and stated is None:
            return None
        floors.append((int(stated[1]), int(stated[2])) if stated else (2, legacy or 0))
    # A wheel with several tags runs wherever one of them does.
    return min(floors)


def own_glibc() -> tuple[int, int] | None:
    """The glibc of this machine; None where it has another C library."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        return None
    match = re.fullmatch(r"glibc (\d+)\.(\d+).*", text)
    return (int(match[1]), int(match[2])) if match else None
