"""Where the tasks of a step run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable

if TYPE_CHECKING:
    from metaflow.decorators import Decorator

__all__ = ["REMOTE", "is_remote", "platform_of"]

REMOTE = ("batch", "kubernetes", "nvct", "nvidia", "skypilot_step", "slurm", "snowpark")
"""Decorators that Metaflow's own environments know; others say of themselves that they are."""


def is_remote(decorators: Iterable[Decorator]) -> bool:
    """Whether the tasks of a step run on another machine."""
    return platform_of(decorators) is not None


def platform_of(decorators: Iterable[Decorator]) -> str | None:
    """The platform of the machine that a step is sent to; None for this one."""
    for deco in decorators:
        if deco.name in REMOTE or getattr(deco, "supports_conda_environment", False):
            platform = getattr(deco, "target_platform", None)
            return platform if isinstance(platform, str) and platform else "linux-64"
    return None
