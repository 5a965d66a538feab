"""What sources have that is newer than what was chosen, and what excludes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from envid.errors import InvalidDescription
from envid.moments import read_moment
from envid.packages import Package
from pkgcache.threads import Threads
from resolvers._conda_solve import conda_newer
from resolvers._markers import Markers
from resolvers._project_files import ProjectFiles
from resolvers._uv import Uv
from resolvers._verdict import Verdict
from resolvers._wheel_listings import WheelListings
from resolvers.channels import CHANNEL_ALIAS
from resolvers.conda_python import is_free_threaded
from resolvers.metadata import read_requirement, read_specifiers
from resolvers.names import PypiNames
from resolvers.pythons import minor
from resolvers.request import Resolution
from resolvers.targets import Target, wheel_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envid.graph import Key
    from envid.resolved import ResolvedEnv
    from envid.spec import Options
    from pkgcache.worker import Worker
    from resolvers._project_files import ListedFile
    from resolvers.checking import Required
    from resolvers.metadata import Metadata
    from resolvers.request import ResolveContext

__all__ = ["By", "Holder", "Newer", "find_newer"]

_AT_ONCE = 16
_PYTHON = ("python", "python_abi")

By = Literal["base", "statement", "package", "python", "platform", "needs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What excludes a version: a requirement, `text`.

    It is of a `statement` of the spec, of the `package` that `key` is, or what the version itself
    `needs` of `key`; of `python` or the `platform`, where it has nothing for these. With `base`, the
    environment that the spec derives from has the package.
    """

    by: By
    text: str
    key: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Newer:
    """The newest version that there is of a package, and what excludes it, as far as that is known."""

    version: str
    held_by: tuple[Holder, ...]


def find_newer(
    worker: Worker,
    had: Sequence[ResolvedEnv],
    taken: Sequence[ResolvedEnv],
    context: ResolveContext,
    *,
    alias: str = CHANNEL_ALIAS,
    names: PypiNames | None = None,
) -> list[dict[Key, Newer]]:
    """What is newer than each package of `had`, in the order of these.

    `taken` are the same environments as they would be resolved now: what a package is there is what
    is compared, and what excludes others is looked for there. Heeded are the pre-releases, the
    cut-off date and the limits of wheels of the spec, and nothing that is yanked is newer. Each
    project is asked for once. Raises `ResolveError`.
    """
    spec = taken[0].spec
    resolutions = {
        env.platform: Resolution(python=env.python, packages=env.packages) for env in taken
    }
    checked = Verdict(spec, resolutions, context).checked
    names = names or PypiNames()
    needed = [source.url for source in spec.sources]
    with Uv(context) as uv, ProjectFiles(uv, spec, context, needed=needed) as projects:
        _ask(projects, [*had, *taken], context)
        answers = []
        for before, now in zip(had, taken, strict=True):
            platform = _Platform(now, checked[now.platform].required, projects, names, context)
            versions = {
                (package.kind, package.name): package.version
                for package in (*before.packages, *now.packages)
            }
            keys = [(package.kind, package.name) for package in before.packages]
            newer = {key: newest for key in keys if (newest := platform.pypi(key, versions[key]))}
            wanted = {name: versions[kind, name] for kind, name in keys if kind == "conda"}
            if wanted:
                chosen = [package for package in now.packages if package.kind == "conda"]
                answer = conda_newer(
                    worker, spec, now.platform, context, chosen=chosen, versions=wanted, alias=alias
                )
                newer |= {
                    ("conda", name): platform.conda(name, *told) for name, told in answer.items()
                }
            answers.append(newer)
    return answers


def _ask(projects: ProjectFiles, envs: Iterable[ResolvedEnv], context: ResolveContext) -> None:
    """Ask for all projects at once; `projects` keeps the answers."""
    wanted = sorted(
        {package.name for env in envs for package in env.packages if _is_listed(package)}
    )
    if not wanted:
        return
    task = context.progress.start("asking for newer versions", len(wanted), "packages")

    def ask(name: str) -> None:
        projects.of(name)
        task.advance()

    with Threads(min(_AT_ONCE, len(wanted))) as pool:
        try:
            for pending in [pool.submit(ask, name) for name in wanted]:
                pending.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            task.done()


def _is_listed(package: Package) -> bool:
    """Whether a package came from an index or find-links, and not from where it was asked for."""
    return package.kind == "pypi" and package.source is not None


