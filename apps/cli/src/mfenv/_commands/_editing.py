"""What `mfenv add` and `mfenv remove` share: a requirement file is edited, and resolved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from mfenv._commands._common import (
    complete_listed,
    current_host,
    json_option,
    local_only_option,
    open_environments,
    print_json,
    say,
)
from mfenv._commands._outcome import tell
from mfenv._commands.resolve import resolve
from mfenv.groups import WrongUsage
from mfenv.lockfile.names import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mfenv.editing.edits import Edited, Where

_ASKED = ("sys", "python")
_SETTINGS = (*SETTINGS.values(), "offline", "store")


def edit_options(command: Callable[..., Any]) -> Any:
    """The options of both, but for those of `mfenv resolve`."""
    for option in (
        json_option,
        local_only_option,
        click.option("--no-resolve", is_flag=True, help="Edit the file, and resolve nothing."),
        click.option(
            "--dry-run", is_flag=True, help="Resolve, and write, record and publish nothing."
        ),
        click.option(
            "--conda/--pypi",
            default=None,
            help="Whose the packages are.  [default: conda's in an environment.yml or pixi.toml, else PyPI's]",
        ),
        click.option(
            "--extra", metavar="E", multiple=True, help="Optional dependencies of a pyproject.toml."
        ),
        click.option(
            "--group", metavar="G", multiple=True, help="Dependency group of a pyproject.toml."
        ),
        click.argument("packages", metavar="PACKAGE...", nargs=-1, shell_complete=complete_listed),
        click.argument("file", metavar="FILE", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


def with_resolving(command: click.Command) -> click.Command:
    """The command with the options of `mfenv resolve` that say how it is resolved."""
    command.params[2:2] = [
        parameter for parameter in resolve.params if parameter.name in {*_ASKED, *_SETTINGS}
    ]
    return command


def edit_file(how: Literal["add", "remove"], options: dict[str, Any]) -> int:
    """Do what either command is to do, and return its exit status."""
    from mfenv.request import Request

    path: Path = options["file"]
    packages: tuple[str, ...] = options["packages"]
    # Then the one word may well be the package, and the file is what was forgotten.
    if not packages:
        if not path.is_file():
            raise _no_file(how, str(path), packages)
        raise click.UsageError("Missing argument 'PACKAGE...'.")
    if not path.is_file():
        path = _source(how, str(path), packages)
    where = _where(options)
    if options["no_resolve"]:
        _check_unresolved(options)
    outcome = None
    with open_environments({name: options[name] for name in _SETTINGS}) as environments:
        edited = environments.edit(path, how, packages, where)
        if not options["no_resolve"]:
            request = current_host().request(Request(**{name: options[name] for name in _ASKED}))
            outcome = environments.resolve_edited(edited, request, dry_run=options["dry_run"])
        elif not options["dry_run"]:
            edited.write()
    _tell(edited, dry_run=options["dry_run"])
    more = {"edits": [edit.to_dict() for edit in edited.edits]}
    if not outcome and not options["no_resolve"]:
        say(f"`{edited.path}` asks for nothing by now, so that nothing is resolved")
    if outcome and not outcome.before and not outcome.known:
        say("what it asked for before is not known resolved, so that no packages are compared")
    if outcome:
        tell(outcome, as_json=options["as_json"], more=more)
    elif options["as_json"]:
        print_json(more)
    return 0


def _where(options: dict[str, Any]) -> Where:
    from mfenv.editing.edits import Where

    if options["group"] and options["extra"]:
        raise click.UsageError("Give --group or --extra, not both.")
    for name in ("group", "extra"):
        if len(set(options[name])) > 1:
            raise click.UsageError(f"Give one --{name}: a list at a time is edited.")
    group, extra = (next(iter(options[name]), None) for name in ("group", "extra"))
    return Where(group=group, extra=extra, conda=options["conda"])


def _source(how: str, name: str, packages: tuple[str, ...]) -> Path:
    """The file that the environment called `name` is of."""
    from envid.errors import InvalidAlias
    from mfenv.editing.sources import source_of
    from mfenv.errors import InvalidRequest, UnknownEnvironment

    try:
        with open_environments() as environments:
            path = source_of(name, environments.find(name), packages[0])
            # Another project may have a file of that name.
            asked = environments.compare(name, str(path)).compared
    except (InvalidAlias, UnknownEnvironment):
        raise _no_file(how, name, packages) from None
    if any(compared.asked for compared in asked):
        raise InvalidRequest(
            f"`{name}` was asked for in `{path}`, and what stands there here is not what it asks for",
            f"`mfenv {how} {path} {packages[0]}` edits the file as it is",
        )
    say(f"`{name}` was asked for in `{path}`")
    return path


def _no_file(how: str, word: str, packages: tuple[str, ...]) -> WrongUsage:
    shown = packages[0] if packages else word
    if how == "add" and Path(word).suffix in (".txt", ".in"):
        return WrongUsage(f"there is no file `{word}`", f"`touch {word}` makes an empty one")
    if how == "add":
        hint = f"; `mfenv resolve --using ENV --pypi {shown}` adds to an environment"
    else:
        hint = "; `mfenv rm ENV` deletes an environment"
    return WrongUsage(f"`{word}` is no file", f"`mfenv {how} requirements.txt {shown}`{hint}")


def _check_unresolved(options: dict[str, Any]) -> None:
    if any(options[name] not in (None, (), "") for name in (*_ASKED, *_SETTINGS)):
        raise click.UsageError("--no-resolve resolves nothing: leave out what says how.")


def _tell(edited: Edited, *, dry_run: bool) -> None:
    if not edited.edits:
        say(f"`{edited.path}` has that already")
    elif dry_run:
        say(f"`{edited.path}` stays as it is; without --dry-run:")
    for edit in edited.edits:
        say(f"  {edit}")
