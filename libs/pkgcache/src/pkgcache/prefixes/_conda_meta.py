"""`conda-meta/`: what conda and its kin read to know what is in an environment."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from pkgcache.archives.records import UnpackedConda
    from pkgcache.local.cache import PackageCache

_FOLDER = "conda-meta"
_NAME = re.compile(r"\s*([A-Za-z0-9_.-]+)")
# CEP 22: what conda and mamba say instead of changing the environment.
_FROZEN = {
    "message": "This environment is exactly what mfenv resolved. To have other packages, resolve"
    " and create another with mfenv."
}


def write(
    root: Path,
    env: ResolvedEnv,
    linked: Iterable[tuple[Package, UnpackedConda, Sequence[Mapping[str, Any]]]],
    cache: PackageCache,
) -> list[str]:
    """Write a record for each package with its paths, the history, and that it is frozen.

    Returns the paths of these files.
    """
    written = []
    (root / _FOLDER).mkdir(exist_ok=True)
    for path, text in documents(env, linked, cache, datetime.now(timezone.utc)):
        # Nothing can be there, since no package may bring a record; if there is, that is an error.
        with (root / path).open("x", encoding="utf-8") as file:
            file.write(text)
        written.append(path)
    return written


def documents(
    env: ResolvedEnv,
    linked: Iterable[tuple[Package, UnpackedConda, Sequence[Mapping[str, Any]]]],
    cache: PackageCache | None,
    moment: datetime,
) -> Iterator[tuple[str, str]]:
    """The paths and texts of what `write` writes; without a cache they name no place on a disk."""
    asked = _requested(env)
    # A commit of conda's own history, from which `conda env export --from-history` reads.
    lines = [
        f"==> {moment:%Y-%m-%d %H:%M:%S} <==",
        "# cmd: mfenv create",
    ]
    for package, unpacked, paths in linked:
        document = {
            **_record(package, unpacked, paths, str(unpacked.tree) if cache else ""),
            "package_tarball_full_path": str(cache.archive_path(package)) if cache else "",
            "requested_spec": asked.get(package.name, ""),
        }
        name = f"{package.name}-{package.version}-{package.build}"
        yield f"{_FOLDER}/{name}.json", json.dumps(document)
        lines.append(f"+{_channel(package)}::{name}")
    lines.append(f"# update specs: {json.dumps(list(asked.values()))}")
    yield f"{_FOLDER}/history", "".join(f"{line}\n" for line in lines)
    yield f"{_FOLDER}/frozen", json.dumps(_FROZEN)


def _record(
    package: Package, unpacked: UnpackedConda, paths: Sequence[Mapping[str, Any]], tree: str
) -> dict[str, Any]:
    """The package's own `index.json`, and what only an installer knows."""
    hashes = {"md5": package.hashes.md5, "sha256": package.hashes.sha256}
    channel = _channel(package)
    return {
        **unpacked.index,
        "channel": channel,
        "extracted_package_dir": tree,
        "files": [entry["_path"] for entry in paths],
        "fn": package.filename,
        "link": {"source": tree, "type": 1},
        "paths_data": {"paths": paths, "paths_version": 1},
        "subdir": unpacked.index.get("subdir") or package.subdir or channel.rpartition("/")[2],
        "url": package.url,
        **{key: value for key, value in hashes.items() if value},
        **({"size": package.size} if package.size is not None else {}),
    }


def _channel(package: Package) -> str:
    return package.url.rpartition("/")[0]


def _requested(env: ResolvedEnv) -> dict[str, str]:
    """What was asked of conda, by the name of the package."""
    asked = env.spec.for_platform(env.platform)
    texts = [text for category in ("conda", "npconda") for text in asked.get(category, ())]
    python = env.spec.python
    # It is asked for by an option of its own, and not among the packages.
    if python:
        texts.insert(0, f"python {python.removeprefix('==') if python.endswith('.*') else python}")
    names = ((_NAME.match(text.rpartition("::")[2]), text) for text in texts)
    return {name[1].lower(): text for name, text in names if name}
