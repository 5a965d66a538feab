"""What a machine without mfenv needs to create environments: the runtime, in the store.

The runtime is mfenv's own code, in one archive made from what is installed here, and the wheels
that it imports, for every platform and every Python that a container may have. Objects lie under
`runtime/<sha256>/<file name>`, which nothing collects.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfenv.errors import NoStore
from mfenv.finding import Finder
from pkgcache.threads import Threads
from pkgcache.whole_files import whole_file, write_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envid.packages import Package
    from mfenv.request import Prepared
    from mfenv.site import Site
    from pkgcache.stores.store import Store
    from resolvers.request import Resolution

__all__ = ["PYTHONS", "Runtime", "RuntimeObject", "stage"]

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""The versions of Python that an image may have, so that environments can be created in it."""

_OURS = ("envid", "mfenv", "pkgcache", "reqparse", "resolvers")
# What Metaflow itself installs in a container, and what only resolving needs.
_NOT_STAGED = (*("requests", "urllib3"), *("auditwheel", "uv", "py-rattler"))
_AT_ONCE = 8
# The first moment that an archive of this kind can say.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeObject:
    """An object of the store; `size` is in bytes."""

    key: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Our code, and by platform and version of Python the wheels that it imports."""

    code: RuntimeObject
    wheels: Mapping[str, Mapping[str, tuple[RuntimeObject, ...]]]

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Runtime:
        """Read what `dataclasses.asdict` gives. Raises KeyError and TypeError for other data."""
        return Runtime(
            code=RuntimeObject(**data["code"]),
            wheels={
                platform: {
                    python: tuple(RuntimeObject(**wheel) for wheel in wheels)
                    for python, wheels in pythons.items()
                }
                for platform, pythons in data["wheels"].items()
            },
        )


def stage(site: Site, platforms: Sequence[str], files: Mapping[str, Path]) -> Runtime:
    """Put the runtime for `platforms` into the store, where it is not there yet.

    `files` go into the archive of our code beside it, by their places in it. What was staged from
    here costs one request. Raises `NoStore`, and the errors of resolving and of moving packages.
    """
    if site.store is None:
        raise NoStore("to put the runtime into")
    store = site.store.store
    content, digest = _code(files)
    asked = {python: _asked(site, platforms, python) for python in PYTHONS}
    note = site.home / "runtime" / f"{_question(site, asked, digest)}.json"
    # A note that is damaged, or of another release, is no note.
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        known = Runtime.from_dict(json.loads(note.read_text()))
        # Staged last, so that it stands for all the others.
        if store.head(known.code.key):
            return known
    runtime = _put(site, store, asked, content, digest)
    note.parent.mkdir(parents=True, exist_ok=True)
    # Several runs of one user may stage at once.
    with whole_file(note, 0o600, synced=False) as descriptor:
        write_all(descriptor, json.dumps(asdict(runtime)).encode())
    return runtime


def _put(
    site: Site, store: Store, asked: Mapping[str, Prepared], content: bytes, digest: str
) -> Runtime:
    wheels: dict[str, dict[str, tuple[RuntimeObject, ...]]] = {}
    packages: dict[str, Package] = {}
    for platform, python, package in _wheels(site, asked):
        wheel = _object(package.filename, package.hashes.sha256 or "", package.size or 0)
        packages[wheel.key] = package
        of_platform = wheels.setdefault(platform, {})
        of_platform[python] = (*of_platform.get(python, ()), wheel)
    # Asked for all at once; most of them were staged by an earlier release, too.
    there = store.exists(packages)
    missing = {key: package for key, package in packages.items() if key not in there}
    site.fetch(missing.values(), store=store)
    with Threads(_AT_ONCE) as pool:
        # So that an error of any of them is raised.
        for _ in pool.map(
            lambda item: store.put(item[0], site.cache.archive(item[1])), missing.items()
        ):
            pass
    # Behind all wheels: `stage` takes it for the sign that they are there.
    code = _object("mfenv.zip", digest, len(content))
    store.put(code.key, content)
    return Runtime(code=code, wheels=wheels)


def _asked(site: Site, platforms: Sequence[str], python: str) -> Prepared:
    """What our code imports, asked for one Python as a user would ask with the same settings."""
    from mfenv.request import Request, prepare

    return prepare(
        # The oldest system that any of the wheels is made for: images are often old.
        Request(pypi=_imports(), python=python, sys=("__glibc=2.17",), platforms=tuple(platforms)),
        # Of what a user chooses only where packages come from: our code runs on the image's Python,
        # and was tested with releases.
        site.settings.replaced(python_provider="system", pre=False, seed=False),
        Finder(site).find,
        site.credentials,
    )


def _wheels(site: Site, asked: Mapping[str, Prepared]) -> Iterator[tuple[str, str, Package]]:
    """The wheels that our code imports, each with the platform and the Python that it is for."""
    from resolvers.pypi import resolve_wheels
    from resolvers.pythons import stand_in
    from resolvers.request import ResolveContext

    def choose(python: str) -> dict[str, Resolution]:
        context = ResolveContext(
            cache_dir=site.home / "engines",
            credentials=site.credentials,
            patience=site.patience,
            progress=site.progress,
            offline=site.settings.offline,
        )
        # Wheels of a minor version are the same for all its releases, and no such Python need be
        # here.
        target = stand_in(f"{python}.0", context)
        prepared = asked[python]
        return resolve_wheels(prepared.spec, dict.fromkeys(prepared.platforms, target), context)

    with Threads(len(asked)) as pool:
        for python, resolutions in zip(asked, pool.map(choose, asked), strict=True):
            for platform, resolution in resolutions.items():
                for package in resolution.packages:
                    yield platform, python, package


def _imports() -> tuple[str, ...]:
    """What our distributions ask for, as their metadata says, without each other."""
    from packaging.requirements import Requirement

    asked: dict[str, None] = {}
    for name in _OURS:
        for text in metadata.requires(name) or ():
            requirement = Requirement(text)
            bare = requirement.name.lower()
            # What extras bring, Metaflow installs for its datastore, or a container can do without.
            if bare not in (*_OURS, *_NOT_STAGED) and "extra" not in str(requirement.marker or ""):
                asked[text] = None
    return tuple(sorted(asked))


def _code(files: Mapping[str, Path]) -> tuple[bytes, str]:
    """Our code as an archive, the same bytes for the same code, and their sha256."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, path in sorted((*_own_files(), *files.items())):
            # Without the times of the files, which would be other bytes on every machine.
            archive.writestr(
                zipfile.ZipInfo(inside, _EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED
            )
    content = buffer.getvalue()
    return content, hashlib.sha256(content).hexdigest()


def _own_files() -> Iterator[tuple[str, Path]]:
    """The files of our distributions, and their places in the archive."""
    for name in _OURS:
        root = Path(str(import_module(name).__file__)).parent
        for path in root.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"{name}/{path.relative_to(root).as_posix()}", path


def _question(site: Site, asked: Mapping[str, Prepared], digest: str) -> str:
    # By their ids, in which is whatever can change an answer, such as `exclude_newer`.
    specs = [(prepared.platforms, prepared.spec.req_id) for prepared in asked.values()]
    return hashlib.sha256(json.dumps([digest, site.store_url, specs]).encode()).hexdigest()


def _object(filename: str, sha256: str, size: int) -> RuntimeObject:
    return RuntimeObject(key=f"runtime/{sha256}/{filename}", sha256=sha256, size=size)
