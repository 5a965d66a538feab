"""`mfenv list`: what this machine knows, or what has names in the store."""

from __future__ import annotations

import time

import click

from mfenv._commands._common import (
    json_option,
    open_environments,
    print_json,
    say,
)
from mfenv._layout import table

_SHOWN = 50
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@click.command(
    name="list", epilog="\b\nExamples:\n  mfenv list --limit 10\n  mfenv list --shared team/"
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@click.option(
    "--shared",
    is_flag=False,
    flag_value="",
    metavar="[START]",
    help="List the aliases in the shared store instead: all, or those that start so.",
)
@json_option
def list_(limit: int | None, shared: str | None, as_json: bool) -> None:
    """List the environments that this machine knows, newest first.

    A table shows the newest 50, unless --limit says otherwise; --json gives all of them.
    """
    if shared is not None:
        _list_shared(shared, limit, as_json=as_json)
        return
    shown = limit or (None if as_json else _SHOWN)
    with open_environments() as environments:
        # One more than is shown tells whether there are more.
        rows = environments.rows(shown and shown + 1)
    more, rows = len(rows) > len(rows[:shown]), rows[:shown]
    if as_json:
        print_json(
            {
                "environments": [
                    {
                        **row.env_id._asdict(),
                        "env_type": row.env_type,
                        "python": row.python,
                        "packages": row.packages,
                        "resolved_at": row.resolved_at,
                        "resolved_by": row.resolved_by,
                        "default": row.is_default,
                        "aliases": list(row.aliases),
                        "prefixes": list(row.prefixes),
                    }
                    for row in rows
                ]
            }
        )
        return
    table(
        ("req_id", "full_id", "platform", "type", "python", "packages", "resolved", "known as"),
        (
            (
                row.env_id.req_id[:12] + ("*" if row.is_default else ""),
                row.env_id.full_id[:12],
                row.env_id.platform,
                row.env_type,
                row.python,
                str(row.packages),
                row.resolved_at,
                " ".join((*row.aliases, *row.prefixes)),
            )
            for row in rows
        ),
    )
    if more and limit is None:
        say(f"there are more than {shown}; `--limit N` shows N of them")


def _list_shared(start: str, limit: int | None, *, as_json: bool) -> None:
    with open_environments() as environments:
        aliases = environments.shared_aliases(start)
    newest = sorted(aliases, key=lambda entry: entry[1], reverse=True)[:limit]
    rows = [(str(alias), time.strftime(_TIME, time.gmtime(given))) for alias, given in newest]
    if as_json:
        print_json({"aliases": [{"alias": alias, "given_at": given} for alias, given in rows]})
    else:
        table(("alias", "given"), rows)
