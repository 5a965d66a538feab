"""Laws of what descriptions say of themselves, over generated environments."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envid import EnvSpec, Package, ResolvedEnv
from envid.graph import Ways, inverted, shortest_path
from mfenv.errors import NotInEnvironment
from mfenv.exploring.comparing import compare
from mfenv.exploring.graph import Graph, called
from mfenv.exploring.sides import part
from mfenv.exploring.trees import rows
from mfenv.exploring.whys import whys

from .generated import conda, wheel
from .linked import PLATFORM, linked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from envid.graph import Key
    from mfenv.exploring.graph import AskedStatement
    from mfenv.exploring.trees import TreeRow


def edges(listed: list[TreeRow]) -> list[tuple[Key, Key]]:
    """The steps that a tree shows, from a line to one that is directly below it."""
    way: list[Key] = []
    found = []
    for row in listed:
        del way[row.depth :]
        if way:
            found.append((way[-1], row.key))
        way.append(row.key)
    return found


def simple_paths(
    needs: Mapping[Key, tuple[Key, ...]], start: Key, goal: Key
) -> Iterator[list[Key]]:
    """Every way that visits nothing twice, found by trying all."""

    def beyond(way: list[Key]) -> Iterator[list[Key]]:
        if way[-1] == goal:
            yield way
            return
        for need in needs[way[-1]]:
            if need not in way:
                yield from beyond([*way, need])

    yield from beyond([start])


class TestTree:
    @pytest.mark.slow
    @given(linked(), st.booleans())
    def test_it_has_every_package_and_every_need_once(self, env: ResolvedEnv, invert: bool) -> None:
        graph = Graph.of(env)
        listed = list(rows(graph, invert=invert))
        assert {row.key for row in listed} == graph.packages.keys()
        needs = inverted(graph.needs) if invert else graph.needs
        wanted = Counter((key, need) for key, below in needs.items() for need in below)
        assert Counter(edges(listed)) == wanted

    @pytest.mark.slow
    @given(linked(), st.booleans())
    def test_what_is_marked_stands_elsewhere_with_what_is_below(
        self, env: ResolvedEnv, invert: bool
    ) -> None:
        listed = list(rows(Graph.of(env), invert=invert))
        opened = {parent for parent, _ in edges(listed)}
        assert all(row.key in opened for row in listed if row.repeated)

    @pytest.mark.slow
    @given(linked(), st.integers(0, 4))
    def test_a_depth_shows_whatever_is_so_near(self, env: ResolvedEnv, depth: int) -> None:
        graph = Graph.of(env)
        listed = list(rows(graph, depth=depth))
        roots = [row.key for row in listed if not row.depth]
        assert all(row.depth <= depth for row in listed)
        near = {
            key
            for key in graph.packages
            if 0 < len(shortest_path(graph.needs, roots, key)) <= depth + 1
        }
        assert {row.key for row in listed} == near

    @pytest.mark.slow
    @given(linked())
    def test_the_last_line_of_a_level_is_known(self, env: ResolvedEnv) -> None:
        listed = list(rows(Graph.of(env)))
        for number, row in enumerate(listed):
            after = (later for later in listed[number + 1 :] if later.depth <= row.depth)
            follows = next(after, None)
            assert row.last[-1] is (follows is None or follows.depth < row.depth)

    def test_a_long_chain_and_a_circle_end(self) -> None:
        names = [f"n{number}" for number in range(5000)]
        chain = [
            conda(name, "1", "0", PLATFORM, ending="conda", hashes=["md5"], depends=[need])
            for name, need in zip(names, [*names[1:], names[0]], strict=True)
        ]
        spec = EnvSpec.make(requirements={"conda": ["n0"]}, python="")
        (env,) = ResolvedEnv.co_resolve(spec, {PLATFORM: ("3.11", chain)}, resolved_by="me")
        listed = list(rows(Graph.of(env)))
        assert (len(listed), listed[-1].repeated) == (5001, True)


class TestWhy:
    @pytest.mark.slow
    @given(linked())
    def test_the_ways_are_all_that_are_shortest(self, env: ResolvedEnv) -> None:
        graph = Graph.of(env)
        for goal in graph.packages:
            told = list(whys(graph, goal, 1000))
            expected = {}
            for statement in graph.asked:
                every = [
                    way for key in statement.keys for way in simple_paths(graph.needs, key, goal)
                ]
                least = min(map(len, every), default=0)
                if shortest := {tuple(way) for way in every if len(way) == least}:
                    expected[statement] = shortest
            assert {why.statement: {*why.paths} for why in told} == expected
            assert [why.count for why in told] == [len(why.paths) for why in told]
            lengths = [len(why.paths[0]) for why in told]
            assert lengths == sorted(lengths)

    def test_more_ways_than_anybody_lists_are_counted(self) -> None:
        layers: dict[int, tuple[int, ...]] = {}
        for layer in range(0, 100, 2):
            layers |= dict.fromkeys((layer, layer + 1), (layer + 2, layer + 3))
        layers[100] = layers[101] = (200,)
        ways = Ways(layers, 200)
        assert (ways.count(0), ways.length(0), ways.count(200), ways.count(7)) == (
            2**50,
            51,
            1,
            2**47,
        )
        assert len(next(ways.paths(0))) == 52
        assert (ways.length(999), ways.count(999), list(ways.paths(999))) == (None, 0, [])


class TestDiff:
    @pytest.mark.slow
    @given(linked())
    def test_nothing_differs_from_itself(self, env: ResolvedEnv) -> None:
        compared = compare(env, env)
        assert (compared.asked, compared.changes, compared.differ) == ((), (), False)

    @pytest.mark.slow
    @given(linked(), linked())
    def test_what_changed_makes_the_one_of_the_other(
        self, before: ResolvedEnv, after: ResolvedEnv
    ) -> None:
        def told(env: ResolvedEnv) -> dict[Key, tuple[str, int | None]]:
            return {(p.kind, p.name): (p.version, p.size) for p in env.packages}

        made = told(before)
        for caused in compare(before, after).changes:
            change = caused.change
            key = (change.kind, change.name)
            assert (change.before is None) is (key not in made)
            if change.before is not None:
                assert made.pop(key) == (change.before.split()[0], change.size_before)
            if change.after is not None:
                made[key] = (change.after.split()[0], change.size_after)
        assert made == told(after)

    @pytest.mark.slow
    @given(linked(), linked())
    def test_what_is_asked_otherwise_makes_the_one_of_the_other(
        self, before: ResolvedEnv, after: ResolvedEnv
    ) -> None:
        def said(env: ResolvedEnv) -> set[tuple[str, str]]:
            named = {"constraints": "constraint"}
            statements = env.spec.statements(PLATFORM).items()
            return {(named.get(what, what), text) for what, texts in statements for text in texts}

        made = said(before)
        for one in compare(before, after).asked:
            if one.before is not None:
                made -= {(one.what, one.before)}
            if one.after is not None:
                made |= {(one.what, one.after)}
        # A Python that nobody binds is said to be any, and is no statement.
        assert made - {("python", "any")} == said(after)

    @pytest.mark.slow
    @given(linked(), linked())
    def test_the_cause_of_a_change_is_nearest_and_differs_where_any_that_differs_leads_there(
        self, before: ResolvedEnv, after: ResolvedEnv
    ) -> None:
        graphs = (Graph.of(before), Graph.of(after))
        statements = [
            {(one.category, one.text): one for one in (*graph.asked, *graph.bound)}
            for graph in graphs
        ]
        differing = [
            [one for key, one in own.items() if key not in other]
            for own, other in (statements, statements[::-1])
        ]
        for caused in compare(before, after).changes:
            goal = (caused.change.kind, caused.change.name)

            def steps(graph: Graph, said: Iterable[AskedStatement], goal: Key = goal) -> set[int]:
                roots = [key for one in said for key in one.keys]
                ways = (shortest_path(graph.needs, [root], goal) for root in roots)
                return {len(way) - 1 for way in ways if way}

            near = steps(graphs[0], differing[0]) | steps(graphs[1], differing[1])
            every = steps(graphs[0], statements[0].values()) | steps(
                graphs[1], statements[1].values()
            )
            assert (caused.statement is not None) is bool(every)
            if near and caused.statement:
                own = [
                    graph
                    for graph, said in zip(graphs, differing, strict=True)
                    if caused.statement in said
                ]
                assert min(near) in {
                    step for graph in own for step in steps(graph, [caused.statement])
                }
            else:
                assert caused.difference is None


def of(*packages: Package, conda: tuple[str, ...] = (), pypi: tuple[str, ...] = ()) -> Graph:
    spec = EnvSpec.make(requirements={"conda": conda, "pypi": pypi}, python="")
    found = {PLATFORM: ("3.11", packages)}
    return Graph.of(ResolvedEnv.co_resolve(spec, found, resolved_by="me")[0])


def brought(name: str, *depends: str) -> Package:
    return conda(name, "1.0", "0", PLATFORM, ending="conda", hashes=["md5"], depends=depends)


def test_a_wheel_that_needs_a_conda_package_leads_to_it_by_any_spelling() -> None:
    data = {**wheel("one", "1.0", "pure", PLATFORM).to_dict(), "depends": ["ruamel-yaml", "gone"]}
    graph = of(brought("ruamel.yaml"), Package.from_dict(data), pypi=("one",))
    assert graph.needs["pypi", "one"] == (("conda", "ruamel.yaml"),)
    assert graph.others == ()


def test_a_statement_names_the_conda_package_that_brings_it() -> None:
    graph = of(brought("pytorch"), brought("numpy"), pypi=("torch", "numpy>=1"))
    assert {one.text: one.keys for one in graph.asked} == {
        "torch": (("conda", "pytorch"),),
        "numpy>=1": (("conda", "numpy"),),
    }


def test_a_reference_without_a_name_is_known_by_what_it_led_to() -> None:
    direct = wheel("one", "1.0", "direct", PLATFORM)
    graph = of(direct, wheel("two", "1.0", "pure", PLATFORM), pypi=(direct.url,))
    assert graph.asked[0].keys == (("pypi", "one"),)
    assert graph.others == (("pypi", "two"),)


def test_a_package_is_called_as_one_likes_and_its_kind_can_be_said() -> None:
    graph = of(brought("ruamel.yaml"), wheel("zope", "1.0", "pure", PLATFORM), brought("zope"))
    assert graph.called("Ruamel_YAML") == (("conda", "ruamel.yaml"),)
    assert graph.called("zope") == (("conda", "zope"), ("pypi", "zope"))
    assert graph.called("pypi:zope") == (("pypi", "zope"),)
    with pytest.raises(NotInEnvironment, match="`zoppe` is not in") as caught:
        called("zoppe", [graph])
    assert caught.value.hint == "did you mean `zope`?"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("team/a:v1", ("team/a:v1", None, False)),
        ("team/a~1@osx-64", ("team/a~1", "osx-64", False)),
        ("./a", ("./a", None, True)),
        ("https://h/r.txt", ("https://h/r.txt", None, True)),
        ("there.txt", ("there.txt", None, True)),
        ("gone.txt", ("gone.txt", None, False)),
        ("there.txt:v1", ("there.txt:v1", None, False)),
    ],
)
def test_what_a_text_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, named: tuple[object, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.txt").touch()
    assert tuple(part(text)) == named
