"""PyPI packages beside a choice of conda's, which is held fixed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from envid.platforms import host_platform
from envid.spec import EnvSpec
from resolvers._build_pythons import BuildPythons
from resolvers._conda_side import CondaSide
from resolvers._conda_solve import conda_alternatives, solve_conda
from resolvers._contents import look_into
from resolvers._extras import ExtraMetadata
from resolvers._npconda import check_npconda
from resolvers._verdict import Verdict
from resolvers.conda_python import is_free_threaded
from resolvers.errors import BuildFailed, NoSolution, UnsupportedRequest
from resolvers.pypi import resolve_wheels
from resolvers.pythons import minor, stand_in
from resolvers.request import Resolution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pkgcache.worker import Worker
    from resolvers._conda_question import Move
    from resolvers._conda_solve import Alternative, Solved
    from resolvers._stubs import Stubs
    from resolvers.names import PypiNames
    from resolvers.pythons import Python
    from resolvers.request import ResolveContext

__all__ = ["Beside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A mixed request: how conda is asked, and what goes with its answer.

    `alias` is where a channel is that has no URL, `package_format` what is taken where a build has
    both.
    """

    worker: Worker
    alias: str
    package_format: str
    names: PypiNames
    spec: EnvSpec
    context: ResolveContext

    def solve(
        self,
        platforms: Sequence[str],
        spec: EnvSpec | None = None,
        *,
        moves: Sequence[Move] = (),
        context: ResolveContext | None = None,
    ) -> dict[str, Solved]:
        """What conda chooses, for another spec or with some moves; raises `ResolveError`."""
        return solve_conda(
            self.worker,
            spec or self.spec,
            platforms,
            context or self.context,
            alias=self.alias,
            package_format=self.package_format,
            moves=moves,
        )

    def alternatives(self, platform: str, solved: Solved) -> list[Alternative]:
        """What else conda could choose."""
        return conda_alternatives(
            self.worker, self.spec, platform, self.context, solved, alias=self.alias
        )

    def alone(self, base: Mapping[str, Solved]) -> dict[str, Resolution] | None:
        """What conda has chosen, where nothing of PyPI is asked for; raises `UnsupportedRequest`."""
        # What is refused here is so whatever PyPI has, and costs no look into a package.
        for platform, solved in base.items():
            check_npconda(self.spec, platform, solved.packages, self.context)
        if not any(self.spec.for_platform(platform).get("pypi") for platform in base):
            return {
                platform: Resolution(
                    python=solved.python, packages=solved.packages, notes=solved.notes
                )
                for platform, solved in base.items()
            }
        # The table decides what conda is taken to bring; with another, the same req_id would mean
        # another answer.
        if self.spec.options.pypi_names != self.names.digest:
            raise UnsupportedRequest(
                "the spec was made for another table of PyPI names",
                "give the table whose sha256 the spec has, or make the spec again",
            )
        return None

    def sides(self, base: Mapping[str, Solved]) -> dict[str, CondaSide]:
        """What conda has chosen, looked into; raises `IndexUnreachable`."""
        contents = look_into(base, self.names, self.context)
        return {
            platform: CondaSide(self.spec, platform, solved, contents[platform])
            for platform, solved in base.items()
        }

    def settle(
        self, sides: Mapping[str, CondaSide], pythons: Mapping[str, Python], *, final: bool
    ) -> dict[str, Resolution]:
        """The PyPI packages that go with what conda has chosen; raises `ResolveError`.

        They are chosen until all extras that are asked of conda's packages were offered, and the
        sides know of these then.
        """
        spec, context = self.spec, self.context
        # What the spec itself asks of conda's packages is known from the start.
        metadata = ExtraMetadata(spec, context)
        for side in sides.values():
            side.check_constraints(context)
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

    def pythons(self, base: Mapping[str, Solved]) -> dict[str, Python]:
        """The Python of each platform, as an interpreter on this machine stands in for it."""

        def solve(python: Python) -> Solved:
            series = minor(python.version)
            # That a Python is free-threaded, its `python_abi` says, and its own build only of late.
            threads = [f"python_abi * *_cp{series.replace('.', '')}t"] * python.free_threaded
            alone = EnvSpec.make(
                requirements={"sys": self.spec.for_platform(host).get("sys", ()), "conda": threads},
                python=f"=={series}.*",
                sources=self.spec.sources,
                options=self.spec.options,
            )
            return self.solve([host], alone)[host]

        host, make = host_platform(), self.context.builder_python
        builders = BuildPythons(base, solve, make) if make else None
        # Platforms that have the same Python share it, and with it the one that may be made.
        by_kind: dict[tuple[str, bool], Python] = {}
        for solved in base.values():
            kind = solved.python, is_free_threaded(solved.packages)
            if kind not in by_kind:
                python = replace(stand_in(solved.python, self.context), free_threaded=kind[1])
                # Made when something must be built, and then once: it costs a solve and a prefix.
                path = partial(builders.path, python) if builders else None
                by_kind[kind] = replace(python, make=path)
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
