"""What of the extension goes into code packages: what no task calls stays out."""

from __future__ import annotations

__all__ = ["exclude_suffixes"]

exclude_suffixes = [
    f"mfenv/{name}.py"
    for name in ("commands", "create_into", "environment_cmd", "import_netflixext", "migration")
]
