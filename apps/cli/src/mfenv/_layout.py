"""What fits a terminal: tables, lists and help. Elsewhere data stays whole, a row to a line."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import click

from mfenv._output import output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Context", "pairs", "table"]

_INDENT, _GAP = 2, 2
_LEAST = 20


class _Formatter(click.HelpFormatter):
    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        super().write_dl(list(rows), min(col_max, self.width // 3), col_spacing)


class Context(click.Context):
    """The context of a command whose help fits narrow terminals, too."""

    def make_formatter(self) -> click.HelpFormatter:
        import shutil

        # click itself writes 50 columns at the least, however few there are.
        columns = min(shutil.get_terminal_size().columns, self.max_content_width or math.inf)
        return _Formatter(width=max(int(columns) - 2, _LEAST))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; what has no room beside is below, in lines of the same columns."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    parts = list(_parts(widths, _room()))
    for number, line in enumerate(lines):
        for at, part in enumerate(parts):
            cells = (line[column].ljust(widths[column]) for column in part)
            text = (" " * _GAP).join(cells).rstrip()
            if text:
                shown = _folded(text if not at else " " * _INDENT + text, _INDENT)
                plain = number > 0 or not output.styled
                click.echo(shown if plain else click.style(shown, bold=True))


def pairs(rows: Iterable[tuple[str, str]], width: int) -> None:
    """Print texts beside their labels, which have this width."""
    for label, text in rows:
        click.echo(_folded(f"{label:<{width}} {text}", width + 1))


def _room() -> float:
    if not sys.stdout.isatty():
        return math.inf
    import shutil

    return shutil.get_terminal_size().columns


def _parts(widths: Sequence[int], room: float) -> Iterator[range]:
    """The columns that fit beside each other."""
    start, used = 0, 0
    for column, width in enumerate(widths):
        # A part has at least one column, whether that fits or not.
        if column > start and used + _GAP + width > room:
            yield range(start, column)
            start, used = column, _INDENT
        used += width + _GAP * (column > start)
    yield range(start, len(widths))


def _folded(text: str, indent: int) -> str:
    """The text in lines that fit, the second and further ones indented; no word is broken."""
    room = _room()
    if len(text) <= room:
        return text
    import textwrap

    first = len(text) - len(text.lstrip())
    lines = textwrap.wrap(
        text,
        max(int(room), _LEAST),
        initial_indent=text[:first],
        subsequent_indent=" " * max(indent, first),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)
