"""Targets to select packages for, as a composing program computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

from reqparse.selecting import SelectionTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

_MACHINES = {
    "linux-64": "x86_64",
    "linux-aarch64": "aarch64",
    "osx-64": "x86_64",
    "osx-arm64": "arm64",
}


def target(
    platform: str = "linux-64", python: str = "3.12.4", *, pinned: bool = False
) -> SelectionTarget:
    """A target with glibc 2.28 or macOS 13; `pinned` leaves the Python to the lock."""
    linux, machine = platform.startswith("linux"), _MACHINES.get(platform, "x86_64")
    markers = {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux" if linux else "Darwin",
        "platform_version": "",
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": "linux" if linux else "darwin",
    }
    platforms = list(_linux(machine) if linux else mac_platforms((13, 0), machine))
    ranks = {tag: rank for rank, tag in enumerate(tags(python, platforms))}
    stated = None if pinned else python
    return SelectionTarget(platform=platform, python=stated, markers=markers, ranks=ranks)


def tags(python: str, platforms: list[str]) -> Iterator[Tag]:
    major, minor = map(int, python.split(".")[:2])
    interpreter = f"cp{major}{minor}"
    yield from cpython_tags((major, minor), [interpreter], platforms)
    yield from compatible_tags((major, minor), interpreter, platforms)


def _linux(machine: str) -> Iterator[str]:
    for minor in range(28, 16, -1):
        yield f"manylinux_2_{minor}_{machine}"
    yield f"manylinux2014_{machine}"
    yield f"linux_{machine}"
