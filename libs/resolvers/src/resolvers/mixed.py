"""Choosing PyPI packages for a Python from conda, beside other conda packages or alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from envid.platforms import host_platform
from envid.spec import EnvSpec
from resolvers._build_pythons import BuildPythons
from resolvers._conda_python import is_free_threaded
from resolvers._conda_solve import solve_conda
from resolvers._contents import check_doubts, look_into, notes, providers
from resolvers._extras import extra_requirements
from resolvers._mixed_diagnosis import explain, named
from resolvers._npconda import check_npconda
from resolvers._python_choice import conda_answers, first_that_solves, open_minors
from resolvers._question import plain_requirement
from resolvers._stubs import Stub, Stubs
from resolvers._unheeded import unheeded
from resolvers.channels import CHANNEL_ALIAS
from resolvers.errors import BuildFailed, InvalidRequest, NoSolution
from resolvers.names import PypiNames
from resolvers.pypi import resolve_wheels
from resolvers.pythons import minor, stand_in
from resolvers.request import Resolution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pkgcache.worker import Worker
    from resolvers._conda_solve import Solved
    from resolvers._contents import Contents
    from resolvers.pythons import Python
    from resolvers.request import ResolveContext

__all__ = ["MixedResolver"]


class MixedResolver:
    """Resolves specs of type `mixed`, and `pypi-only` ones whose Python comes from conda.

    Conda packages are chosen first; then uv chooses wheels for that very Python and for the
    platform, with what conda brings held fixed. Nothing in the result is installed over a conda
    package. `npconda` packages must not need Python.
    What has to be built is built with conda's own Python where the context can make one.

    `pypi_names` is the file of a table to use in place of the one that ships with us; see
    `resolvers.names`. A spec that asks for PyPI packages must hold its digest. The other options are those of `CondaResolver`.
    """

    def __init__(
        self,
        worker: Worker,
        *,
        channel_alias: str = CHANNEL_ALIAS,
        package_format: str = ".conda",
        pypi_names: Path | None = None,
    ) -> None:
        self._worker, self._alias, self._format = worker, channel_alias, package_format
        self._names = PypiNames(pypi_names)

    def resolve(
        self, spec: EnvSpec, platforms: Sequence[str], context: ResolveContext
    ) -> dict[str, Resolution]:
        """Choose exact packages for each platform; raises `ResolveError`."""
        if not platforms:
            raise InvalidRequest("no platform is asked for")
        if spec.options.python_provider != "conda":
            raise InvalidRequest(
                "this resolver takes Python from conda, and the spec asks for the system's"
            )
        answers = conda_answers(spec, lambda one: self._solve(one, platforms, context), context)
        attempts = (
            (minor(next(iter(base.values())).python), partial(self._beside, spec, base, context))
            for base in answers
        )
        return first_that_solves(attempts, only=len(open_minors(spec.python)) <= 1)

    def _beside(
        self, spec: EnvSpec, base: Mapping[str, Solved], context: ResolveContext, *, final: bool
    ) -> dict[str, Resolution]:
        """What conda has chosen, and the PyPI packages that go with it."""
        for platform, solved in base.items():
            check_npconda(spec, platform, solved.packages, context)
        if not any(spec.for_platform(platform).get("pypi") for platform in base):
            return {platform: _alone(solved) for platform, solved in base.items()}
        if spec.options.pypi_names != self._names.digest:
            raise InvalidRequest(
                "the spec was made for another table of PyPI names",
                "give the table whose sha256 the spec has, or make the spec again",
            )
        pythons = self._pythons(spec, base, context)
        contents = look_into(base, self._names, context)
        stubs = {
            platform: self._stubs(spec, platform, contents[platform], context) for platform in base
        }
        passed_over = {
            platform: unheeded(
                spec,
                platform,
                {name: one.package for name, one in stubs[platform].by_name.items()},
                context,
            )
            for platform in base
        }
        try:
            found = _wheels(spec, pythons, context, stubs, final=final)
        except NoSolution as error:
            platform = error.platform
            check_doubts(contents[platform], named(error))
            for note in notes(contents[platform]):  # what may be why
                context.progress.note(note)
            raise explain(error, stubs[platform], base[platform], spec, context) from error
        for platform, chosen in found.items():
            check_doubts(contents[platform], {one.name for one in chosen.packages})
        return {
            platform: Resolution(
                python=solved.python,
                packages=(*solved.packages, *found[platform].packages),
                artifacts=found[platform].artifacts,
                notes=(*notes(contents[platform]), *passed_over[platform], *found[platform].notes),
            )
            for platform, solved in base.items()
        }

    def _solve(
        self, spec: EnvSpec, platforms: Sequence[str], context: ResolveContext
    ) -> dict[str, Solved]:
        return solve_conda(
            self._worker,
            spec,
            platforms,
            context,
            alias=self._alias,
            package_format=self._format,
        )

    def _pythons(
        self, spec: EnvSpec, base: Mapping[str, Solved], context: ResolveContext
    ) -> dict[str, Python]:
        """The Python of each platform, as an interpreter on this machine stands in for it."""

        def solve(python: Python) -> Solved:
            series = minor(python.version)
            threads = [f"python_abi * *_cp{series.replace('.', '')}t"] * python.free_threaded
            alone = EnvSpec.make(
                requirements={"sys": spec.for_platform(host).get("sys", ()), "conda": threads},
                python=f"=={series}.*",
                sources=spec.sources,
                options=spec.options,
            )
            return self._solve(alone, [host], context)[host]

        host = host_platform()
        builders = (
            BuildPythons(base, solve, context.builder_python) if context.builder_python else None
        )
        found: dict[tuple[str, bool], Python] = {}
        for one in base.values():
            kind = one.python, is_free_threaded(one.packages)
            if kind not in found:
                python = replace(stand_in(one.python, context), free_threaded=kind[1])
                make = partial(builders.path, python) if builders else None
                found[kind] = replace(python, make=make)
        return {
            platform: found[one.python, is_free_threaded(one.packages)]
            for platform, one in base.items()
        }

    def _stubs(
        self, spec: EnvSpec, platform: str, contents: Sequence[Contents], context: ResolveContext
    ) -> Stubs:
        stubs = {
            name: Stub(
                name=name, own_version=one.distributions[name], package=one.package, extras={}
            )
            for name, one in providers(contents).items()
        }
        for name, extras in _extras(spec, platform).items():
            if name in stubs:
                found = extra_requirements(stubs[name], extras, spec, context)
                stubs[name] = replace(stubs[name], extras=found)
        return Stubs.write(stubs.values(), context.cache_dir / "stubs")


def _wheels(
    spec: EnvSpec,
    pythons: Mapping[str, Python],
    context: ResolveContext,
    stubs: Mapping[str, Stubs],
    *,
    final: bool,
) -> dict[str, Resolution]:
    try:
        return resolve_wheels(spec, pythons, context, stubs, final=final)
    except BuildFailed:
        if not final or all(one.is_near or not one.make for one in pythons.values()):
            raise
    # uv asks an sdist for its metadata with the Python that stands in, and that may be too new.
    right = {
        platform: replace(one, path=one.make(), own=one.version) if one.make else one
        for platform, one in pythons.items()
    }
    return resolve_wheels(spec, right, context, stubs, final=final)


def _alone(solved: Solved) -> Resolution:
    return Resolution(python=solved.python, packages=solved.packages)


def _extras(spec: EnvSpec, platform: str) -> Mapping[str, set[str]]:
    """The extras that requirements of the spec ask for, by package."""
    found: dict[str, set[str]] = defaultdict(set)
    for text in spec.for_platform(platform).get("pypi", ()):
        try:
            one = Requirement(plain_requirement(text))
        except InvalidRequirement:
            continue
        if one.extras:
            found[canonicalize_name(one.name)] |= one.extras
    return found
