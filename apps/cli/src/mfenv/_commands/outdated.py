"""`mfenv outdated`: what there is that is newer, and what holds it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mfenv._commands._common import (
    env_argument,
    json_option,
    open_environments,
    platform_option,
    print_json,
    say,
    title,
)
from mfenv._layout import table

if TYPE_CHECKING:
    from mfenv.outdated import Outdated

_EXAMPLES = """\b
Examples:
  mfenv outdated team/etl:v1
  mfenv outdated team/etl:v1 --platform linux-64 --json
  mfenv outdated team/etl:v1 --exit-code || mfenv resolve -r requirements.txt --force
"""


@click.command(epilog=_EXAMPLES)
@env_argument()
@platform_option("Platform; may be repeated.  [default: all that are known]")
@click.option("--exit-code", is_flag=True, help="End with 1 where something is newer.")
@json_option
def outdated(env: str, platforms: tuple[str, ...], exit_code: bool, as_json: bool) -> int:
    """List packages that something newer is of, as the sources of the environment have it now.

    `fits` is the version that would be taken if all was resolved again, within what was asked for;
    `newest` the newest that there is. Where they differ, it is said what holds the package back: a
    statement, another package, Python, the platform, or what the newest itself needs. Nothing is
    changed. The status is 0, whether something is newer or not.
    """
    with open_environments() as environments:
        answers = environments.outdated(env, platforms)
    for answer in answers:
        if answer.unlisted:
            names = ", ".join(package.name for package in answer.unlisted)
            say(
                f"note: {answer.env.platform}: asked for by URL or path, so that no source lists what"
                f" is newer: {names}"
            )
        if answer.python != answer.env.python:
            say(f"note: {answer.env.platform}: what fits is for Python {answer.python}")
    if as_json:
        print_json({"environments": [_plain(answer) for answer in answers]})
    else:
        for number, answer in enumerate(answers):
            if number:
                click.echo()
            _tell(answer)
    return 1 if exit_code and any(answer.rows for answer in answers) else 0


def _tell(answer: Outdated) -> None:
    click.echo(f"{title(answer.env)}:")
    if not answer.rows:
        every = len(answer.unlisted) == len(answer.env.packages)
        click.echo(f"  {'no source lists any of it' if every else 'nothing is newer'}")
        return
    table(
        ("package", "kind", "has", "fits", "newest", "held back by"),
        (
            (
                row.package.name,
                row.package.kind,
                row.package.version,
                row.fits or "-",
                row.newest,
                "; ".join(held.said for held in row.held_by),
            )
            for row in answer.rows
        ),
    )


def _plain(answer: Outdated) -> dict[str, Any]:
    from mfenv.exploring.graph import package_document

    return {
        **answer.env.env_id._asdict(),
        "python": answer.env.python,
        "fitting_python": answer.python,
        "outdated": [
            {
                **package_document(row.package),
                "fits": row.fits,
                "newest": row.newest,
                "held_by": [held.to_dict() for held in row.held_by],
            }
            for row in answer.rows
        ],
        "unlisted": [package_document(package) for package in answer.unlisted],
    }
