"""Choosing PyPI packages for a Python of this machine, through uv."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from envid.platforms import host_platform
from pkgcache.threads import Threads
from resolvers._expected import ExpectedWheels
from resolvers._files import Files
from resolvers._index import PUBLIC_INDEX
from resolvers._project_files import ProjectFiles
from resolvers._python_bounds import PythonBounds
from resolvers._python_choice import first_that_solves
from resolvers._question import UvQuestion, local_source
from resolvers._solve import choose
from resolvers._uv import Uv
from resolvers._verdict import Verdict
from resolvers.errors import BuildFailed, NeedsPlatform, UnsupportedRequest
from resolvers.pythons import Pythons, minor
from resolvers.request import Resolution
from resolvers.targets import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envid.packages import Package
    from envid.spec import EnvSpec
    from resolvers._lock import Notes, UvPackage
    from resolvers._python_choice import Attempt
    from resolvers._question import LocalWheel
    from resolvers._stubs import Stubs
    from resolvers._wheel_listings import WheelFacts
    from resolvers.ahead import Ahead
    from resolvers.pythons import Python
    from resolvers.request import Artifact, ResolveContext

__all__ = ["PypiResolver", "local_wheels", "resolve_wheels"]

_WORKERS = 8


class PypiResolver:
    """Resolves specs of type `pypi-only` whose Python is one of this machine.

    Every platform is a process of uv, all at once on one cache. Markers and tags of the target
    decide, never those of this machine. `ahead` may have asked the first of them already.
    """

    def __init__(self, ahead: Ahead | None = None) -> None:
        self._ahead = ahead

    def resolve(
        self, spec: EnvSpec, platforms: Sequence[str], context: ResolveContext
    ) -> dict[str, Resolution]:
        """Choose exact packages for each platform; raises `ResolveError`."""
        _check(spec, platforms)
        pythons = Pythons(spec.python, context)

        def attempt(python: Python) -> Attempt[dict[str, Resolution]]:
            asked = dict.fromkeys(platforms, python)

            def resolved(*, final: bool) -> dict[str, Resolution]:
                # Only the first attempt finds uv at work.
                uv = self._ahead.take(asked) if self._ahead else None
                return resolve_wheels(spec, asked, context, final=final, uv=uv, facts=facts)

            return resolved

        facts: dict[str, WheelFacts] = {}
        attempts = ((minor(python.version), attempt(python)) for python in pythons)
        with self._ahead or nullcontext():
            chosen = first_that_solves(attempts, only=pythons.only)
        return Verdict(spec, chosen, context, facts=facts).given()


def resolve_wheels(
    spec: EnvSpec,
    pythons: Mapping[str, Python],
    context: ResolveContext,
    stubs: Mapping[str, Stubs] | None = None,
    *,
    final: bool = True,
    uv: Uv | None = None,
    facts: dict[str, WheelFacts] | None = None,
) -> dict[str, Resolution]:
    """The PyPI side of a spec for each platform and its Python; raises `ResolveError`.

    `stubs` are what each platform has already, which is not among the packages found. Unless it is
    `final`, raises `NeedsBuild` where an older Python has wheels of what must be built for this one.
    `uv` may be at work on it already; it is closed. What is learnt of wheels is added to `facts`.
    """
    # Platforms with the same Python are solved at once, on what is looked up for all of them.
    resolutions: dict[str, Resolution] = {}
    for python in dict.fromkeys(pythons.values()):
        platforms = [platform for platform, own in pythons.items() if own == python]
        resolutions |= _resolve_for(
            python,
            spec,
            platforms,
            context,
            stubs or {},
            final=final,
            begun=uv,
            facts={} if facts is None else facts,
        )
        uv = None
    return {platform: resolutions[platform] for platform in pythons}


def _resolve_for(
    python: Python,
    spec: EnvSpec,
    platforms: Sequence[str],
    context: ResolveContext,
    stubs: Mapping[str, Stubs],
    *,
    final: bool,
    begun: Uv | None,
    facts: dict[str, WheelFacts],
) -> dict[str, Resolution]:
    targets = [
        Target.make(platform, spec.for_platform(platform).get("sys", ())) for platform in platforms
    ]
    with (
        begun or Uv(context) as uv,
        Files(uv, spec, python, context) as files,
        ProjectFiles(uv, spec, context, needed=_needed(spec, context)) as projects,
        ExpectedWheels(context) as expected,
        # Two pools: who waits in the second for work of the first must not take its threads.
        Threads(_WORKERS) as work,
        Threads(len(targets)) as pool,
    ):
        bounds = PythonBounds(projects, context, expected if context.reads_ahead else None, facts)
        try:
            # First, since uv is asked for these wheels in place of the local sources, and once for all
            # platforms.
            wheels = local_wheels(spec, platforms, files, work)
            questions = [
                UvQuestion.make(
                    spec,
                    target,
                    python,
                    context,
                    wheels=wheels,
                    projects=projects,
                    bounds=bounds,
                    stubs=stubs.get(target.platform),
                    final=final,
                )
                for target in targets
            ]
            pending = [pool.submit(_resolve, uv, question, files, work) for question in questions]
            resolutions = [future.result() for future in pending]
        except BaseException:
            # What the pools wait for, when they close, ends with these.
            files.stop()
            uv.processes.close()
            raise
    built = tuple(dict.fromkeys(files.notes))
    return {
        platform: replace(resolution, notes=(*resolution.notes, *built))
        for platform, resolution in zip(platforms, resolutions, strict=True)
    }


def _needed(spec: EnvSpec, context: ResolveContext) -> list[str]:
    """The sources that must answer us, since the engine passes over those that do not.

    For the public index pip may have another, which answers it alone.
    """
    if context.pypi_engine != "pip":
        return []
    return [source.url for source in spec.sources if source.url != PUBLIC_INDEX]


def _check(spec: EnvSpec, platforms: Sequence[str]) -> None:
    if not platforms:
        raise UnsupportedRequest("no platform is asked for")
    if spec.options.python_provider != "system":
        raise UnsupportedRequest(
            "this resolver takes Python from the system, and the spec asks for conda's",
            "set the Python provider to `system`",
        )


def local_wheels(
    spec: EnvSpec, platforms: Sequence[str], files: Files, work: Threads
) -> dict[str, LocalWheel]:
    texts = {
        text
        for platform in platforms
        for text in (*spec.for_platform(platform).get("pypi", ()), *spec.constraints)
    }
    pending = {
        source.digest: work.submit(files.local_wheel, text, source)
        for text in sorted(texts)
        if (source := local_source(text))
    }
    return {digest: future.result() for digest, future in pending.items()}


def _resolve(uv: Uv, question: UvQuestion, files: Files, work: Threads) -> Resolution:
    label = f"choosing PyPI packages for {question.target.platform}"
    task = question.context.progress.start(label, None, "packages")
    try:
        return _resolved(uv, question, files, work)
    finally:
        task.done()


def _resolved(uv: Uv, question: UvQuestion, files: Files, work: Threads) -> Resolution:
    try:
        chosen = choose(uv, question)
    except BuildFailed as error:
        # Where uv is told of another machine by an interpreter, it builds for that machine too.
        if question.target.uv_platform or question.target.platform == host_platform():
            raise
        nearest = question.target.nearest
        files.notes.append(
            f"{error.package} must be asked here for what it needs, so that for"
            f" {nearest.platform} no wheel was looked for that needs more than"
            f" {nearest.spoken_floor}"
        )
        question = replace(question, target=nearest)
        chosen = choose(uv, question)
    depends: dict[str, list[str]] = {}
    for name, notes in chosen.notes.items():
        for other in notes.via:
            depends.setdefault(other, []).append(question.package_of(name))

    def take(package: UvPackage) -> tuple[Package, Artifact | None]:
        source = _source(package, chosen.notes, question.spec)
        return files.package(package, question, depends.get(package.name, ()), source)

    wanted = [package for package in chosen.locked if not question.is_there(package.name)]
    # Most are at hand, and what has nothing to wait for needs no thread.
    pending = [
        None if files.is_at_hand(package, question) else work.submit(take, package)
        for package in wanted
    ]
    taken: list[tuple[Package, Artifact | None]] = []
    # All that cannot be had on this machine is said at once.
    elsewhere: list[NeedsPlatform] = []
    for package, future in zip(wanted, pending, strict=True):
        try:
            taken.append(future.result() if future else take(package))
        except NeedsPlatform as error:
            elsewhere.append(error)
    if elsewhere:
        raise NeedsPlatform(
            question.target.platform,
            tuple(name for error in elsewhere for name in error.packages),
            tuple(why for error in elsewhere for why in error.reasons),
            tuple(floor for error in elsewhere for floor in error.floors),
        )
    return Resolution(
        python=question.python.version,
        packages=tuple(package for package, _ in taken),
        artifacts=tuple(artifact for _, artifact in taken if artifact),
        notes=chosen.warnings,
    )


def _source(package: UvPackage, notes: Mapping[str, Notes], spec: EnvSpec) -> str | None:
    """The source of the spec that uv's annotation means; direct references have none."""
    index = notes[package.name].index if package.name in notes else None
    if package.direct or index is None:
        return None
    # uv writes the URL of its default index, which the spec holds by name.
    known = [source.url for source in spec.sources if source.kind != "channel"]
    if index.rstrip("/") in known:
        return index.rstrip("/")
    return PUBLIC_INDEX if PUBLIC_INDEX in known else None
