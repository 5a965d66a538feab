"""The hashes by which poetry and conda-lock know whether a lock is of what its source asks for now.

Each is of a document in JSON: of parts of a pyproject.toml, or of what conda-lock reads in an
environment.yml and takes machines to have.
"""

from __future__ import annotations

import hashlib
import json
import re
from itertools import product
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reqparse import Requirement, RequirementSet

__all__ = ["conda_lock_hashes", "poetry_hash"]

# The keys that poetry takes into its hash.
_PROJECT = ("requires-python", "dependencies", "optional-dependencies")
_POETRY = ("dependencies", "source", "extras", "dev-dependencies")

# What conda-lock takes machines to have; of glibc and CUDA what its releases and options do.
_UNIX, _LINUX = ("__unix", "0", ""), ("__linux", "5.10", "")
_GLIBCS, _CUDAS = ("2.28", "2.17"), ("11.4", "")
_PROCESSORS = {"64": "x86_64", "aarch64": "aarch64", "arm64": "arm64"}
_YEAR_2020 = 1577854800000
_PIP = {"name": "pip", "manager": "conda", "category": "main", "extras": [], "version": "*"}
_UNSET: dict[str, Any] = {"build": None, "conda_channel": None, "hash": None}
# A variable, a login, a token.
_SECRET = re.compile(r"[$@]|/t/")


def poetry_hash(stated: Mapping[str, Any], made_by: str) -> str:
    """The `content-hash` of a pyproject.toml as that release of poetry computes it.

    A lock without the name of a release is of one before 1.5.
    """
    try:
        release = Version(made_by or "1.0")
    except InvalidVersion:
        # A fork's, say: the newest form that is known here.
        release = Version("2.3")
    # `dev0` lies below every pre-release of a version.
    project = stated.get("project", {}) if release >= Version("2.0.dev0") else {}
    groups = stated.get("dependency-groups", {}) if release >= Version("2.3.dev0") else {}
    asked = {key: project[key] for key in _PROJECT if project.get(key) is not None}
    poetry = stated.get("tool", {}).get("poetry", {})
    own = {key: poetry.get(key) for key in (*_POETRY, "group")}
    # Of those that there were first, the older form has also what is not stated.
    always = () if asked or groups else _POETRY
    own = {key: value for key, value in own.items() if value is not None or key in always}
    parts = {"project": asked, "dependency-groups": groups}
    content = {key: value for key, value in parts.items() if value}
    return _digest({**content, "tool": {"poetry": own}} if content else own)


def conda_lock_hashes(said: RequirementSet, platform: str) -> frozenset[str]:
    """The `content_hash` of an environment.yml on a platform, as any release of conda-lock has it.

    Raises ValueError for what conda-lock puts in words of its own.
    """
    channels = [source.url for source in said.sources]
    if any(source.kind != "channel" or _SECRET.search(source.url) for source in said.sources):
        raise ValueError(
            "indexes, and channels with logins, are in its content hash in other words"
        )
    specs = {(spec["manager"], spec["name"]): spec for spec in _specs(said, platform)}
    content = {
        "channels": [_compact({"url": url, "used_env_vars": []}) for url in channels],
        "specs": [specs[key] for key in sorted(specs)],
    }
    return frozenset(
        _digest({**content, "virtual_package_hash": machine}) for machine in _machines(platform)
    )


def _specs(said: RequirementSet, platform: str) -> Iterator[dict[str, Any]]:
    """What is asked for as conda-lock writes it down, of each name the last."""
    pypi = [r for r in said.on(platform) if r.category == "pypi"]
    for requirement in said.on(platform):
        if requirement.category == "conda":
            version = requirement.specifier or ("*" if requirement.build else "")
            # It writes one exact version without the operator.
            exact = re.fullmatch(r"==([^,|]+)", version)
            yield {
                **_spec(requirement, "conda", exact[1] if exact else version),
                "build": requirement.build,
                "conda_channel": requirement.channel,
            }
    for requirement in pypi:
        if requirement.editable:
            continue
        if not requirement.name or requirement.marker or requirement.url or requirement.hashes:
            text = "URLs, markers and hashes are in its content hash in other words"
            raise ValueError(f"{requirement.origin}: {text}")
        version = ",".join(sorted(requirement.specifier.replace("===", "==").split(",")))
        yield _spec(requirement, "pip", version or "*")
    if pypi:
        yield _PIP | _UNSET


def _spec(requirement: Requirement, manager: str, version: str) -> dict[str, Any]:
    return {
        "name": requirement.name,
        "manager": manager,
        "category": requirement.group or "main",
        "extras": sorted(requirement.extras),
        "version": version,
        **_UNSET,
    }


def _machines(platform: str) -> Iterator[dict[str, Any]]:
    """What a platform is taken to have, in every way in which releases write it."""
    for glibc, cuda, twice, numbered in product(_GLIBCS, _CUDAS, (True, False), (True, False)):
        packages = dict(
            _virtual(platform, *virtual, numbered=numbered)
            for virtual in _virtual_packages(platform, glibc, cuda, twice=twice)
        )
        yield {
            "noarch": {"info": {"subdir": "noarch"}, "packages": {}},
            platform: {"info": {"subdir": platform}, "packages": packages},
        }


def _virtual_packages(
    platform: str, glibc: str, cuda: str, *, twice: bool
) -> Iterator[tuple[str, str, str]]:
    """Name, version and build of each; one macOS beside the other is left over from older ones."""
    system, _, processor = platform.partition("-")
    yield "__archspec", "1", _PROCESSORS[processor]
    yield _UNIX
    if system == "osx":
        yield "__osx", "11.0", ""
        if twice and processor == "64":
            yield "__osx", "10.15", ""
        return
    yield _LINUX
    yield "__glibc", glibc, ""
    if cuda:
        yield "__cuda", cuda, ""


def _virtual(
    platform: str, name: str, version: str, build: str, *, numbered: bool
) -> tuple[str, dict[str, Any]]:
    shown = (f"{build}_0" if numbered else build) or "0"
    return f"{name}-{version}-{shown if build else '0'}.tar.bz2", {
        "name": name,
        "version": version,
        "build_string": build,
        "build_number": 0,
        "noarch": "",
        "depends": [],
        "timestamp": _YEAR_2020,
        "package_type": "virtual_system",
        "build": shown if build else "0",
        "subdir": platform,
    }


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _digest(document: object) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
