"""Putting into the store what a machine without mfenv needs to create environments: the runtime.

The runtime is mfenv's own code, in one archive made from what is installed here, and the wheels
that it imports, for every platform and every Python that a container may have. Objects lie under
`runtime/<sha256>/<file name>`, which nothing collects.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaflow_extensions.mfenv.asking import facts
from metaflow_extensions.mfextmeta_mfenv import APART
from mfenv.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envid.packages import Package
    from mfenv.environments import Environments
    from pkgcache.store import Store
    from resolvers.request import Resolution

__all__ = ["PYTHONS", "stage"]

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""The versions of Python that an image may have, so that environments can be created in it."""

_OURS = ("envid", "mfenv", "pkgcache", "reqparse", "resolvers")
# What Metaflow itself installs in a container, and what only resolving needs.
_NOT_STAGED = ("auditwheel", "requests", "urllib3", "uv", "py-rattler")
_AT_ONCE = 8
_EPOCH = (1980, 1, 1, 0, 0, 0)


def stage(environments: Environments, platforms: Sequence[str]) -> dict[str, Any]:
    """Put the runtime for `platforms` into the store, where it is not there yet.

    Answers `code`, an object, and `wheels`: by platform and by version of Python, the objects of
    the wheels. An object has `key`, `sha256`, and `size` in bytes. What was staged from here costs
    one request, and what this task itself was started with costs none. Raises the errors of
    resolving and of moving packages.
    """
    if handed_on := _handed_on(environments, platforms):
        return handed_on
    content, digest = _code()
    note = environments.home / "runtime" / f"{_question(environments, platforms, digest)}.json"
    with suppress(FileNotFoundError, ValueError):
        known: dict[str, Any] = json.loads(note.read_text())
        # Staged last, so that it stands for all the others.
        if _store(environments).head(known["code"]["key"]):
            return known
    found = _put(environments, platforms, content, digest)
    note.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False) as file:
        json.dump(found, file)
    Path(file.name).replace(note)
    return found


def _handed_on(environments: Environments, platforms: Sequence[str]) -> dict[str, Any] | None:
    """The runtime that the task around this process was started with, if it is one of `_store`."""
    around = facts()["around"]
    if around.get("store", "").partition("?")[0] != environments.store_url.partition("?")[0]:
        return None
    runtime: dict[str, Any] | None = around.get("runtime")
    return runtime if runtime and set(platforms) <= runtime["wheels"].keys() else None


def _store(environments: Environments) -> Store:
    if environments.store is None:
        raise InvalidRequest(
            "steps are sent to other machines, and there is no store to send environments through",
            "set METAFLOW_DEFAULT_DATASTORE, or MFENV_STORE to a store that these machines reach",
        )
    return environments.store.store


def _put(
    environments: Environments, platforms: Sequence[str], content: bytes, digest: str
) -> dict[str, Any]:
    store = _store(environments)
    wheels: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in platforms}
    packages: dict[str, Package] = {}
    for platform, python, package in _wheels(environments, platforms):
        one = _object(package.filename, package.hashes.sha256 or "", package.size or 0)
        packages[one["key"]] = package
        wheels[platform].setdefault(python, []).append(one)
    there = store.exists(packages)
    missing = {key: one for key, one in packages.items() if key not in there}
    with environments.downloader() as downloader:
        environments.cache.fetch(
            missing.values(), downloader=downloader, progress=environments.progress
        )
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(
            lambda one: store.put(one[0], environments.cache.archive(one[1])), missing.items()
        ):
            pass
    code = _object("mfenv.zip", digest, len(content))
    store.put(code["key"], content)
    return {"code": code, "wheels": wheels}


def _wheels(
    environments: Environments, platforms: Sequence[str]
) -> Iterator[tuple[str, str, Package]]:
    """The wheels that our code imports, each with the platform and the Python that it is for."""
    from mfenv.request import Request, prepare
    from resolvers.pypi import resolve_wheels
    from resolvers.pythons import stand_in
    from resolvers.request import ResolveContext

    settings = replace(environments.settings, python_provider="system", pre=False, seed=False)

    def choose(python: str) -> dict[str, Resolution]:
        prepared = prepare(
            # The oldest system that any of the wheels is made for: images are often old.
            Request(
                pypi=_imports(), python=python, sys=("__glibc=2.17",), platforms=tuple(platforms)
            ),
            settings,
            environments.find,
            environments.credentials,
        )
        context = ResolveContext(
            cache_dir=environments.home / "engines",
            credentials=environments.credentials,
            progress=environments.progress,
            offline=settings.offline,
        )
        target = stand_in(f"{python}.0", context)
        return resolve_wheels(prepared.spec, dict.fromkeys(platforms, target), context)

    with ThreadPoolExecutor(len(PYTHONS)) as pool:
        for python, found in zip(PYTHONS, pool.map(choose, PYTHONS), strict=True):
            for platform, resolution in found.items():
                for package in resolution.packages:
                    yield platform, python, package


def _imports() -> tuple[str, ...]:
    """What our distributions ask for, as their metadata says, without each other."""
    from packaging.requirements import Requirement

    asked: dict[str, None] = {}
    for name in _OURS:
        for text in metadata.requires(name) or ():
            one = Requirement(text)
            bare = one.name.lower()
            if bare not in (*_OURS, *_NOT_STAGED) and "extra" not in str(one.marker or ""):
                asked[text] = None
    return tuple(sorted(asked))


@cache
def _code() -> tuple[bytes, str]:
    """Our code as an archive, the same bytes for the same code, and their sha256."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, path in sorted(_files()):
            archive.writestr(
                zipfile.ZipInfo(inside, _EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED
            )
    content = buffer.getvalue()
    return content, hashlib.sha256(content).hexdigest()


def _files() -> Iterator[tuple[str, Path]]:
    """The files of our code: our distributions, and what of the extension is in no code package."""
    for name in _OURS:
        root = Path(str(import_module(name).__file__)).parent
        for path in root.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"{name}/{path.relative_to(root).as_posix()}", path
    for name in APART:
        yield f"metaflow_extensions/mfenv/{name}.py", Path(__file__).with_name(f"{name}.py")


def _question(environments: Environments, platforms: Sequence[str], digest: str) -> str:
    settings = environments.settings
    asked: list[object] = [digest, sorted(platforms), environments.store_url, PYTHONS]
    asked += [settings.index_url, settings.extra_index_url, settings.find_links, settings.no_index]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _object(filename: str, sha256: str, size: int) -> dict[str, Any]:
    return {"key": f"runtime/{sha256}/{filename}", "sha256": sha256, "size": size}
