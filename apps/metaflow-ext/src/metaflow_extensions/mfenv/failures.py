"""What a command of Metaflow ends with where mfenv refused something, or failed."""

from __future__ import annotations

from metaflow.exception import MetaflowException

__all__ = ["EnvironmentFailed"]


class EnvironmentFailed(MetaflowException):
    """What mfenv refused or could not do, in its own words."""

    headline = "Environment error"
