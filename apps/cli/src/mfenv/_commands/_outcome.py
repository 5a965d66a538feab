"""What is told of a resolve or an import: packages, notes, changes; and what is printed of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mfenv._commands._common import print_descriptions, say, say_packages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envid.resolved import ResolvedEnv
    from mfenv.results import Resolved

__all__ = ["tell"]


def tell(
    outcome: Resolved,
    *,
    as_json: bool,
    done: str = "resolved",
    more: Mapping[str, Any] | None = None,
) -> None:
    """Tell the user of an outcome, and print its ids or, `as_json`, its descriptions and `more`."""
    for note in outcome.notes:
        say(f"note: {note}")
    changed = {}
    if outcome.before:
        from mfenv.changes import changes

        changed = changes(outcome.before, outcome.envs)
    for env in outcome.envs:
        say_packages(env, _state(outcome, env, done))
        for line in changed.get(env.platform, ()):
            say(f"  {line}")
        # None where this platform had no answer before.
        if changed.get(env.platform) == ():
            say("  nothing changed")
    for phase, seconds in outcome.seconds.items():
        say(f"{phase} took {seconds:.2f} s")
    if as_json:
        listed = {
            platform: [change.to_dict() for change in between]
            for platform, between in changed.items()
        }
        difference = {"changes": listed} if outcome.before else {}
        print_descriptions(outcome.envs, notes=list(outcome.notes), **difference, **(more or {}))
    else:
        click.echo(str(outcome.envs[0].env_id.ref))


def _state(outcome: Resolved, env: ResolvedEnv, done: str) -> str:
    if outcome.from_store:
        return f"from the store, resolved by {env.resolved_by} at {env.resolved_at}"
    return "known already" if outcome.known else done
