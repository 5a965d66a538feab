"""Which wheel of a version is the right one: by the tags of `packaging`, and as pip chooses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from packaging import tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from tests.world.machine import GLIBC, OSX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.world.machine import Machine

__all__ = ["best", "pips_choice"]

_ARCHITECTURES = {
    "linux-64": "x86_64",
    "linux-aarch64": "aarch64",
    "osx-64": "x86_64",
    "osx-arm64": "arm64",
}
_OLDER = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def best(filenames: Iterable[str], platform: str, python: str) -> str | None:
    """The wheel that serves best on a platform with that version of Python; None if none does."""
    ranks = {tag: rank for rank, tag in enumerate(_tags(platform, python))}
    ranked = []
    for filename in filenames:
        try:
            _, _, build, own = parse_wheel_filename(filename)
        except InvalidWheelFilename:
            continue
        found = [ranks[tag] for tag in own if tag in ranks]
        if found:
            ranked.append((-min(found), build, filename))
    return max(ranked)[2] if ranked else None


def pips_choice(
    machine: Machine, versions: Mapping[str, str], platform: str, python: str
) -> dict[str, str] | str:
    """The file of each version that pip would install on a platform, or what it says."""
    targets = [word for one in _platforms(platform) for word in ("--platform", one)]
    done = machine.run(
        *(machine.pip(), "-I", "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps"),
        *("--ignore-installed", "--only-binary", ":all:", "--report", "-"),
        *("--target", machine.folder / "nowhere", "--python-version", python),
        *("--implementation", "cp", *targets),
        *(f"{name}=={version}" for name, version in versions.items()),
    )
    if done.returncode:
        return done.stderr.strip()
    return {
        canonicalize_name(one["metadata"]["name"]): one["download_info"]["url"].rpartition("/")[2]
        for one in json.loads(done.stdout)["install"]
    }


def _tags(platform: str, python: str) -> Iterator[tags.Tag]:
    major, minor = (int(part) for part in python.split(".")[:2])
    platforms = list(_platforms(platform))
    yield from tags.cpython_tags((major, minor), [f"cp{major}{minor}"], platforms)
    yield from tags.compatible_tags((major, minor), f"cp{major}{minor}", platforms)


def _platforms(platform: str) -> Iterator[str]:
    architecture = _ARCHITECTURES[platform]
    if platform.startswith("osx"):
        major, minor = (int(part) for part in OSX.split("."))
        yield from tags.mac_platforms((major, minor), architecture)
        return
    for minor in range(int(GLIBC.split(".")[1]), 4, -1):
        yield f"manylinux_2_{minor}_{architecture}"
        if minor in _OLDER and (architecture == "x86_64" or minor == 17):
            yield f"{_OLDER[minor]}_{architecture}"
    yield f"linux_{architecture}"
