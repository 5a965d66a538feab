"""What several commands share: opening the environments, arguments that complete, output."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mfenv._output import output
from mfenv.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from click.shell_completion import CompletionItem

    from envid.resolved import ResolvedEnv
    from mfenv.environments import Environments
    from mfenv.lockfile.model import LockedEnv
    from mfenv.settings import Settings

_F = TypeVar("_F", bound="Callable[..., Any]")

DAY = 86400.0
_LOCAL_ONLY = "mfenv.local_only"


def _only_local(context: click.Context, _: click.Parameter, value: bool) -> None:
    # Not False, which would overrule the settings where nobody gave the option.
    context.meta[_LOCAL_ONLY] = value or None


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
local_only_option = click.option(
    "--local-only",
    is_flag=True,
    expose_value=False,
    callback=_only_local,
    help="Use what is on this machine: ask neither the store nor the network.",
)


class FileOrUrl(click.Path):
    """A path, or the URL of a file as it is."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return value if "://" in str(value) else super().convert(value, param, ctx)


def open_environments(
    options: dict[str, Any] | None = None,
) -> AbstractContextManager[Environments]:
    """The environments under the settings in force; `options` are settings given by hand."""
    local_only = click.get_current_context().meta.get(_LOCAL_ONLY)
    return current_host().opened({**(options or {}), "local_only": local_only})


def settings_in_force(options: dict[str, Any] | None = None) -> Settings:
    """The settings of a command that needs no environments."""
    settings = current_host().settings(options)
    for note in settings.notes:
        say(f"note: {note}")
    return settings


def current_host() -> Host:
    """Who runs the present command."""
    return click.get_current_context().find_object(Host) or Host()


def write_out(output: Path | None, data: bytes) -> None:
    """Write a file whole, or to standard output for no file, or `-`."""
    from mfenv.replacing import replace_file

    if output is None or str(output) == "-":
        click.echo(data, nl=False)
    else:
        replace_file(output, data)


