"""The table of formats, which imports none of them before it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from mfenv.exporting.exported import Exported

__all__ = ["ASKED", "FORMATS", "LICENSED", "export", "module_of"]

_MODULES = {
    "requirements": "requirements",
    "pylock": "pylock",
    "environment.yml": "environment_yml",
    "explicit": "explicit",
    "conda-lock": "conda_lock",
    "pixi": "pixi",
    "lock": "lock",
    "cyclonedx": "cyclonedx",
    "spdx": "spdx",
    "dockerfile": "dockerfile",
}

FORMATS = tuple(_MODULES)
"""The names of the formats."""

_ASKED = {"environment.yml": "asked"}

ASKED = tuple(_ASKED)
"""The formats that can also say what was asked for, in place of what was found."""

LICENSED = ("cyclonedx", "spdx")
"""The formats that state licences."""


def module_of(form: str, *, asked: bool = False) -> str:
    """The name of the module that writes a format. Raises `KeyError` for what is no such format."""
    return f"mfenv.exporting.{(_ASKED if asked else _MODULES)[form]}"


def export(
    envs: Sequence[ResolvedEnv],
    form: str,
    *,
    asked: bool = False,
    licences: Mapping[Package, str] | None = None,
) -> Exported:
    """Environments of one spec, a platform each, as a file of a format: the same text every time.

    With `asked` it is one of `ASKED`. `licences` are what the metadata of packages states, empty
    where it states none; they are said by `LICENSED`. Raises `NotExportable` where the file would
    be wrong, and `KeyError` for what is no such format.
    """
    module = import_module(module_of(form, asked=asked))
    more = [licences or {}] if form in LICENSED else []
    exported: Exported = module.write(sorted(envs, key=lambda env: env.platform), *more)
    return exported
