"""What became of a lock file: environments that were locked again, and what does not fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envid.resolved import ResolvedEnv
    from mfenv.lockfile.differences import Difference

__all__ = ["LockCheck", "LockOutcome", "Relocked"]


@dataclass(frozen=True, kw_only=True)
class Relocked:
    """An environment of a lock file after locking it, and before: empty where it was not there.

    `kept`: nothing had to be resolved. `notes` are as `Resolved` has them.
    """

    name: str
    before: tuple[ResolvedEnv, ...]
    envs: tuple[ResolvedEnv, ...]
    kept: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LockOutcome:
    """What locking gave: each environment of the file, and the names of those that left it.

    `written` says whether the file is another one now.
    """

    environments: tuple[Relocked, ...]
    removed: tuple[str, ...] = ()
    written: bool


@dataclass(frozen=True, kw_only=True)
class LockCheck:
    """Where a lock file does not fit what is asked for, by environment; empty where it does.

    `unchecked` are the environments that do not say here what they were made from, each with the
    file of the flow that says it; empty where none does.
    """

    differences: Mapping[str, tuple[Difference, ...]]
    unchecked: Mapping[str, str] = field(default_factory=dict)
