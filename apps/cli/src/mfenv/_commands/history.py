"""`mfenv history`: what an alias meant, when, and by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mfenv._commands._common import (
    complete_env,
    json_option,
    local_only_option,
    open_environments,
    print_json,
    shown_time,
)
from mfenv._layout import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mfenv.changes import Change
    from mfenv.histories import Meaning

_EXAMPLES = """\b
Examples:
  mfenv history team/etl
  mfenv diff team/etl~1 team/etl
  mfenv alias team/etl~1 team/etl
"""


@click.command(epilog=_EXAMPLES)
@click.argument("alias", metavar="ALIAS", shell_complete=complete_env)
@local_only_option
@json_option
def history(alias: str, as_json: bool) -> None:
    """List what an alias meant, the latest first, and what changed each time.

    ALIAS~1 names what it meant before, wherever an ENV is asked for. `+3 -1 ~4` are packages that
    came, went and changed. This machine knows what was given here, and what it saw to be given by
    others, from when it saw it.
    """
    from envid.aliases import parse_alias

    with open_environments() as environments:
        meant = environments.history(alias)
    name = str(parse_alias(alias))
    if as_json:
        print_json({"alias": name, "meanings": [_plain(meaning) for meaning in meant]})
        return
    rows = []
    for meaning in meant:
        given = shown_time(meaning.at) if meaning.at is not None else "?"
        target = (
            ":".join(part[:12] for part in meaning.target) if meaning.target else "(taken away)"
        )
        version = f"{name}~{meaning.back}" if meaning.back else name
        by = meaning.by or (
            "(seen in the store)" if meaning.at is not None and meaning.target else "?"
        )
        rows.append((version if meaning.target else "", given, by, target, _counts(meaning)))
    table(("version", "given", "by", "environment", "changes"), rows)


def _counts(meaning: Meaning) -> str:
    """The changes in one line, once for all platforms where they are alike."""
    said = {platform: _count(changes) for platform, changes in (meaning.changes or {}).items()}
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return ", ".join(f"{count} on {platform}" for platform, count in said.items())


def _count(changes: Sequence[Change]) -> str:
    came = sum(change.before is None for change in changes)
    went = sum(change.after is None for change in changes)
    return f"+{came} -{went} ~{len(changes) - came - went}"


def _plain(meaning: Meaning) -> dict[str, object]:
    at = meaning.at
    return {
        "req_id": meaning.target and meaning.target.req_id,
        "full_id": meaning.target and meaning.target.full_id,
        "back": meaning.back,
        "given_at": None if at is None else shown_time(at),
        "given_by": meaning.by,
        "changes": meaning.changes
        and {
            platform: [change.to_dict() for change in changes]
            for platform, changes in meaning.changes.items()
        },
    }
