"""A question in the words of `uv pip compile`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from resolvers._index import index_settings

if TYPE_CHECKING:
    from pathlib import Path

    from resolvers._question import UvQuestion
    from resolvers._uv import Uv

__all__ = ["LOCK", "LOG", "Asking", "asking"]

LOCK = ("--format", "pylock.toml")
"""The options of a question that has a choice to make; others name exact versions."""

LOG = {"RUST_LOG": "uv_client::cached_client=debug"}
"""The variable with which uv logs what it has never seen before, and nothing else."""


class Asking(NamedTuple):
    """What may hold a credential is in the `text` on standard input, or in `config`."""

    name: str
    arguments: tuple[str | Path, ...]
    text: str
    environment: dict[str, str]
    config: str


def asking(
    uv: Uv,
    question: UvQuestion,
    options: tuple[str | Path, ...],
    constraints: Path | None,
    *,
    logs: bool = False,
) -> Asking:
    """How uv is asked; `constraints` is written, and may be None where there is no pin."""
    stubs = [question.stubs.folder] if question.stubs else []
    settings = index_settings(uv, question.spec, question.context.credentials, stubs)
    return Asking(
        f"uv pip compile {question.target.platform}",
        ("pip", "compile", *question.arguments(constraints), *settings.arguments, *options),
        "\n".join((*question.lines, "")),
        {**question.target.uv_environment, **(LOG if logs else {})},
        settings.config,
    )
