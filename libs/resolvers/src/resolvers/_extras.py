"""What the extras of conda's distributions ask for, from metadata of the same version.

Conda does not know extras: who asks for `requests[socks]` where conda brings `requests` still
wants what `socks` needs. Metadata is read only of what an extra is asked of: from the package of a
channel on this machine, else from what an index has of that version, else from the package itself.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from envid.packages import Package
from pkgcache.archives.conda_listing import read_file
from pkgcache.errors import PkgcacheError
from pkgcache.web.download import Downloader
from resolvers._distributions import distributions
from resolvers._index import index_settings
from resolvers._kept import Kept
from resolvers._lock import best_wheel, read_lock
from resolvers._uv import Uv
from resolvers._wheel_listings import WheelListings
from resolvers.errors import ResolveError, UnsupportedRequest
from resolvers.metadata import Metadata, read_requirement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.requirements import Requirement
    from packaging.tags import Tag

    from envid.spec import EnvSpec
    from resolvers._contents import Contents
    from resolvers._lock import File
    from resolvers._markers import Markers
    from resolvers.request import ResolveContext

__all__ = ["ExtraMetadata", "offered"]

_SCHEMA = 1
# Universal: the wheels of all platforms are listed, and any of them can tell what the extras are.
_COMPILE = ("pip", "compile", "-", "--no-deps", "--universal", "--format", "pylock.toml")


class ExtraMetadata:
    """The metadata of conda's distributions, read once each."""

    def __init__(self, spec: EnvSpec, context: ResolveContext) -> None:
        self._spec, self._context = spec, context
        self._kept = Kept(context.cache_dir / "metadata", _SCHEMA)
        self._wheels: dict[tuple[str, str], tuple[File, ...]] = {}

    def read(
        self,
        contents: Contents,
        name: str,
        asked: Mapping[str, str],
        ranks: Mapping[Tag, int],
    ) -> Metadata:
        """The metadata of a distribution of a conda package, with the extras that are `asked`.

        These are given each with who asks for it; `ranks` are the wheel tags of the target.
        Raises `UnsupportedRequest` where no metadata of that version is to be had.
        """
        # A source may know none of them, or not all (see `_from_build`): then the next is asked.
        incomplete: list[Metadata] = []
        for metadata in self._sources(contents, name, ranks):
            if metadata.extras.issuperset(asked):
                return metadata
            incomplete.append(metadata)
        if not incomplete:
            raise UnsupportedRequest(
                f"{next(iter(asked.values()))} asks for an extra of `{name}`, which conda brings in"
                f" version {contents.distributions[name]}, and no index has that version to say"
                " what the extra needs",
                "ask for what the extra needs, in place of the extra",
            )
        # The one that knows most of what is asked; what it lacks, the caller names.
        return max(
            incomplete,
            key=lambda metadata: (len(metadata.extras & asked.keys()), len(metadata.extras)),
        )

    def _sources(
        self, contents: Contents, name: str, ranks: Mapping[Tag, int]
    ) -> Iterator[Metadata]:
        here = contents.package.url.startswith("file:")
        if here:
            yield from self._from_build(contents, name)
        if published := self._from_index(name, contents.distributions[name], ranks):
            yield published
        if not here:
            yield from self._from_build(contents, name)

    def _from_build(self, contents: Contents, name: str) -> Iterator[Metadata]:
        """The metadata in a build, if it has extras; as setuptools once wrote it, it never has."""
        files = contents.files or {}
        paths = [
            files[distribution.path][0]
            for distribution in distributions(files)
            if distribution.name == name
        ]
        key = f"{contents.package.digest}-{name}"
        metadata = self._kept.load(key, Metadata.from_dict)
        if paths and metadata is None:
            # What is on this machine can be read offline.
            offline = self._context.offline and not contents.package.url.startswith("file:")
            try:
                with self._downloader(offline=offline) as downloader:
                    text = read_file(contents.package, paths[0], downloader)
                metadata = Metadata.parse(text.decode("utf-8", "replace"))
            except (PkgcacheError, ValueError):  # the next source may know
                return
            self._kept.keep(key, metadata.to_dict())
        if metadata and metadata.extras:
            yield metadata

    def _from_index(self, name: str, version: str, ranks: Mapping[Tag, int]) -> Metadata | None:
        key = name, version
        if key not in self._wheels:
            self._wheels[key] = self._published(name, version)
        wheels = self._wheels[key]
        # One that this target could not install still says more than none.
        wheel = best_wheel(wheels, ranks) or next(iter(wheels), None)
        if wheel is None:
            return None
        with tempfile.TemporaryDirectory() as work:
            package = self._package(name, version, wheel, Path(work))
            if package is None:
                return None
            try:
                facts = WheelListings((), self._context).facts([package])
            # An index that fails is no reason to: another source may know.
            except ResolveError:
                return None
        return next((wheel.metadata for wheel in facts.values()), None)

    def _downloader(self, *, offline: bool) -> Downloader:
        context = self._context
        return Downloader(context.credentials, patience=context.telling_patience, offline=offline)

    def _published(self, name: str, version: str) -> tuple[File, ...]:
        """The wheels that an index has of a version."""
        with Uv(self._context) as uv:
            settings = index_settings(uv, self._spec, self._context.credentials)
            done = uv.run(
                "uv pip compile",
                (*_COMPILE, *settings.arguments),
                text=f"{name}=={version}\n",
                config=settings.config,
            )
        locked = read_lock(done.stdout) if done.returncode == 0 else ()
        return tuple(wheel for package in locked for wheel in package.wheels)

    def _package(self, name: str, version: str, wheel: File, work: Path) -> Package | None:
        url, sha256 = wheel.url, wheel.sha256
        if sha256 is None:  # not every index tells the hashes of its files
            try:
                with self._downloader(offline=self._context.offline) as downloader:
                    sha256 = downloader.download(url, work / wheel.filename).sha256
            except PkgcacheError:
                return None
            url = (work / wheel.filename).as_uri()
        return Package.make(
            kind="pypi",
            name=name,
            version=version,
            filename=wheel.filename,
            url=url,
            sha256=sha256,
            size=wheel.size,
        )


def offered(metadata: Metadata, markers: Markers) -> dict[str, tuple[str, ...]]:
    """What each extra of a distribution asks for on a target, as a stub says it."""
    read = [requirement for text in metadata.requires if (requirement := read_requirement(text))]
    return {
        extra: tuple(
            f"{_bare(requirement)} ; extra == '{extra}'"
            for requirement in read
            if markers.belongs(requirement, extra)
        )
        for extra in sorted(metadata.extras)
    }


def _bare(requirement: Requirement) -> str:
    """A requirement without its marker."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    if requirement.url:
        return f"{requirement.name}{extras} @ {requirement.url}"
    return f"{requirement.name}{extras}{requirement.specifier}"
