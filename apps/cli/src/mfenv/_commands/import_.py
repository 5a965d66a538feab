"""`mfenv import`: the environment that a lock of another tool describes."""

from __future__ import annotations

from typing import Any

import click

from mfenv._commands._common import (
    FileOrUrl,
    choice_options,
    complete_choice,
    current_host,
    extra_option,
    json_option,
    local_only_option,
    open_environments,
    platform_option,
)
from mfenv._commands._outcome import tell

_EXAMPLES = """\b
Examples:
  mfenv import uv.lock --alias team/etl:v1
  mfenv import pixi.lock --environment test --platform linux-64
  mfenv import uv.lock --package api --no-group dev
  mfenv import requirements.txt --python 3.12 --locked
  mfenv import mfenv.lock --environment train
  mfenv import conda-linux-64.lock conda-osx-arm64.lock --alias team/etl:v2
"""
_ASKED = (
    *("groups", "extras", "environment", "locked", "sys", "python"),
    *("without_groups", "default_groups", "only_groups", "members"),
)
_RUN = ("alias", "force", "dry_run", "set_default", "as_json")


@click.command("import", epilog=_EXAMPLES)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FileOrUrl())
@click.option(
    "--environment",
    metavar="E",
    shell_complete=complete_choice,
    help="Environment of a pixi.lock, or ENV@PLATFORM, or of an mfenv.lock.  [default: default, or"
    " all of an mfenv.lock]",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="G",
    shell_complete=complete_choice,
    help="Dependency group or category of it.",
)
@extra_option
@choice_options
@platform_option(
    "Platform; may be repeated.  [default: all that the lock names, or else this machine's]"
)
@click.option(
    "--python",
    metavar="V",
    help="Python version or specifier, where the lock has no Python.  [default: what it or a"
    " .python-version states, else the newest with wheels]",
)
@click.option(
    "--python-provider",
    type=click.Choice(["conda", "system"]),
    help="Where such a Python comes from: the conda channels, or this machine.",
)
@click.option(
    "--sys", multiple=True, metavar="NAME=V", help="What the target has, such as `__glibc=2.28`."
)
@click.option("--locked", is_flag=True, help="Refuse a lock that its source has left behind.")
@click.option("--alias", multiple=True, metavar="A", help="Name to give, such as `team/name:tag`.")
@click.option("--offline", is_flag=True, default=None, help="Ask no channel and no index.")
@local_only_option
@click.option("--store", metavar="URL", help="Shared store to publish to.")
@click.option("--force", is_flag=True, help="Import again what is known.")
@click.option("--dry-run", is_flag=True, help="Record, publish and name nothing.")
@click.option(
    "--set-default/--no-set-default",
    default=True,
    help="Make it what the bare req_id means.  [default: yes]",
)
@json_option
def import_(files: tuple[Any, ...], platforms: tuple[str, ...], **options: Any) -> int:
    """Make the environment that lock files describe, without resolving anything.

    FILE is a uv.lock, pylock.toml, poetry.lock, Pipfile.lock, pixi.lock, conda-lock.yml, an
    @EXPLICIT list, or pinned requirements, or its URL. Prints REQ_ID:FULL_ID, which names the
    environment everywhere: the same lock has the same everywhere. Of an mfenv.lock it takes the
    environments as they are, and prints the ids of each.
    """
    from mfenv.lockfile.refusing import is_own
    from mfenv.request import Request

    asked = {name: options.pop(name) for name in _ASKED}
    run = {name: options.pop(name) for name in _RUN}
    options["platforms"] = platforms
    if len(files) == 1 and is_own(files[0]):
        from mfenv._commands._own_lock import import_own

        import_own(files[0], asked, run, options)
        return 0
    with open_environments(options) as environments:
        outcome = environments.resolve(
            current_host().request(Request(locks=files, **asked)),
            aliases=run["alias"],
            force=run["force"],
            dry_run=run["dry_run"],
            set_default=run["set_default"],
        )
    tell(outcome, as_json=run["as_json"], done="imported")
    return 0
