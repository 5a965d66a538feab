from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from envid import EnvSpec, Package, ResolvedEnv

if TYPE_CHECKING:
    from envid.packages import BuiltFrom


def resolved(
    *names: str, platform: str = "linux-64", built_from: BuiltFrom | None = None
) -> ResolvedEnv:
    """An environment that asks for and holds packages of these names."""
    spec = EnvSpec.make(requirements={"pypi": names}, python="3.11")
    packages = [
        Package.make(
            kind="pypi",
            name=name,
            version="1",
            filename=f"{name}-1-py3-none-any.whl",
            url=f"https://index.test/{name}-1-py3-none-any.whl",
            sha256=hashlib.sha256(name.encode()).hexdigest(),
            built_from=built_from,
        )
        for name in names
    ]
    return ResolvedEnv.co_resolve(spec, {platform: ("3.11.7", packages)}, resolved_by="me")[0]
