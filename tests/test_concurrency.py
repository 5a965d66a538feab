"""Eight processes at once: all succeed, each piece of work is done once, nothing contradicts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from resolvers.testing import FakeIndex, make_wheel

from .helpers import Done, Machine, consistent, failure, tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

pytestmark = pytest.mark.slow

MANY = 8
PARTS = 8


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    parts = [make_wheel(f"part{n}", "1.0", module=f"x = {n}\n" * 20_000) for n in range(PARTS)]
    whole = make_wheel("whole", "1.0", requires=[part.name for part in parts])
    with FakeIndex(whole, *parts) as found:
        yield found


def at_once(commands: Iterable[tuple[Machine, tuple[str, ...]]]) -> list[Done]:
    with ThreadPoolExecutor(MANY) as waiting:
        return [*waiting.map(lambda one: one[0].run(*one[1]), commands)]


def all_ok(found: Iterable[Done]) -> list[str]:
    assert [done.err for done in found if done.status] == []
    return [done.out.strip() for done in found]


def test_one_home_resolves_creates_and_names_once(machine: Machine, index: FakeIndex) -> None:
    words = ("resolve", "--pypi", "whole", "--alias", "team/whole:v1")
    (ids,) = set(all_ok(at_once([(machine, words)] * MANY)))
    # One uv asked the index, one download brought each wheel.
    assert set(index.requests.values()) == {1}
    assert len([path for path in index.requests if path.endswith(".whl")]) == PARTS + 1
    consistent(machine)
    assert len(machine.rows()["environments"]) == len(machine.rows()["published"]) == 1

    index.requests.clear()
    (prefix,) = set(all_ok(at_once([(machine, ("create", "team/whole:v1"))] * MANY)))
    assert [path.name for path in (machine.home / "envs").iterdir()] == [prefix.split("/")[-1]]
    assert machine.ok("run", ids, "--", "python", "-c", "import part1; print(part1.x)") == "1"
    all_ok(at_once([(machine, ("alias", ids, f"team/name:v{n}")) for n in range(MANY)]))
    assert len(machine.rows()["aliases"]) == MANY + 1
    assert sum(index.requests.values()) == 0
    consistent(machine)
    tidy(machine)


def test_one_home_does_everything_at_once(machine: Machine, index: FakeIndex) -> None:
    """From nothing, and each of the eight wants something of its own and something in common."""
    commands = [
        (machine, ("resolve", "--pypi", "whole", "--alias", "all/same", "--alias", f"own:v{n}"))
        for n in range(MANY // 2)
    ] + [
        (machine, ("resolve", "--pypi", f"part{n}", "--alias", f"part:v{n}"))
        for n in range(MANY // 2)
    ]
    all_ok(at_once(commands))
    assert {count for path, count in index.requests.items() if path.endswith(".whl")} == {1}
    names = [f"own:v{n}" for n in range(MANY // 2)] + [f"part:v{n}" for n in range(MANY // 2)]
    all_ok(
        at_once([(machine, ("create", name, "--name", f"e{name[-1]}{name[0]}")) for name in names])
    )
    rows = machine.rows()
    assert len(rows["environments"]) == 1 + MANY // 2
    assert len(rows["aliases"]) == 1 + MANY
    assert len(rows["prefixes"]) == MANY
    consistent(machine)
    tidy(machine)


def test_one_prefix_is_replaced_by_one_after_the_other(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "whole", "--alias", "a")
    machine.ok("create", "a", "--name", "e")
    replace = ("create", "a", "--name", "e", "--force")
    keep = ("create", "a", "--name", "e", "--exist-ok")
    found = at_once([(machine, words) for _ in range(MANY // 2) for words in (replace, keep)])
    assert set(all_ok(found)) == {str(machine.prefix("e"))}
    use = ("run", "e", "--", "python", "-c", "import part0, part5; print(part5.x)")
    assert machine.ok(*use) == "5"
    consistent(machine)
    tidy(machine)


def test_many_homes_share_the_work_of_a_store(
    machines: Callable[[str], Machine], index: FakeIndex
) -> None:
    many = [machines(f"m{n}") for n in range(MANY)]
    words = ("resolve", "--pypi", "whole", "--alias", "team/whole:v1")
    assert len(set(all_ok(at_once((one, words) for one in many)))) == 1
    run = ("run", "team/whole:v1", "--", "python", "-c", "import part2; print(part2.x)")
    assert set(all_ok(at_once((one, run) for one in many))) == {"2"}
    for one in many:
        consistent(one)
        tidy(one)


def test_one_of_many_homes_gets_an_alias_for_ever(machines: Callable[[str], Machine]) -> None:
    many = [machines(f"m{n}") for n in range(MANY)]
    own = all_ok(at_once((one, ("resolve", "--pypi", f"part{n}")) for n, one in enumerate(many)))
    found = at_once(
        (one, ("alias", ids, "team/only:v1")) for one, ids in zip(many, own, strict=True)
    )
    (winner,) = [n for n, done in enumerate(found) if done.status == 0]
    for n, done in enumerate(found):
        if n != winner:
            assert own[winner] in failure(done)
    for one in many:
        shown = one.json("show", "team/only:v1")["environments"]
        assert [env["full_id"] for env in shown] == [own[winner].split(":")[1]]
        consistent(one)
