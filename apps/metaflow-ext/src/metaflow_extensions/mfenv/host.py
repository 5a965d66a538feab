"""What the commands of mfenv stand on inside of Metaflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow_extensions.mfenv._configuration import skips_needs
from metaflow_extensions.mfenv.asking import find_step
from metaflow_extensions.mfenv.mfenv_settings import load_credentials, load_settings
from metaflow_extensions.mfenv.needs import needed
from mfenv.host import Host

if TYPE_CHECKING:
    from mfenv.environments import Environments
    from mfenv.request import Request
    from mfenv.settings import Settings

__all__ = ["MetaflowHost"]


class MetaflowHost(Host):
    """`metaflow environment`, under Metaflow's configuration for one type of datastore."""

    name = "Metaflow"

    def __init__(self, *, datastore: str, root: str | None = None) -> None:
        super().__init__()
        self.datastore, self.root = datastore, root
        self.skip_pins: bool | None = None

    def settings(self, options: dict[str, Any] | None = None) -> Settings:
        return load_settings(self.datastore, options, root=self.root)

    def environments(self, options: dict[str, Any] | None = None) -> Environments:
        from mfenv.environments import Environments

        return Environments(
            self.settings(options),
            progress=self.progress(),
            credentials=load_credentials(),
            step=find_step,
        )

    def request(self, request: Request) -> Request:
        """The request with what Metaflow itself needs in a task, unless that was refused."""
        skip = self.skip_pins
        if skips_needs() if skip is None else skip:
            return request
        pins = needed(self.datastore)
        return request._replace(
            also=tuple((f"{name}{pin}", "Metaflow itself") for name, pin in pins.items())
        )
