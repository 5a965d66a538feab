"""The commands for whoever runs them: `mfenv` itself, or a program that it is part of.

`wording` is the one place where errors become words.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from mfenv._output import output, output_options
from mfenv.groups import WrongUsage, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping, Sequence
    from typing import TextIO

    from mfenv.host import Host

__all__ = [
    "commands",
    "interrupted",
    "output_options",
    "run",
    "tell",
]


# The attributes of errors, of all our libraries, that are names of files and of what is in them.
_NAMES = ("path", "file", "filename", "filename2", "prefix")


def commands() -> MutableMapping[str, click.Command]:
    """All commands of `mfenv` by name, for a group of the caller's; do not change them.

    Each is imported when it is asked for.
    """
    from mfenv._commands import COMMANDS

    return COMMANDS


def run(
    command: click.Command, words: Sequence[str] | None, *, name: str, host: Host | None = None
) -> int:
    """Run a command line and return its exit status; every error of a user is a line and a hint.

    `words` are the arguments, None for those of this process; `name` is what the user typed first.
    `host` is who runs it, where that is not for the command to say.
    Raises KeyboardInterrupt, and with `MFENV_DEBUG` in the environment what is no wrong usage.
    """
    output.program = name
    output.forget()
    output.know(_given(sys.argv[1:] if words is None else words))
    # Not None for nobody: a group may have its own in its settings.
    more: dict[str, Any] = {"obj": host} if host else {}
    try:
        # Not click's own way to end: its words for errors, and its exit status of an interruption,
        # are others.
        result = command.main(
            args=None if words is None else list(words),
            prog_name=name,
            standalone_mode=False,
            **more,
        )
        # While it can still be told that this failed.
        sys.stdout.flush()
    except click.Abort:
        return interrupted()
    except click.ClickException as error:
        _say(*_usage(error))
        return error.exit_code
    except Exception as error:
        if isinstance(error, OSError):
            _drop_unwritten(sys.stdout)
        if os.environ.get("MFENV_DEBUG"):
            raise
        if not isinstance(error, BrokenPipeError):  # whoever read our output has enough
            tell(error)
        return getattr(error, "exit_code", 1)
    finally:
        _drop_unwritten(sys.stderr)
    return result if isinstance(result, int) else 0


def tell(error: BaseException) -> None:
    """Say what an error means, and what to do."""
    from mfenv.wording import words as worded

    output.know(str(getattr(error, name, None)) for name in _NAMES)
    _say(*worded(error))


def interrupted() -> int:
    """Say what an interruption means, and return the exit status for it."""
    _say("interrupted", "nothing is half done; the same command does the rest")
    return 130


def _given(words: Sequence[str]) -> Iterator[str]:
    """What the user gave by hand, or by where the command runs: names may be among it."""
    yield from words
    with suppress(OSError):  # it is gone
        yield os.getcwd()  # noqa: PTH109 - a text, and no more is imported
    yield from (value for key, value in os.environ.items() if key.startswith(("MFENV_", "HOME")))


def _drop_unwritten(stream: TextIO) -> None:
    """Let go of what cannot be written, or the interpreter complains while it ends."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _usage(error: click.ClickException) -> tuple[str, str | None]:
    if isinstance(error, WrongUsage):
        return error.message, error.hint
    # What click says, in the form that our errors have.
    text = " ".join(error.format_message().split()).rstrip(".")
    message = re.sub(r"'([^']*)'", r"`\1`", text[:1].lower() + text[1:])
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return message, None
    hint = f"`{context.command_path} --help` shows the usage"
    if isinstance(error, click.NoSuchOption):
        message = f"there is no option `{error.option_name}`"
        names = {
            option.lstrip("-") for parameter in context.command.params for option in parameter.opts
        }
        asked = error.option_name.lstrip("-")
        # Of one letter, the long option that alone begins with it.
        begun = [name for name in names if name[:1] == asked and name[:3] != "no-"]
        near = begun[0] if len(begun) == 1 else nearest(asked, names)
        hint = f"did you mean `--{near}`? {hint}" if near else hint
    return message, hint


def _say(message: str, hint: str | None) -> None:
    output.say("error: ", fg="red", bold=True, nl=False)
    output.say(message)
    if hint:
        output.say("hint: ", fg="cyan", bold=True, nl=False)
        output.say(hint)
