"""A failure as uv tells it, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from textwrap import dedent

__all__ = ["Story", "plain_text", "plain_words", "without_logins"]

_USERINFO = re.compile(r"://[^/@\s]+@")
_FAILED = "\nerror: Failed to build"
_ERROR = re.compile(r"[\w.]*(?:Error|Exception|error|fatal): ")
_BUILDING = re.compile(r"^(?: *Building |warning: ).*\n?", re.MULTILINE)
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A failure as uv tells it: a chain of causes, each on a line, and hints.

    `output` are the lines of what a program that uv had started wrote.
    """

    causes: tuple[str, ...]
    hints: tuple[str, ...]
    output: tuple[str, ...]
    log: str

    @classmethod
    def read(cls, stderr: str) -> Story:
        """Split what uv wrote to standard error; no credential is left in it."""
        log = without_logins(plain_text(stderr)).strip()
        own, *output = re.split(r"\n *(?:\[stderr\]|\[stdout\]|--- stderr)\n", log)
        # What `uv build` starts writes before uv says that it failed.
        # The last one: a build may write the same words before.
        before, mark, after = log.rpartition(_FAILED)
        if mark and not output:
            own, output = f"{mark}{after}", [_BUILDING.sub("", before)]
        # A cause goes on in lines that are indented deeper than its first.
        parts = re.findall(r"^ {0,2}(error|cause|hint): (.*(?:\n {3,}.*)*)", own, re.MULTILINE)
        flat = [(kind, " ".join(text.split())) for kind, text in parts]
        # What a program wrote ends where uv's hints begin.
        texts = [dedent(text.partition("\n\nhint: ")[0]) for text in output]
        return cls(
            causes=tuple(text for kind, text in flat if kind != "hint"),
            hints=tuple(text for kind, text in flat if kind == "hint"),
            output=tuple(line.rstrip() for text in texts for line in text.splitlines()),
            log=log,
        )

    @property
    def said(self) -> str:
        """The last line of what the program wrote, of those that name an error if there are any.

        What it wrote to its two streams comes in no order.
        """
        lines = [text for line in self.output if (text := " ".join(line.split()).rstrip("."))]
        errors = [line for line in lines if _ERROR.match(line)]
        return (errors or lines or [""])[-1]

    @property
    def reason(self) -> str:
        """The innermost cause, and the last word of the program that failed."""
        cause = plain_words(self.causes[-1]) if self.causes else "it does not say why"
        return f"{cause}: {self.said}" if self.said else cause

    def search(self, pattern: str | re.Pattern[str]) -> re.Match[str] | None:
        """Look for a pattern in all of it."""
        return re.search(pattern, "\n".join((*self.causes, *self.hints)))


def plain_text(text: str) -> str:
    """A text without escape sequences and control characters."""
    return _ESCAPES.sub("", re.sub(r"\r\n?", "\n", text))


def without_logins(text: str) -> str:
    """A text whose URLs have no user and no password."""
    return _USERINFO.sub("://", text)


def plain_words(cause: str) -> str:
    text = re.sub(r" \(os error \d+\)| *\(exit status: \d+\)", "", cause).rstrip(".")
    return text[:1].lower() + text[1:]
