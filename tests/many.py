"""A machine that knows many environments of 300 packages each, for tests and benchmarks."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from envid.aliases import FullRef
from envid.packages import Package
from envid.resolved import ResolvedEnv
from mfenv.environments import Environments
from mfenv.request import Request, prepare
from mfenv.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = Request(pypi=("app",), python="3.11", platforms=("linux-64",))

# One environment is there for real; the others are like it under other names.
_COPIES = """
insert into environments
 select lower(hex(randomblob(20))), lower(hex(randomblob(20))), platform, env_type, python, packages,
  strftime('%Y-%m-%dT%H:%M:%SZ', 1600000000 + 1000 * value, 'unixepoch'), resolved_by, used_at,
  digests, built, description
 from environments, numbers;
insert into contents select e.full_id, e.platform, c.size, c.unsized, c.packages
 from environments e, contents c where e.full_id <> c.full_id;
insert into defaults select req_id, platform, full_id from environments where true
 on conflict do nothing;
insert into aliases select 'team/env' || rowid || ':v1', req_id, full_id, '' from environments;
insert into prefixes
 select '/envs/' || rowid, 'named' || rowid, req_id, full_id, platform, used_at from environments;
insert into published select req_id, full_id, platform, 'file:///s' from environments;
"""


def known(home: Path, count: int) -> tuple[Environments, ResolvedEnv]:
    """A machine that knows `count` environments, and the one that `REQUEST` and `app:v1` mean."""
    settings = Settings.load(
        {"home": str(home), "python_provider": "system", "local_only": True},
        environ={},
        directory=home.parent,
    )
    environments = Environments(settings)
    packages = [
        Package.make(
            kind="pypi",
            name=f"part{number}",
            version="1.0",
            filename=f"part{number}-1.0-py3-none-any.whl",
            url=f"https://index.test/packages/part{number}-1.0-py3-none-any.whl",
            sha256=hashlib.sha256(b"%d" % number).hexdigest(),
            size=1000,
        )
        for number in range(300)
    ]
    spec = prepare(REQUEST, settings, lambda *_: ()).spec
    (env,) = ResolvedEnv.co_resolve(spec, {"linux-64": ("3.11.7", packages)}, resolved_by="me")
    registry = environments._site.registry
    registry.add([env], default=True)
    registry.set_alias("app:v1", FullRef(env.req_id, env.full_id), mutable=False)
    database = registry._open()
    database.execute("pragma synchronous=off")
    database.execute("create temp table numbers (value)")
    database.executemany("insert into numbers values (?)", [(one,) for one in range(count - 1)])
    database.executescript(f"begin; {_COPIES} commit;")
    return environments, env
