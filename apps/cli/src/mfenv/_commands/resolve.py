"""`mfenv resolve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mfenv._commands._common import (
    FileOrUrl,
    choice_options,
    complete_choice,
    complete_env,
    current_host,
    extra_option,
    json_option,
    local_only_option,
    open_environments,
    platform_option,
)
from mfenv._commands._outcome import tell
from mfenv.groups import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_F = TypeVar("_F", bound="Callable[..., Any]")

_EXAMPLES = """\b
Examples:
  mfenv resolve -r requirements.txt --python 3.11 --python-provider system
  mfenv resolve --conda 'numpy>=2' --channel conda-forge --python 3.12
  mfenv resolve --pypi 'pandas>=2' --platform linux-64 --platform osx-arm64 --alias team/etl
  mfenv resolve --using team/etl --pypi seaborn --alias team/plots:v2
  mfenv resolve --lock uv.lock --group test --platform linux-64 --alias team/etl:v3
"""

# None of these is a setting; every other option overrides the setting of its name.
_ASKED = (
    *("files", "environment_files", "pyprojects", "scripts"),
    *("pypi", "conda", "npconda", "sys", "python", "using", "same_as", "locks"),
)
_OF_LOCKS = ("environment", "locked", "without_groups", "only_groups", "members")
_CHOICE = ("groups", "extras", "default_groups", *_OF_LOCKS)
# What may stand beside `--lock`: it says of what and for what, and asks for nothing more.
_BESIDE_LOCKS = ("locks", "sys", "python")
_RUN = ("alias", "update", "force", "dry_run", "set_default", "as_json")


def _files_option(*names: str, help: str) -> Callable[[_F], _F]:  # noqa: A002 - click's name
    return click.option(*names, multiple=True, metavar="FILE", type=FileOrUrl(), help=help)


@click.command(epilog=_EXAMPLES, context_settings={"allow_extra_args": True})
@_files_option(
    "-r",
    "--requirement",
    "files",
    help="Requirement file of any kind, or its URL; may be repeated.",
)
@_files_option("-f", "--file", "environment_files", help="An environment.yml; may be repeated.")
@_files_option(
    "-p", "--pyproject", "pyprojects", help="A pyproject.toml or pixi.toml; may be repeated."
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="G",
    shell_complete=complete_choice,
    help="Dependency group, or feature or environment of pixi, of it.",
)
@extra_option
@choice_options
@_files_option(
    "--lock",
    "locks",
    help="Lock file of uv, pip-compile, pixi, conda-lock, ..., or its URL: taken as it is.",
)
@click.option(
    "--environment",
    metavar="E",
    shell_complete=complete_choice,
    help="Environment of a pixi.lock, or ENV@PLATFORM.  [default: default]",
)
@click.option("--locked", is_flag=True, help="Refuse a lock that its source has left behind.")
@_files_option("--script", "scripts", help="A Python script with inline metadata (PEP 723).")
@click.option("--pypi", multiple=True, metavar="SPEC", help="PyPI requirement; may be repeated.")
@click.option("--conda", multiple=True, metavar="SPEC", help="Conda requirement (a MatchSpec).")
@click.option(
    "--npconda", multiple=True, metavar="SPEC", help="Conda package that does not need Python."
)
@click.option(
    "--sys", multiple=True, metavar="NAME=V", help="What the target has, such as `__cuda=12.4`."
)
@click.option(
    "--python", metavar="V", help="Python version or specifier.  [default: the newest that solves]"
)
@click.option(
    "--python-provider",
    type=click.Choice(["conda", "system"]),
    help="Where Python comes from: the conda channels, or this machine.",
)
@platform_option("Platform to resolve for; may be repeated.  [default: this machine's]")
@click.option("--alias", multiple=True, metavar="A", help="Name to give, such as `team/name:tag`.")
@click.option(
    "--using", metavar="ENV", shell_complete=complete_env, help="Keep all packages of this one."
)
@click.option(
    "--from",
    "same_as",
    metavar="ENV",
    shell_complete=complete_env,
    help="Resolve the request of this one again, such as for another platform.",
)
@click.option(
    "--update", multiple=True, metavar="NAME", help="Resolve again; others stay if they can."
)
@click.option(
    "--seed/--no-seed",
    default=None,
    help="Put pip in, with setuptools and wheel for a Python before 3.12.",
)
@click.option("--exclude-newer", metavar="DATE", help="Ignore what was published from then on.")
@click.option("--pre", is_flag=True, default=None, help="Accept pre-releases.")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="C",
    help="Conda channel; the first comes first.",
)
@click.option(
    "--channel-priority",
    type=click.Choice(["strict", "flexible", "disabled"]),
    help="Whether the first channel that has a name decides.",
)
@click.option("--index-url", metavar="U", help="Package index.")
@click.option("--extra-index-url", multiple=True, metavar="U", help="Asked before the index.")
@click.option("--find-links", multiple=True, metavar="F", help="Directory or page with archives.")
@click.option("--no-index", is_flag=True, default=None, help="Use no package index.")
@click.option("--offline", is_flag=True, default=None, help="Ask no channel and no index.")
@local_only_option
@click.option("--store", metavar="URL", help="Shared store to publish to.")
@click.option(
    "--use-remote-latest",
    metavar="WHO",
    help="Before resolving, take what the store has of this request, resolved by anyone, by me, or"
    " by the users named (a,b); or none.",
)
@click.option("--force", is_flag=True, help="Resolve again what is known.")
@click.option("--dry-run", is_flag=True, help="Record, publish and name nothing.")
@click.option(
    "--set-default/--no-set-default",
    default=True,
    help="Make it what the bare req_id means.  [default: yes]",
)
@json_option
def resolve(**options: Any) -> int:
    """Find the exact packages that satisfy a request.

    Prints REQ_ID:FULL_ID, which names the environment everywhere. A request that is known already
    is answered from the registry, or as --use-remote-latest says.
    """
    from mfenv.request import Request

    asked = {name: options.pop(name) for name in _ASKED}
    choice = {name: options.pop(name) for name in _CHOICE}
    run = {name: options.pop(name) for name in _RUN}
    # click's own error for an argument too many would not say what is meant with it.
    for word in click.get_current_context().args:
        file = Path(word).is_file() or "://" in word
        meant = f"-r {word}" if file else f"--pypi {word}` or `--conda {word}"
        raise WrongUsage(f"`{word}` stands by itself", f"did you mean `{meant}`?")
    if not any(asked.values()):
        raise click.UsageError(
            "Nothing is asked for: give -r FILE, --conda SPEC, --pypi SPEC or --using ENV."
        )
    _check_choice(asked, choice)
    if asked["locks"]:
        _check_locks_alone(asked, run)
    if asked["same_as"] and sum(map(bool, asked.values())) > 1:
        raise click.UsageError("--from takes the whole request of ENV: ask for nothing beside it.")
    with open_environments(options) as environments:
        outcome = environments.resolve(
            current_host().request(Request(**asked, **choice)),
            aliases=run["alias"],
            update=run["update"],
            force=run["force"],
            dry_run=run["dry_run"],
            set_default=run["set_default"],
        )
    done = "imported" if asked["locks"] else "resolved"
    tell(outcome, as_json=run["as_json"], done=done)
    return 0


def _check_choice(asked: Mapping[str, Any], choice: Mapping[str, Any]) -> None:
    chosen = choice["groups"] or choice["extras"]
    if chosen and not asked["pyprojects"] and not asked["locks"]:
        raise click.UsageError(
            "--group and --extra are of a pyproject.toml or a lock: give it with -p FILE or"
            " --lock FILE."
        )
    of_locks = [name for name in _OF_LOCKS if choice[name]]
    of_locks += [] if choice["default_groups"] else ["default_groups"]
    if of_locks and not asked["locks"]:
        options = [
            max(p.secondary_opts or p.opts, key=len) for p in resolve.params if p.name in of_locks
        ]
        raise click.UsageError(f"Give a lock with --lock FILE beside {' and '.join(options)}.")


def _check_locks_alone(asked: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    more = [name for name in asked if asked[name] and name not in _BESIDE_LOCKS]
    if run["update"]:
        more.append("update")
    if more:
        options = {max(p.opts, key=len) for p in resolve.params if p.name in more}
        raise click.UsageError(
            f"A lock says what is there: leave out {', '.join(sorted(options))} beside --lock."
        )
