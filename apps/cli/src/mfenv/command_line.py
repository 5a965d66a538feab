"""The commands for whoever runs them: `mfenv` itself, or a program that it is part of.

This is the one place where errors become words.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from mfenv._output import output, output_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mfenv.environments import Environments
    from mfenv.request import Request
    from mfenv.settings import Settings

__all__ = [
    "Commands",
    "Host",
    "WrongUsage",
    "commands",
    "interrupted",
    "output_options",
    "run",
]

# What other tools call what a command does, by how it is written here.
_ELSEWHERE = {
    "alias": ("name", "rename", "tag"),
    "cache info": ("du",),
    "config": ("configure", "settings"),
    "create": ("clone", "init", "install", "make", "new", "sync", "venv", "virtualenv"),
    "gc": ("clean", "cleanup", "prune"),
    "get": ("download", "fetch", "pull"),
    "list": ("env", "envs", "ls"),
    "publish": ("push", "upload"),
    "resolve": ("compile", "lock", "solve"),
    "resolve --update": ("update", "upgrade"),
    "resolve --using": ("add",),
    "rm": ("del", "delete", "destroy", "remove", "uninstall"),
    "run": ("exec", "python", "start"),
    "shell": ("activate",),
    "show": ("describe", "info", "inspect", "status"),
    "transmute": ("convert",),
}
# With less, `help` is near `shell`, and `tree` near `create`.
_NEAR = 0.7


class Host:
    """Who runs the commands. A group of them takes its own as the `obj` of its context.

    `name` is what users know it by. `quiet` leaves everything out that is neither data nor an
    error; `kernel_variables` are for the processes of Jupyter kernels that are made.
    """

    name = "mfenv"

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self.kernel_variables: dict[str, str] = {}

    @property
    def quiet(self) -> bool:
        """Whether nothing but data and errors is said."""
        return self._quiet or output.quiet

    def settings(self, options: dict[str, Any] | None = None) -> Settings:
        """The settings in force; `options` are those given by hand."""
        from mfenv.settings import Settings

        return Settings.load(options)

    def environments(self, options: dict[str, Any] | None = None) -> Environments:
        """The environments under the settings in force."""
        from mfenv.environments import Environments

        return Environments(self.settings(options), progress=self.progress())

    def request(self, request: Request) -> Request:
        """What to resolve where a user asks for `request`."""
        return request

    def progress(self) -> Any:
        """Where the commands show how far they are, None for nowhere."""
        if self.quiet:
            return None
        from mfenv._progress import progress

        return progress()


class WrongUsage(click.UsageError):
    """A command line that cannot be meant so, with a hint of its own."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Commands(click.Group):
    """Commands that show their help where none is named, and know what others call them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            output.say(ctx.get_help())
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        called = (here for here, others in _ELSEWHERE.items() if name.lower() in others)
        meant = next((one for one in called if one.split()[0] in self.commands), None)
        meant = meant or _nearest(name, self.commands)
        every = f"`{ctx.command_path} --help` lists the commands"
        raise WrongUsage(
            f"there is no command `{name}`",
            f"did you mean `{ctx.command_path} {meant}`? {every}" if meant else every,
        )


def commands() -> tuple[click.Command, ...]:
    """All commands of `mfenv`, for a group of one's own; do not change them."""
    from mfenv._commands import COMMANDS

    return COMMANDS


def run(command: click.Command, words: Sequence[str] | None, *, name: str) -> int:
    """Run a command line and return its exit status; every error of a user is a line and a hint.

    `words` are the arguments, None for those of this process; `name` is what the user typed first.
    Raises KeyboardInterrupt, and with `MFENV_DEBUG` in the environment what is no wrong usage.
    """
    output.program = name
    try:
        result = command.main(
            args=None if words is None else list(words), prog_name=name, standalone_mode=False
        )
        sys.stdout.flush()
    except click.Abort:
        return interrupted()
    except click.ClickException as error:
        _say(*_usage(error))
        return error.exit_code
    except Exception as error:
        if isinstance(error, OSError):
            _drop_output()
        if os.environ.get("MFENV_DEBUG"):
            raise
        if not isinstance(error, BrokenPipeError):  # whoever read our output has enough
            message, hint = _words(error)
            _say(message, hint)
        return getattr(error, "exit_code", 1)
    return result if isinstance(result, int) else 0


def interrupted() -> int:
    """Say what an interruption means, and return the exit status for it."""
    _say("interrupted", "nothing is half done; the same command does the rest")
    return 130


def _drop_output() -> None:
    """Let go of what cannot be written, or the interpreter complains while it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: click.ClickException) -> tuple[str, str | None]:
    if isinstance(error, WrongUsage):
        return error.message, error.hint
    text = " ".join(error.format_message().split()).rstrip(".")
    message = re.sub(r"'([^']*)'", r"`\1`", text[:1].lower() + text[1:])
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return message, None
    hint = f"`{context.command_path} --help` shows the usage"
    if isinstance(error, click.NoSuchOption):
        message = f"there is no option `{error.option_name}`"
        names = {one.lstrip("-") for parameter in context.command.params for one in parameter.opts}
        near = _nearest(error.option_name.lstrip("-"), names)
        hint = f"did you mean `--{near}`? {hint}" if near else hint
    return message, hint


def _nearest(name: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, known, n=1, cutoff=_NEAR)), None)


def _words(error: Exception) -> tuple[str, str | None]:
    """The message and the hint for an error; only those that a user can cause have a hint."""
    if hasattr(error, "hint"):
        return str(error), error.hint
    if isinstance(error, OSError):
        name = f": `{error.filename}`" if error.filename else ""
        return f"{(error.strerror or str(error)).lower()}{name}", None
    hint = "this is a defect of mfenv; MFENV_DEBUG=1 shows where, for a report"
    return f"{type(error).__name__}: {error}", hint


def _say(message: str, hint: str | None) -> None:
    output.say("error: ", fg="red", bold=True, nl=False)
    output.say(message)
    if hint:
        output.say("hint: ", fg="cyan", bold=True, nl=False)
        output.say(hint)
