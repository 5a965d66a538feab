"""What a lock file holds: environments by name, and what each of them was made from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from mfenv.errors import InvalidRequest, UnknownEnvironment
from mfenv.lockfile.names import DEFAULT, FILE

if TYPE_CHECKING:
    from envid.resolved import ResolvedEnv
    from mfenv.lockfile.inputs import Inputs

__all__ = [
    "RESOLVED_AT",
    "RESOLVED_BY",
    "LockFile",
    "LockedEnv",
    "check_name",
]

RESOLVED_AT = datetime(1970, 1, 1, tzinfo=timezone.utc)
RESOLVED_BY = FILE
"""What descriptions made from a lock file say of when and by whom: the same on every machine.

The file says neither, since both would differ with whoever locks the very same.
"""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedEnv:
    """An environment of a lock file: one for each platform, of one spec, resolved together.

    `inputs` are None where it was not made from files of the repository.
    """

    name: str
    envs: tuple[ResolvedEnv, ...]
    inputs: Inputs | None = None

    @property
    def platforms(self) -> tuple[str, ...]:
        return tuple(env.platform for env in self.envs)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFile:
    """The environments of a lock file, by name."""

    environments: tuple[LockedEnv, ...]

    def get(self, name: str) -> LockedEnv | None:
        """The environment of that name, if there is one."""
        return next((locked for locked in self.environments if locked.name == name), None)

    def chosen(self, name: str | None) -> LockedEnv:
        """The environment of that name; without one the default, or else the only one.

        That of a step may be named without its flow where no other flow has one of that name.
        Raises `UnknownEnvironment`.
        """
        names = [locked.name for locked in self.environments]
        if name is None and len(names) == 1:
            return self.environments[0]
        if locked := self.get(name or DEFAULT):
            return locked
        steps = [locked for locked in self.environments if locked.name.endswith(f".{name}")]
        if len(steps) == 1 and steps[0].inputs and steps[0].inputs.flow:
            return steps[0]
        known = f"it has {', '.join(f'`{known}`' for known in names)}" if names else "it has none"
        raise UnknownEnvironment(
            f"the lock file has no environment `{name or DEFAULT}`", f"{known}; name one"
        )


def check_name(name: str) -> str:
    """Give `name` back if an environment can be called so, or raise `InvalidRequest`."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"`{name}` cannot name an environment of a lock file",
            "a name is made of letters, digits, `_`, `-` and `.`",
        )
    return name
