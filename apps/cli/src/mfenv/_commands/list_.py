"""`mfenv list`: what this machine knows, or what has names in the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from envid.sizes import size_text
from mfenv._commands._common import (
    DAY,
    complete_env,
    json_option,
    open_environments,
    platform_option,
    print_json,
    say,
    shown_time,
)
from mfenv._layout import table

if TYPE_CHECKING:
    from mfenv.rows import EnvRow

_SHOWN = 50


_EXAMPLES = """\b
Examples:
  mfenv list 'team/*' --created
  mfenv list --package 'numpy<2' --platform linux-64
  mfenv list --unused 90 --sort size --limit 10
  mfenv list --shared team/
"""


@click.command(name="list", epilog=_EXAMPLES)
@click.argument("name", metavar="[NAME]", default="", shell_complete=complete_env)
@click.option("--package", default="", metavar="P", help="Only those with it, such as `numpy<2`.")
@platform_option("Only those for it; may be repeated.")
@click.option(
    "--type",
    "env_type",
    type=click.Choice(["conda-only", "mixed", "pypi-only"]),
    metavar="T",
    help="Only conda-only, pypi-only or mixed ones.",
)
@click.option("--python", default="", metavar="V", help="Only those with this Python, or range.")
@click.option(
    "--unused", type=click.FloatRange(0), metavar="DAYS", help="Only those not used since."
)
@click.option("--created", is_flag=True, help="Only those that were created here.")
@click.option(
    "--sort",
    type=click.Choice(["resolved", "used", "size", "packages"]),
    default="resolved",
    metavar="KEY",
    help="By resolved, used, size or packages: the most first.  [default: resolved]",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N.")
@click.option(
    "--shared",
    is_flag=False,
    flag_value="",
    metavar="[START]",
    help="List the aliases in the shared store instead: all, or those that start so.",
)
@json_option
def list_(
    name: str,
    platforms: tuple[str, ...],
    unused: float | None,
    limit: int | None,
    shared: str | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """List the environments that this machine knows, newest first.

    NAME is a part of an alias or of a prefix's name or, with `*`, all of it. A table shows 50,
    unless --limit says otherwise; --json gives all of them.
    """
    if shared is not None:
        if name or platforms or unused is not None or _given(chosen):
            raise click.UsageError("--shared goes with --limit and --json alone.")
        _list_shared(shared, limit, as_json=as_json)
        return
    from mfenv.listing import Filter

    shown = limit or (None if as_json else _SHOWN)
    since = None if unused is None else time.time() - unused * DAY
    meant = Filter(called=name, platforms=platforms, unused_since=since, **chosen)
    with open_environments() as environments:
        # One more than is shown tells whether there are more.
        rows = environments.rows(shown and shown + 1, meant)
    more, rows = len(rows) > len(rows[:shown]), rows[:shown]
    if as_json:
        print_json({"environments": [_plain(row) for row in rows]})
        return
    head = ("req_id", "full_id", "platform", "type", "python", "packages", "size", "resolved")
    table((*head, "known as"), map(_cells, rows))
    if more and limit is None:
        say(f"there are more than {shown}; `--limit N` shows N of them")


def _given(chosen: dict[str, Any]) -> bool:
    # By which `--sort` goes where nobody gave it.
    return any(value and value != "resolved" for value in chosen.values())


def _cells(row: EnvRow) -> tuple[str, ...]:
    return (
        row.env_id.req_id[:12] + ("*" if row.is_default else ""),
        row.env_id.full_id[:12],
        row.env_id.platform,
        row.env_type,
        row.python,
        str(row.packages),
        "?" if row.size is None else size_text(row.size) + "+" * bool(row.unsized),
        row.resolved_at,
        " ".join((*row.aliases, *row.prefixes)),
    )


def _plain(row: EnvRow) -> dict[str, Any]:
    return {
        **row.env_id._asdict(),
        "env_type": row.env_type,
        "python": row.python,
        "packages": row.packages,
        "size": row.size,
        "unsized": row.unsized,
        "resolved_at": row.resolved_at,
        "resolved_by": row.resolved_by,
        "used_at": shown_time(row.used_at),
        "default": row.is_default,
        "aliases": list(row.aliases),
        "prefixes": list(row.prefixes),
    }


def _list_shared(start: str, limit: int | None, *, as_json: bool) -> None:
    with open_environments() as environments:
        aliases = environments.shared_aliases(start)
    newest = sorted(aliases, key=lambda entry: entry[1], reverse=True)[:limit]
    rows = [(str(alias), shown_time(given)) for alias, given in newest]
    if as_json:
        print_json({"aliases": [{"alias": alias, "given_at": given} for alias, given in rows]})
    else:
        table(("alias", "given"), rows)
