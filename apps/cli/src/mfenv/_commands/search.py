"""`mfenv search`: which aliases and environments there are of a name."""

from __future__ import annotations

import click

from mfenv._commands._common import json_option, open_environments, print_json, say
from mfenv._layout import table

_SHOWN = 50
_EXAMPLES = """\b
Examples:
  mfenv search numpy
  mfenv search 'numpy==1.26.*'
  mfenv search 'conda:lib*' --json
"""


@click.command(epilog=_EXAMPLES)
@click.argument("text", metavar="TEXT")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Show at most N of each.")
@json_option
def search(text: str, limit: int | None, as_json: bool) -> None:
    """Search what this machine knows: aliases by a part of them, environments by their packages.

    TEXT is `numpy`, `numpy>=1.26`, `numpy=1.26` (any 1.26), of either kind, or `conda:numpy`; `*` is
    any letters. A table shows 50 of each, the newest first, unless --limit says otherwise.
    """
    with open_environments() as environments:
        answer = environments.search(text)
    if answer.machine_python:
        say(
            "note: where Python comes from the machine, it is no package: "
            f"`mfenv list --python '{answer.machine_python}'` lists these environments, too"
        )
    shown = limit or (None if as_json else _SHOWN)
    aliases, packages = answer.aliases[:shown], answer.packages[:shown]
    if as_json:
        print_json(
            {
                "aliases": [{"alias": name, **target._asdict()} for name, target in aliases],
                "packages": [
                    {
                        **held.env_id._asdict(),
                        "kind": held.kind,
                        "name": held.name,
                        "version": held.version,
                        "build": held.build or None,
                        "aliases": list(names),
                    }
                    for held, names in packages
                ],
            }
        )
        return
    if aliases:
        rows = ((name, ":".join(part[:12] for part in target)) for name, target in aliases)
        table(("alias", "environment"), rows)
    if aliases and packages:
        click.echo()
    if packages:
        table(
            ("package", "version", "kind", "environment", "platform", "known as"),
            (
                (
                    held.name,
                    held.version,
                    held.kind,
                    f"{held.env_id.req_id[:12]}:{held.env_id.full_id[:12]}",
                    held.env_id.platform,
                    " ".join(names),
                )
                for held, names in packages
            ),
        )
    if not aliases and not packages:
        say(f"nothing here is called `{text}`, and no environment here holds it")
    for all_of, what in ((answer.aliases, "aliases"), (answer.packages, "packages")):
        if shown and len(all_of) > shown and limit is None:
            say(f"there are {len(all_of)} {what}; `--limit N` shows N of them")
