"""Where everything lies in a store: the keys, and the version of their layout.

| key | content |
|---|---|
| `layout.json` | `{"layout": 1}` |
| `packages/<2 digits>/<digest>/<file name>` | the archive of a package |
| `environments/<req_id>/<platform>/<full_id>.json` | the description of a resolved environment |
| `defaults/<req_id>/<platform>.json` | `{"full_id": ...}` |
| `aliases/<name>/<tag>.json` | `{"full_id": ..., "req_id": ...}` |
| `built/<source key>.json` | `{"filename": ..., "sha256": ..., "size": ...}` |

`digest` is the sha256 of the archive in hex, or its md5 where its channel gives no sha256; the two
digits are its first. In the `name` of an alias `/` is written `%2F`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envid.aliases import Alias
    from envid.ids import EnvId
    from envid.packages import Package

__all__ = [
    "LAYOUT",
    "LAYOUT_KEY",
    "alias_key",
    "archive_key",
    "built_key",
    "default_key",
    "description_key",
    "digest",
    "package_key",
]

LAYOUT = 1
LAYOUT_KEY = "layout.json"


def digest(package: Package) -> str:
    """The hash that names a package's bytes: 64 hex digits of sha256, or 32 of md5."""
    found = package.hashes.sha256 or package.hashes.md5
    if not found:
        raise ValueError(f"`{package.filename}` has no hash")
    return found


def package_key(package: Package) -> str:
    """Where a package's archive lies."""
    return archive_key(digest(package), package.filename)


def archive_key(digest: str, filename: str) -> str:
    """Where the archive with this digest and name lies."""
    return f"packages/{digest[:2]}/{digest}/{filename}"


def description_key(env_id: EnvId) -> str:
    """Where the description of a resolved environment lies."""
    return f"environments/{env_id.req_id}/{env_id.platform}/{env_id.full_id}.json"


def default_key(req_id: str, platform: str) -> str:
    """Where the default environment of a request is named."""
    return f"defaults/{req_id}/{platform}.json"


def alias_key(alias: Alias) -> str:
    """Where the environment of an alias is named."""
    return f"aliases/{alias.name.replace('/', '%2F')}/{alias.tag}.json"


def built_key(source_key: str) -> str:
    """Where the wheel that was built from a source state is named."""
    return f"built/{source_key}.json"
