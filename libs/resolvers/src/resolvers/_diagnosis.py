"""What uv's failures mean for someone who does not use uv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolvers.errors import EngineFailed, NoSolution

if TYPE_CHECKING:
    from resolvers._question import Question
    from resolvers.errors import ResolveError

__all__ = ["diagnose"]


def diagnose(log: str, question: Question) -> ResolveError:
    if "No solution found" in log:
        return NoSolution(question.target.platform, log)
    return EngineFailed("uv", log)
