"""`mfenv why`: the shortest ways from what was asked for to a package."""

from __future__ import annotations

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
    title,
)

if TYPE_CHECKING:
    from envid.graph import Key
    from mfenv.exploring.graph import Graph

_SHOWN = 10
_EXAMPLES = """\b
Examples:
  mfenv why team/etl:v1 numpy
  mfenv why team/etl:v1 conda:openssl --platform linux-64 --json
"""


@click.command(epilog=_EXAMPLES)
@env_argument()
@package_argument()
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=_SHOWN,
    metavar="N",
    help=f"Show at most N ways of each statement.  [default: {_SHOWN}]",
)
@platform_option("Platform; may be repeated.  [default: all that are known]")
@local_only_option
@json_option
def why(env: str, package: str, limit: int, platforms: tuple[str, ...], as_json: bool) -> None:
    """Tell why a package is in an environment.

    Prints each statement that leads to it, with its file and line or decorator, the nearest first,
    and every shortest way from there.
    """
    from mfenv.exploring.graph import called

    with open_environments() as environments:
        graphs = environments.graphs(env, platforms)
    goals = [(graph, key) for graph, keys in called(package, graphs) for key in keys]
    if as_json:
        print_json({"packages": [_plain(graph, key, limit) for graph, key in goals]})
        return
    for number, (graph, key) in enumerate(goals):
        if number:
            click.echo()
        _tell(graph, key, limit)


def _tell(graph: Graph, key: Key, limit: int) -> None:
    from mfenv.exploring.whys import whys

    click.echo(f"{title(graph.env)}: {graph.shown(key)} ({key[0]})")
    told = False
    for why in whys(graph, key, limit):
        told = True
        click.echo(f"  {why.statement.said}")
        for path in why.paths:
            click.echo(f"    {' -> '.join(map(graph.shown, path))}")
        if why.count > len(why.paths):
            click.echo(f"    and {why.count - len(why.paths)} more that are as short (--limit)")
    for bound in graph.bound:
        if key in bound.keys:
            click.echo(f"  bound by {bound.said}")
    if not told:
        click.echo("  nothing that was asked for leads to it, as far as needs are recorded")


def _plain(graph: Graph, key: Key, limit: int) -> dict[str, Any]:
    from mfenv.exploring.whys import whys

    return {
        **graph.env.env_id._asdict(),
        **graph.to_dict(key),
        "asked": [
            {
                **why.statement.to_dict(),
                "count": why.count,
                "paths": [[graph.to_dict(step) for step in path] for path in why.paths],
            }
            for why in whys(graph, key, limit)
        ],
        "bound": [statement.to_dict() for statement in graph.bound if key in statement.keys],
    }
