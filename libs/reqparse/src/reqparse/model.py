"""What a requirement file says: immutable records with the place each statement was made.

Records compare by what they say. Where they were said (`origin`), how (`original`) and with
which credentials does not take part, so that reading a written file gives an equal record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from envid.platforms import PLATFORMS
from reqparse.origins import Origin, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reqparse.locked import Compiled, Lock, LockedPackage
    from reqparse.stated import PythonRequirement, Setting, StatedSource

__all__ = [
    "PLATFORMS",
    "Category",
    "Note",
    "Origin",
    "Requirement",
    "RequirementSet",
    "Secret",
]

Category = Literal["conda", "pypi", "npconda", "sys"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """Something asked for.

    `text` is the whole request in canonical spelling, without installer options: PEP 508 for
    PyPI, a conda MatchSpec for the conda categories, `NAME=VERSION` for `sys`, or the bare URL
    of something whose name is not known. The other fields are its parts.
    """

    category: Category
    name: str | None
    """Normalised (PEP 503, or lower case for conda); None where only building would tell."""
    text: str
    extras: tuple[str, ...] = ()
    specifier: str = ""
    """PEP 440 or conda's version part; of a wheel or sdist, `==` the version in its file name."""
    build: str | None = None
    """A conda build string or pattern."""
    url: str | None = None
    """A direct reference without credentials."""
    marker: str | None = None
    path: str | None = None
    """The absolute path of a local file or directory; relative ones start at the naming file."""
    editable: bool = False
    hashes: tuple[str, ...] = ()
    """Acceptable archives, each `algorithm:hex`."""
    config_settings: tuple[tuple[str, str], ...] = ()
    global_options: tuple[str, ...] = ()
    channel: str | None = None
    """The only conda channel, or the name or URL of the only index, that may serve it."""
    platforms: tuple[str, ...] | None = None
    """The conda subdirs it applies to; None means all of them."""
    group: str | None = None
    """The extra, dependency group, category or feature that asks for it; None is the main group."""
    origin: Origin = field(default=Origin(), compare=False)
    original: str = field(default="", compare=False, repr=False)
    """The text as written, environment variables unexpanded and credentials masked."""
    secret: Secret | None = field(default=None, compare=False, repr=False)

    @property
    def secret_url(self) -> str | None:
        """The direct reference with its credentials; for downloads, never for display."""
        return self.secret.value if self.secret else self.url


class Note(NamedTuple):
    """Something that was read and is not used, and why."""

    text: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementSet:
    """Everything that one file and the files it includes say, in reading order."""

    requirements: tuple[Requirement, ...] = ()
    constraints: tuple[Requirement, ...] = ()
    """What holds for packages that something else asks for."""
    sources: tuple[StatedSource, ...] = ()
    python: tuple[PythonRequirement, ...] = ()
    packages: tuple[LockedPackage, ...] = ()
    lock: Lock | None = None
    """What a lock file says beside its packages; None of what is no lock."""
    compiled: Compiled | None = field(default=None, compare=False)
    """How requirements were made, where their comments say it."""
    settings: tuple[Setting, ...] = ()
    name: str | None = None
    platforms: tuple[str, ...] = ()
    """The conda subdirs the file asks for; empty where it does not say."""
    variables: Mapping[str, str] = field(default_factory=dict)
    dynamic: Origin | None = field(default=None, compare=False)
    """Where a project says that only a build tells its dependencies (PEP 621)."""
    no_defaults: bool = False
    """conda's default channels are not to be added, by the channel `nodefaults`."""
    no_index: bool = False
    prereleases: bool = False
    prefer_binary: bool = False
    require_hashes: bool = False
    """`--require-hashes` was said; a `--hash` alone does not set it."""
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    """Values of `--use-feature`."""
    notes: tuple[Note, ...] = field(default=(), compare=False)
    places: Mapping[str, Origin] = field(default_factory=dict, compare=False)
    """Where a field was first stated whose value does not say so itself, by its name."""

    def on(self, platform: str) -> tuple[Requirement, ...]:
        """The requirements that apply to one conda subdir, in reading order."""
        return tuple(r for r in self.requirements if r.platforms is None or platform in r.platforms)
