"""Names and descriptions of environments.

Supported paths: `envid.spec`, `envid.packages`, `envid.resolved`, `envid.ids`, `envid.aliases`,
`envid.netflixext`, `envid.platforms`, `envid.errors`; the names most callers need are re-exported here.
"""

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
