"""Choosing PyPI packages for a Python from conda, beside other conda packages or alone."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from itertools import tee
from typing import TYPE_CHECKING

from resolvers._beside import Beside
from resolvers._contents import notes
from resolvers._joint import Rounds
from resolvers._joint_diagnosis import clash
from resolvers._moving import Moving, RefusedAnswer
from resolvers._python_choice import conda_answers, first_that_solves, open_minors
from resolvers.channels import CHANNEL_ALIAS
from resolvers.errors import REFUSALS, NoSolution, UnknownPackage, UnsupportedRequest
from resolvers.names import PypiNames
from resolvers.pythons import minor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from envid.spec import EnvSpec
    from pkgcache.worker import Worker
    from resolvers._conda_solve import Solved
    from resolvers._python_choice import Attempt
    from resolvers.request import Resolution, ResolveContext

__all__ = ["MixedResolver"]

_PYTHON = re.compile(r"[Pp]ython|\bABI\b|\bcp3\d")


class MixedResolver:
    """Resolves specs of type `mixed`, and `pypi-only` ones whose Python comes from conda.

    Conda packages are chosen first; then uv chooses wheels for that very Python and for the
    platform, with what conda brings held fixed. Where there are none, conda chooses again: among
    all choices with which PyPI packages go, the one that moves the fewest packages of the first.
    Nothing in the result is installed over a conda package. `npconda` packages must not need
    Python. What has to be built is built with conda's own Python where the context can make one.

    `pypi_names` is the file of a table to use in place of the one that ships with us; see
    `resolvers.names`. A spec that asks for PyPI packages must hold its digest. The other options
    are those of `CondaResolver`.
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
        if (context.conda_engine, context.pypi_engine) != ("rattler", "uv"):
            return self._beside_first(spec, platforms, context)
        beside = self._beside(spec, context)
        moving, refused = Moving(Rounds(context.joint_rounds)), list[RefusedAnswer]()
        try:
            return _resolve(beside, platforms, moving, refused)
        except NoSolution as error:
            for note in notes(refused[0].sides[error.platform].contents) if refused else ():
                context.progress.note(note)  # what may be why
            platform = error.platform
            clashing = moving.clashing.get(platform)
            if refused and context.joint_rounds and _is_about_conda_python(error, spec):
                clashing = clashing or refused[0].base.get(platform)
            if not clashing:
                raise
            if not moving.complete:
                hint = moving.hint(error)
                raise type(error)(platform, error.reason, error.asked, hint) from error

            def trial(less: EnvSpec) -> object:
                # Rounds of its own, and a list of its own: a trial takes nothing from the request,
                # and adds nothing.
                rounds = Moving(Rounds(context.joint_rounds))
                return _resolve(replace(beside, spec=less), [platform], rounds, [])

            raise clash(error, beside, clashing, trial) from error
        except REFUSALS as error:
            if moving.rounds.over:
                error.hint = moving.hint(error)
            raise

    def _beside(self, spec: EnvSpec, context: ResolveContext) -> Beside:
        return Beside(
            worker=self._worker,
            alias=self._alias,
            package_format=self._format,
            names=self._names,
            spec=spec,
            context=context,
        )

    def _beside_first(
        self, spec: EnvSpec, platforms: Sequence[str], context: ResolveContext
    ) -> dict[str, Resolution]:
        """What goes with conda's own choice: other engines do not tell what else there would be."""
        context = replace(context, joint_rounds=0)
        try:
            return _resolve(self._beside(spec, context), platforms, Moving(Rounds(0)), [])
        except REFUSALS as error:
            if {"conda", "npconda"} & {*spec.requirements} and not isinstance(
                error, UnknownPackage
            ):
                hint = (
                    "`conda_resolver = rattler` with `pypi_resolver = uv` also looks for other"
                    " choices of conda packages"
                )
                error.hint = "; ".join(filter(None, (error.hint, hint)))
            raise


def _resolve(
    beside: Beside, platforms: Sequence[str], moving: Moving, refused: list[RefusedAnswer]
) -> dict[str, Resolution]:
    """What goes with conda's own choice, for any Python; else what goes with another choice.

    Its own choices that were `refused` are added to these.
    """
    spec = beside.spec
    # Conda is asked once: both searches go through the same answers.
    answers, again = tee(conda_answers(spec, partial(beside.solve, platforms), beside.context))

    def plainly(base: Mapping[str, Solved], *, final: bool) -> dict[str, Resolution]:
        if alone := beside.alone(base):
            return alone
        sides = beside.sides(base)
        try:
            return beside.settle(sides, beside.pythons(base), final=final)
        except REFUSALS as error:
            refused.append(RefusedAnswer(base, sides, error))
            raise

    only = len(open_minors(spec.python)) <= 1
    try:
        return first_that_solves(_attempts(answers, plainly), only=only)
    except REFUSALS as error:
        if not refused or not beside.context.joint_rounds:  # conda itself has found nothing
            raise
        plain = error
    try:
        jointly = partial(moving.resolve, beside, refused)
        return first_that_solves(_attempts(again, jointly), only=only)
    except NoSolution:
        if moving.clashing:
            raise
        raise plain from None  # it has nothing to do with what conda chooses


def _is_about_conda_python(error: NoSolution, spec: EnvSpec) -> bool:
    """Whether another Python might do, which what is asked of conda may forbid."""
    asked = spec.for_platform(error.platform)
    if isinstance(error, UnknownPackage) or not {"conda", "npconda"} & asked.keys():
        return False
    return bool(_PYTHON.search(f"{error.reason} {error.hint}"))


def _attempts(
    answers: Iterable[Mapping[str, Solved]], attempt: Callable[..., dict[str, Resolution]]
) -> Iterator[tuple[str, Attempt[dict[str, Resolution]]]]:
    for base in answers:
        yield minor(next(iter(base.values())).python), partial(attempt, base)
