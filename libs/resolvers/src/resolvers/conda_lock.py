"""Choosing conda and PyPI packages together through conda-lock, held against what both have."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from envid.spec import Source
from pkgcache.web.credentials import BESIDE
from pkgcache.web.watch import Watch
from resolvers._conda_lock_asked import asked_of_conda, asked_of_pypi
from resolvers._conda_lock_diagnosis import CONDA_LOCK_SETTING, failure
from resolvers._conda_question import CondaQuestion
from resolvers._conda_solve import ask_channels
from resolvers._conda_tools import LEAST, kind_of, overrides, places_of, records_of
from resolvers._conda_tools_diagnosis import unknown
from resolvers._conda_tools_places import told_channels
from resolvers._conda_tools_told import told_specs
from resolvers._index import PUBLIC_INDEX
from resolvers._markers import Markers
from resolvers._network import named
from resolvers._processes import Processes
from resolvers._programs import find_program, readable, users_environment
from resolvers._python_choice import open_minors
from resolvers._question import local_source, plain_requirement
from resolvers.channels import CHANNEL_ALIAS, split_channel
from resolvers.errors import EngineFailed, NoSolution, RequirementsUnmet, UnsupportedRequest
from resolvers.mixed import MixedResolver
from resolvers.names import conda_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from subprocess import CompletedProcess

    from envid.packages import Package
    from envid.spec import EnvSpec
    from pkgcache.worker import Worker
    from resolvers._conda_tools_places import Places
    from resolvers.pinned import Pins
    from resolvers.request import Resolution, ResolveContext

    Read = Callable[[Path, str], Pins]

__all__ = ["CONDA_LOCK_SETTING", "LEAST_CONDA_LOCK", "CondaLockResolver", "family"]

LEAST_CONDA_LOCK = "4.0"
"""The oldest conda-lock that asks no index but the one that it is told of."""
_SILENCES = 120


class CondaLockResolver:
    """Resolves specs of type `mixed`: conda-lock makes a lock, of one platform after the other.

    It runs the tool of the conda family that the context names, else the first of them on PATH.
    `read` reads the packages of a platform from its file. Its choice is given if py-rattler and uv,
    held to it, come to the same; the other options are those of `MixedResolver`.
    """

    def __init__(
        self,
        worker: Worker,
        read: Read,
        *,
        channel_alias: str = CHANNEL_ALIAS,
        pypi_names: Path | None = None,
    ) -> None:
        self._worker, self._read, self._alias = worker, read, channel_alias
        self._mixed = MixedResolver(worker, channel_alias=channel_alias, pypi_names=pypi_names)

    def resolve(
        self, spec: EnvSpec, platforms: Sequence[str], context: ResolveContext
    ) -> dict[str, Resolution]:
        """Choose exact packages for each platform; raises `ResolveError`."""
        if spec.env_type != "mixed":
            raise UnsupportedRequest(
                f"this resolver is for both kinds, and the spec is {spec.env_type}"
            )
        _check(spec, platforms, context)
        processes = Processes(context.on_process)
        pins: dict[str, Pins] = {}
        channels: dict[str, Mapping[str, str]] = {}
        try:
            lock = _Locking(spec, self._alias, context, processes, self._worker)
            python = ""
            for platform in platforms:
                path, places = lock.write(platform, python)
                pins[platform] = self._read(path, platform)
                channels[platform] = _channels(pins[platform], places)
                # All platforms have the same Python, where that is left open.
                if len(open_minors(spec.python)) > 1 and (locked := pins[platform].python):
                    python = f"{'.'.join(locked.split('.')[:2])}.*"
        finally:
            processes.close()
        return self._verified(spec, pins, channels, context)

    def _verified(
        self,
        spec: EnvSpec,
        pins: Mapping[str, Pins],
        channels: Mapping[str, Mapping[str, str]],
        context: ResolveContext,
    ) -> dict[str, Resolution]:
        """The packages that are needed of those locked; raises `RequirementsUnmet` for others.

        They are read where the lock has them: `channels` maps these places to sources.
        """
        resolutions: dict[str, Resolution] = {}
        for platform, own in pins.items():
            conda = [package for package in own.packages if package.kind == "conda"]
            engines = replace(
                context,
                held={platform: [*context.held.get(platform, ()), *conda]},
                joint_rounds=0,
                conda_engine="rattler",
                pypi_engine="uv",
            )
            asked = _placed(spec, own, channels[platform])
            try:
                resolutions |= self._mixed.resolve(asked, [platform], engines)
            except NoSolution as error:
                # The lock is the reason, and what it is held against says so.
                error.hint = f"conda-lock's lock does not hold; set {CONDA_LOCK_SETTING}"
                raise
            _check_locked(platform, resolutions[platform].packages, own)
            packages = (
                package._replace(
                    source=channels[platform].get(package.source or "", package.source)
                )
                for package in resolutions[platform].packages
            )
            resolutions[platform] = replace(resolutions[platform], packages=tuple(packages))
        return resolutions


def _check(spec: EnvSpec, platforms: Sequence[str], context: ResolveContext) -> None:
    """Refuse, by name, what there is no way to tell conda-lock."""
    options, hint = spec.options, f"set {CONDA_LOCK_SETTING}"
    if context.offline:
        raise UnsupportedRequest("conda-lock cannot do without the network", hint)
    told = {
        "pre-releases": options.prereleases,
        "`no_binary`": options.no_binary,
        "`only_binary`": options.only_binary,
        "a cut-off date": options.exclude_newer,
    }
    for what, asked in told.items():
        if asked:
            raise UnsupportedRequest(f"{what} cannot be asked of conda-lock", hint)
    places = [source for source in spec.sources if source.kind != "channel"]
    if len(places) > 1 or any(source.kind == "find-links" for source in places):
        raise UnsupportedRequest(
            "conda-lock does not say which of several sources a package is from, nor reads folders",
            f"name one index alone, or set {CONDA_LOCK_SETTING}",
        )
    for source in spec.sources:
        login = context.credentials.find(source.url) if "://" in source.url else None
        if (login and login.source not in ("netrc", BESIDE)) or context.credentials.with_token(
            source.url
        ) != source.url:
            raise UnsupportedRequest(
                f"`{source.url}` has a login, which conda-lock would write down",
                f"give it in netrc and not here, or set {CONDA_LOCK_SETTING}",
            )
    for platform in platforms:
        for text in spec.for_platform(platform).get("pypi", ()):
            if " --hash=" in text or local_source(text):
                raise UnsupportedRequest(
                    f"`{plain_requirement(text)}` is asked for by its content, which conda-lock"
                    " cannot be told",
                    hint,
                )


class _Locking:
    """conda-lock, and what it is told of a spec."""

    def __init__(
        self,
        spec: EnvSpec,
        alias: str,
        context: ResolveContext,
        processes: Processes,
        worker: Worker,
    ) -> None:
        self._spec, self._alias, self._context = spec, alias, context
        self._processes, self._worker = processes, worker
        self._program = find_program("conda-lock", LEAST_CONDA_LOCK, CONDA_LOCK_SETTING, processes)
        self._tool = find_program(*family(context), processes)
        self._folder = context.cache_dir / "conda-lock"
        self._folder.mkdir(parents=True, exist_ok=True)

    def write(self, platform: str, python: str) -> tuple[Path, Places]:
        """Make the lock of a platform, for a minor version of Python if one is given.

        With it, where its channels may be.
        """
        question = CondaQuestion.make(
            self._spec, platform, self._context, alias=self._alias, format_=".conda"
        )
        with tempfile.TemporaryDirectory() as work, Watch(self._context.telling_patience) as watch:
            ask = partial(ask_channels, self._worker)
            there = partial(records_of, context=self._context, ask=ask)
            places = places_of(question, self._tool, self._context, self._processes, ask)
            told = told_specs(kind_of(self._tool.name), question, (), places, there)
            files = {
                # What JSON has, YAML has as well.
                "environment.yml": self._asked(question, [*told], python),
                "virtual.yml": {"subdirs": {platform: {"packages": _virtual(question)}}},
                "names.json": {
                    pypi: {"conda_name": conda, "pypi_name": pypi}
                    for pypi, conda in conda_names().items()
                },
            }
            for name, data in files.items():
                (Path(work) / name).write_text(json.dumps(data), encoding="utf-8")
            done = self._run(platform, question, Path(work), watch.environment)
            lock = Path(work) / "conda-lock.yml"
            if done.returncode or not lock.is_file():
                kind = kind_of(self._tool.name)
                error = failure(kind, readable(done), question, self._context)
                if isinstance(error, NoSolution):
                    where = places.at()
                    error = unknown(error, where, self._context, partial(there, where))
                raise named(error, self._context, watch.faults)
            # Beside, so that it stands while it is read, and for who wonders.
            path = shutil.move(lock, self._folder / f"{platform}.conda-lock.yml")
            return Path(path), places

    def _run(
        self,
        platform: str,
        question: CondaQuestion,
        work: Path,
        network: Mapping[str, str],
    ) -> CompletedProcess[str]:
        limit = self._context.patience.silence * _SILENCES
        priority = dict.fromkeys(
            ("CONDA_CHANNEL_PRIORITY", "MAMBA_CHANNEL_PRIORITY"), question.priority
        )
        try:
            return self._processes.run(
                f"conda-lock {platform}",
                # Where mfenv runs: by that, paths in the variables of it and of the tool are meant.
                (
                    *(self._program.path, "lock", "--conda", self._tool.path),
                    *("--file", work / "environment.yml", "--platform", platform),
                    *("--virtual-package-spec", work / "virtual.yml", "--strip-auth"),
                    *("--pypi_to_conda_lookup_file", work / "names.json"),
                    *("--lockfile", work / "conda-lock.yml"),
                ),
                # Its first releases do not tell the tool of virtual packages by this way, too.
                environment={**users_environment(), **network, **priority, **overrides(question)},
                limit=limit,
            )
        except TimeoutError:
            raise EngineFailed(
                "conda-lock",
                f"it has not answered within {limit:.0f} s",
                hint=f"set {CONDA_LOCK_SETTING}",
            ) from None

    def _asked(
        self, question: CondaQuestion, told: Sequence[str], python: str
    ) -> dict[str, object]:
        """An environment.yml."""
        # Within what is asked of Python, all platforms are to have the same.
        conda = asked_of_conda([*told, *([f"python {python}"] if python else [])])
        # The full version is not known yet; a marker that asks for more than the minor one is read
        # again by the last check.
        minors = open_minors(self._spec.python)
        markers = Markers(question.platform, f"3.{minors[0] if minors else 0}.0")
        pypi = self._spec.for_platform(question.platform).get("pypi", ())
        indexes = [source.url for source in self._spec.sources if source.kind == "index"]
        return {
            "channels": told_channels(question),
            "dependencies": [*conda, {"pip": [*asked_of_pypi(pypi, markers)]}],
            "pip-repositories": [url for url in indexes if url != PUBLIC_INDEX],
            "allow-pypi-requests": PUBLIC_INDEX in indexes,
        }


def family(context: ResolveContext) -> tuple[str, str, str]:
    """The tool of the conda family: its name or path, the oldest that will do, and the setting.

    Raises `EngineFailed` where there is none.
    """
    engine = context.conda_engine
    if engine == "rattler":
        engine = next((name for name in LEAST if shutil.which(name)), "")
        if not engine:
            raise EngineFailed(
                "conda-lock",
                f"it needs {', '.join(LEAST)}, and none of these is on PATH",
                hint=f"install one, name one by `conda_resolver`, or set {CONDA_LOCK_SETTING}",
            )
    return engine, LEAST[kind_of(engine)], CONDA_LOCK_SETTING


def _virtual(question: CondaQuestion) -> dict[str, str]:
    return {
        name: f"{version} {build}" if build != "0" else version
        for name, version, build in question.virtual
    }


def _channels(pins: Pins, places: Places) -> Mapping[str, str]:
    """The places where the packages of a lock are, and the sources that these are of, in order."""
    sources: dict[str, str] = {}
    for package in pins.packages:
        url = package.url.removesuffix(f"/{package.subdir}/{package.filename}")
        if package.kind != "conda" or url in sources:
            continue
        source = places.source(url)
        if source is None:
            raise EngineFailed(
                "conda-lock",
                f"it takes `{package.filename}` from {url}, which is no channel of the request",
                hint=f"ask for that channel, or set {CONDA_LOCK_SETTING}",
            )
        sources[url] = source
    return places.in_order(sources)


def _placed(spec: EnvSpec, pins: Pins, channels: Mapping[str, str]) -> EnvSpec:
    """What is asked, held to the packages of a lock and the places where these are."""

    def where(asked: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        return {category: tuple(map(_unnamed, texts)) for category, texts in asked.items()}

    return replace(
        spec,
        constraints=tuple(sorted({*spec.constraints, *_as_constraints(pins)})),
        sources=(
            *(Source.make("channel", url) for url in channels),
            *(source for source in spec.sources if source.kind != "channel"),
        ),
        requirements=where(spec.requirements),
        platform_requirements={
            platform: where(asked) for platform, asked in spec.platform_requirements.items()
        },
    )


def _unnamed(text: str) -> str:
    """A requirement without the name of a channel: that package is held as it is."""
    channel, rest = split_channel(text)
    return rest if channel and "://" not in channel else text


def _as_constraints(pins: Pins) -> Iterator[str]:
    """What holds uv to the files of a lock: a commit has a version alone."""
    for package in pins.packages:
        if package.kind == "pypi":
            yield f"{package.name}=={package.version} --hash=sha256:{package.hashes.sha256}"
    for source in pins.sources:
        if source.version:
            hashes = [f"--hash={text}" for text in source.hashes if text.startswith("sha256:")]
            yield " ".join((f"{source.name}=={source.version}", *hashes))


def _check_locked(platform: str, packages: Sequence[Package], pins: Pins) -> None:
    """Raise `RequirementsUnmet` for what is needed and is not, as it is, in the lock."""
    locked = {(package.kind, package.name): package for package in pins.packages}
    built = {source.name for source in pins.sources}
    problems = []
    for package in packages:
        own = locked.get((package.kind, package.name))
        if own is None and package.name not in built:
            problems.append(f"`{package.name}` {package.version} is needed, and the lock has none")
        elif own and not _same(own, package):
            problems.append(
                f"`{package.name}` is {own.filename} in the lock, and {package.filename} where it is"
                " read"
            )
    if problems:
        error = RequirementsUnmet(platform, tuple(problems))
        error.hint = f"what conda-lock found does not suffice; set {CONDA_LOCK_SETTING}"
        raise error


def _same(own: Package, other: Package) -> bool:
    if own.hashes.sha256 and other.hashes.sha256:
        return own.hashes.sha256 == other.hashes.sha256
    return (own.filename, own.hashes.md5) == (other.filename, other.hashes.md5)
