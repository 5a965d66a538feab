"""How much a command says, and how. One state for the whole process: its streams are one, too."""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from envid.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Output", "output", "output_options"]

_LIBRARIES = ("envid", "reqparse", "pkgcache", "resolvers", "mfenv")
# What a terminal, or a reader of lines, takes for something else than a part of a name.
_CONTROL = "[\x00-\x1f\x7f-\x9f\u2028\u2029]"
# Of a path each part may be shown alone, of an option its value.
_BETWEEN = "[/=]"


class Output:
    """What the options of a command ask for; `color` is None where the terminal decides.

    `program` is what the user types in front of a command.
    """

    def __init__(self) -> None:
        self.program = "mfenv"
        self.verbosity, self.quiet = 0, False
        self.color: bool | None = None
        self.bars = self.progress = True
        self._names: tuple[str, ...] = ()

    @property
    def escapes(self) -> bool:
        """Whether standard error may get escape sequences, as https://no-color.org has it."""
        return self.styled and (self.color or sys.stderr.isatty())

    @property
    def styled(self) -> bool:
        """Whether a terminal may get escape sequences."""
        if self.color is not None:
            return self.color
        return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def know(self, names: Iterable[str]) -> None:
        """Remember which of `names` have control characters, to show these on one line.

        A text alone does not tell whether the end of a line is one of its own, or of a name in it.
        """
        # First what costs nothing: nearly no name has any.
        strange = {n for n in names if not n.isprintable() and re.search(_CONTROL, n)}
        parts = {part for name in strange for part in re.split(_BETWEEN, name)}
        # One of nothing else would be all ends of lines.
        strange |= {
            part
            for part in parts
            if re.search(_CONTROL, part) and re.sub(_CONTROL, "", part).strip()
        }
        # The longest first, of which others are parts.
        self._names = tuple(sorted({*self._names, *strange}, key=len, reverse=True))

    def forget(self) -> None:
        """Know no names any more."""
        self._names = ()

    def words(self, text: str) -> str:
        """A text with its commands as the user types them, without secrets, its names on one line."""
        text = redact(text)
        for name in self._names:
            text = text.replace(name, re.sub(_CONTROL, lambda found: repr(found[0])[1:-1], name))
        return text.replace("`mfenv ", f"`{self.program} ")

    def say(self, text: str, *, nl: bool = True, **style: Any) -> None:
        """Write a line for a person to standard error, in a style of `click`.

        That nobody can read it changes nothing of what is done.
        """
        text = self.words(text)
        shown = click.style(text, **style) if style else text
        with suppress(OSError):  # no reader any more, a full disk
            click.echo(shown, nl=nl, err=True, color=self.escapes)

    def be_verbose(self, level: int) -> None:
        """Show what the libraries log: at 1 what is asked of whom, at 2 what engines answer."""
        import logging

        # Lines among bars that move could be read by nobody.
        self.verbosity, self.bars = level, False
        started = time.monotonic()

        class Lines(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                passed = time.monotonic() - started
                for line in self.format(record).splitlines():
                    output.say(f"{passed:8.3f} {record.name.partition('.')[0]}: {line}", dim=True)

        handler = Lines()
        for name in _LIBRARIES:
            logger = logging.getLogger(name)
            # In the place of what an earlier `-v` put there: `mfenv -v resolve -vv` says each line
            # once.
            logger.handlers[:] = [handler]
            logger.setLevel(logging.INFO if level == 1 else logging.DEBUG)


output = Output()


def _verbose(_: click.Context, __: click.Parameter, count: int) -> None:
    if count > output.verbosity:
        output.be_verbose(count)


def _quiet(_: click.Context, __: click.Parameter, value: bool) -> None:
    # The group has this option and the command too: either may be given.
    output.quiet = output.quiet or value


def _color(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value:
        output.color = {"always": True, "never": False}.get(value)
        context.color = output.color


def _no_progress(_: click.Context, __: click.Parameter, value: bool) -> None:
    output.progress = output.progress and not value


def output_options(command: Any) -> Any:
    """Add the options that every command has."""
    options: tuple[Callable[[Any], Any], ...] = (
        click.option(
            "-v",
            "--verbose",
            count=True,
            expose_value=False,
            callback=_verbose,
            help="Tell what is asked of whom, with times; twice, also what engines answer.",
        ),
        click.option(
            "-q",
            "--quiet",
            is_flag=True,
            expose_value=False,
            callback=_quiet,
            help="Say nothing but data and errors.",
        ),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            metavar="WHEN",
            expose_value=False,
            callback=_color,
            help="Colours: auto, always or never.",
        ),
        click.option(
            "--no-progress",
            is_flag=True,
            expose_value=False,
            callback=_no_progress,
            help="Show no progress.",
        ),
    )
    # A function's options are written from the last to the first, those of a command in order.
    for option in options if isinstance(command, click.Command) else reversed(options):
        command = option(command)
    return command
