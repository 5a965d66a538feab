"""What the sources of locks say that these can be compared with, each kind in its own way."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from mfenv.importing.content_hashes import poetry_hash

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from mfenv.importing.locks import ForeignLock

__all__ = [
    "optional_groups",
    "poetry_choice",
    "poetry_hash_of",
    "removed",
    "stale_manifest",
    "stale_pipfile",
]

# Parts of a Pipfile that are no category of packages, or stand elsewhere in what is hashed.
_NO_CATEGORIES = (
    *("source", "packages", "dev-packages", "requires", "scripts"),
    *("pipfile", "pipenv", "default", "develop"),
)
_NAMED = re.compile(r"[A-Za-z0-9][\w.-]*")
_VIA = re.compile(r"#.*?-r\s+(\S+)")


def stale_pipfile(lock: Path, source: Path) -> Iterator[str]:
    """A line where a Pipfile.lock has another hash than its Pipfile, as pipenv computes it."""
    stated = _read(source)
    meta = json.loads(lock.read_text(encoding="utf-8-sig"))["_meta"]
    hashed = {
        "_meta": {
            # Where none is stated pipenv adds its usual one, which it writes into the lock.
            "sources": stated.get("source", meta.get("sources", [])),
            "requires": stated.get("requires", {}),
        },
        "default": stated.get("packages", {}),
        "develop": stated.get("dev-packages", {}),
        **{key: table for key, table in stated.items() if key not in _NO_CATEGORIES},
    }
    # As pipenv does it, to the byte: sorted, and without spaces.
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
    if meta.get("hash", {}).get("sha256") != hashlib.sha256(text.encode()).hexdigest():
        yield f"{source}: what it asks for is not what `{lock}` was made for"


def removed(lock: Path, source: Path, asked: Iterable[str]) -> Iterator[str]:
    """What compiled requirements have for a file alone, as they note, that no longer asks for it."""
    names = set(asked)
    name = ""
    for line in lock.read_text(encoding="utf-8-sig").splitlines():
        if line[:1].strip() and line[0] not in "#-":
            match = _NAMED.match(line)
            name = canonicalize_name(match[0]) if match else ""
        via = _VIA.search(line)
        if name and via and via[1].rpartition("/")[2] == source.name and name not in names:
            yield f"{source}: `{name}` is not asked for, and `{lock}` was made for it"
            name = ""


def stale_manifest(lock: ForeignLock, source: Path) -> Iterator[str]:
    """The environments and platforms of a pixi manifest that its lock has not."""
    locked = lock.said.lock
    stated = _read(source)
    if source.name == "pyproject.toml":
        stated = stated.get("tool", {}).get("pixi", {})
    workspace = stated.get("workspace", stated.get("project", {}))
    environments = locked.environments if locked else {}
    for name in ("default", *stated.get("environments", {})):
        if name not in environments:
            yield f"{source}: the environment `{name}` is asked for, and `{lock.shown}` has none"
    # A feature may narrow them: the whole of what is locked tells.
    there = {platform for platforms in environments.values() for platform in platforms}
    there |= {locked.subdirs.get(name, name) for name in there} if locked else set()
    for platform in workspace.get("platforms", ()):
        named = platform if isinstance(platform, str) else platform.get("name", "")
        if named and named not in there:
            yield f"{source}: the platform `{named}` is asked for, and `{lock.shown}` has none"
    channels = {_channel(origin.url) for origin in lock.said.sources if origin.kind == "channel"}
    for channel in workspace.get("channels", ()):
        url = channel if isinstance(channel, str) else channel.get("channel", "")
        if channels and _channel(url) not in channels:  # older locks may say none
            yield f"{source}: the channel `{url}` is asked for, and `{lock.shown}` has none"


def poetry_choice(source: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All groups and extras of a pyproject.toml of poetry: its lock has them all."""
    stated = _read(source)
    poetry = _poetry(stated)
    groups = {*poetry.get("group", {}), *stated.get("dependency-groups", {})}
    extras = {*poetry.get("extras", {})}
    extras = extras or {*stated.get("project", {}).get("optional-dependencies", {})}
    return tuple(sorted(groups)), tuple(sorted(extras))


def poetry_hash_of(source: Path, made_by: str) -> str:
    """The `content-hash` of a pyproject.toml as that release of poetry computes it."""
    return poetry_hash(_read(source), made_by)


def optional_groups(source: Path) -> Iterator[str]:
    """The groups that poetry installs where they are named alone."""
    for name, group in _poetry(_read(source)).get("group", {}).items():
        if group.get("optional") is True:
            yield name


def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8-sig"))


def _poetry(stated: Mapping[str, Any]) -> Mapping[str, Any]:
    table: Mapping[str, Any] = stated.get("tool", {}).get("poetry", {})
    return table


def _channel(text: str) -> str:
    """A channel by its name: a lock has the URL where its manifest may have that alone."""
    return text.rstrip("/").rpartition("/")[2]