def complete_env(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """The names and aliases that start with what was typed."""
    from click.shell_completion import CompletionItem

    from mfenv.environments import Environments
    from mfenv.errors import MfenvError
    from mfenv.settings import Settings

    try:
        with Environments(Settings.load()) as environments:
            names = environments.names(typed)
    except MfenvError:  # nobody who presses Tab wants to read about it
        return []
    return [CompletionItem(name) for name in names]


def complete_named_env(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Those names, where no lock file takes the place of an environment."""
    return [] if context.params.get("lock") else complete_env(context, parameter, typed)


def complete_env_or_file(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """The names that start with what was typed, and whatever files a shell finds."""
    from click.shell_completion import CompletionItem

    return [*complete_env(context, parameter, typed), CompletionItem(typed, type="file")]


def complete_package(
    context: click.Context, _: click.Parameter, typed: str
) -> list[CompletionItem]:
    """The packages, of the environment that was named if one was, that start with what was typed."""
    from envid.errors import EnvidError
    from mfenv.environments import Environments
    from mfenv.errors import MfenvError
    from mfenv.settings import Settings

    try:
        # Whoever presses Tab does not wait for a store.
        with Environments(Settings.load({"local_only": True})) as environments:
            envs = environments.find(context.params.get("env") or "")
    except (MfenvError, EnvidError):
        return []
    return _starting(typed.lower(), {package.name for env in envs for package in env.packages})


def complete_listed(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """What the requirement file that the line names asks for, but for what is named already."""
    from reqparse import ReqparseError, parse_file

    params = context.params
    groups, extras = (params.get(name) or () for name in ("group", "extra"))
    try:
        said = parse_file(str(params.get("file")), groups=groups, extras=extras)
    except (OSError, ReqparseError):  # as above
        return []
    names = {requirement.name for requirement in said.requirements if requirement.name}
    return _starting(typed.lower(), names.difference(params.get("packages") or ()))


def complete_locked(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """The names in the lock file that the command line names, or usually has, that start so."""
    locked = _locked(context.params.get("lock") or context.params.get("path"))
    return _starting(typed, [environment.name for environment in locked])


def complete_locked_package(
    context: click.Context, _: click.Parameter, typed: str
) -> list[CompletionItem]:
    """The packages in that lock file that start with what was typed."""
    envs = [env for locked in _locked(context.params.get("path")) for env in locked.envs]
    return _starting(typed, {package.name for env in envs for package in env.packages})


# What the options that choose in a lock name, as `reqparse.Lock` has it.
_CHOSEN = {
    "groups": "groups",
    "without_groups": "groups",
    "only_groups": "groups",
    "extras": "extras",
    "members": "members",
    "environment": "environments",
}


def complete_choice(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """What may be chosen by an option in the locks, or pyproject.toml, that the line names."""
    from mfenv.importing.sources_beside import poetry_choice
    from reqparse import ReqparseError, parse_file

    kind, names = _CHOSEN[str(parameter.name)], set[str]()
    params = context.params
    # What stands before an option without its value is no argument for click yet.
    for file in params.get("locks") or params.get("files") or context.args:
        with suppress(OSError, ReqparseError):
            names.update(getattr(parse_file(str(file)).lock, kind, ()))
        if kind == "environments":
            names.update(environment.name for environment in _locked(file))
    for file in params.get("pyprojects") or ():
        with suppress(OSError, ValueError, AttributeError):
            groups, extras = poetry_choice(file)
            names.update({"groups": groups, "extras": extras}.get(kind, ()))
    return _starting(typed, names)


def _locked(path: Path | str | None) -> tuple[LockedEnv, ...]:
    """The environments of a lock file of mfenv's, by default of the usual one."""
    from mfenv.errors import MfenvError
    from mfenv.lockfile.names import FILE
    from mfenv.lockfile.reading import read

    try:
        return read(Path(path or FILE).read_text(encoding="utf-8"), forgiving=True).environments
    # As above: who presses Tab gets no names, and no error.
    except (OSError, UnicodeDecodeError, MfenvError):
        return ()


def _starting(typed: str, names: Iterable[str]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in sorted(names) if name.startswith(typed)]


def platform_option(text: str) -> Callable[[Any], Any]:
    """The option that names platforms; `text` is its help."""
    return click.option(
        "--platform",
        "platforms",
        multiple=True,
        metavar="P",
        type=click.Choice(["linux-64", "linux-aarch64", "osx-64", "osx-arm64"]),
        help=text,
    )


extra_option = click.option(
    "--extra",
    "extras",
    multiple=True,
    metavar="E",
    shell_complete=complete_choice,
    help="Optional dependencies of it.",
)


def choice_options(function: _F) -> _F:
    """The options, named as uv's, that say what of a lock is not wanted."""
    options = (
        click.option(
            "--no-group",
            "without_groups",
            multiple=True,
            metavar="G",
            shell_complete=complete_choice,
            help="Dependency group or category of a lock to leave out.",
        ),
        click.option(
            "--default-groups/--no-default-groups",
            default=True,
            help="Take the groups of a lock that are meant where nothing is said.  [default: yes]",
        ),
        click.option(
            "--only-group",
            "only_groups",
            multiple=True,
            metavar="G",
            shell_complete=complete_choice,
            help="Take this group of a lock alone, without the project's own dependencies.",
        ),
        click.option(
            "--package",
            "members",
            multiple=True,
            metavar="NAME",
            shell_complete=complete_choice,
            help="Member of the workspace that a uv.lock is for.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def env_argument(**options: Any) -> Callable[[Any], Any]:
    """An argument that names an environment, or several."""
    shown = "ENV" if options.get("required", True) else "[ENV]"
    if options.get("nargs") == -1:
        shown += "..."
    return click.argument("env", metavar=shown, **{"shell_complete": complete_named_env, **options})


def package_argument(*, required: bool = True) -> Callable[[Any], Any]:
    """An argument that names a package of the environment that is named before."""
    return click.argument(
        "package",
        metavar="PACKAGE" if required else "[PACKAGE]",
        required=required,
        shell_complete=complete_package,
    )


def lock_options(command: Any) -> Any:
    """The options by which an environment of a lock file is taken in place of ENV."""
    for option in (
        click.option(
            "--environment",
            metavar="NAME",
            shell_complete=complete_locked,
            help="With --lock: which one of it.  [default: `default`, or the only one]",
        ),
        click.option(
            "--lock",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="Take it from a lock file that `mfenv lock` wrote, in place of ENV.",
        ),
    ):
        command = option(command)
    return command


def check_one(env: str | None, lock: Path | None, environment: str | None) -> None:
    """Refuse a command line that names no environment, or two."""
    if str(lock) == "--":
        raise click.UsageError("--lock lacks its FILE, which stands in front of `--`.")
    if env and lock:
        raise click.UsageError("Give ENV or --lock, not both.")
    if not env and not lock:
        raise click.UsageError("Missing argument 'ENV'.")
    if environment and not lock:
        raise click.UsageError("--environment is of a lock file: give it with --lock FILE.")


def named(
    environments: Environments, env: str | None, lock: Path | None, environment: str | None
) -> str | ResolvedEnv:
    """ENV, or for this machine what a lock file has in its place."""
    if lock is None:
        return env or ""
    from envid.platforms import host_platform

    return environments.locked(lock, environment, (host_platform(),))[0]


def say(text: str) -> None:
    """Tell the user something that is not data."""
    if not current_host().quiet:
        output.say(text)


def shown_time(at: float) -> str:
    """A POSIX time as RFC 3339 writes it, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def title(env: ResolvedEnv) -> str:
    """How a platform of an environment is headed."""
    return f"{env.platform}, Python {env.python}"


def say_packages(env: ResolvedEnv, state: str) -> None:
    """Tell how much an environment holds, and how it came."""
    count = f"{len(env.packages)} package{'' if len(env.packages) == 1 else 's'}"
    say(f"{env.platform}: {count} on Python {env.python}, {state}")


def print_json(data: Any) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def print_descriptions(envs: Iterable[ResolvedEnv], **more: Any) -> None:
    print_json({"environments": [env.to_dict() for env in envs], **more})


def check_store_allowed(environments: Environments) -> None:
    if environments.settings.local_only:
        origin = environments.settings.origins["local_only"]
        raise click.UsageError(f"The store is needed, and '{origin}' forbids to ask it.")
