"""What a lock has pinned, as an environment: nothing is chosen here but what the lock leaves open.

Python of a lock that has none comes from conda or from this machine. Files that the lock names by
their hashes alone are looked for in the indexes, at the pinned version. What has no wheel is built.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from pkgcache.threads import Threads
from resolvers._beside import Beside
from resolvers._built_needs import with_built_checked
from resolvers._compile import compile_exactly
from resolvers._conda_solve import Solved, solve_conda
from resolvers._files import Files
from resolvers._lock import File, UvPackage, Vcs
from resolvers._pinned_pythons import OtherPythons, alone, for_listed, only_listed
from resolvers._project_files import ProjectFiles
from resolvers._python_bounds import PythonBounds
from resolvers._question import UvQuestion, local_source, plain_requirement
from resolvers._uv import Uv
from resolvers._verdict import Verdict
from resolvers.channels import CHANNEL_ALIAS
from resolvers.content import file_digest
from resolvers.errors import (
    BuildFailed,
    NeedsPlatform,
    NoMatchingFile,
    NoSolution,
    PackagesClash,
    PythonNotFound,
    RequirementsUnmet,
    UnsupportedRequest,
)
from resolvers.names import PypiNames
from resolvers.pypi import local_wheels
from resolvers.pythons import Pythons
from resolvers.request import Resolution
from resolvers.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envid.packages import Package
    from envid.spec import EnvSpec
    from pkgcache.worker import Worker
    from resolvers.pythons import Python
    from resolvers.request import Artifact, ResolveContext

__all__ = ["PinnedResolver", "PinnedSource", "Pins"]

_WORKERS = 8
_CHECKED = {"sha256", "md5"}  # by whatever downloads
_GIT = re.compile(r"git\+(?P<url>[^#]+)@(?P<commit>[^@#]+)")
_SUBDIRECTORY = re.compile(r"#(?:.*&)?subdirectory=([^&]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedSource:
    """A PyPI package whose file must be fetched or built before it is known.

    `requirement` is how the spec has it, a direct reference. `hashes` are those that the lock
    states, each `algorithm:hex`, and `index` is where it says that it found the package.
    """

    name: str
    version: str | None
    requirement: str
    hashes: tuple[str, ...] = ()
    size: int | None = None
    index: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What a lock has for one platform.

    `packages` are wholly known, and taken as they are; `sources` are not. Requirements of the spec
    that are no direct references are looked for in its indexes. `depends` has the edges of the lock
    by PyPI name, `extras` those that packages are locked with. `python` is the full version of the
    Python among the packages, None where it is not among them, and `pythons` a specifier of those
    that the lock is made for, empty for any. `overridden` are the names of what is there otherwise
    than others need it, `*` for any; `restated` those of packages whose needs the lock states itself.
    """

    packages: tuple[Package, ...] = ()
    sources: tuple[PinnedSource, ...] = ()
    depends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    python: str | None = None
    pythons: str = ""
    overridden: frozenset[str] = frozenset()
    restated: frozenset[str] = frozenset()


