"""What a lock file says, and comments that say how requirements were made: records, as in `model`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from reqparse.origins import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reqparse.origins import Secret
    from reqparse.stated import PythonRequirement

__all__ = ["Compiled", "Lock", "LockedArtifact", "LockedEdge", "LockedGroups", "LockedPackage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedArtifact:
    """A file, directory or repository that a locked package can be taken from."""

    url: str | None = None
    """Without credentials; None of what is local."""
    path: str | None = None
    name: str | None = None
    """The name of the file, where the lock says it."""
    hashes: tuple[str, ...] = ()
    size: int | None = None
    secret: Secret | None = field(default=None, compare=False, repr=False)

    @property
    def secret_url(self) -> str | None:
        """The address with its credentials; for downloads, never for display."""
        return self.secret.value if self.secret else self.url

    @property
    def filename(self) -> str:
        """Its name, or else the last component of its address, decoded."""
        from urllib.parse import unquote

        return self.name or unquote(
            (self.path or self.url or "").partition("#")[0].rstrip("/").rpartition("/")[2]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedEdge:
    """What a package, or a lock as a whole, needs; `str()` is one line that says it."""

    name: str
    """Normalised as the name of the package that it leads to."""
    specifier: str = ""
    """PEP 440, or the rest of a conda MatchSpec; the exact version where that tells it apart."""
    extras: tuple[str, ...] = ()
    marker: str | None = None
    source: str | None = None
    """The index, URL or path of what is meant, where the lock tells packages apart by it."""
    extra: str | None = None
    """The extra of its owner that needs it; None is the owner itself."""
    group: str | None = None
    """The dependency group of its owner that needs it."""
    origin: Origin = field(default=Origin(), compare=False)

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        space = "" if self.specifier.startswith("==") else " " * bool(self.specifier)
        markers = [
            f"({self.marker})" if self.marker and (self.extra or self.group) else self.marker,
            f"extra == '{self.extra}'" if self.extra else None,
            f"'{self.group}' in dependency_groups" if self.group else None,
        ]
        marker = " and ".join(filter(None, markers))
        return f"{self.name}{extras}{space}{self.specifier}" + (f" ; {marker}" if marker else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """An exact package of a lock file. A conda package has one artifact, a PyPI one may have many."""

    category: Literal["conda", "pypi"]
    name: str
    version: str | None
    build: str | None = None
    artifacts: tuple[LockedArtifact, ...] = ()
    platforms: tuple[str, ...] | None = None
    """The conda subdirs, or pixi's platforms, it is locked for; None where markers and wheel tags
    decide."""
    marker: str | None = None
    requires_python: str | None = None
    source: str | None = None
    """The channel or index it was found on."""
    extras: tuple[str, ...] = ()
    """Those that it is locked with, by a requirements file or a Pipfile.lock; what they need is
    listed like everything else."""
    groups: tuple[str, ...] = ()
    """The environments, categories, extras or groups that include it, as the lock names them."""
    dependencies: tuple[LockedEdge, ...] = ()
    optional: bool = False
    """poetry has it for an extra alone."""
    editable: bool = False
    virtual: bool = False
    """There is nothing of it to install; what it needs is."""
    origin: Origin = field(default=Origin(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedGroups:
    """The dependency groups of one of the projects that a uv.lock was made for."""

    names: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    """Those that are meant where nothing is said."""
    pythons: Mapping[str, PythonRequirement] = field(default_factory=dict)
    """What Python a group is for, where it is not for every one that the lock is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What a lock file says of itself; what it means on a target says `reqparse.selecting`."""

    kind: str
    """One of `KINDS`."""
    roots: tuple[str, ...] = ()
    """The names of the projects that it was made for, which are not installed themselves."""
    edges: tuple[LockedEdge, ...] = ()
    """What is needed and belongs to no package: a script's requirements, a workspace's groups."""
    by_edges: bool = False
    """What is needed is told by the edges alone, and not by each package."""
    members: tuple[str, ...] = ()
    """The names of the projects of uv's workspace."""
    supported: tuple[str, ...] = ()
    """Markers, of which one must hold; none where it is for every target."""
    conflicts: tuple[tuple[str, ...], ...] = ()
    """Sets of which no two may be chosen, each member as uv's markers name it:
    `extra-3-app-cpu`, `group-3-app-dev`, `project-3-app`."""
    groups: tuple[str, ...] = ()
    """The groups, or categories, that can be chosen."""
    default_groups: tuple[str, ...] = ()
    """Those of them that are meant where nothing is said."""
    projects: Mapping[str, LockedGroups] = field(default_factory=dict)
    """The groups of each of uv's projects by its name; those of no project, by the empty name."""
    extras: tuple[str, ...] = ()
    environments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The platforms of each of pixi's environments."""
    subdirs: Mapping[str, str] = field(default_factory=dict)
    """The conda subdirs of the platforms that pixi names otherwise."""
    virtual_packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a machine must have, by pixi's platform."""
    overridden: tuple[str, ...] = ()
    """The names of what is there otherwise than others need it, or not at all, as overrides and
    exclusions say; `*` where there are some, and nothing says of what."""
    restated: tuple[str, ...] = ()
    """The names of packages of which something else than they themselves says what they need."""
    content_hash: Mapping[str, str] = field(default_factory=dict)
    """By what its tool knows what it was made for: of conda-lock by platform, of poetry by the empty
    name."""
    made_from: tuple[str, ...] = ()
    """The files that conda-lock was given, as they stand there."""
    made_by: str = ""
    """The release of poetry that wrote it, where it says that."""
    origin: Origin = field(default=Origin(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What comments in requirements say of how these were made."""

    python: str = ""
    """The version that they were compiled for, or from which on if they are universal."""
    universal: bool = False
    platform: str = ""
    """The conda subdir that they were compiled for; what has none, as uv names it."""
    exported: Mapping[str, str] = field(default_factory=dict)
    """The version of Python by conda subdir, of an exported environment."""
    overridden: tuple[str, ...] = ()
    """As in `Lock`."""
