"""`mfenv lock`: what a project asks for, as a file of its repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfenv._commands._common import (
    complete_locked,
    complete_locked_package,
    json_option,
    local_only_option,
    open_environments,
    print_json,
    say,
    say_packages,
)
from mfenv._commands.resolve import resolve
from mfenv.lockfile.names import ASKED, DEFAULT, FILE, SETTINGS, locking

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mfenv.changes import Change
    from mfenv.lockfile.inputs import Inputs
    from mfenv.lockfile.outcomes import LockCheck, LockOutcome, Relocked

_EXAMPLES = """\b
Examples:
  mfenv lock -p pyproject.toml --platform linux-64 --platform osx-arm64
  mfenv lock -p pyproject.toml --group test --environment test
  mfenv lock
  mfenv lock --update numpy
  mfenv lock --platform linux-64 --platform osx-64
  mfenv lock --check
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=Path(FILE),
    help=f"The lock file.  [default: {FILE}]",
)
@click.option(
    "--environment",
    metavar="NAME",
    shell_complete=complete_locked,
    help=f"Which environment of the file.  [default: all; `{DEFAULT}` where something is asked for]",
)
@click.option(
    "--check",
    is_flag=True,
    help="Resolve and write nothing: exit with 1 where the file does not fit what is asked for.",
)
@click.option(
    "--allow-unchecked",
    is_flag=True,
    help="With --check: note environments that do not say what they were made from, and pass them.",
)
@click.option(
    "--update",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_locked_package,
    help="A package that may be another version; others stay if they can.",
)
@click.option("--upgrade", is_flag=True, help="Take the newest of all packages.")
@click.option("--remove", is_flag=True, help="Take the environment out of the file.")
@click.option("--offline", is_flag=True, default=None, help="Ask no channel and no index.")
@local_only_option
@click.option("--store", metavar="URL", help="Shared store to publish to.")
@json_option
def lock(**options: Any) -> int:
    """Write what a project asks for into a lock file of its repository, resolved.

    The file keeps what it was made from: without anything that is asked for, all of it is locked
    again, for other platforms where --platform names them all. Packages that still fit stay as they
    are. `mfenv create --lock` and `mfenv run --lock` take environments from it, and resolve nothing.
    """
    path: Path = options["path"]
    name: str | None = options["environment"]
    asked = {field: options[field] for field in ASKED.values()}
    settings = {field: options[field] for field in SETTINGS.values()}
    _check_usage(options, asked, settings)
    open_with = {key: options[key] for key in ("offline", "store")}
    if options["check"]:
        # What is asked for may name files by their URLs: a check does not fetch even those.
        open_with["offline"] = True
    with open_environments(open_with) as environments:
        if options["remove"]:
            outcome = environments.unlock(path, (str(name),))
        else:
            inputs = _inputs(path, asked, settings) if any(asked.values()) else None
            if options["check"]:
                checked = environments.check_lock(path, inputs, name=name)
                allowed = options["allow_unchecked"]
                return _report(path, checked, as_json=options["as_json"], allowed=allowed)
            outcome = environments.lock(
                path,
                inputs,
                name=name,
                platforms=() if inputs else settings["platforms"],
                update=options["update"],
                upgrade=options["upgrade"],
            )
    _tell(path, outcome, as_json=options["as_json"])
    return 0


# What is asked for has the very options that it has in `mfenv resolve`.
lock.params[:0] = [
    option for option in resolve.params if option.name in {*ASKED.values(), *SETTINGS.values()}
]


def _inputs(path: Path, asked: dict[str, Any], settings: dict[str, Any]) -> Inputs:
    from mfenv.lockfile.inputs import Inputs

    return Inputs.make(path.parent, asked, settings)


