"""`mfenv diff`: what differs between two environments, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from envid.sizes import size_text
from mfenv._commands._common import (
    complete_env_or_file,
    json_option,
    local_only_option,
    open_environments,
    platform_option,
    print_json,
    say,
)

if TYPE_CHECKING:
    from mfenv.exploring.comparing import Caused, Compared

_EXAMPLES = """\b
Examples:
  mfenv diff team/etl~1 team/etl
  mfenv diff team/etl:v1 requirements.txt
  mfenv diff team/etl:v1@linux-64 team/etl:v2@osx-arm64
  mfenv diff team/etl:v1 --platform linux-64 --platform osx-arm64
"""


@click.command(epilog=_EXAMPLES)
@click.argument("before", metavar="A", shell_complete=complete_env_or_file)
@click.argument("after", metavar="[B]", required=False, shell_complete=complete_env_or_file)
@platform_option("Platform; may be repeated.  [default: all that both are for]")
@click.option("--environment", metavar="NAME", help="Which environment of an mfenv.lock.")
@click.option("--exit-code", is_flag=True, help="End with 1 where there is a difference.")
@local_only_option
@json_option
def diff(
    before: str,
    after: str | None,
    platforms: tuple[str, ...],
    environment: str | None,
    exit_code: bool,
    as_json: bool,
) -> int:
    """Compare environments: what is asked for otherwise, and which packages that changed.

    A and B are ENV, ENV@PLATFORM, or files: an mfenv.lock, a lock of another tool, or one that says
    what is asked for. With A alone, two platforms of it: its own, if there are two. Each change names the statement that leads
    to it. Nothing is resolved. The status is 0, with or without differences.
    """
    with open_environments() as environments:
        comparison = environments.compare(before, after, platforms, environment=environment)
    for note in comparison.notes:
        say(f"note: {note}")
    if as_json:
        compared = [pair.to_dict() for pair in comparison.compared]
        print_json({"compared": compared, "notes": list(comparison.notes)})
    else:
        for number, pair in enumerate(comparison.compared):
            if number:
                click.echo()
            _tell(pair)
    return 1 if exit_code and comparison.differ else 0


def _tell(pair: Compared) -> None:
    platforms = dict.fromkeys(env.platform for env in (pair.before, pair.after) if env)
    click.echo(f"{' -> '.join(platforms)}:")
    if not pair.differ:
        click.echo("  nothing differs")
    for difference in pair.asked:
        click.echo(f"  asked {difference}")
    for caused in pair.changes:
        click.echo(f"  {caused.change} ({caused.change.kind}){_size(caused)}{_cause(caused)}")
    if pair.before and pair.after and pair.changes:
        sizes = [sum(p.size or 0 for p in env.packages) for env in (pair.before, pair.after)]
        unknown = any(p.size is None for env in (pair.before, pair.after) for p in env.packages)
        kinds = [caused.change for caused in pair.changes]
        came = sum(change.before is None for change in kinds)
        went = sum(change.after is None for change in kinds)
        counts = f"+{came} -{went} ~{len(kinds) - came - went}"
        sized = ", ".join(
            [
                f"{size_text(sizes[0])} -> {size_text(sizes[1])}",
                _signed(sizes[1] - sizes[0]),
                *["without what has no size"] * unknown,
            ]
        )
        click.echo(f"  {counts} ({sized})")


def _size(caused: Caused) -> str:
    change = caused.change
    before = 0 if change.before is None else change.size_before
    after = 0 if change.after is None else change.size_after
    return "" if before is None or after is None else f" {_signed(after - before)}"


def _signed(count: int) -> str:
    return f"{'-' if count < 0 else '+'}{size_text(abs(count))}"


def _cause(caused: Caused) -> str:
    if caused.difference:
        return f" <- {caused.difference}"
    return f" <- {caused.statement.said}" if caused.statement else ""
