from __future__ import annotations

from envid import EnvSpec, Package, ResolvedEnv


def resolved(*names: str, platform: str = "linux-64") -> ResolvedEnv:
    """An environment that asks for and holds packages of these names."""
    spec = EnvSpec.make(requirements={"pypi": names}, python="3.11")
    packages = [
        Package.make(
            kind="pypi",
            name=name,
            version="1",
            filename=f"{name}-1-py3-none-any.whl",
            url=f"https://index.test/{name}-1-py3-none-any.whl",
            sha256=f"{len(name):064x}",
        )
        for name in names
    ]
    return ResolvedEnv.co_resolve(spec, {platform: ("3.11.7", packages)}, resolved_by="me")[0]