def _check_usage(options: dict[str, Any], asked: dict[str, Any], settings: dict[str, Any]) -> None:
    given = any(asked.values())
    stated = {name for name, said in settings.items() if said not in (None, ())}
    # Platforms may be others, and all else as it was.
    changed = {"platforms"} if not (options["check"] or options["remove"]) else set()
    if not given and stated - changed:
        raise click.UsageError(
            "Say what to lock beside how: the file keeps both, so give all of it at once."
        )
    if any(asked[name] for name in ("groups", "extras")) and not asked["pyprojects"]:
        raise click.UsageError("--group and --extra are of a pyproject.toml: give it with -p FILE.")
    ways = ("check", "upgrade", "remove", "update")
    if sum(bool(options[way]) for way in ways) > 1:
        raise click.UsageError("Give one of --check, --update, --upgrade and --remove.")
    if options["allow_unchecked"] and not options["check"]:
        raise click.UsageError("--allow-unchecked goes with --check.")
    if options["remove"] and (given or not options["environment"]):
        raise click.UsageError("--remove takes nothing but --environment NAME.")


def _report(path: Path, checked: LockCheck, *, as_json: bool, allowed: bool) -> int:
    for name, flow in checked.unchecked.items() if allowed else ():
        say(f"note: `{name}` {_why_unchecked(flow)}, and is not checked")
    if as_json:
        print_json(
            {
                "file": str(path),
                "fits": not checked.differences,
                "differences": {
                    name: [difference.to_dict() for difference in differing]
                    for name, differing in checked.differences.items()
                },
                "unchecked": list(checked.unchecked),
            }
        )
        # All that an error would say is in the document.
        return int(bool(checked.differences or (checked.unchecked and not allowed)))
    from mfenv.errors import InvalidLock, StaleLock

    if checked.differences:
        lines = [
            f"{name}: {difference}"
            for name, differing in checked.differences.items()
            for difference in differing
        ]
        again = "mfenv lock" if str(path) == FILE else f"mfenv lock -o {path}"
        raise StaleLock(str(path), tuple(lines), again)
    for name, flow in checked.unchecked.items() if not allowed else ():
        start = "lock it from files of the repository"
        if flow:
            start = f"`{locking(flow)} --check` checks it"
        raise InvalidLock(
            str(path),
            0,
            f"environment `{name}` {_why_unchecked(flow)}, and cannot be checked",
            f"{start}; `--allow-unchecked` lets it pass",
        )
    return 0


def _why_unchecked(flow: str) -> str:
    return f"is of the flow `{flow}`" if flow else "does not say what it was made from"


def _tell(path: Path, outcome: LockOutcome, *, as_json: bool) -> None:
    changed = {done.name: _changes(done) for done in outcome.environments}
    for done in outcome.environments:
        say(f"{done.name}:")
        for note in done.notes:
            say(f"note: {note}")
        _tell_environment(done, changed[done.name])
    for name in outcome.removed:
        say(f"- environment {name}")
    say(f"{path} is {'written' if outcome.written else 'as it was'}")
    if as_json:
        print_json({"file": str(path), "written": outcome.written, **_data(outcome, changed)})
        return
    for done in outcome.environments:
        click.echo(f"{done.name} {done.envs[0].env_id.ref}")


def _tell_environment(done: Relocked, changed: Mapping[str, Sequence[Change]]) -> None:
    before = {env.platform for env in done.before}
    for env in done.envs:
        say_packages(env, "as it was locked" if done.kept else "resolved")
        if done.before and env.platform not in before:
            say(f"  + platform {env.platform}")
        for change in changed.get(env.platform, ()):
            say(f"  {change}")
        if not done.kept and changed.get(env.platform) == ():
            say("  nothing changed")
    for platform in sorted(before - {env.platform for env in done.envs}):
        say(f"  - platform {platform}")


def _changes(done: Relocked) -> dict[str, tuple[Change, ...]]:
    from mfenv.changes import changes

    return {} if done.kept else changes(done.before, done.envs)


def _data(
    outcome: LockOutcome, changed: Mapping[str, Mapping[str, Sequence[Change]]]
) -> dict[str, Any]:
    environments = {
        done.name: {
            "req_id": done.envs[0].req_id,
            "full_id": done.envs[0].full_id,
            "platforms": [env.platform for env in done.envs],
            "resolved": not done.kept,
            "changes": {
                platform: [change.to_dict() for change in between]
                for platform, between in changed[done.name].items()
            },
            "notes": list(done.notes),
        }
        for done in outcome.environments
    }
    return {"environments": environments, "removed": list(outcome.removed)}
