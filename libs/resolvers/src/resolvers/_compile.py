"""One question to `uv pip compile`, and its answer."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from resolvers._lock import plain_url, read_lock, read_notes
from resolvers._question import PUBLIC_INDEX, index_arguments
from resolvers.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resolvers._lock import Locked, Notes
    from resolvers._question import Question
    from resolvers._uv import Uv

__all__ = ["compile_lock", "compile_notes"]


def compile_lock(uv: Uv, question: Question, *options: str) -> tuple[Locked, ...]:
    """The packages that answer a question; raises `ResolveError` with uv's reason."""
    return read_lock(_compile(uv, question, ("--format", "pylock.toml", *options)))


def compile_notes(uv: Uv, question: Question, locked: Iterable[Locked]) -> dict[str, Notes]:
    """Who needs what, and where it was found, of packages that were chosen just now.

    A lock file does not say it, the other format does. What uv needs for it is in its cache.
    """
    pins = [f"{one.name}=={one.version}" for one in locked if one.version]
    pinned = question.preferring_wheels(question.only_binary, pins)
    options = ("--annotation-style", "split", "--emit-index-annotation", "--offline")
    return read_notes(_compile(uv, pinned, options))


def _compile(uv: Uv, question: Question, options: tuple[str, ...]) -> str:
    sources = [(one.kind, one.url) for one in question.spec.sources]
    indexes = [url for kind, url in sources if kind == "index"]
    public = _public_index(uv) if PUBLIC_INDEX in indexes[:-1] else None
    chosen, environment = index_arguments(sources, question.context.credentials, public)
    with tempfile.TemporaryDirectory() as work:
        arguments = question.arguments(Path(work) / "constraints.txt")
        done = uv.run(
            f"uv pip compile {question.target.platform}",
            ("pip", "compile", *arguments, *chosen, *options),
            text=question.text(),
            environment=environment | question.target.uv_environment,
        )
    if done.returncode:
        raise EngineFailed("uv", done.stderr.strip())
    return done.stdout


def _public_index(uv: Uv) -> str:
    """The URL of uv's default index, which it can put anywhere but last only if it is named."""
    shown = uv.run("uv help", ("pip", "compile", "--help")).stdout
    found = re.search(r"\(by default: <(\S+)>\)", shown)
    if not found:
        raise EngineFailed("uv", "it does not say what its default index is")
    return plain_url(found[1])
