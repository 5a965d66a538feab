"""The state of a local file or directory, as a digest of its content and never of its times."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CACHE_SIGN", "HISTORIES", "content_digest", "file_digest", "holds_no_source"]

HISTORIES = frozenset({".git", ".hg", ".svn"})
"""Directories with the history of a source, which is not what it is now."""

_CACHES = frozenset(
    {
        ".mypy_cache",
        ".nox",
        ".pixi",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
        ".venv",
        "__pycache__",
        "node_modules",
    }
)
_BUILT = frozenset({"build", "dist"})
CACHE_SIGN = ".mfenv-home"
"""A file by which a directory says that it is kept by mfenv."""
# By which others say what they are: PEP 405, conda, https://bford.info/cachedir/, and ours.
_SIGNS = ("pyvenv.cfg", "conda-meta/history", "CACHEDIR.TAG", ".mfenv.json", CACHE_SIGN)

_CHUNK = 1 << 20


def content_digest(path: Path) -> str:
    """SHA-256, 64 hex digits, of a file's bytes or of a directory's sources.

    Of a directory it takes the relative path, kind, executable bit and bytes of every file, in
    order, and the targets of links, which are not followed. `HISTORIES`, directories that
    `holds_no_source` tells, and `*.egg-info` are left out. Raises `OSError` for what cannot be read.
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
                if not (
                    entry.name in HISTORIES
                    or entry.name.endswith(".egg-info")
                    or holds_no_source(Path(entry.path), top=not prefix)
                ):
                    yield from _files(Path(entry.path), f"{name}/")
            elif not entry.name.endswith(".pyc"):
                yield name, Path(entry.path)


def holds_no_source(folder: Path, *, top: bool) -> bool:
    """Whether a directory of a source is a cache, an environment, or what a build left behind.

    `top` says that it lies at the top, where builds leave theirs; a package may be called so, too.
    """
    if top and folder.name in _BUILT:
        return not (folder / "__init__.py").exists()
    return folder.name in _CACHES or any((folder / sign).exists() for sign in _SIGNS)


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
