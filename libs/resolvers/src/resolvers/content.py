"""The state of a local file or directory, as a digest of its content and never of its times."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["IGNORED", "content_digest", "file_digest"]

IGNORED = frozenset(
    {
        ".git",
        ".hg",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".tox",
        ".venv",
        "__pycache__",
        "build",
        "dist",
        "node_modules",
    }
)
"""Directories that hold no source: histories, caches, and what builds leave behind."""

_CHUNK = 1 << 20


def content_digest(path: Path) -> str:
    """SHA-256, 64 hex digits, of a file's bytes or of a directory's sources.

    Of a directory it takes the relative path, kind, executable bit and bytes of every file, in
    order, and the targets of links, which are not followed. `IGNORED` directories and `*.egg-info`
    are left out. Raises `OSError` for what cannot be read.
    """
    if not path.is_dir():
        return _digest_of(path)
    digest = hashlib.sha256()
    # Sorted, since a directory lists them in any order; names need not be UTF-8.
    for name, entry in sorted(_files(path, "")):
        if entry.is_symlink():
            kind, state = "link", hashlib.sha256(os.fsencode(entry.readlink())).hexdigest()
        else:
            kind = "program" if os.access(entry, os.X_OK) else "file"
            state = _digest_of(entry)
        # NUL is in no path, so that no two directories come to the same bytes.
        digest.update(f"{kind} {state} ".encode() + os.fsencode(name) + b"\0")
    return digest.hexdigest()


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in IGNORED and not entry.name.endswith(".egg-info"):
                    yield from _files(Path(entry.path), f"{name}/")
            elif not entry.name.endswith(".pyc"):
                yield name, Path(entry.path)


def file_digest(path: Path, kind: str) -> str | None:
    """The digest of a file in hex; None for a `kind` of hash that is not known here."""
    try:
        digest = hashlib.new(kind, usedforsecurity=False)
    except ValueError:
        return None
    # One of any length, such as shake_128, has none that could be compared.
    if not digest.digest_size:
        return None
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


def _digest_of(path: Path) -> str:
    return str(file_digest(path, "sha256"))
