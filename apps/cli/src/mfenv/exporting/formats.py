"""The table of formats, which imports none of them before it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envid.resolved import ResolvedEnv
    from mfenv.exporting.exported import Exported

__all__ = ["FORMATS", "export"]

_MODULES = {
    "requirements": "requirements",
    "pylock": "pylock",
    "environment.yml": "environment_yml",
    "explicit": "explicit",
}

FORMATS = tuple(_MODULES)
"""The names of the formats."""


def export(envs: Sequence[ResolvedEnv], form: str) -> Exported:
    """Environments of one spec, a platform each, as a file of a format: the same text every time.

    Raises `NotExportable` where the file would be wrong, and `KeyError` for what is no format.
    """
    module = import_module(f"mfenv.exporting.{_MODULES[form]}")
    exported: Exported = module.write(sorted(envs, key=lambda env: env.platform))
    return exported
