"""Who works here."""

from __future__ import annotations

import os

__all__ = ["user_name"]


def user_name() -> str:
    """Who resolves here: the name of the user, or `uid-N` for want of a name."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"  # a container may run as somebody who has no name
