"""The code blocks of a page of the site, and a machine of a user on which they run.

A block is one of these; the page of another one is refused:

- `console`: what is typed after `$ `, a line that ends with a backslash goes on in the next, and
  what is said to that. Where nothing is shown, anything may be said. A command fails where `error: `
  is shown, and only there. A line `...` stands for any lines, and `…` for anything in a line.
- with a `:caption:`: the file of that name, as it is from there on.
- `python`: a program, which a block `text` after it shows the output of.
- after a line `*Not tested: REASON*`, anything, which is not run.
- `text`: a drawing, or a form of something that is typed.

All blocks of a page run in one shell, in the order in which they stand.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Block", "Command", "Desk", "blocks", "commands_of", "said_as_shown"]

_FENCE = re.compile(r"^(```+)([^\n]*)\n(.*?)^\1$", re.DOTALL | re.MULTILINE)
_UNTESTED = re.compile(r"\*Not tested: [^*]+\.\*\n\n?\Z")
_DIRECTIVES = ("{toctree}", "{eval-rst}", "{include}", "{literalinclude}")
_CAPTION = re.compile(r":caption: (\S+)\n\n?")
# What differs between machines and days.
_VARYING = (
    # Said where a server is slow, be progress shown or not.
    (re.compile(r"(?m)^waiting for .*\n?"), ""),
    (re.compile(r"(?m)^\w+ took .* s\n?"), ""),
    (re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{7,64}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?"), "TIME"),
    (re.compile(r"\b\d{16}\b"), "RUN"),
    (re.compile(r"\bpid \d+"), "pid"),
    (re.compile(r"\b3\.(9|1\d)(\.\d+)?\b"), "3.V"),
    (re.compile(r"\(\d+ bytes\)"), "SIZE"),
    (re.compile(r"[+-]?\d+(\.\d+)? [kMG]?B\b"), "SIZE"),
    (re.compile(r"\b\d+\.\d+ s\b"), "N s"),
    (re.compile(r" {2,}"), "  "),
    (re.compile(r" +$", re.MULTILINE), ""),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of code: `kind` is `console`, `file`, `python`, `text`, `untested`, or no such kind."""

    kind: str
    text: str
    line: int
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is typed, and what the page shows of the answer."""

    typed: str
    shown: str
    line: int


def blocks(page: str) -> list[Block]:
    """The blocks of a page, but for the directives that are no code."""
    found = []
    for match in _FENCE.finditer(page):
        info, text = match[2].strip(), match[3]
        line = page.count("\n", 0, match.start()) + 1
        if info.startswith(_DIRECTIVES):
            continue
        caption = _CAPTION.match(text)
        if _UNTESTED.search(page, 0, match.start()):
            kind = "untested"
        elif info.startswith("{code-block}") and caption:
            kind, text = "file", text[caption.end() :]
        else:
            kind = info or "text"
        name = caption[1] if caption else ""
        found.append(Block(kind=kind, text=text, line=line, name=name))
    return found


def commands_of(block: Block) -> Iterator[Command]:
    """What a console block shows to be typed."""
    parts = re.split(r"(?m)^\$ ", block.text)
    assert not parts[0].strip(), f"line {block.line}: a console begins with what is typed"
    line = block.line + 1 + parts[0].count("\n")
    for part in parts[1:]:
        lines = part.split("\n")
        count = 1 + next(n for n, one in enumerate(lines) if not one.endswith("\\"))
        typed, shown = "\n".join(lines[:count]), "\n".join(lines[count:])
        yield Command(typed=typed, shown=shown.strip("\n"), line=line)
        line += part.count("\n")


def said_as_shown(said: str, shown: str) -> bool:
    """Whether a page shows what was said, but for what differs between machines and days."""
    lines = _constant(shown).splitlines()
    patterns = [
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace("…", ".*") + r"\n"
        for line in lines
    ]
    lines = _constant(said).splitlines()
    return re.fullmatch("".join(patterns), "".join(f"{line}\n" for line in lines)) is not None


def _constant(text: str) -> str:
    for pattern, constant in _VARYING:
        text = pattern.sub(constant, text)
    return text.strip("\n")


class Desk:
    """A user `ada`, with a home and a project of her own; `there` says what stands for what.

    Nothing of the surrounding environment reaches what she types, but what `environ` holds.
    """

    def __init__(self, root: Path, there: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self.home = root / "home" / "ada"
        self.project = self.home / "project"
        programs = root / "bin"
        for folder in (self.project, programs, root / "srv", root / "tmp"):
            folder.mkdir(parents=True)
        for name in ("mfenv", "metaflow", "python"):
            # A link to a Python would not be in the virtual environment of that one.
            program = programs / name
            real = Path(sys.executable).with_name(name)
            # What is told of what takes long would be told on busy machines alone.
            more = " --no-progress" if name == "mfenv" else ""
            program.write_text(f'#!/bin/sh\nexec {shlex.quote(str(real))}{more} "$@"\n')
            program.chmod(0o755)
        self._there = {**there, "/home/ada": str(self.home), "/srv/": f"{root}/srv/"}
        self.environ = {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": f"{programs}:{os.defpath}",
            "TMPDIR": str(root / "tmp"),
            "USER": "ada",
            "LOGNAME": "ada",
            **environ,
        }

    def really(self, text: str) -> str:
        """What a text of a page stands for here."""
        for shown, real in self._there.items():
            text = text.replace(shown, real)
        return text

    def shown(self, text: str) -> str:
        """What was said here, as a page has it."""
        for shown, real in self._there.items():
            text = text.replace(real, shown)
        return text

    def file(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.really(text))

    def type(self, lines: list[tuple[str, ...]]) -> list[tuple[str, int]]:
        """Run what is typed in one shell; what each says, and its status.

        A line is what is typed or, with the name of a file in front, the text of that file.
        """
        script = []
        for line in lines:
            if len(line) > 1:
                name, text = line
                path = self.project / name
                words = (sys.executable, "-c", _WRITE, str(path), self.really(text))
                script.append(shlex.join(words))
            else:
                script.append(self.really(line[0]))
            script.append('printf "\\n%s %s\\n" "$_mark" "$?"')
        mark = os.urandom(8).hex()
        done = subprocess.run(
            ["/bin/bash", "-c", "\n".join([f"_mark={mark}", *script])],
            cwd=self.project,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        *parts, _ = re.split(rf"\n{mark} (\d+)\n", done.stdout)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        answers = [(self.shown(said), int(status)) for said, status in pairs]
        assert len(answers) == len(lines), done.stdout
        return answers


_WRITE = """
import pathlib, sys
path = pathlib.Path(sys.argv[1])
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(sys.argv[2])
"""
