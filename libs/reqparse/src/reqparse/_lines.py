"""The lines of a requirements file: decoding, continuations, comments, environment variables.

What is done is what pip's reference page "Requirements File Format" and its code do.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, NamedTuple

from reqparse._flaw import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BOMS = (  # UTF-32 first: its little-endian mark starts with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)", re.ASCII)
_SLOW = ("punycode", "idna")  # quadratic in the length of their input
COMMENT = re.compile(r"(?:^|\s)#.*$")
# As pip has it: `$NAME` and names in lower case are no variables, and stay as they are written.
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")


class LogicalLine(NamedTuple):
    """A logical line: where it starts, as written, and with its variables put in."""

    number: int
    raw: str
    text: str
    expanded: tuple[tuple[str, str], ...]
    unset: tuple[str, ...]

    def hide(self, message: str) -> str:
        """A message without the values of environment variables, which may be secret."""
        for name, value in self.expanded:
            message = message.replace(value, f"${{{name}}}")
        return message


def decode(data: bytes, *, pep263: bool = True) -> str:
    """Text by its byte order mark, else by a PEP 263 line, else as UTF-8. Raises Flaw."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _decode(data[len(bom) :], encoding, "its byte order mark")
    # PEP 263 allows it in the first two lines, no later.
    for line in data.split(b"\n", 2)[:2]:
        if pep263 and line.startswith(b"#") and (coding := _CODING.search(line)):
            return _decode(data, coding[1].decode("ascii"), "its coding line")
    return _decode(data, "utf-8", "default")


def _decode(data: bytes, encoding: str, reason: str) -> str:
    try:
        slow = codecs.lookup(encoding).name in _SLOW
        # Refused like a name that no codec has.
        return data.decode("no such encoding" if slow else encoding)
    except LookupError:
        raise Flaw(f"unknown encoding `{encoding}`, named by {reason}", "use UTF-8") from None
    except ValueError as error:
        at = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise Flaw(
            f"the file is not {encoding} (by {reason}){at}",
            "save it as UTF-8 or name its encoding in the first line, `# -*- coding: ... -*-`",
        ) from None


def logical_lines(text: str, env: Mapping[str, str]) -> Iterator[LogicalLine]:
    """The lines that say something, joined over trailing backslashes and without comments."""
    # In pip's order: continuations, comments, then variables, so that a `#` in the value of one
    # begins no comment.
    for number, line in joined(text):
        raw = COMMENT.sub("", line, count=1).strip()
        if raw:
            yield _expand(number, raw, env)


def joined(text: str) -> Iterator[tuple[int, str]]:
    """Join continued lines; a line that is only a comment always ends a continuation."""
    parts: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), start=1):
        start = start if parts else number
        comment = line.lstrip().startswith("#")
        if continued(line):
            # At both ends, as pip does.
            parts.append(line.strip("\\"))
            continue
        # With a space, so that its `#` still begins a comment behind what was joined.
        yield start, "".join([*parts, " " if comment else "", line])
        parts = []
    if parts:
        yield start, "".join(parts)


def continued(line: str) -> bool:
    """Whether the next line belongs to this one."""
    return line.endswith("\\") and not line.lstrip().startswith("#")


def _expand(number: int, raw: str, env: Mapping[str, str]) -> LogicalLine:
    if "${" not in raw:
        return LogicalLine(number, raw, raw, (), ())
    names = dict.fromkeys(_VARIABLE.findall(raw))
    # To pip, a variable that is set to nothing is not set.
    values = {name: value for name in names if (value := env.get(name))}
    text = _VARIABLE.sub(lambda variable: values.get(variable[1], variable[0]), raw)
    unset = tuple(name for name in names if name not in values)
    return LogicalLine(number, raw, text, tuple(values.items()), unset)
