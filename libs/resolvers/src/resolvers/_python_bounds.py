"""Releases whose `Requires-Python` excludes the very Python that is chosen for.

uv heeds the lower bound of it alone. What it has chosen is looked at here, and what is not for this
Python is excluded, so that it chooses once more: such a release is passed over, as pip does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from envid.errors import InvalidDescription
from envid.packages import Package
from resolvers._wheel_listings import WheelListings
from resolvers.errors import ResolveError
from resolvers.metadata import read_specifiers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolvers._expected import ExpectedWheels
    from resolvers._lock import File
    from resolvers._project_files import ProjectFiles
    from resolvers._wheel_listings import WheelFacts
    from resolvers.metadata import Metadata
    from resolvers.request import ResolveContext

__all__ = ["PythonBounds", "excludes"]


class PythonBounds:
    """Looks up what files say of Python: wheels themselves, else their index.

    The wheels are read as the check of the answer reads them, each once for both: by their sha256,
    what they say is added to `facts`.
    """

    def __init__(
        self,
        projects: ProjectFiles,
        context: ResolveContext,
        expected: ExpectedWheels | None = None,
        facts: dict[str, WheelFacts] | None = None,
    ) -> None:
        self.expected = expected
        self._projects, self._wheels = projects, WheelListings((), context)
        self._facts = {} if facts is None else facts

    def all_of(self, files: Mapping[str, File]) -> dict[str, str]:
        """What a file of each project says, by name; empty where it says nothing."""
        wheels = {name: _package(name, file) for name, file in files.items() if file.is_wheel}
        try:
            packages = [package for package in wheels.values() if package]
            if self.expected:
                self.expected.settle(packages)
            facts = self._wheels.facts(packages, known=self._facts)
        except ResolveError:  # whoever must have that wheel says so; here its index may do
            facts = {}
        self._facts |= facts
        return {name: self._of(name, file, facts) for name, file in files.items()}

    def metadata(self, wheel: File) -> Metadata | None:
        """What a wheel says of itself; None where it was not read here."""
        facts = self._facts.get(wheel.sha256 or "")
        return facts.metadata if facts else None

    def exclusions(self, name: str, version: str, python: str) -> tuple[str, ...]:
        """Constraints that leave out that version, and every other that is not for a Python."""
        bounds: dict[str, list[bool]] = {version: []}
        for file in self._projects.of(name):
            # A version stays while one of its files may be for this Python: uv says which serves.
            refuses = excludes(file.requires_python or "", python)
            bounds.setdefault(str(file.version), []).append(refuses)
        return tuple(
            f"{name}!={version}" for version, refused in sorted(bounds.items()) if all(refused)
        )

    def _of(self, name: str, file: File, facts: Mapping[str, WheelFacts]) -> str:
        if read := facts.get(file.sha256 or ""):
            return read.metadata.requires_python or ""
        same = (listed for listed in self._projects.of(name) if listed.filename == file.filename)
        return next((listed.requires_python or "" for listed in same), "")


def _package(name: str, wheel: File) -> Package | None:
    """The wheel as a package; None where its name or its index does not say enough."""
    try:
        version = str(parse_wheel_filename(wheel.filename)[1])
        return Package.make(
            kind="pypi",
            name=name,
            version=version,
            filename=wheel.filename,
            url=wheel.url,
            sha256=wheel.sha256,
            size=wheel.size,
        )
    except (InvalidWheelFilename, InvalidDescription):
        return None


def excludes(bound: str, python: str) -> bool:
    """Whether a `Requires-Python` excludes a version; what nobody can read excludes none."""
    specifiers = read_specifiers(bound) if bound else None
    return specifiers is not None and not specifiers.contains(python, prereleases=True)
