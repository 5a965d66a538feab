"""`mfenv run`: a program in an environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfenv._commands._become import become
from mfenv._commands._common import (
    check_one,
    complete_named_env,
    current_host,
    env_argument,
    local_only_option,
    lock_options,
    named,
    open_environments,
    say,
    say_packages,
)
from mfenv._commands.resolve import resolve
from mfenv.groups import WrongUsage
from mfenv.lockfile.names import ASKED, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from click.shell_completion import CompletionItem

    from envid.resolved import ResolvedEnv
    from mfenv.environments import Environments

_ASKED = tuple(field for field in ASKED.values() if field != "sys")
# Programs run on this machine alone.
_SETTINGS = tuple(field for field in SETTINGS.values() if field != "platforms")


class _RunCommand(click.Command):
    """Takes what stands behind the path of a script as that script's, as `python` does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = self._behind_script(args)
        if at is not None and args[at : at + 1] != ["--"]:
            args = [*args[:at], "--", *args[at:]]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if at is None and "--script" not in args:
                raise
            hint = f"what is a script's stands behind it: `--script FILE {error.option_name}`"
            raise WrongUsage(f"there is no option `{error.option_name}`", hint) from None

    def _behind_script(self, args: Sequence[str]) -> int | None:
        """Where the words of a script start; None where none is named in front of a program."""
        options = [option for option in self.params if isinstance(option, click.Option)]
        flags = {
            name
            for option in options
            if option.is_flag
            for name in (*option.opts, *option.secondary_opts)
        }
        others = {name for option in options if not option.is_flag for name in option.opts}
        at = 0
        while at < len(args) and args[at].startswith("-") and args[at] != "--":
            word = args[at]
            if word.startswith("--script="):
                return at + 1
            # What takes a value has it as the next word, unless in itself, as `--python=3.12`.
            at += 2 if word in others and word not in flags else 1
            if word == "--script":
                # As the last word it has no value, and click says so.
                return at if at <= len(args) else None
        return None


