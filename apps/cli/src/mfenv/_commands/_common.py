"""What several commands share: opening the environments, arguments that complete, output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from mfenv.command_line import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from click.shell_completion import CompletionItem

    from envid.resolved import ResolvedEnv
    from mfenv.environments import Environments

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def open_environments(options: dict[str, Any] | None = None) -> Environments:
    """The environments under the settings in force; `options` are settings given by hand."""
    return current_host().environments(options)


def current_host() -> Host:
    """Who runs the present command."""
    return click.get_current_context().find_object(Host) or Host()


def complete_env(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """The names and aliases that start with what was typed."""
    from click.shell_completion import CompletionItem

    from mfenv.environments import Environments
    from mfenv.errors import MfenvError
    from mfenv.settings import Settings

    try:
        with Environments(Settings.load()) as environments:
            names = environments.registry.names(typed)
    except MfenvError:  # nobody who presses Tab wants to read about it
        return []
    return [CompletionItem(name) for name in names]


def env_argument(**options: Any) -> Callable[[Any], Any]:
    """An argument that names an environment."""
    return click.argument("env", metavar="ENV", shell_complete=complete_env, **options)


def say(text: str) -> None:
    """Tell the user something that is not data."""
    if not current_host().quiet:
        click.echo(text, err=True)


def print_json(data: Any) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def print_descriptions(envs: Iterable[ResolvedEnv]) -> None:
    print_json({"environments": [env.to_dict() for env in envs]})
