"""Choosing PyPI packages for a Python from conda, beside other conda packages or alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from envid.platforms import host_platform
from envid.spec import EnvSpec
from resolvers._build_pythons import BuildPythons
from resolvers._conda_python import is_free_threaded
from resolvers._conda_side import CondaSide
from resolvers._conda_solve import solve_conda
from resolvers._contents import look_into
from resolvers._extras import ExtraMetadata
from resolvers._npconda import check_npconda
from resolvers._python_choice import conda_answers, first_that_solves, open_minors
from resolvers._verdict import Verdict
from resolvers.channels import CHANNEL_ALIAS
from resolvers.errors import BuildFailed, NoSolution, UnsupportedRequest
from resolvers.names import PypiNames
from resolvers.pypi import resolve_wheels
from resolvers.pythons import minor, stand_in
from resolvers.request import Resolution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pkgcache.worker import Worker
    from resolvers._conda_solve import Solved
    from resolvers._stubs import Stubs
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
            raise UnsupportedRequest("no platform is asked for")
        if spec.options.python_provider != "conda":
            raise UnsupportedRequest(
                "this resolver takes Python from conda, and the spec asks for the system's"
            )
        answers = conda_answers(
            spec, lambda bounded: self._solve(bounded, platforms, context), context
        )
        attempts = (
            (minor(next(iter(base.values())).python), partial(self._beside, spec, base, context))
            for base in answers
        )
        return first_that_solves(attempts, only=len(open_minors(spec.python)) <= 1)

    def _beside(
        self, spec: EnvSpec, base: Mapping[str, Solved], context: ResolveContext, *, final: bool
    ) -> dict[str, Resolution]:
        """What conda has chosen, and the PyPI packages that go with it."""
        # What is refused here is so whatever PyPI has, and costs no look into a package.
        for platform, solved in base.items():
            check_npconda(spec, platform, solved.packages, context)
        if not any(spec.for_platform(platform).get("pypi") for platform in base):
            return {platform: _alone(solved) for platform, solved in base.items()}
        # The table decides what conda is taken to bring; with another, the same req_id would mean
        # another answer.
        if spec.options.pypi_names != self._names.digest:
            raise UnsupportedRequest(
                "the spec was made for another table of PyPI names",
                "give the table whose sha256 the spec has, or make the spec again",
            )
        contents = look_into(base, self._names, context)
        sides = {
            platform: CondaSide(spec, platform, solved, contents[platform])
            for platform, solved in base.items()
        }
        pythons = self._pythons(spec, base, context)
        return self._settled(spec, sides, pythons, context, final=final)

    def _settled(
        self,
        spec: EnvSpec,
        sides: Mapping[str, CondaSide],
        pythons: Mapping[str, Python],
        context: ResolveContext,
        *,
        final: bool,
    ) -> dict[str, Resolution]:
        """Solve until all extras that are asked of conda's packages were offered."""
        # What the spec itself asks of conda's packages is known from the start.
        metadata = ExtraMetadata(spec, context)
        for side in sides.values():
            side.learn_requested(context, metadata)
        # uv learns of an extra of conda's packages only from the stub that offers it, and which are
        # asked of them, the wheels that it has chosen tell: so it is asked again once they are known.
        resolutions: dict[str, Resolution] = {}
        wanted = list(sides)
        while wanted:
            stubs = {platform: sides[platform].stubs(context) for platform in wanted}
            some = {platform: pythons[platform] for platform in wanted}
            try:
                solved = _wheels(spec, some, context, stubs, final=final)
            except NoSolution as error:
                platform = error.platform
                raise sides[platform].explained(error, stubs[platform], context) from error
            resolutions |= {
                platform: sides[platform].beside(solved[platform], context) for platform in wanted
            }
            provided = {platform: side.provided for platform, side in sides.items()}
            verdict = Verdict(spec, resolutions, context, provided)
            # Each time round one distribution more is known, and there are only so many.
            wanted = [
                platform
                for platform, side in sides.items()
                if side.learn(verdict.checked[platform].extras, metadata)
            ]
        return verdict.given({platform: side.contents for platform, side in sides.items()})

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
            # That a Python is free-threaded, its `python_abi` says, and its own build only of late.
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
        # Platforms that have the same Python share it, and with it the one that may be made.
        by_kind: dict[tuple[str, bool], Python] = {}
        for solved in base.values():
            kind = solved.python, is_free_threaded(solved.packages)
            if kind not in by_kind:
                python = replace(stand_in(solved.python, context), free_threaded=kind[1])
                # Made when something must be built, and then once: it costs a solve and a prefix.
                make = partial(builders.path, python) if builders else None
                by_kind[kind] = replace(python, make=make)
        return {
            platform: by_kind[solved.python, is_free_threaded(solved.packages)]
            for platform, solved in base.items()
        }


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
        if not final or all(python.is_near or not python.make for python in pythons.values()):
            raise
    # uv asks an sdist for its metadata with the Python that stands in, and that may be too new.
    right = {
        platform: replace(python, path=python.make(), own=python.version) if python.make else python
        for platform, python in pythons.items()
    }
    return resolve_wheels(spec, right, context, stubs, final=final)


def _alone(solved: Solved) -> Resolution:
    return Resolution(python=solved.python, packages=solved.packages, notes=solved.notes)
