"""What a check found."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Finding", "State", "failure", "ok", "skipped", "warning"]

State = Literal["ok", "warning", "failure", "skipped"]


class Finding(NamedTuple):
    """One line about the state of something, and what to do where it is not as it should be."""

    state: State
    text: str
    hint: str | None = None


def ok(text: str) -> Finding:
    """What is as it should be."""
    return Finding("ok", text)


def warning(text: str, hint: str | None = None) -> Finding:
    """What works, but not as well as it could, or not all that somebody may want."""
    return Finding("warning", text, hint)


def failure(text: str, hint: str | None = None) -> Finding:
    """What does not work."""
    return Finding("failure", text, hint)


def skipped(text: str) -> Finding:
    """What was not looked at, and why."""
    return Finding("skipped", text)