class PinnedResolver:
    """Gives what a lock has pinned for each platform, under the interface of `request.Resolver`.

    `pins` are by platform. `channel_alias` is where a channel is that has no URL.
    """

    def __init__(
        self, worker: Worker, pins: Mapping[str, Pins], *, channel_alias: str = CHANNEL_ALIAS
    ) -> None:
        self._worker, self._pins, self._alias = worker, pins, channel_alias

    def resolve(
        self, spec: EnvSpec, platforms: Sequence[str], context: ResolveContext
    ) -> dict[str, Resolution]:
        """Give the packages of each platform; raises `ResolveError`.

        Where another Python may do, that error has it as its `python`.
        """
        try:
            return self._resolve(spec, platforms, context)
        except (BuildFailed, NeedsPlatform, NoSolution, PythonNotFound) as error:
            if not any(self._pins[platform].python for platform in platforms):
                search = OtherPythons(self._worker, self._alias, spec, platforms)
                beside = self._beside_conda(platforms, context)
                error.python = search.newest(self._pins[platforms[0]].pythons, beside)
            raise

    def _resolve(
        self, spec: EnvSpec, platforms: Sequence[str], context: ResolveContext
    ) -> dict[str, Resolution]:
        asked = {platform: only_listed(spec, platform) for platform in platforms}
        if any(asked.values()):
            spec = for_listed(spec, asked, context)
        pythons, base = self._pythons(spec, platforms, context)
        needing = [
            platform for platform in platforms if asked[platform] or self._pins[platform].sources
        ]
        made: dict[str, Resolution] = {}
        if needing:
            builders = pythons or self._beside(spec, context).pythons(base)
            # uv is asked, and wheels are built, for one Python at a time.
            for python in dict.fromkeys(builders[platform] for platform in needing):
                same = [platform for platform in needing if builders[platform] == python]
                made |= self._made(spec, same, python, context, asked)
        chosen = {
            platform: self._together(platform, base.get(platform), pythons, made.get(platform))
            for platform in platforms
        }
        unknown = {platform: chosen[platform] for platform in platforms if asked[platform]}
        try:
            listed = self._listed(spec, unknown, context)
            return {
                platform: listed.get(platform) or self._built(chosen[platform], platform, context)
                for platform in platforms
            }
        except RequirementsUnmet as error:
            error.hint = (
                "the lock does not suffice there: lock again for this platform and this Python; what"
                " is not to be there, the lock has to say"
            )
            raise

    def _built(self, resolution: Resolution, platform: str, context: ResolveContext) -> Resolution:
        """The same, after a look at what its built wheels require."""
        pins = self._pins[platform]
        return with_built_checked(
            resolution,
            platform,
            context,
            overridden=pins.overridden,
            restated=pins.restated,
            conda=any(package.kind == "conda" for package in pins.packages),
        )

    def _listed(
        self, spec: EnvSpec, chosen: Mapping[str, Resolution], context: ResolveContext
    ) -> dict[str, Resolution]:
        """The same, after a look at all wheels, of which an index has just given some."""
        overridden = {platform: self._pins[platform].overridden for platform in chosen}
        extras = {platform: self._pins[platform].extras for platform in chosen}
        return Verdict(spec, chosen, context, overridden=overridden, extras=extras).given()

    def _pythons(
        self, spec: EnvSpec, platforms: Sequence[str], context: ResolveContext
    ) -> tuple[dict[str, Python], dict[str, Solved]]:
        """The Python of this machine for each platform, or else what conda has for it."""
        if all(self._pins[platform].python for platform in platforms):
            return {}, {platform: _locked(self._pins[platform]) for platform in platforms}
        if spec.options.python_provider == "system":
            python = next(iter(Pythons(spec.python, context)))
            return dict.fromkeys(platforms, python), {}
        # Python by itself, beside what the lock has of conda: that stays as it is.
        beside = self._beside_conda(platforms, context)
        return {}, solve_conda(
            self._worker, alone(spec, platforms), platforms, beside, alias=self._alias
        )

    def _beside_conda(self, platforms: Sequence[str], context: ResolveContext) -> ResolveContext:
        held = {
            platform: [
                package for package in self._pins[platform].packages if package.kind == "conda"
            ]
            for platform in platforms
        }
        return replace(context, held=held)

    def _beside(self, spec: EnvSpec, context: ResolveContext) -> Beside:
        return Beside(
            worker=self._worker,
            alias=self._alias,
            package_format=".conda",
            # Nothing of conda's is looked into here, so that no table of the user's is asked.
            names=PypiNames(None),
            spec=spec,
            context=context,
        )

    def _together(
        self,
        platform: str,
        base: Solved | None,
        pythons: Mapping[str, Python],
        made: Resolution | None,
    ) -> Resolution:
        """The packages of a platform: Python's, the lock's, and those that had to be made."""
        pins = self._pins[platform]
        there = {package.name for package in pins.packages if package.kind == "conda"}
        own = tuple(
            package
            for package in (base.packages if base and not pins.python else ())
            if package.name not in there
        )
        packages = (*own, *pins.packages, *(made.packages if made else ()))
        if own and base:
            # With Python conda may bring pip and what that needs, which a lock may have from PyPI.
            pinned = {package.name for package in packages if package.kind == "pypi"}
            brought = sorted(
                name for name in base.noarch_python if canonicalize_name(name) in pinned
            )
            if brought:
                pairs = tuple(
                    f"`{name}` is in the lock, and conda's Python brings it" for name in brought
                )
                raise PackagesClash(platform, pairs)
        return Resolution(
            python=base.python if base else pythons[platform].version,
            packages=packages,
            artifacts=made.artifacts if made else (),
            notes=made.notes if made else (),
        )

    def _made(
        self,
        spec: EnvSpec,
        platforms: Sequence[str],
        python: Python,
        context: ResolveContext,
        asked: Mapping[str, tuple[str, ...]],
    ) -> dict[str, Resolution]:
        """The packages that must be asked for, fetched or built, for platforms with one Python."""
        with (
            Uv(context) as uv,
            Files(uv, spec, python, context) as files,
            ProjectFiles(uv, spec, context) as projects,
            Threads(_WORKERS) as work,
        ):
            try:
                wheels = local_wheels(spec, platforms, files, work)
                make = partial(
                    UvQuestion.make,
                    spec,
                    python=python,
                    context=context,
                    wheels=wheels,
                    projects=projects,
                    bounds=PythonBounds(projects, context),
                )
                return {
                    platform: self._of_platform(
                        uv,
                        make(target=Target.make(platform, spec.for_platform(platform)["sys"])),
                        files,
                        work,
                        asked[platform],
                    )
                    for platform in platforms
                }
            # What the pools wait for, when they close, ends with these.
            except BaseException:
                files.stop()
                uv.processes.close()
                raise

    def _of_platform(
        self,
        uv: Uv,
        question: UvQuestion,
        files: Files,
        work: Threads,
        asked: Sequence[str],
    ) -> Resolution:
        pins = self._pins[question.target.platform]
        locked = compile_exactly(uv, replace(question, lines=tuple(asked))) if asked else ()
        wanted = [
            *((package, _place(package, question), ()) for package in locked),
            *((_source(s, question), s.index, s.hashes) for s in pins.sources),
        ]
        pending = [
            work.submit(
                files.package,
                package,
                question,
                pins.depends.get(package.name, ()),
                place,
            )
            for package, place, _ in wanted
        ]
        taken = [future.result() for future in pending]
        for (_, artifact), (_, _, hashes) in zip(taken, wanted, strict=True):
            # What was built here has no hash that a lock could state.
            if artifact and not artifact.source_key:
                unknown = [text for text in hashes if text.partition(":")[0] not in _CHECKED]
                _check_hashes(artifact, unknown)
        return Resolution(
            python=question.python.version,
            packages=tuple(package for package, _ in taken),
            artifacts=tuple(artifact for _, artifact in taken if artifact),
            notes=tuple(dict.fromkeys(files.notes)),
        )


