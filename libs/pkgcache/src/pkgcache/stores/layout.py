"""Where everything lies in a store: the keys, and the version of their layout.

| key | content |
|---|---|
| `layout.json` | `{"layout": 1}`, and `"garbage": ...`, the key of a list, if there is any |
| `packages/<2 digits>/<digest>/<file name>` | the archive of a package |
| `environments/<req_id>/<platform>/<full_id>.json` | the description of a resolved environment |
| `defaults/<req_id>/<platform>.json` | `{"full_id": ...}` |
| `aliases/<name>/<tag>.json` | `{"full_id": ..., "req_id": ...}` |
| `built/<source key>.json` | `{"filename": ..., "sha256": ..., "size": ...}` |
| `transmuted/<digest>/<format>.json` | the same, of a conda package's other format |
| `garbage/<id>.json` | `{"condemned": {<key>: <etag>, ...}, "deleting": ...}` |

`digest` is the sha256 of the archive in hex, or its md5 where its channel gives no sha256; the two
digits are its first. A package that was transmuted lies there under the digest and the name of
what it became, and `<digest>` in `transmuted/` is that of the original; `format` is `conda` or
`tar.bz2`. In the `name` of an alias `/` is written `%2F`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envid.packages import Hashes

if TYPE_CHECKING:
    from envid.aliases import Alias
    from envid.ids import EnvId
    from envid.packages import Package

__all__ = [
    "LAYOUT",
    "LAYOUT_KEY",
    "alias_key",
    "alias_of",
    "archive_key",
    "archives",
    "built_key",
    "default_key",
    "description_key",
    "package_key",
    "transmuted_key",
]

LAYOUT = 1
LAYOUT_KEY = "layout.json"


def package_key(package: Package) -> str:
    """Where a package's archive lies."""
    archive = archives(package)[-1]
    return archive_key(archive.digest, archive.filename)


def archives(package: Package) -> tuple[Package, ...]:
    """The archives that a package can be unpacked from; the last is what a store holds.

    The first is the original, the other, if any, what it was transmuted into.
    """
    other = package.transmuted
    if not other:
        return (package,)
    original = package._replace(transmuted=None)
    hashes = Hashes(sha256=other.sha256)
    return original, original._replace(filename=other.filename, hashes=hashes, size=other.size)


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
    # A name is a single segment, so that no alias lies where another's tags are listed.
    return f"aliases/{alias.name.replace('/', '%2F')}/{alias.tag}.json"


def alias_of(key: str) -> Alias:
    """The alias whose key this is; raises `envid.errors.InvalidAlias` for another key."""
    from envid.aliases import parse_alias

    name, _, tag = key.removeprefix("aliases/").removesuffix(".json").rpartition("/")
    return parse_alias(f"{name.replace('%2F', '/')}:{tag}")


def built_key(source_key: str) -> str:
    """Where the wheel that was built from a source state is named."""
    return f"built/{source_key}.json"


def transmuted_key(package: Package, to: str) -> str:
    """Where it is named what a conda package was transmuted into; `to` is the format."""
    return f"transmuted/{package.digest}/{to}.json"
