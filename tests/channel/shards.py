"""The sharded repodata of a channel (CEP 16), made from its whole one."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["write_shards"]

_HASHES = {"sha256": 64, "md5": 32}


def write_shards(root: Path, change: Callable[[str, Any], Any] = lambda _, shard: shard) -> None:
    """Write shards beside each `repodata.json`, as `change` makes them of a name and its shard."""
    for path in root.glob("*/repodata.json"):
        index = json.loads(path.read_text())
        shards: dict[str, Any] = {}
        for section in ("packages", "packages.conda"):
            for filename, record in index[section].items():
                empty: dict[str, Any] = {"packages": {}, "packages.conda": {}, "removed": []}
                shard = shards.setdefault(record["name"], empty)
                shard[section][filename] = {key: _hash(key, one) for key, one in record.items()}
        hashes = {}
        for name, shard in shards.items():
            data = zstandard.compress(_packed(change(name, shard)))
            hashes[name] = hashlib.sha256(data).digest()
            (path.parent / f"{hashes[name].hex()}.msgpack.zst").write_bytes(data)
        info = {"subdir": path.parent.name, "base_url": "./", "shards_base_url": "./"}
        whole = _packed({"version": 1, "info": info, "shards": hashes})
        (path.parent / "repodata_shards.msgpack.zst").write_bytes(zstandard.compress(whole))


def _hash(key: str, value: Any) -> Any:
    right = isinstance(value, str) and len(value) == _HASHES.get(key)
    return bytes.fromhex(value) if right else value


def _packed(value: Any) -> bytes:
    """https://github.com/msgpack/msgpack/blob/master/spec.md, in the widest form of each type."""
    if value is None:
        return b"\xc0"
    if isinstance(value, int):
        return struct.pack(">Bq", 0xD3, value)
    if isinstance(value, bytes | str):
        data = value.encode() if isinstance(value, str) else value
        return struct.pack(">BI", 0xDB if isinstance(value, str) else 0xC6, len(data)) + data
    if isinstance(value, list):
        return struct.pack(">BI", 0xDD, len(value)) + b"".join(map(_packed, value))
    pairs = b"".join(_packed(key) + _packed(one) for key, one in value.items())
    return struct.pack(">BI", 0xDF, len(value)) + pairs
