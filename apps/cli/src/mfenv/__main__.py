"""The `mfenv` command: the one place where errors become words.

Everything else is imported inside, so that Ctrl-C is answered from the first moment.
"""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

__all__ = ["main"]


def main() -> None:
    """Run the command line; every error that a user can cause is one line and a hint."""
    try:
        _open_streams()
        # A command is over before cycles pile up; looking for them takes a tenth of a creation.
        gc.disable()
        status = _run()
    except KeyboardInterrupt:
        status = _interrupted()
    # Whoever presses Ctrl-C now wants the end at once, without a word of the interpreter.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(status)


def _run() -> int:
    import click

    from mfenv._cli import cli

    try:
        result = cli.main(prog_name="mfenv", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        return _interrupted()
    except click.ClickException as error:
        _say(*_usage(error))
        return error.exit_code
    except Exception as error:
        if isinstance(error, OSError):
            _drop_output()
        if os.environ.get("MFENV_DEBUG"):
            raise
        if not isinstance(error, BrokenPipeError):  # whoever read our output has enough
            _say(*_words(error))
        return 1
    return result if isinstance(result, int) else 0


def _open_streams() -> None:
    """Give closed standard streams to the null device, or a file of ours gets their number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - standard error's
        pass
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def _interrupted() -> int:
    _say("interrupted", "nothing is half done; the same command does the rest")
    return 130


def _drop_output() -> None:
    """Let go of what cannot be written, or the interpreter complains while it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: click.ClickException) -> tuple[str, str | None]:
    import click

    text = " ".join(error.format_message().split()).rstrip(".")
    message = re.sub(r"'([^']*)'", r"`\1`", text[:1].lower() + text[1:])
    context = error.ctx if isinstance(error, click.UsageError) else None
    return message, f"`{context.command_path} --help` shows the usage" if context else None


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
    import click

    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(message, err=True)
    if hint:
        click.secho("hint: ", fg="cyan", bold=True, nl=False, err=True)
        click.echo(hint, err=True)


if __name__ == "__main__":
    main()
