"""At ten thousand environments of 300 packages a look-up costs what it costs at a hundred.

Costs are the steps of SQLite's virtual machine, which do not depend on who else uses the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.many import REQUEST, known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envid.resolved import ResolvedEnv
    from mfenv.environments import Environments

FEW, MANY = 100, 10_000

Machines = dict[int, "tuple[Environments, ResolvedEnv]"]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    found = {
        count: known(tmp_path_factory.mktemp(f"scale{count}") / "home", count)
        for count in (FEW, MANY)
    }
    yield found
    for environments, _ in found.values():
        environments.close()


def steps(environments: Environments, ask: Callable[..., object], *about: object) -> int:
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    database = environments._site.registry._open()
    ask(environments, *about)  # whatever happens only once
    database.set_progress_handler(step, 1)
    ask(environments, *about)
    database.set_progress_handler(None, 1)
    return count


ASKED: dict[str, Callable[[Environments, ResolvedEnv], object]] = {
    "resolve what is known": lambda found, _: found.resolve(REQUEST).known,
    "show": lambda found, _: found.find("app:v1"),
    "show by first digits": lambda found, env: found.find(env.full_id[:10]),
    "list ten": lambda found, _: list(found._site.registry.rows(10)),
    "give an alias": lambda found, env: found.alias(str(env.env_id.ref), "app:latest"),
    "complete a name": lambda found, _: found._site.registry.names("app"),
    "a prefix by name": lambda found, _: found._site.registry.prefix_named("named1"),
}


@pytest.mark.parametrize("asked", ASKED)
def test_the_cost_does_not_grow_with_what_else_is_known(machines: Machines, asked: str) -> None:
    few, many = (steps(found, ASKED[asked], env) for found, env in machines.values())
    assert 0 < many <= few * 1.2 + 20


def test_a_list_costs_what_it_shows(machines: Machines) -> None:
    found, _ = machines[MANY]
    ten, hundred = (steps(found, lambda one, n: list(one.rows(n)), n) for n in (10, 100))
    assert hundred <= ten * 11


def test_a_search_reads_each_environment_once_and_no_description(machines: Machines) -> None:
    few, many = (steps(found, lambda one: one.search("nothing")) for found, _ in machines.values())
    assert many <= few * (MANY / FEW) * 1.2
    assert many < 100 * MANY


def test_there_are_as_many_as_is_said(machines: Machines) -> None:
    for count, (found, env) in machines.items():
        assert len(list(found._site.registry.rows())) == count
        assert found.resolve(REQUEST).envs == (env,)
        assert len(found._site.registry.names("team/")) == count