def _complete(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    if any(context.params.get(name) for name in _ASKED):
        return []
    return complete_named_env(context, parameter, typed)


# What takes a file that is named where an environment is expected.
_OPTIONS = {
    **dict.fromkeys((".txt", ".in"), "-r"),
    **dict.fromkeys((".yml", ".yaml"), "-f"),
    ".toml": "-p",
    ".lock": "--lock",
    ".py": "--script",
}


@click.command(
    cls=_RunCommand,
    context_settings={"allow_interspersed_args": False},
    epilog="\b\nExamples:\n  mfenv run team/etl:v1 -- python train.py --epochs 3\n"
    "  mfenv run --lock mfenv.lock -- python train.py\n"
    "  mfenv run -r requirements.txt --python 3.12 -- python train.py\n"
    "  mfenv run --script job.py --epochs 3",
)
@env_argument(required=False, shell_complete=_complete)
@click.argument("command", metavar="[CMD] [ARG]...", nargs=-1)
@lock_options
@click.option("--offline", is_flag=True, default=None, help="Ask no channel and no index.")
@local_only_option
def run(
    env: str | None,
    command: tuple[str, ...],
    lock: Path | None,
    environment: str | None,
    offline: bool | None,
    **options: Any,
) -> None:
    """Run a program in an environment.

    The environment is created if it is not there. The program takes the place of this process. With
    --lock it is one of a lock file, nothing is resolved, and ENV is left out. With what is asked for
    in place of ENV, such as -r FILE, it is resolved if it is not known; with --script FILE, the
    program is that script, and all that stands behind it is the script's.
    """
    asked = {name: options[name] for name in _ASKED}
    settings = {name: options[name] for name in _SETTINGS}
    _check_asked(asked, settings, lock, offline)
    if env is not None and (lock or any(asked.values())):
        # With no name in front of it, the program is the first word.
        command, env = (env, *command), None
    if not any(asked.values()):
        check_one(env, lock, environment)
    if env and not any(asked.values()):
        _check_no_file(env)
    words = command[1:] if command[:1] == ("--",) else command
    if asked["scripts"]:
        # A path, and no option of Python's, whatever it begins with.
        words = ("python", os.path.join(os.curdir, asked["scripts"][0]), *command)  # noqa: PTH118
    elif not words:
        raise click.UsageError("Missing argument 'CMD [ARG]...'.")
    elif words is command and words[0].startswith("-"):
        hint = "options of `mfenv run` stand in front of ENV, those of a program behind its name"
        raise WrongUsage(f"`{words[0]}` stands where a program is expected", hint)
    from mfenv.activation import program, say_left_out

    if left_out := say_left_out(os.environ):
        say(f"note: {left_out}")

    with open_environments({**settings, "offline": offline}) as environments:
        if any(asked.values()):
            chosen: str | ResolvedEnv = _resolved(environments, asked)
        else:
            chosen = named(environments, env, lock, environment)
        if isinstance(chosen, str):
            prefix = _prefix(environments, chosen)
        else:
            prefix = environments.create(chosen).prefix
        variables = environments.activation(prefix)
    # With everything closed: nothing of this process is left in the program.
    become(program(prefix, words[0], variables), list(words), variables)


# What is asked for has the very options that it has in `mfenv resolve`.
run.params[2:2] = [option for option in resolve.params if option.name in {*_ASKED, *_SETTINGS}]


def _check_no_file(env: str) -> None:
    """Raise `WrongUsage` for a file that is there, and that an option takes."""
    option = _OPTIONS.get(Path(env).suffix)
    if not option or not os.path.isfile(env):  # noqa: PTH113 - what is too long is none
        return
    hint = f"`mfenv run {option} {env} -- CMD` runs a program in what it says"
    if option == "--script":
        hint = f"`mfenv run --script {env}` runs it in what it asks for, `mfenv run ENV python {env}` in ENV"
    raise WrongUsage(f"`{env}` is a file, and no environment", hint)


def _check_asked(
    asked: Mapping[str, Any],
    settings: Mapping[str, Any],
    lock: Path | None,
    offline: bool | None,
) -> None:
    if any(asked.values()):
        if lock:
            raise click.UsageError("A lock says what is there: ask for nothing beside --lock.")
    elif offline or any(value not in (None, ()) for value in settings.values()):
        raise click.UsageError(
            "Nothing is resolved for ENV or --lock: leave out what says how, or say what to resolve."
        )
    if (asked["groups"] or asked["extras"]) and not asked["pyprojects"]:
        raise click.UsageError("--group and --extra are of a pyproject.toml: give it with -p FILE.")
    scripts: Sequence[object] = asked["scripts"]
    if scripts:
        others = {"-r": asked["files"], "-f": asked["environment_files"], "-p": asked["pyprojects"]}
        for option, given in others.items():
            if given:
                hint = (
                    f"name more by --pypi or --conda, or run it by `{option} FILE -- python FILE`"
                )
                raise WrongUsage(f"--script says itself what it needs: leave out {option}", hint)
    if any(not isinstance(script, Path) for script in scripts):
        raise click.UsageError("A script that runs is a file: fetch it first.")
    if any(isinstance(path, Path) and path.exists() and not path.is_file() for path in scripts):
        raise click.UsageError("A script that runs is read twice: write it to a file first.")


def _prefix(environments: Environments, name: str) -> Path:
    from mfenv.errors import UnknownEnvironment

    try:
        return environments.prefix_for(name)
    except UnknownEnvironment as error:
        import shutil

        if shutil.which(name):  # as one types it where a directory says which environment is meant
            error.hint = (
                f"the environment stands in front: `mfenv run ENV -- {name} …`, or `-r FILE`"
            )
        raise


def _resolved(environments: Environments, asked: Mapping[str, Any]) -> ResolvedEnv:
    """What is asked for, on this machine; told of in so far as it is new."""
    from envid.platforms import host_platform
    from mfenv.request import Request

    request = Request(**asked, platforms=(host_platform(),))
    outcome = environments.resolve(current_host().request(request))
    for note in outcome.notes:
        say(f"note: {note}")
    env = outcome.envs[0]
    if not outcome.known:
        say_packages(env, "resolved")
    return env
