"""Releases whose `Requires-Python` excludes the very Python that is chosen for.

uv heeds the lower bound of it alone. What it has chosen is looked at here, and what is not for this
Python is excluded, so that it chooses once more: such a release is passed over, as pip does it.
"""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from pkgcache.download import Downloader
from pkgcache.errors import PkgcacheError
from resolvers.metadata import Metadata, read_specifiers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pkgcache.download import Body
    from resolvers._lock import File
    from resolvers._project_files import ProjectFiles
    from resolvers.request import ResolveContext

__all__ = ["PythonBounds", "excludes"]

_AT_ONCE = 16


class PythonBounds:
    """Looks up what files say of Python: in their metadata, kept by hash, else on their index."""

    def __init__(self, projects: ProjectFiles, context: ResolveContext) -> None:
        self._projects, self._folder = projects, context.cache_dir / "requires-python"
        self._downloader = Downloader(context.credentials, offline=context.offline)

    def __enter__(self) -> PythonBounds:
        return self

    def __exit__(self, *_: object) -> None:
        self._downloader.close()

    def all_of(self, files: Mapping[str, File]) -> dict[str, str]:
        """What a file of each project says, by name; empty where it says nothing."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return dict(zip(files, pool.map(self._of, files, files.values()), strict=True))

    def exclusions(self, name: str, version: str, python: str) -> tuple[str, ...]:
        """Constraints that leave out that version, and each other one that is not for a Python."""
        bounds: dict[str, list[bool]] = {version: []}
        for one in self._projects.of(name):
            refuses = excludes(one.requires_python or "", python)
            bounds.setdefault(str(one.version), []).append(refuses)
        return tuple(f"{name}!={one}" for one, found in sorted(bounds.items()) if all(found))

    def _of(self, name: str, file: File) -> str:
        bound = self._of_metadata(file) if file.is_wheel else None
        if bound is not None:
            return bound
        listed = (one for one in self._projects.of(name) if one.filename == file.filename)
        return next((one.requires_python or "" for one in listed), "")

    def _of_metadata(self, wheel: File) -> str | None:
        """What the metadata beside a wheel says (PEP 658); None where there is none."""
        kept = self._folder / wheel.sha256 if wheel.sha256 else None
        try:
            if kept and kept.is_file():
                return kept.read_text(encoding="utf-8")
            text = self._downloader.read(f"{wheel.url}.metadata", _decoded)
            bound = Metadata.parse(text).requires_python or ""
        except (PkgcacheError, OSError, ValueError):
            return None
        if kept:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, work = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(bound)
            Path(work).replace(kept)
        return bound


def excludes(bound: str, python: str) -> bool:
    """Whether a `Requires-Python` excludes a version; what nobody can read excludes none."""
    specifiers = read_specifiers(bound) if bound else None
    return specifiers is not None and not specifiers.contains(python, prereleases=True)


def _decoded(body: Body) -> str:
    return b"".join(body.pieces).decode("utf-8", "replace")
