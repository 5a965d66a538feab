"""At ten thousand environments of 300 packages a look-up costs what it costs at a hundred.

Costs are the steps of SQLite's virtual machine, which do not depend on who else uses the machine.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from envid.packages import Package
from envid.resolved import ResolvedEnv
from mfenv.environments import Environments
from mfenv.request import Request, prepare
from mfenv.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FEW, MANY = 100, 10_000
REQUEST = Request(pypi=("app",), python="3.11", platforms=("linux-64",))

# One environment is there for real; the others are like it under other names.
_COPIES = """
insert into environments
 select lower(hex(randomblob(20))), lower(hex(randomblob(20))), platform, env_type, python, packages,
  strftime('%Y-%m-%dT%H:%M:%SZ', 1600000000 + 1000 * value, 'unixepoch'), resolved_by, used_at,
  digests, built, description
 from environments, numbers;
insert into defaults select req_id, platform, full_id from environments where true
 on conflict do nothing;
insert into aliases select 'team/env' || rowid || ':v1', req_id, full_id, '' from environments;
insert into prefixes
 select '/envs/' || rowid, 'named' || rowid, req_id, full_id, platform, used_at from environments;
insert into published select req_id, full_id, platform, 'file:///s' from environments;
"""


def known(home: Path, count: int) -> tuple[Environments, ResolvedEnv]:
    """A machine that knows `count` environments, and one of them."""
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
    registry = environments.registry
    registry.add([env], default=True)
    registry.set_alias("app:v1", (env.req_id, env.full_id), mutable=False)
    database = registry._open()
    database.execute("pragma synchronous=off")
    database.execute("create temp table numbers (value)")
    database.executemany("insert into numbers values (?)", [(one,) for one in range(count - 1)])
    database.executescript(f"begin; {_COPIES} commit;")
    return environments, env


Machines = dict[int, tuple[Environments, ResolvedEnv]]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Machines:
    return {
        count: known(tmp_path_factory.mktemp(f"scale{count}") / "home", count)
        for count in (FEW, MANY)
    }


def steps(environments: Environments, ask: Callable[..., object], *about: object) -> int:
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    database = environments.registry._open()
    ask(environments, *about)  # whatever happens only once
    database.set_progress_handler(step, 1)
    ask(environments, *about)
    database.set_progress_handler(None, 1)
    return count


ASKED: dict[str, Callable[[Environments, ResolvedEnv], object]] = {
    "resolve what is known": lambda found, _: found.resolve(REQUEST).known,
    "show": lambda found, _: found.find("app:v1"),
    "show by first digits": lambda found, env: found.find(env.full_id[:10]),
    "list ten": lambda found, _: list(found.registry.rows(10)),
    "give an alias": lambda found, env: found.alias(f"{env.req_id}:{env.full_id}", "app:latest"),
    "complete a name": lambda found, _: found.registry.names("app"),
    "a prefix by name": lambda found, _: found.registry.prefix_named("named1"),
}


@pytest.mark.parametrize("asked", ASKED)
def test_the_cost_does_not_grow_with_what_else_is_known(machines: Machines, asked: str) -> None:
    few, many = (steps(found, ASKED[asked], env) for found, env in machines.values())
    assert 0 < many <= few * 1.2 + 20


def test_a_list_costs_what_it_shows(machines: Machines) -> None:
    found, _ = machines[MANY]
    ten, hundred = (steps(found, lambda one, n: list(one.registry.rows(n)), n) for n in (10, 100))
    assert hundred <= ten * 11


def test_there_are_as_many_as_is_said(machines: Machines) -> None:
    for count, (found, env) in machines.items():
        assert len(list(found.registry.rows())) == count
        assert found.resolve(REQUEST).envs == (env,)
        assert len(found.registry.names("team/")) == count
