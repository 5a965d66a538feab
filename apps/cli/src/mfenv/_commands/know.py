"""`mfenv show`, `list` and `config`: what is known."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from mfenv._commands._common import (
    env_argument,
    json_option,
    local_only_option,
    open_environments,
    platform_option,
    print_descriptions,
    print_json,
    say,
    settings_in_force,
)
from mfenv._layout import pairs, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envid.resolved import ResolvedEnv

_SHOWN = 50
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@click.command(epilog="\b\nExamples:\n  mfenv show team/etl:v1\n  mfenv show 3f2a91bc --json")
@env_argument(nargs=-1, required=True)
@platform_option("Platform; may be repeated.  [default: all that are known]")
@local_only_option
@json_option
def show(env: tuple[str, ...], platforms: tuple[str, ...], as_json: bool) -> None:
    """Describe environments: what was asked and what was found."""
    with open_environments() as environments:
        found = [one for name in env for one in environments.find(name, platforms)]
        if as_json:
            print_descriptions(found)
            return
        for number, one in enumerate(found):
            if number:
                click.echo()
            _describe(one, environments.aliases_of(one))


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
        found = environments.shared_aliases(start)
    newest = sorted(found, key=lambda one: one[1], reverse=True)[:limit]
    rows = [(str(alias), time.strftime(_TIME, time.gmtime(given))) for alias, given in newest]
    if as_json:
        print_json({"aliases": [{"alias": alias, "given_at": given} for alias, given in rows]})
    else:
        table(("alias", "given"), rows)


@click.command(epilog="\b\nExamples:\n  MFENV_PLATFORMS=linux-64,osx-arm64 mfenv config")
@json_option
def config(as_json: bool) -> None:
    """Show every setting, its value, and where that came from."""
    from mfenv.settings import describe

    found = list(describe(settings_in_force()))
    if as_json:
        print_json({name: {"value": value, "origin": origin} for name, value, origin, _ in found})
        return
    table(
        ("setting", "value", "from", "meaning"),
        ((name, _shown(value), origin, text) for name, value, origin, text in found),
    )


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(value) or "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) or "-"


def _describe(env: ResolvedEnv, aliases: Sequence[str]) -> None:
    from envid.spec import Options

    spec, usual = env.spec, Options().to_dict()
    rows = [
        ("environment", f"{env.req_id}:{env.full_id}"),
        ("platform", f"{env.platform} (of {', '.join(env.co_resolved)})"),
        ("type", env.env_type),
        ("python", f"{env.python} from {spec.options.python_provider}"),
        ("resolved", f"{env.resolved_at} by {env.resolved_by}"),
        ("known as", " ".join(aliases)),
        ("derived from", spec.base or ""),
        *(("source", f"{one.kind} {one.url}") for one in spec.sources),
        ("asked", spec.python and f"python {spec.python}"),
    ]
    for category, texts in spec.for_platform(env.platform).items():
        label = "target" if category == "sys" else "asked"
        rows += [(label, text if label == "target" else f"{category} {text}") for text in texts]
    rows += [("constraint", f"pypi {text}") for text in spec.constraints]
    for name, value in spec.options.to_dict().items():
        if value != usual[name]:
            words = " ".join(value) if isinstance(value, list) else value
            rows.append(("option", f"{name} {'yes' if value is True else words}"))
    rows += [("note", note) for note in env.notes]
    for one in env.packages:
        build = f" {one.build}" if one.build else ""
        rows.append((one.kind, f"{one.name} {one.version}{build}"))
    pairs(((label, text) for label, text in rows if text), 13)


COMMANDS = (show, list_, config)
