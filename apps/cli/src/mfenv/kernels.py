"""Where a user's Jupyter has its kernels, and whose Python they are."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["data_directory", "kernel_prefixes"]


def kernel_prefixes() -> set[Path]:
    """The prefixes whose Python is a kernel of this user's Jupyter; what cannot be read is none."""
    prefixes = set()
    for path in (data_directory() / "kernels").glob("*/kernel.json"):
        with suppress(OSError, ValueError, LookupError, TypeError):
            spec = json.loads(path.read_text(encoding="utf-8"))
            prefixes.add(Path(spec["argv"][0]).parent.parent)
    return prefixes


def data_directory() -> Path:
    """The data directory of this user's Jupyter, as jupyter_core has it."""
    if given := os.environ.get("JUPYTER_DATA_DIR"):
        return Path(given)
    # Not by pathlib, which fails for a user who has no home; then there is none of these.
    if sys.platform == "darwin":
        return Path(os.path.expanduser("~/Library/Jupyter"))  # noqa: PTH111
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")  # noqa: PTH111
    return Path(home) / "jupyter"
