"""The lock file of a repository, with one environment: all of it, on each of its platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfenv.exporting.exported import Exported, notes_on_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envid.resolved import ResolvedEnv

__all__ = ["write"]


def write(envs: Sequence[ResolvedEnv]) -> Exported:
    """An environment as `mfenv create --lock` reads it, with the ids that it has."""
    from mfenv.lockfile.model import LockedEnv, LockFile
    from mfenv.lockfile.names import DEFAULT
    from mfenv.lockfile.writing import written

    text = written(LockFile(environments=(LockedEnv(name=DEFAULT, envs=tuple(envs)),)))
    packages = (package for env in envs for package in env.packages)
    return Exported(text=text, notes=tuple(notes_on_places(packages)))
