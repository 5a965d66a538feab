"""Who runs the commands: `mfenv` itself, or a program that has them among its own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mfenv._output import output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mfenv.environments import Environments
    from mfenv.request import Request
    from mfenv.settings import Settings

__all__ = ["Host"]


class Host:
    """Who runs the commands. A group of them takes its own as the `obj` of its context.

    `name` is what users know it by. `quiet` leaves everything out that is neither data nor an
    error; `may_fork` says that its process is for the command alone, and may be copied;
    `kernel_variables` are for the processes of Jupyter kernels that are made.
    """

    name = "mfenv"

    def __init__(self, *, quiet: bool = False, may_fork: bool = False) -> None:
        self._quiet, self._may_fork = quiet, may_fork
        self.kernel_variables: dict[str, str] = {}

    @property
    def quiet(self) -> bool:
        """Whether nothing but data and errors is said."""
        return self._quiet or output.quiet

    def settings(self, options: dict[str, Any] | None = None) -> Settings:
        """The settings in force; `options` are those given by hand."""
        from mfenv.settings import Settings

        return Settings.load(options)

    def environments(self, options: dict[str, Any] | None = None) -> Environments:
        """The environments under the settings in force."""
        from mfenv.environments import Environments

        return Environments(
            self.settings(options), progress=self.progress(), may_fork=self._may_fork
        )

    @contextmanager
    def opened(self, options: dict[str, Any] | None = None) -> Iterator[Environments]:
        """The environments for a command, at whose end the limits of the cache come into force."""
        with self.environments(options) as environments:
            try:
                yield environments
            finally:
                environments.enforce_limits()

    def request(self, request: Request) -> Request:
        """What to resolve where a user asks for `request`."""
        return request

    def progress(self) -> Any:
        """Where the commands show how far they are, None for nowhere."""
        if self.quiet:
            return None
        from mfenv._progress import progress

        return progress()
