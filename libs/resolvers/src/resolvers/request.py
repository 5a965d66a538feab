"""What a resolver is asked beside the spec, what it gives, and the interface all of them have."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from pkgcache.progress import NoProgress
from pkgcache.web.credentials import Credentials
from pkgcache.web.patience import Patience
from resolvers.content import content_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from envid.packages import Package
    from envid.spec import EnvSpec
    from pkgcache.archives.conda_listing import CondaListing
    from pkgcache.progress import Progress

__all__ = ["Artifact", "Resolution", "ResolveContext", "Resolver"]


# What a context does without, where nobody gives it anything.
def _nothing(_: str) -> None:
    pass


def _not_built(_: str) -> Path | None:
    return None


def _not_here(_: Package) -> CondaListing | None:
    return None


def _no_wheel(_: Package) -> Path | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveContext:
    """What belongs to this machine and this run, and must not change what is found.

    `cache_dir` is for the engines and may be deleted at any time. `local_paths` maps the content
    digest of each local file or directory in the spec to its path here. `credentials` are for
    indexes, find-links locations and direct references; git has its own. `origins` maps a
    requirement as the spec has it to the `file:line` that asked for it, and `python SPECIFIER` to where
    the spec's Python was said. `held` are, per platform,
    packages that must stay at their version, `preferred` those that should, as should the minor
    version of Python if the system's was `preferred_python`. `built_wheel` looks a source key up in
    a cache of built wheels, `listing` says what is in a conda package that this machine has already,
    `wheel` is the file of a PyPI package that it has, and `keep` is given what came as a
    whole, or a file of it, so that it need not be fetched again. `builder_python` makes an environment for this
    machine from conda packages and returns its interpreter, to build wheels for that Python with;
    without it a Python that is here must do. With `clobber`, packages may bring the same module with
    different content, and a note says which. `joint_rounds` is how many other choices of conda
    packages may be tried where PyPI packages do not go with the first. `conda_engine` chooses conda
    packages: `rattler`, or `micromamba`, `mamba`, `conda`, or the path of one of these; `pypi_engine`
    chooses PyPI's: `uv` or `pip`. `on_process` is told the name of each process that is started.
    `patience` is had with servers, by the engines as well; the `progress` is told of waits.
    """

    cache_dir: Path
    local_paths: Mapping[str, Path] = field(default_factory=dict)
    credentials: Credentials = field(default_factory=Credentials)
    origins: Mapping[str, str] = field(default_factory=dict)
    held: Mapping[str, Sequence[Package]] = field(default_factory=dict)
    preferred: Mapping[str, Sequence[Package]] = field(default_factory=dict)
    preferred_python: str = ""
    built_wheel: Callable[[str], Path | None] = _not_built
    listing: Callable[[Package], CondaListing | None] = _not_here
    wheel: Callable[[Package], Path | None] = _no_wheel
    keep: Callable[[Package, Path | bytes], object] | None = None
    builder_python: Callable[[tuple[Package, ...]], Path] | None = None
    patience: Patience = field(default_factory=Patience)
    progress: Progress = field(default_factory=NoProgress)
    on_process: Callable[[str], None] = _nothing
    offline: bool = False
    clobber: bool = False
    joint_rounds: int = 50
    conda_engine: str = "rattler"
    pypi_engine: str = "uv"

    @property
    def reads_ahead(self) -> bool:
        """Whether wheels are read that may not be wanted: where nothing is kept, none is."""
        return self.keep is not None and not self.offline

    @property
    def telling_patience(self) -> Patience:
        """The patience that tells the progress of waits."""
        return replace(self.patience, on_wait=self.progress.note)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A wheel on this machine that no URL gives: built here, or a local file.

    `path` lies in the context's `cache_dir`, or is the local file. `source_key` is set if it was
    built, and is what `ResolveContext.built_wheel` will be asked for next time.
    """

    path: Path
    filename: str
    sha256: str
    size: int
    source_key: str | None = None

    @classmethod
    def of(cls, path: Path, source_key: str | None = None) -> Artifact:
        """Read the hash and the size of a file."""
        return cls(
            path=path,
            filename=path.name,
            sha256=content_digest(path),
            size=path.stat().st_size,
            source_key=source_key,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What was found for a platform: the full version of Python, and the packages beside it.

    `artifacts` are those packages' files that cannot be fetched from their URL. `notes` say, a line
    each, what the user should know: they belong to the description of the environment.
    """

    python: str
    packages: tuple[Package, ...]
    artifacts: tuple[Artifact, ...] = ()
    notes: tuple[str, ...] = ()


class Resolver(Protocol):
    """One way to resolve; each adapter to an engine implements it."""

    def resolve(
        self, spec: EnvSpec, platforms: Sequence[str], context: ResolveContext
    ) -> dict[str, Resolution]:
        """Choose exact packages for each platform; raises `ResolveError`."""
        ...
