"""Small real specs, packages and environments."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from envid import EnvSpec, Package, ResolvedEnv, Source

SHA256 = "0123456789abcdef" * 4
MD5 = "0123456789abcdef" * 2
ID = "0123456789" * 4
WHEN = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def spec(*pypi: str, **changes: Any) -> EnvSpec:
    fields: dict[str, Any] = {
        "requirements": {"pypi": pypi or ("flask>=3",)},
        "python": "3.11",
        "sources": [Source.make("index", "pypi")],
    }
    return EnvSpec.make(**{**fields, **changes})


def package(name: str = "flask", **changes: Any) -> Package:
    fields: dict[str, Any] = {
        "kind": "pypi",
        "name": name,
        "version": "3.1.0",
        "filename": f"{name}-3.1.0-py3-none-any.whl",
        "url": f"https://files.example/{name}-3.1.0-py3-none-any.whl",
        "sha256": SHA256,
    }
    return Package.make(**{**fields, **changes})


def resolved(*packages: Package, **changes: Any) -> ResolvedEnv:
    fields: dict[str, Any] = {
        "spec": spec(),
        "found": {"linux-64": ("3.11.7", packages or (package(),))},
        "resolved_by": "ada",
        "resolved_at": WHEN,
    }
    return ResolvedEnv.co_resolve(**{**fields, **changes})[0]


def changed(data: Any, path: list[Any], value: Any) -> Any:
    """A copy of plain `data` with `value` at `path`."""
    if not path:
        return value
    twin = data.copy()
    twin[path[0]] = changed(
        data.get(path[0]) if isinstance(data, dict) else data[path[0]], path[1:], value
    )
    return twin