def _locked(pins: Pins) -> Solved:
    """The conda packages of a lock, as if they had been solved."""
    conda = [package for package in pins.packages if package.kind == "conda"]
    names = tuple(package.name for package in conda)
    return Solved(
        python=str(pins.python),
        # Nothing is looked into here, so that nobody needs to know where it is.
        site_packages="",
        # Where a lock does not say what Python needs, what is built with it gets all there is.
        packages=tuple(
            package._replace(depends=names)
            if package.name == "python" and not package.depends
            else package
            for package in conda
        ),
        noarch_python=frozenset(),
        pypi_names={},
    )


def _source(source: PinnedSource, question: UvQuestion) -> UvPackage:
    """A source of a lock in the words that uv has for it."""
    plain = plain_requirement(source.requirement)
    url = plain.partition(" @ ")[2].partition(" ;")[0]
    inside = _SUBDIRECTORY.search(url)
    subdirectory = inside[1] if inside else None
    base = UvPackage(
        name=source.name,
        version=source.version,
        wheels=(),
        sdist=None,
        direct=True,
        subdirectory=subdirectory,
        path=None,
        vcs=None,
    )
    if local := local_source(plain):
        return replace(base, path=question.wheels[local.digest].artifact.path, version=None)
    if git := _GIT.match(url):
        vcs = Vcs(url=git["url"], commit=git["commit"], subdirectory=subdirectory)
        return replace(base, vcs=vcs)
    hashes = dict(text.split(":", 1) for text in source.hashes)
    if hashes and not url.partition("#")[0].endswith(".whl") and not hashes.keys() & _CHECKED:
        raise UnsupportedRequest(
            f"the source of `{source.name}` has hashes of {', '.join(hashes)} alone, and a build"
            " checks none of these",
            "lock again with sha256",
        )
    place = url.partition("#")[0]
    filename = unquote(place).rpartition("/")[2]
    file = File(filename=filename, url=place, size=source.size, hashes=hashes)
    # What an index has is built where it belongs; what is named by its URL may be built anywhere.
    direct = source.index is None
    if file.is_wheel:
        return replace(base, wheels=(file,), direct=direct)
    return replace(base, sdist=file, direct=direct)


def _place(package: UvPackage, question: UvQuestion) -> str | None:
    """The source of the spec that has a package, which uv does not tell."""
    sources = [source.url for source in question.spec.sources if source.kind != "channel"]
    if len(sources) == 1:
        return sources[0]
    files = question.projects.of(package.name)
    return next((f.place for f in files if str(f.version) == package.version), None)


def _check_hashes(artifact: Artifact, hashes: Iterable[str]) -> None:
    """Compare a fetched file with the hashes of a lock that downloads do not know."""
    for text in hashes:
        kind, _, expected = text.partition(":")
        actual = file_digest(artifact.path, kind)
        if actual is None:
            raise UnsupportedRequest(
                f"`{artifact.filename}` has a hash of the kind `{kind}`, which cannot be checked",
                "lock again with sha256",
            )
        if actual != expected:
            raise NoMatchingFile(artifact.filename, (text,), (f"{kind}:{actual}",), None)
