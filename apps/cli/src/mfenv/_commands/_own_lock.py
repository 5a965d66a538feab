"""`mfenv import` of a lock file of mfenv itself: its environments are made known as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mfenv._commands._common import open_environments, print_descriptions, say_packages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from envid.resolved import ResolvedEnv
    from mfenv.environments import Environments

__all__ = ["import_own"]

# What chooses in locks of other tools, or what is resolved of them, by the names of parameters.
_OF_OTHERS = {
    "groups": "--group",
    "extras": "--extra",
    "members": "--package",
    "sys": "--sys",
    "without_groups": "--no-group",
    "only_groups": "--only-group",
    "python": "--python",
    "python_provider": "--python-provider",
    "locked": "--locked",
    "dry_run": "--dry-run",
}


def import_own(
    file: Path, asked: Mapping[str, Any], run: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    """Make environments of a lock file known, publish them where there is a store, print their ids.

    Raises `InvalidRequest` for what such a file leaves no choice in, and as `Environments.locked`
    does.
    """
    _check(file, {**settings, **run, **asked})
    name, platforms = asked["environment"], settings["platforms"]
    with open_environments({k: v for k, v in settings.items() if k != "platforms"}) as environments:
        names = [name] if name else [env.name for env in environments.lock_file(file).environments]
        if run["alias"] and len(names) > 1:
            raise _refused(
                f"`{file}` has {', '.join(names)}, and a name is for one of them",
                "choose it with `--environment`",
            )
        # All are read before the first is published: a damaged one leaves nothing half done.
        taken = [environments.locked(file, env, platforms) for env in names]
        for envs in taken:
            _make_known(environments, envs, run)
    every = [env for envs in taken for env in envs]
    for env in every:
        say_packages(env, "imported")
    if run["as_json"]:
        print_descriptions(every, notes=[])
    else:
        for envs in taken:
            click.echo(_ids(envs))


def _make_known(
    environments: Environments, envs: Sequence[ResolvedEnv], run: Mapping[str, Any]
) -> None:
    """Publish environments, make them what their bare ids mean, and give them their names."""
    environments.publish(envs, default=run["set_default"], check=run["force"])
    if run["set_default"]:
        # As they are known here, which says when they were resolved, and by whom.
        known = environments.find(_ids(envs), [env.platform for env in envs])
        environments.add(known, default=True)
    for alias in run["alias"]:
        environments.alias(_ids(envs), alias)


def _ids(envs: Sequence[ResolvedEnv]) -> str:
    return str(envs[0].env_id.ref)


def _check(file: Path, given: Mapping[str, Any]) -> None:
    """Refuse what chooses nothing in a lock file of mfenv."""
    options = [option for name, option in _OF_OTHERS.items() if given[name]]
    if given["default_groups"] is False:
        options.append("--no-default-groups")
    if options:
        hint = "choose with `--environment` and `--platform`"
        if options == ["--locked"]:
            hint = f"`mfenv lock --check -o {file}` tells whether it still fits what is asked for"
        raise _refused(
            f"`{file}` is a lock file of mfenv itself, and `{options[0]}` is for those of others",
            hint,
        )


def _refused(message: str, hint: str) -> Exception:
    from mfenv.errors import InvalidRequest

    return InvalidRequest(message, hint)
