"""What `Environments` gives for what it resolved, created and removed."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from envid.aliases import FullRef
    from envid.ids import EnvId
    from envid.resolved import ResolvedEnv

__all__ = ["Created", "Removed", "Resolved", "timed"]


class Resolved(NamedTuple):
    """What a resolve gave: an environment per platform.

    `known`: no resolver had to run; `from_store`: because the store had it, and this machine did
    not. `seconds` says how long each phase took. `notes` are what was read in files and not used,
    and what is known of the environments: the same whether they were resolved just now or not.
    `before` is the answer that was known, where it was asked for another one all the same.
    """

    envs: tuple[ResolvedEnv, ...]
    known: bool
    before: tuple[ResolvedEnv, ...] = ()
    from_store: bool = False
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = {}

    def _repr_html_(self) -> str:
        """What a notebook shows: every environment, and the notes."""
        from envid.markup import Html, element, joined

        own = [note for note in self.notes if not any(note in env.notes for env in self.envs)]
        notes = (element("p", f"note: {note}") for note in own)
        return joined(*notes, *(Html(env._repr_html_()) for env in self.envs))


class Created(NamedTuple):
    """A prefix. `new`: it was made by this call; `seconds` says how long each phase took."""

    prefix: Path
    name: str | None
    env_id: EnvId
    new: bool
    seconds: Mapping[str, float] = {}

    def _repr_html_(self) -> str:
        """What a notebook shows: where it is, and what is in it."""
        from envid.notebook import terms

        ids = f"{self.env_id.req_id[:12]}:{self.env_id.full_id[:12]}"
        rows = (
            ("prefix", str(self.prefix)),
            ("name", self.name or ""),
            ("environment", ids),
            ("platform", self.env_id.platform),
        )
        return terms(rows)


class Removed(NamedTuple):
    """What was deleted here: directories, and the environment that was forgotten, if any."""

    prefixes: tuple[Path, ...]
    forgotten: FullRef | None = None


@contextmanager
def timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    """Write down how long the body took."""
    started = time.monotonic()
    yield
    seconds[phase] = time.monotonic() - started
