"""What needs what: against answers that are found by trying everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from envid.graph import Ways, inverted, nearest, needs_of, reached, shortest_path, top_level

from .helpers import package, spec

if TYPE_CHECKING:
    from collections.abc import Iterator

Needs = dict[int, tuple[int, ...]]

# What is needed need not be listed, and may need itself.
GRAPHS = st.dictionaries(
    st.integers(0, 5), st.lists(st.integers(0, 6), unique=True, max_size=4).map(tuple)
)


def ways(needs: Needs, start: int, goal: int) -> list[tuple[int, ...]]:
    """The shortest of all ways that visit nothing twice, in the order of the needs."""

    def beyond(way: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if way[-1] == goal:
            yield way
            return
        for need in needs.get(way[-1], ()):
            if need not in way:
                yield from beyond((*way, need))

    every = list(beyond((start,)))
    least = min(map(len, every), default=0)
    return [way for way in every if len(way) == least]


@given(GRAPHS, st.integers(0, 6))
def test_the_ways_to_a_goal_are_all_shortest_ones(needs: Needs, goal: int) -> None:
    found = Ways(needs, goal)
    for start in range(7):
        expected = ways(needs, start, goal)
        assert list(found.paths(start)) == expected
        assert found.count(start) == len(expected)
        assert found.length(start) == (len(expected[0]) - 1 if expected else None)


@given(GRAPHS, st.lists(st.integers(0, 6), unique=True), st.integers(0, 6))
def test_one_shortest_way_is_that_of_the_earlier_root(
    needs: Needs, roots: list[int], goal: int
) -> None:
    every = [way for root in roots for way in ways(needs, root, goal)[:1]]
    assert shortest_path(needs, roots, goal) == min(every, key=len, default=())


@given(GRAPHS, st.lists(st.integers(0, 6), unique=True))
def test_what_is_reached_and_from_which_root(needs: Needs, roots: list[int]) -> None:
    found = nearest(needs, roots)
    assert found.keys() == reached(needs, roots)
    for goal in range(7):
        path = shortest_path(needs, roots, goal)
        assert found.get(goal) == ((len(path) - 1, path[0]) if path else None)


@given(GRAPHS)
def test_the_top_leads_to_everything_and_none_of_it_to_another(needs: Needs) -> None:
    top = top_level(needs)
    assert reached(needs, top) >= needs.keys()
    assert all(other not in reached(needs, [one]) for one in top for other in top if one != other)


@given(GRAPHS)
def test_turned_twice_it_is_the_same(needs: Needs) -> None:
    def steps(graph: dict[int, tuple[int, ...]]) -> set[tuple[int, int]]:
        return {(key, need) for key, below in graph.items() for need in below}

    turned = inverted(needs)
    assert steps(turned) == {(need, key) for key, need in steps(needs)}
    assert turned.keys() >= needs.keys()


def test_a_need_is_of_the_own_kind_else_of_conda() -> None:
    packages = [
        package("a", kind="conda", depends=["b.c", "p", "a"]),
        package("b.c", kind="conda"),
        package("p", kind="conda"),
        package("a", depends=["b-c", "p", "gone"]),
        package("p"),
    ]
    assert needs_of(packages) == {
        ("conda", "a"): (("conda", "b.c"), ("conda", "p")),
        ("conda", "b.c"): (),
        ("conda", "p"): (),
        ("pypi", "a"): (("conda", "b.c"), ("pypi", "p")),
        ("pypi", "p"): (),
    }


def test_the_statements_of_a_spec_are_all_that_hold_on_a_platform() -> None:
    asked = spec(
        "flask",
        constraints=["a<2"],
        python="3.11",
        platform_requirements={"osx-64": {"conda": ["mac"]}},
    )
    assert asked.statements("linux-64") == {
        "pypi": ("flask",),
        "constraints": ("a<2",),
        "python": ("==3.11.*",),
    }
    assert asked.statements("osx-64")["conda"] == ("mac",)
    assert "python" not in spec("flask", python="").statements("linux-64")
