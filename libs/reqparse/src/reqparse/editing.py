"""Editing the text of a requirements.txt: all but the line that is meant stays as it was.

Lines are those of pip, which a backslash joins, and are named by the number at which one starts, as
`Origin.line` has it.
"""

from __future__ import annotations

from reqparse._lines import COMMENT, continued, joined

__all__ = ["append_line", "insert_line", "remove_line", "remove_lines", "replace_line"]

_ENDS = ("\r\n", "\n", "\r")


def append_line(text: str, line: str) -> str:
    """The text with a line more at its end, which ends as its others do.

    Raises ValueError where the last line goes on behind the end.
    """
    lines = text.splitlines(keepends=True)
    if lines and continued(lines[-1].rstrip("\r\n")):
        raise ValueError(f"line {len(lines)} goes on behind the end of the file")
    return insert_line(text, len(lines), line)


def insert_line(text: str, number: int, line: str) -> str:
    """The text with a line more behind that of a number, which ends as the first one does."""
    lines = text.splitlines(keepends=True)
    end = next((end for end in _ENDS if lines and lines[0].endswith(end)), "\n")
    # A file whose last line has no end has none again.
    unended = number == len(lines) and lines and not lines[-1].endswith(_ENDS)
    lines.insert(number, f"{end}{line}" if unended else f"{line}{end}")
    return "".join(lines)


def replace_line(text: str, number: int, line: str) -> str:
    """The text with another statement in a line, whose comment stays.

    Raises ValueError for a line that is joined from several.
    """
    start, stop = _extent(text, number)
    if stop - start > 1:
        raise ValueError(f"line {number} is joined from several")
    lines = text.splitlines(keepends=True)
    comment = COMMENT.search(lines[start].rstrip("\r\n"))
    said = (lines[start][: comment.start()] if comment else lines[start]).strip()
    lines[start] = lines[start].replace(said, line, 1)
    return "".join(lines)


def remove_line(text: str, number: int) -> str:
    """The text without a line, and without its comment."""
    start, stop = _extent(text, number)
    return remove_lines(text, start, stop)


def remove_lines(text: str, start: int, stop: int) -> str:
    """The text without the lines of the file from `start` to before `stop`, counted from 0."""
    lines = text.splitlines(keepends=True)
    unended = stop == len(lines) and not lines[-1].endswith(_ENDS)
    del lines[start:stop]
    # A file whose last line had no end has none again.
    if unended and lines:
        lines[-1] = lines[-1].removesuffix(next(e for e in (*_ENDS, "") if lines[-1].endswith(e)))
    return "".join(lines)


def _extent(text: str, number: int) -> tuple[int, int]:
    """Where a line starts and ends among those of the file, from 0."""
    starts = [start for start, _ in joined(text)]
    later = [start for start in starts if start > number]
    return number - 1, (later[0] if later else len(text.splitlines()) + 1) - 1
