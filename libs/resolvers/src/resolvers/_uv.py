"""uv as a process: hermetic, with a cache of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from resolvers._processes import Processes
from resolvers.errors import EngineFailed

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from resolvers.request import ResolveContext

__all__ = ["Uv"]

# Before Python 3.12, the first look at its configuration must not be two threads'.
_FINDING = threading.Lock()


class Uv:
    """Runs uv; its processes end when the `with` block does."""

    def __init__(self, context: ResolveContext) -> None:
        self._cache = context.cache_dir / "uv"
        self._common = ("--no-config", "--cache-dir", self._cache, "--color", "never")
        self._offline = context.offline
        self.processes = Processes(context.on_process)

    def __enter__(self) -> Uv:
        return self

    def __exit__(self, *_: object) -> None:
        self.processes.close()

    def run(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        text: str = "",
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        offline: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run uv with the arguments that keep it hermetic."""
        network = ("--offline",) if offline or self._offline else ()
        return self.processes.run(
            name,
            (_program(), *arguments, *self._common, *network),
            text=text,
            environment=environment,
            directory=directory,
        )


def _program() -> str:
    try:
        import uv

        with _FINDING:
            return uv.find_uv_bin()
    except (FileNotFoundError, ImportError):
        raise EngineFailed(
            "uv", "its program is missing", hint="install the package `uv`"
        ) from None
