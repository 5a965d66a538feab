"""`mfenv gc`: what nothing refers to, here and in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from envid.sizes import size_text
from mfenv._commands._common import DAY, json_option, open_environments, print_json, say

if TYPE_CHECKING:
    from mfenv.collecting import Garbage
    from pkgcache.share.sweeping import Swept

_GRACE, _KEPT = 7 * DAY, 365 * DAY


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
        # Not said, here nothing is forgotten for its age; in the store, what is a year old is.
        if store:
            swept = environments.collect_store(
                grace=_GRACE if grace is None else grace * DAY,
                older_than=_KEPT if older_than is None else older_than * DAY,
                dry_run=dry_run,
            )
            _report_store(swept, dry_run=dry_run, as_json=as_json)
            return
        seconds = None if older_than is None else older_than * DAY
        garbage = environments.collect(older_than=seconds, dry_run=dry_run)
    _report(garbage, dry_run=dry_run, as_json=as_json)


def _report(garbage: Garbage, *, dry_run: bool, as_json: bool) -> None:
    held = garbage.cache.holdings
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "prefixes": [str(path) for path in garbage.prefixes],
                "environments": [env_id._asdict() for env_id in garbage.environments],
                "packages": [{"kind": item.kind, "digest": item.digest} for item in held],
                "leftovers": garbage.leftovers,
                "recent": garbage.cache.recent,
                "freed": garbage.freed,
                "unnamed": garbage.unnamed,
            }
        )
        return
    word = "would delete" if dry_run else "deleted"
    for prefix in garbage.prefixes:
        say(f"{word} {prefix}")
    for env_id in garbage.environments:
        name = f"{env_id.ref} {env_id.platform}"
        say(f"{'would forget' if dry_run else 'forgot'} {name}")
    archives = sum(item.kind == "archive" for item in held)
    counts = (
        (len(garbage.prefixes), "prefixes"),
        (len(garbage.environments), "environments"),
        (archives, "archives"),
        (len(held) - archives, "unpacked packages"),
        (garbage.leftovers, "leftovers"),
    )
    done = ", ".join(f"{count} {what}" for count, what in counts if count)
    say(
        f"{word} {done}, which frees {size_text(garbage.freed)}"
        if done
        else "there is nothing to collect"
    )
    if garbage.cache.recent:
        say(f"{garbage.cache.recent} more were used within the last hour, and stay")
    if garbage.unnamed:
        stay = "created environments without a name stay"
        say(f"{garbage.unnamed} {stay}: `--older-than DAYS` deletes what was not used for so long")


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
    say(f"{word} {len(swept.deleted)} objects, which frees {size_text(swept.deleted_size)}")
    if swept.listed:
        # Rounded up, so that who comes back at the minute that is named is not too early.
        minutes = int(swept.due // 60) + 1
        say(
            f"listed {len(swept.listed)} more: {size_text(swept.listed_size)};"
            f" `mfenv gc --store` deletes them in {minutes} minutes or later"
        )
