"""`mfenv cache`: what this machine keeps."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from envid.sizes import size_text
from mfenv._commands._common import DAY, json_option, open_environments, print_json, say
from mfenv._layout import pairs
from mfenv._output import output
from mfenv.groups import Commands

if TYPE_CHECKING:
    from mfenv.verifying import Report


@click.group(cls=Commands, epilog="\b\nExamples:\n  mfenv cache info\n  mfenv cache verify")
def cache() -> None:
    """What this machine keeps: how much it is, and whether it is right."""


@cache.command(epilog="\b\nExamples:\n  mfenv cache info --json")
@json_option
def info(as_json: bool) -> None:
    """Show what this machine keeps, its limits, and what `gc` would free."""
    with open_environments() as environments:
        usage = environments.usage()
    age = usage.age_limit / DAY if usage.age_limit else None
    if as_json:
        print_json(
            {
                "cache": {
                    "path": str(usage.cache),
                    "archives": asdict(usage.archives),
                    "unpacked": asdict(usage.unpacked),
                },
                "prefixes": usage.prefixes,
                "disk": usage.disk,
                "registry": usage.registry,
                "engines": usage.engines,
                "limits": {"size": usage.size_limit, "age_days": age},
                "collectable": usage.collectable,
            }
        )
        return
    rows = [
        ("cache", str(usage.cache)),
        ("archives", f"{usage.archives.count}, {size_text(usage.archives.size)}"),
        ("unpacked", f"{usage.unpacked.count}, {size_text(usage.unpacked.size)}"),
        ("on disk", f"{size_text(usage.disk)} with prefixes, hard links counted once"),
        ("prefixes", str(usage.prefixes)),
        ("registry", size_text(usage.registry)),
        ("engines", f"{size_text(usage.engines)} of the solvers, not touched by gc"),
        ("size limit", size_text(usage.size_limit) if usage.size_limit else "none"),
        ("age limit", f"{age:g} days" if age else "none"),
        ("gc frees", size_text(usage.collectable)),
    ]
    pairs(rows, 11)


@cache.command(
    epilog="\b\nExamples:\n  mfenv cache verify\n  mfenv cache verify --no-repair --json"
)
@click.option(
    "--repair/--no-repair",
    default=True,
    help="Drop what is damaged, and fetch it again if it is needed.  [default: yes]",
)
@click.option(
    "--prefixes/--no-prefixes", default=True, help="Look at prefixes, too.  [default: yes]"
)
@json_option
def verify(repair: bool, prefixes: bool, as_json: bool) -> None:
    """Read everything back and compare it with its hashes.

    Damaged packages are made again from a good archive, or fetched from the store or from where
    they came; prefixes are only named. The status is 1 if something stays wrong.
    """
    with open_environments() as environments:
        report = environments.verify(repair=repair, prefixes=prefixes)
    if as_json:
        print_json(_verified(report))
    else:
        _say_verified(report)
    # For scripts: what is wrong was printed, and is no failure of this command.
    if not report.sound:
        raise click.exceptions.Exit(1)


def _verified(report: Report) -> dict[str, Any]:
    return {
        "sound": report.sound,
        "artifacts": report.cache.artifacts,
        "size": report.cache.size,
        "damaged": [
            {
                "kind": damaged.kind,
                "digest": damaged.digest,
                "path": str(damaged.path),
                "problems": list(damaged.problems),
                "dropped": damaged.dropped,
            }
            for damaged in report.cache.damaged
        ],
        "lost": dict(report.lost),
        "prefixes": {str(path): list(wrong) for path, wrong in report.prefixes.items()},
        "registry": [
            {"problem": damage.problem, "mended": damage.mended} for damage in report.registry
        ],
    }


def _say_verified(report: Report) -> None:
    for damaged in report.cache.damaged:
        state = "dropped" if damaged.dropped else "left as it is"
        click.echo(f"{damaged.path}: {'; '.join(damaged.problems)}: {state}")
    for filename, reason in report.lost.items():
        click.echo(f"{filename}: cannot be had again: {reason}")
    for prefix, wrong in report.prefixes.items():
        # Where nothing is there any more, there is nothing to replace.
        again = output.words(": `mfenv create --force` makes it again") if prefix.is_dir() else ""
        click.echo(f"{prefix}: {'; '.join(wrong)}{again}")
    for flaw in report.registry:
        click.echo(f"registry: {flaw.problem}: {flaw.mended or 'left as it is'}")
    read = f"{report.cache.artifacts} packages, {size_text(report.cache.size)}"
    say(f"read {read}: {'all is well' if report.sound else 'not all is well'}")
