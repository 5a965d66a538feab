"""`mfenv gc` and `cache`: what this machine and the store keep, and what they need not."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mfenv._commands._common import json_option, open_environments, print_json, say
from mfenv._layout import pairs
from mfenv._output import output
from mfenv.groups import Commands

if TYPE_CHECKING:
    from mfenv.collecting import Garbage
    from mfenv.verifying import Report
    from pkgcache.share.sweeping import Swept

_DAY = 86400.0
_GRACE, _KEPT = 7 * _DAY, 365 * _DAY
_KILO = 1000


@click.command(
    epilog="\b\nExamples:\n  mfenv gc --dry-run\n  mfenv gc --older-than 30\n"
    "  mfenv gc --store --older-than 90"
)
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@click.option(
    "--older-than",
    type=click.FloatRange(0),
    metavar="DAYS",
    help="Forget also what has no name and was not used for so long; with --store: what neither"
    " an alias nor a request names and was published so long ago.  [default with --store: 365]",
)
@click.option("--store", is_flag=True, help="Collect in the shared store, not on this machine.")
@click.option(
    "--grace",
    type=click.FloatRange(0),
    metavar="DAYS",
    help="With --store: files that nothing needs stay for so long.  [default: 7]",
)
@json_option
def gc(
    dry_run: bool, older_than: float | None, store: bool, grace: float | None, as_json: bool
) -> None:
    """Delete what nothing refers to: prefixes, environments, packages, leftovers.

    Names, aliases, prefixes and the answers to requests refer to something; what was used within
    the last hour stays, and so do the limits `cache_size` and `cache_age`.

    With --store, what is found is listed first, and deleted by a run an hour later or more. The
    ids of an environment that is forgotten there mean nothing any more: give an alias to what must
    stay.
    """
    if grace is not None and not store:
        raise click.UsageError("--grace is about the store; give --store.")
    with open_environments() as environments:
        if store:
            swept = environments.collect_store(
                grace=_GRACE if grace is None else grace * _DAY,
                older_than=_KEPT if older_than is None else older_than * _DAY,
                dry_run=dry_run,
            )
            _report_store(swept, dry_run=dry_run, as_json=as_json)
            return
        seconds = None if older_than is None else older_than * _DAY
        garbage = environments.collect(older_than=seconds, dry_run=dry_run)
    _report(garbage, dry_run=dry_run, as_json=as_json)


def _report(garbage: Garbage, *, dry_run: bool, as_json: bool) -> None:
    held = garbage.cache.holdings
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "prefixes": [str(one) for one in garbage.prefixes],
                "environments": [one._asdict() for one in garbage.environments],
                "packages": [{"kind": one.kind, "digest": one.digest} for one in held],
                "leftovers": garbage.leftovers,
                "recent": garbage.cache.recent,
                "freed": garbage.freed,
            }
        )
        return
    word = "would delete" if dry_run else "deleted"
    for prefix in garbage.prefixes:
        say(f"{word} {prefix}")
    for one in garbage.environments:
        say(f"{'would forget' if dry_run else 'forgot'} {one.req_id}:{one.full_id} {one.platform}")
    archives = sum(one.kind == "archive" for one in held)
    counts = (
        (len(garbage.prefixes), "prefixes"),
        (len(garbage.environments), "environments"),
        (archives, "archives"),
        (len(held) - archives, "unpacked packages"),
        (garbage.leftovers, "leftovers"),
    )
    done = ", ".join(f"{count} {what}" for count, what in counts if count)
    say(f"{word} {done}: {_size(garbage.freed)}" if done else "there is nothing to collect")
    if garbage.cache.recent:
        say(f"{garbage.cache.recent} more were used within the last hour, and stay")


def _report_store(swept: Swept, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "busy": swept.busy,
                "deleted": list(swept.deleted),
                "deleted_size": swept.deleted_size,
                "listed": list(swept.listed),
                "listed_size": swept.listed_size,
                "due": swept.due,
            }
        )
        return
    if swept.busy:
        say("another process collects in this store; nothing was done")
        return
    word = "would delete" if dry_run else "deleted"
    say(f"{word} {len(swept.deleted)} objects: {_size(swept.deleted_size)}")
    if swept.listed:
        minutes = int(swept.due // 60) + 1
        say(
            f"listed {len(swept.listed)} more: {_size(swept.listed_size)};"
            f" `mfenv gc --store` deletes them in {minutes} minutes or later"
        )


@click.group(cls=Commands, epilog="\b\nExamples:\n  mfenv cache info\n  mfenv cache verify")
def cache() -> None:
    """What this machine keeps: how much it is, and whether it is right."""


@cache.command(epilog="\b\nExamples:\n  mfenv cache info --json")
@json_option
def info(as_json: bool) -> None:
    """Show what this machine keeps, its limits, and what `gc` would free."""
    with open_environments() as environments:
        usage = environments.usage()
    age = usage.age_limit / _DAY if usage.age_limit else None
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
        ("archives", f"{usage.archives.count}, {_size(usage.archives.size)}"),
        ("unpacked", f"{usage.unpacked.count}, {_size(usage.unpacked.size)}"),
        ("on disk", f"{_size(usage.disk)} with prefixes, hard links counted once"),
        ("prefixes", str(usage.prefixes)),
        ("registry", _size(usage.registry)),
        ("engines", f"{_size(usage.engines)} of the solvers, not touched by gc"),
        ("size limit", _size(usage.size_limit) if usage.size_limit else "none"),
        ("age limit", f"{age:g} days" if age else "none"),
        ("gc frees", _size(usage.collectable)),
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
    if not report.sound:
        raise click.exceptions.Exit(1)


def _verified(report: Report) -> dict[str, Any]:
    return {
        "sound": report.sound,
        "artifacts": report.cache.artifacts,
        "size": report.cache.size,
        "damaged": [
            {
                "kind": one.kind,
                "digest": one.digest,
                "path": str(one.path),
                "problems": list(one.problems),
                "dropped": one.dropped,
            }
            for one in report.cache.damaged
        ],
        "lost": dict(report.lost),
        "prefixes": {str(path): list(wrong) for path, wrong in report.prefixes.items()},
        "registry": [{"problem": one.problem, "mended": one.mended} for one in report.registry],
    }


def _say_verified(report: Report) -> None:
    for one in report.cache.damaged:
        state = "dropped" if one.dropped else "left as it is"
        click.echo(f"{one.path}: {'; '.join(one.problems)}: {state}")
    for filename, reason in report.lost.items():
        click.echo(f"{filename}: cannot be had again: {reason}")
    for prefix, wrong in report.prefixes.items():
        again = output.words("`mfenv create --force` makes it again")
        click.echo(f"{prefix}: {'; '.join(wrong)}: {again}")
    for flaw in report.registry:
        click.echo(f"registry: {flaw.problem}: {flaw.mended or 'left as it is'}")
    read = f"{report.cache.artifacts} packages, {_size(report.cache.size)}"
    say(f"read {read}: {'all is well' if report.sound else 'not all is well'}")


def _size(count: int) -> str:
    if count < _KILO:
        return f"{count} B"
    power = min(4, (len(str(count)) - 1) // 3)
    return f"{count / _KILO**power:.1f} {' kMGT'[power]}B"


COMMANDS = (gc, cache)
