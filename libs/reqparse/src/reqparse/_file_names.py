"""Whether the file of a locked package is named as its name and version say.

A lock whose version and files disagree was damaged, by a merge for example: which of the two is
meant, nobody can tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from reqparse._flaw import Flaw
from reqparse._locked import conda_parts, is_conda_archive

if TYPE_CHECKING:
    from reqparse.locked import LockedArtifact, LockedPackage

_SDISTS = (".tar.gz", ".zip", ".tar.bz2", ".tgz")


def is_named_so(package: LockedPackage, artifact: LockedArtifact) -> bool:
    """Whether a file may be that package by its name; true of what has no name that says it."""
    filename = artifact.filename
    if package.category == "conda":
        return not is_conda_archive(filename) or _is_conda(package, filename)
    if filename.endswith(".whl"):
        return _is_wheel(package, filename)
    # What is on no index is named as its author likes, such as `main.zip`.
    if package.source and filename.endswith(_SDISTS):
        return _is_sdist(package, filename)
    return True


def _is_conda(package: LockedPackage, filename: str) -> bool:
    try:
        name, version, _ = conda_parts(filename)
    except Flaw:
        return True
    return name.lower() == package.name and package.version in (None, version)


def _is_wheel(package: LockedPackage, filename: str) -> bool:
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return True
    return name == package.name and _is_version(package, str(version))


def _is_sdist(package: LockedPackage, filename: str) -> bool:
    """Whether a source distribution fits; before PEP 625, either part may have hyphens."""
    stem = next(filename[: -len(end)] for end in _SDISTS if filename.endswith(end))
    # Any hyphen may be the one between name and version: `python-dateutil-2.8.2`, `a-1.0-1`.
    words = stem.split("-")
    return any(
        canonicalize_name("-".join(words[:place])) == package.name
        and _is_version(package, "-".join(words[place:]))
        for place in range(1, len(words))
    )


def _is_version(package: LockedPackage, text: str) -> bool:
    if package.version is None or text == package.version:
        return True
    try:
        return Version(text) == Version(package.version)
    except InvalidVersion:
        return False
