"""The `mfenv` command: the commands, and the one place where errors become words."""

from __future__ import annotations

import os
import sys

import click

from mfenv.__about__ import __version__
from mfenv._commands import know, manage, resolve

__all__ = ["cli", "main"]

_EXAMPLES = """\b
Examples:
  mfenv resolve -r requirements.txt --alias team/train:v1
  mfenv run team/train:v1 -- python train.py
  mfenv show team/train:v1 --json
"""


@click.group(
    epilog=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="mfenv")
def cli() -> None:
    """Resolve, share, create and run exact environments of conda and PyPI packages."""


for command in (*resolve.COMMANDS, *manage.COMMANDS, *know.COMMANDS):
    cli.add_command(command)


def main() -> None:
    """Run the command line; every error that a user can cause is one line and a hint."""
    try:
        result = cli.main(prog_name="mfenv", standalone_mode=False)
        sys.stdout.flush()
        status = result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; nothing is half done", err=True)
        status = 130
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except Exception as error:
        if os.environ.get("MFENV_DEBUG"):
            raise
        _complain(error)
        status = 1
    sys.exit(status)


def _complain(error: Exception) -> None:
    if isinstance(error, OSError) and not hasattr(error, "hint"):
        name = f": `{error.filename}`" if error.filename else ""
        message, hint = f"{error.strerror or error}{name}".lower(), None
    elif hasattr(error, "hint"):
        message, hint = str(error), error.hint
    else:
        message = f"{type(error).__name__}: {error}"
        hint = "this is a defect of mfenv; MFENV_DEBUG=1 shows where, for a report"
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(message, err=True)
    if hint:
        click.secho("hint: ", fg="cyan", bold=True, nl=False, err=True)
        click.echo(hint, err=True)


if __name__ == "__main__":
    main()
