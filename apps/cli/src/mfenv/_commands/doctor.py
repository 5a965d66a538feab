"""`mfenv doctor`: whether everything is in place, and what to do where it is not."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click

from mfenv._commands._common import current_host, json_option, print_json
from mfenv._layout import pairs
from mfenv._output import output

if TYPE_CHECKING:
    from mfenv.diagnosing.findings import Finding

_COLORS = {"ok": "green", "warning": "yellow", "failure": "red", "skipped": "cyan"}


@click.command(
    epilog="\b\nExamples:\n  mfenv doctor\n  mfenv doctor --offline --json\n  mfenv doctor --timeout 60"
)
@click.option("--offline", is_flag=True, help="Leave out what is asked over the network.")
@click.option(
    "--timeout",
    type=click.IntRange(1),
    metavar="SECONDS",
    default=8,
    show_default=True,
    help="How long to wait for all that is looked at; more on a slow network or machine.",
)
@json_option
def doctor(offline: bool, timeout: int, as_json: bool) -> None:
    """Check the installation, the disks, the network and the store; change nothing.

    Each line says how it is with something, and what to do where it is not well. Nothing in it is
    secret, and the home directory is `~`: it is made to be pasted into a report. The status is 1 if
    something does not work.
    """
    from mfenv.diagnosing.checks import CHECKS, diagnose
    from mfenv.diagnosing.subject import Subject
    from pkgcache.progress import NoProgress

    host = current_host()
    task = (host.progress() or NoProgress()).start("checking", len(CHECKS), "checks")
    try:
        subject = Subject(host.settings, offline=offline, timeout=timeout)
        findings = diagnose(subject, task.advance)
    finally:
        task.done()
    if as_json:
        print_json({"sound": _sound(findings), "checks": [_record(*found) for found in findings]})
    else:
        _print(findings)
    # For scripts: what is wrong was printed, and is no failure of this command.
    if not _sound(findings):
        raise click.exceptions.Exit(1)


def _sound(findings: list[tuple[str, Finding]]) -> bool:
    return all(finding.state != "failure" for _, finding in findings)


def _record(name: str, finding: Finding) -> dict[str, str | None]:
    hint = _shown(finding.hint) if finding.hint else None
    return {"check": name, "state": finding.state, "message": _shown(finding.text), "hint": hint}


def _print(findings: list[tuple[str, Finding]]) -> None:
    width = max(len(name) for name, _ in findings)
    for name, finding in findings:
        state = f"{finding.state:<7}"
        state = click.style(state, fg=_COLORS[finding.state]) if output.styled else state
        pairs([(f"{state} {name:<{width}}", _shown(finding.text))], width)
        if finding.hint:
            pairs([("", f"hint: {_shown(finding.hint)}")], width + 8)


def _shown(text: str) -> str:
    """What anybody may see: no secret, and no name of who it is."""
    home = os.path.expanduser("~").rstrip("/")  # noqa: PTH111 - as where a user has no home
    text = output.words(text)
    return (
        re.sub(rf"{re.escape(home)}(?![^/`'\",:;) ])", "~", text) if home not in ("", "~") else text
    )