class _Platform:
    """An environment as it would be resolved now."""

    def __init__(
        self,
        env: ResolvedEnv,
        required: Sequence[Required],
        projects: ProjectFiles,
        names: PypiNames,
        context: ResolveContext,
    ) -> None:
        self._env, self._projects, self._names = env, projects, names
        self._context = context
        self._there = {(package.kind, package.name): package for package in env.packages}
        self._held = {
            (package.kind, package.name) for package in context.held.get(env.platform, ())
        }
        self._required: dict[str, list[Required]] = {}
        for need in required:
            self._required.setdefault(canonicalize_name(need.requirement.name), []).append(need)
        conda = [package for package in env.packages if package.kind == "conda"]
        wheels = any(package.kind == "pypi" for package in env.packages)
        # Without wheels Python may be another one than CPython, which `is_free_threaded` refuses.
        series = f"{minor(env.python)}{'t' * (wheels and is_free_threaded(conda))}"
        target = Target.make(env.platform, env.spec.for_platform(env.platform).get("sys", ()))
        self._ranks = target.ranks(series)
        self._system_text = f"Python {series} on {env.platform} with {target.spoken_floor}"
        self._markers = Markers(env.platform, env.python)

    def pypi(self, key: Key, version: str) -> Newer | None:
        """What is newer than this version of a project; None where nothing is."""
        package = self._there.get(key)
        if key[0] != "pypi" or (package and not _is_listed(package)):
            return None
        own = _version(version)
        if own is None:
            return None
        files = [*_allowed(self._projects.of(key[1]), key[1], self._env.spec.options)]
        if not (own.is_prerelease or self._env.spec.options.prereleases):
            files = [file for file in files if not file.version.is_prerelease]
        last = max((file.version for file in files), default=own)
        if last <= own:
            return None
        held = [*self._base(key), *self._requirements(key[1], last)]
        held += self._system([file for file in files if file.version == last])
        # That takes a look into its metadata, which is saved where something else holds it already.
        needs = () if held else self._needs(key[1], last)
        return Newer(version=str(last), held_by=tuple(dict.fromkeys((*held, *needs))))

    def conda(
        self,
        name: str,
        version: str,
        holders: Iterable[tuple[str, str]],
        needs: Iterable[tuple[str, str]],
    ) -> Newer:
        """What is newer of a conda package."""
        base = [*self._base(("conda", name))]
        held = [
            Holder(by="package", text=text, key=("conda", by))
            if by
            else Holder(by="statement", text=text)
            for by, text in holders
            # What a base has is asked for by its build, and nobody has said so.
            if by or not base
        ]
        own, package = _version(version), self._there.get(("conda", name))
        if own and package:
            plain = {canonicalize_name(name), *self._names.guess(package, None).plain}
            held += [holder for known in sorted(plain) for holder in self._requirements(known, own)]
        held += [self._need(*need) for need in needs]
        return Newer(version=version, held_by=tuple(dict.fromkeys((*base, *held))))

    def _need(self, name: str, text: str) -> Holder:
        if name.startswith("__"):
            return Holder(by="platform", text=text)
        if name in _PYTHON:
            return Holder(by="python", text=text)
        return Holder(by="needs", text=text, key=("conda", name))

    def _base(self, key: Key) -> Iterator[Holder]:
        if key in self._held:
            yield Holder(by="base", text=self._env.spec.base or "")

    def _requirements(self, name: str, version: Version) -> Iterator[Holder]:
        """The requirements of PyPI's that a version does not meet."""
        for need in self._required.get(name, ()):
            if need.requirement.specifier.contains(version, prereleases=True):
                continue
            if need.by is None:
                yield Holder(by="statement", text=need.text)
            else:
                kind = "pypi" if ("pypi", need.by) in self._there else "conda"
                yield Holder(by="package", text=need.text, key=(kind, need.by))

    def _system(self, files: Sequence[ListedFile]) -> Iterator[Holder]:
        """Python or the platform, where no file of a version is for it."""
        # What is said of 3.14 is meant of its previews as well, as in `checking`.
        release = Version(self._env.python).base_version
        fit = []
        for file in files:
            specifiers = read_specifiers(file.requires_python or "")
            if specifiers is None or specifiers.contains(release, prereleases=True):
                fit.append(file)
        if not fit:
            yield Holder(by="python", text=f"python {files[0].requires_python}")
        elif not any(map(self._is_for_here, fit)):
            yield Holder(by="platform", text=self._system_text)

    def _metadata(self, name: str, version: Version) -> Metadata | None:
        """What a wheel of a version says of itself; None where no index has one with its hash."""
        wheels = [
            file
            for file in self._projects.of(name)
            if file.version == version and file.is_wheel and file.digests.get("sha256")
        ]
        for file in sorted(wheels, key=self._is_for_here, reverse=True)[:1]:
            try:
                wheel = Package.make(
                    kind="pypi",
                    name=name,
                    version=str(version),
                    filename=file.filename,
                    url=file.url,
                    sha256=file.digests["sha256"],
                )
            except InvalidDescription:  # such as a hash that is none
                return None
            facts = WheelListings((), self._context).facts([wheel])
            return next((listing.metadata for listing in facts.values()), None)
        return None

    def _is_for_here(self, file: ListedFile) -> bool:
        tags = wheel_tags(file.filename)  # none of a source
        return not tags or any(tag in self._ranks for tag in tags)

    def _needs(self, name: str, version: Version) -> Iterator[Holder]:
        """What a version itself requires, and is not there in that way."""
        there = {canonicalize_name(name): (kind, name) for kind, name in sorted(self._there)}
        metadata = self._metadata(name, version)
        for text in metadata.requires if metadata else ():
            requirement = read_requirement(text)
            key = there.get(canonicalize_name(requirement.name)) if requirement else None
            if not requirement or not key or not self._markers.hold(requirement):
                continue
            own = _version(self._there[key].version)
            if own and not requirement.specifier.contains(own, prereleases=True):
                yield Holder(by="needs", text=text, key=key)


def _version(text: str) -> Version | None:
    """A version of PEP 440, None for another one."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _allowed(files: Iterable[ListedFile], name: str, options: Options) -> Iterator[ListedFile]:
    """Those files that a resolver would see, whatever the Python and the platform."""
    cutoff = options.exclude_newer
    before = read_moment(cutoff) if cutoff else None
    wheels = not {name, ":all:"} & set(options.no_binary)
    sources = not {name, ":all:"} & set(options.only_binary)
    for file in files:
        # As uv has it: with a cut-off date, what does not say when it came is not there.
        late = before and (file.uploaded is None or file.uploaded >= before)
        if file.yanked is None and not late and (wheels if file.is_wheel else sources):
            yield file
