"""`mfenv tree`: what needs what, from what was asked for down, or from a package up."""

from __future__ import annotations

import sys
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from mfenv._commands._common import (
    env_argument,
    json_option,
    local_only_option,
    open_environments,
    package_argument,
    platform_option,
    print_json,
    say,
    title,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envid.graph import Key
    from mfenv.exploring.graph import Graph
    from mfenv.exploring.trees import TreeRow

_EXAMPLES = """\b
Examples:
  mfenv tree team/etl:v1
  mfenv tree team/etl:v1 pandas --depth 1
  mfenv tree team/etl:v1 numpy --invert
"""
_LINES = ("│   ", "    ", "├── ", "└── ")
_PLAIN = ("|   ", "    ", "|-- ", "`-- ")


@click.command(epilog=_EXAMPLES)
@env_argument()
@package_argument(required=False)
@click.option(
    "--invert", is_flag=True, help="Show what needs a package, in place of what it needs."
)
@click.option("--depth", type=click.IntRange(0), metavar="N", help="Show at most N levels below.")
@platform_option("Platform; may be repeated.  [default: all that are known]")
@local_only_option
@json_option
def tree(
    env: str,
    package: str | None,
    invert: bool,
    depth: int | None,
    platforms: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the packages of an environment as a tree, from what was asked for down.

    Each is told to be conda's or PyPI's. What is below a package stands once: (*) marks it
    elsewhere. PACKAGE alone is shown with what it needs or, by --invert, with what needs it.
    """
    from mfenv.exploring.graph import called
    from mfenv.exploring.trees import rows

    with open_environments() as environments:
        graphs = environments.graphs(env, platforms)
    pairs = called(package, graphs) if package else [(graph, ()) for graph in graphs]
    shown = [
        (graph, list(rows(graph, start, invert=invert, depth=depth))) for graph, start in pairs
    ]
    if as_json:
        print_json({"environments": [_plain(graph, listed) for graph, listed in shown]})
        return
    for number, (graph, listed) in enumerate(shown):
        if number:
            click.echo()
        click.echo(title(graph.env))
        _draw(graph, listed)
    if any(row.repeated for _, listed in shown for row in listed):
        say("(*) what is below stands elsewhere in the tree")


def _asked(graph: Graph) -> dict[Key, list[Any]]:
    """The statements that name each package."""
    pairs = [(key, statement) for statement in graph.asked for key in statement.keys]
    pairs.sort(key=lambda pair: pair[0])
    return {
        key: [statement for _, statement in of_key]
        for key, of_key in groupby(pairs, lambda pair: pair[0])
    }


def _draw(graph: Graph, listed: Iterable[TreeRow]) -> None:
    across, nothing, branch, end = _LINES if _can_draw() else _PLAIN
    asked = _asked(graph)
    for row in listed:
        before = "".join(nothing if last else across for last in row.last[:-1])
        before += end if row.last[-1] else branch
        said = "; ".join(statement.said for statement in asked.get(row.key, ()))
        parts = [f"{before}{graph.shown(row.key)} ({row.key[0]})"]
        parts += ["(*)"] * row.repeated
        # Who asks for it stands where it is shown with all that it needs.
        parts += [f"<- {said}"] * bool(said and not row.repeated)
        click.echo(" ".join(parts))


def _can_draw() -> bool:
    try:
        "".join(_LINES).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _plain(graph: Graph, listed: Iterable[TreeRow]) -> dict[str, Any]:
    asked = _asked(graph)
    return {
        **graph.env.env_id._asdict(),
        "python": graph.env.python,
        "rows": [
            {
                "depth": row.depth,
                **graph.to_dict(row.key),
                "repeated": row.repeated,
                "asked": [statement.to_dict() for statement in asked.get(row.key, ())],
            }
            for row in listed
        ],
    }
