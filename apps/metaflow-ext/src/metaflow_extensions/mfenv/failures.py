"""What a command of Metaflow ends with where mfenv refused something, or failed."""

from __future__ import annotations

from typing import IO

from metaflow._vendor import click
from metaflow.exception import MetaflowException

__all__ = ["EnvironmentFailed"]


class _Shown(click.ClickException):
    """What Metaflow's commands, which are click's, have shown by itself."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)


class EnvironmentFailed(MetaflowException, _Shown):
    """What mfenv refused or could not do, in its own words."""

    headline = "Environment error"

    def __init__(self, message: str = "") -> None:
        MetaflowException.__init__(self, message)
        self.message = message

    def show(self, file: IO[str] | None = None) -> None:
        """Say it as Metaflow says its errors, which drops each `*`: to it, they are marks of bold."""
        click.secho(f"    {self.headline}:", file=file, err=True, bold=True)
        for line in self.message.splitlines():
            click.echo(f"    {line}", file=file, err=True)
        click.echo("", file=file, err=True)
