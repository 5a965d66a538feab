"""Names and descriptions of environments.

Supported paths: `envid.spec`, `envid.packages`, `envid.resolved`, `envid.ids`, `envid.aliases`,
`envid.netflixext`, `envid.platforms`, `envid.redaction`, `envid.malformed`, `envid.errors`; the
names most callers need are re-exported here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from envid.aliases import Alias, parse_alias, parse_ref
    from envid.errors import EnvidError
    from envid.ids import EnvId
    from envid.packages import BuiltFrom, Hashes, Package
    from envid.resolved import ResolvedEnv
    from envid.spec import EnvSpec, Options, Source

__all__ = [
    "Alias",
    "BuiltFrom",
    "EnvId",
    "EnvSpec",
    "EnvidError",
    "Hashes",
    "Options",
    "Package",
    "ResolvedEnv",
    "Source",
    "parse_alias",
    "parse_ref",
]

_HOMES = {
    "aliases": ("Alias", "parse_alias", "parse_ref"),
    "errors": ("EnvidError",),
    "ids": ("EnvId",),
    "packages": ("BuiltFrom", "Hashes", "Package"),
    "resolved": ("ResolvedEnv",),
    "spec": ("EnvSpec", "Options", "Source"),
}


def __getattr__(name: str) -> Any:
    # Whoever needs one module, as every command line does, is not made to wait for all of them.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"envid.{module}"), name)
    raise AttributeError(f"module `envid` has no attribute `{name}`")
