"""`mfenv audit`: what sources say against the packages of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    from mfenv.auditing import AuditedEnv
    from resolvers.auditing import Advisory, AuditFinding

_FEW = 10
_SUMMARY = 60
_SAID = {
    "changed": "its source has another file under this name",
    "gone": "its source does not have this file any more",
}
_EXAMPLES = """\b
Examples:
  mfenv audit team/etl:v1
  mfenv audit team/etl:v1 --ignore PYSEC-2024-1 --ignore CVE-2024-2 --json
"""


@click.command(epilog=_EXAMPLES)
@env_argument()
@platform_option("Platform; may be repeated.  [default: all that are known]")
@click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="ID",
    help="Advisory, by its id or an alias, that is no failure; may be repeated.",
)
@json_option
def audit(env: str, platforms: tuple[str, ...], ignored: tuple[str, ...], as_json: bool) -> int:
    """Ask the sources of an environment what is known against its packages.

    Told are advisories, from the JSON interface beside a PyPI index, files that were yanked, files
    that their source does not have any more, and those that it has with other content. Of what
    nobody could be asked, that is said: for conda packages there are no advisories to ask for. The
    status is 1 where something was found that is neither ignored nor withdrawn.
    """
    with open_environments() as environments:
        envs = environments.audit(env, platforms)
    ignoring = {text.casefold() for text in ignored}
    met = {
        name.casefold()
        for audited in envs
        for finding in audited.findings
        for name in _names(finding.advisory)
    }
    for text in ignored:
        if text.casefold() not in met:
            say(f"note: there is no advisory `{text}` to ignore")
    if as_json:
        print_json(
            {
                "environments": [
                    audited.to_dict(lambda f: _is_ignored(f, ignoring)) for audited in envs
                ]
            }
        )
    else:
        for number, audited in enumerate(envs):
            if number:
                click.echo()
            _tell(audited, ignoring)
    return int(any(_counts(finding, ignoring) for audited in envs for finding in audited.findings))


def _names(advisory: Advisory | None) -> tuple[str, ...]:
    return (advisory.id, *advisory.aliases) if advisory else ()


def _is_ignored(finding: AuditFinding, ignoring: set[str]) -> bool:
    return any(name.casefold() in ignoring for name in _names(finding.advisory))


def _counts(finding: AuditFinding, ignoring: set[str]) -> bool:
    withdrawn = finding.advisory and finding.advisory.withdrawn
    return not withdrawn and not _is_ignored(finding, ignoring)


def _tell(audited: AuditedEnv, ignoring: set[str]) -> None:
    for line in _unaudited(audited):
        say(f"note: {audited.env.platform}: {line}")
    click.echo(f"{title(audited.env)}:")
    if not audited.findings:
        click.echo("  nothing is known against what could be asked about")
        return
    table(
        ("package", "kind", "version", "what", "fixed in"),
        (
            (
                finding.package.name,
                finding.package.kind,
                finding.package.version,
                _said(finding, ignoring),
                ", ".join(finding.advisory.fixed_in) if finding.advisory else "",
            )
            for finding in audited.findings
        ),
    )


def _said(finding: AuditFinding, ignoring: set[str]) -> str:
    advisory = finding.advisory
    if finding.what == "yanked":
        return f"yanked: {finding.reason}" if finding.reason else "yanked"
    if advisory is None:
        return _SAID[finding.what]
    named = f"{advisory.id} ({', '.join(advisory.aliases)})" if advisory.aliases else advisory.id
    if advisory.withdrawn:
        return f"{named}, withdrawn"
    if _is_ignored(finding, ignoring):
        return f"{named}, ignored"
    summary = advisory.summary
    return f"{named}: {summary[:_SUMMARY]}{'...' * (len(summary) > _SUMMARY)}".rstrip(": ")


def _unaudited(audited: AuditedEnv) -> list[str]:
    """A line for each reason why something could not be asked."""
    return [
        f"{what} were not looked at, since {reason}: {', '.join(names[:_FEW])}"
        + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")
        for (what, reason), names in audited.unasked().items()
    ]
