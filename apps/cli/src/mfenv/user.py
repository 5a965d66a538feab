"""Who works here, and where what is theirs lies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["config_folder", "data_folder", "user_name"]


def user_name() -> str:
    """Who resolves here: the name of the user, or `uid-N` for want of a name."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"  # a container may run as somebody who has no name


def data_folder() -> Path:
    """Where mfenv keeps what is a user's own. Raises `RuntimeError` for one without a home."""
    return _folder("XDG_DATA_HOME", ".local/share")


def config_folder() -> Path:
    """Where a user's settings of mfenv lie. Raises `RuntimeError` for one without a home."""
    return _folder("XDG_CONFIG_HOME", ".config")


def _folder(variable: str, beside: str) -> Path:
    """As the XDG base directories are specified, which passes over a relative one."""
    named = os.environ.get(variable, "")
    if os.path.isabs(named):  # noqa: PTH117 - what is empty is no path
        return Path(named, "mfenv")
    mac = sys.platform == "darwin"
    return Path.home() / ("Library/Application Support" if mac else beside) / "mfenv"
