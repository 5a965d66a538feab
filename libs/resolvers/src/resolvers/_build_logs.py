"""What a build that failed had to say: in short for its error, and whole in a file."""

from __future__ import annotations

import logging
import os
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from envid.redaction import redact
from resolvers.errors import BuildFailed

if TYPE_CHECKING:
    from resolvers._story import Story

__all__ = ["build_failed"]

_log = logging.getLogger(__name__)

# How many files stay, and how many lines an error shows; how long a line may be in the log, and in
# the error.
_KEPT, _SHOWN = 20, 12
_LONGEST, _WIDEST = 10_000, 160
_MODULE = re.compile(r"No module named '([\w-]+)")


def build_failed(
    package: str, story: Story, cache: Path, hint: str | None = None, why: str = ""
) -> BuildFailed:
    """The error of a build; all of its output is logged, and kept in a file below a cache."""
    text = _redacted(story.log)
    _log.info("the build of %s:\n%s", package, text)
    said = story.said
    # The reason has these already.
    known = ("", said, "Traceback (most recent call last):")
    lines = [line for line in story.output if line.strip() not in known]
    lacks = _MODULE.search(said)
    if lacks:
        hint = f"its build needs `{lacks[1]}`, which `build-system.requires` must name"
    elif "SIGKILL" in story.reason:
        hint = "something ended its build, often the system that is short of memory"
    error = BuildFailed(package, redact(story.reason), text, hint, why)
    error.tail = tuple(
        redact(line if len(line) <= _WIDEST else f"{line[:_WIDEST]}...") for line in lines[-_SHOWN:]
    )
    error.path = _keep(text, package, cache / "logs")
    return error


def _redacted(text: str) -> str:
    # By lines and cut: a compiler may write megabytes into a single line.
    lines = (
        line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in text.split("\n")
    )
    return "\n".join(map(redact, lines))


def _keep(text: str, package: str, folder: Path) -> Path | None:
    """Write a log, and delete all but the newest ones; None where nothing can be written."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", redact(package)).strip("-.")[-60:]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Names begin with the time, so that the oldest come first.
        # One fewer than are kept: the new one is still to come.
        for old in sorted(folder.glob("*.log"))[: -_KEPT + 1]:
            old.unlink(missing_ok=True)
        start = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-"
        descriptor, path = tempfile.mkstemp(dir=folder, prefix=start, suffix=".log")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(f"{text}\n")
    # The error of the build is what counts, also where its log cannot be kept.
    except OSError:
        return None
    return Path(path)
