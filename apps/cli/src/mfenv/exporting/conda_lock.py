"""conda-lock.yml, the unified lock file of conda-lock (version 1): every package of every platform.

An entry is for one platform. The `content_hash` of a platform, without which conda-lock renders
nothing, is here the SHA-256 of the environment's `req_id`, a space and the platform: conda-lock's own
is of the files that it would lock, and here are none.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from mfenv.errors import NotExportable
from mfenv.exporting.exported import (
    Exported,
    beside_conda,
    channels_of,
    heading,
    named,
    sha256_of,
    url_of,
    what_systems_need,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv

__all__ = ["write"]

_FORM = "conda-lock"


def write(envs: Sequence[ResolvedEnv]) -> Exported:
    """All packages of environments of one spec.

    Raises `NotExportable` where a platform has no conda package, or one without an md5, which
    conda-lock asks for.
    """
    said, notes = beside_conda(envs, _FORM)
    if lacking := [p for _, p in said if p.kind == "conda" and not p.hashes.md5]:
        raise NotExportable(
            f"conda-lock takes no conda package without an md5, and its channel has none of"
            f" {named(lacking)}",
            "export it as `pixi` or `explicit`",
        )
    said.sort(key=lambda held: (held[1].kind, held[1].name, held[0]))
    lines = [
        *heading(envs),
        "version: 1",
        "metadata:",
        "  content_hash:",
        *(f"    {env.platform}: {_content_hash(env)}" for env in envs),
        "  channels:",
        *(
            line
            for url in channels_of(envs)
            for line in (f"  - url: {json.dumps(url)}", "    used_env_vars: []")
        ),
        f"  platforms: {json.dumps([env.platform for env in envs])}",
        "  sources: []",
        "package:",
        *(line for platform, package in said for line in _entry(platform, package)),
    ]
    text = "".join(f"{line}\n" for line in lines)
    return Exported(text=text, notes=(*what_systems_need(envs, _FORM), *notes))


def _content_hash(env: ResolvedEnv) -> str:
    return hashlib.sha256(f"{env.req_id} {env.platform}".encode()).hexdigest()


def _entry(platform: str, package: Package) -> Iterator[str]:
    conda = package.kind == "conda"
    origin = package.built_from
    yield f"- name: {json.dumps(package.name)}"
    yield f"  version: {json.dumps(package.version)}"
    yield f"  manager: {'conda' if conda else 'pip'}"
    yield f"  platform: {platform}"
    # Of any version: which one it is stands in its own entry. These are the tool's own words.
    needed = dict.fromkeys(package.depends, "" if conda else "*")
    yield f"  dependencies: {json.dumps(needed)}"
    url = url_of(package)
    yield f"  url: {json.dumps(url)}"
    yield "  hash:"
    if conda and package.hashes.md5:
        yield f"    md5: {package.hashes.md5}"
    if sha256 := package.hashes.sha256 if conda else sha256_of(package):
        yield f"    sha256: {sha256}"
    if origin and origin.subdirectory:
        # conda-lock puts the hash behind `url` itself, where nothing else may stand then.
        fragment = f"subdirectory={origin.subdirectory}&sha256={sha256}"
        yield "  source:"
        yield "    type: url"
        yield f"    url: {json.dumps(f'{url}#{fragment}')}"
    yield "  category: main"
    yield "  optional: false"
