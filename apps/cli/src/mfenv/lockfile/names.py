"""Names that lock files have for things; what imports nothing, since the command line needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reqparse.model import Category

__all__ = ["ASKED", "DEFAULT", "FILE", "FILES", "HEAD", "REQUIREMENTS", "SETTINGS", "locking"]

FILE = "mfenv.lock"
"""What a lock file is called where nobody says otherwise."""

HEAD = "# The packages of this project, as `mfenv lock` found them"
"""How every lock file begins."""

DEFAULT = "default"
"""The environment of a lock file that is meant where none is named."""

FILES = {
    "requirement": "files",
    "file": "environment_files",
    "pyproject": "pyprojects",
    "script": "scripts",
}
"""Options that name files, each with the name of its field."""

REQUIREMENTS: tuple[Category, ...] = ("pypi", "conda", "npconda")
"""Options that are requirements as they stand, and fields of the same name."""

ASKED = {
    **FILES,
    "group": "groups",
    "extra": "extras",
    "pypi": "pypi",
    "conda": "conda",
    "npconda": "npconda",
    "sys": "sys",
    "python": "python",
}
"""Options that are fields of a `Request`, each with the name of the field."""

SETTINGS = {
    "platform": "platforms",
    "python-provider": "python_provider",
    "seed": "seed",
    "exclude-newer": "exclude_newer",
    "pre": "pre",
    "channel": "channels",
    "channel-priority": "channel_priority",
    "index-url": "index_url",
    "extra-index-url": "extra_index_url",
    "find-links": "find_links",
    "no-index": "no_index",
}
"""Options that are settings, each with the name of the setting."""


def locking(flow: str) -> str:
    """The command that locks the environments of a flow's steps; `flow` is its file."""
    return f"python {flow} --environment=conda environment lock"
