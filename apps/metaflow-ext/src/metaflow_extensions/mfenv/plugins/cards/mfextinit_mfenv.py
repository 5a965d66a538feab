"""The cards that the extension adds to Metaflow."""

from __future__ import annotations

from metaflow_extensions.mfenv.environment_card import EnvironmentCard

__all__ = ["CARDS"]

CARDS = [EnvironmentCard]
