"""Why there is no choice of conda's with which PyPI packages go: the fewest statements that clash."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from resolvers._mixed_diagnosis import named
from resolvers._project_files import ProjectFiles
from resolvers._uv import Uv
from resolvers.channels import CHANNEL_ALIAS, with_channel_urls
from resolvers.errors import REFUSALS, NoSolution, ResolveError, UnknownPackage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from envid.spec import EnvSpec
    from resolvers._beside import Beside
    from resolvers._conda_solve import Solved

__all__ = ["clash"]

# Each is a whole resolve.
_MOST_TRIALS = 32
_SHOWN = 6
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class _Statement(NamedTuple):
    category: str
    text: str

    @property
    def name(self) -> str:
        plain = with_channel_urls(self.text, CHANNEL_ALIAS).rpartition("::")[2]
        match = _NAME.match(plain if self.category in ("conda", "npconda") else self.text)
        return match[0] if match else ""

    @property
    def without_bounds(self) -> _Statement:
        """The statement that asks conda for the package in any version."""
        if self.category not in ("conda", "npconda") or not self.name or "::" in self.text:
            return self
        return _Statement(self.category, self.name)


def clash(
    error: NoSolution,
    beside: Beside,
    solved: Solved,
    trial: Callable[[EnvSpec], object],
) -> NoSolution:
    """The error that names the fewest statements that cannot hold together, whatever conda chooses.

    `trial` resolves a spec for the platform of the error, jointly, and raises one of `REFUSALS`
    where it knows that it cannot be. `solved` is a choice of conda's.
    """
    search = _Fewest(beside.spec, error, trial)
    task = beside.context.progress.start("looking for what cannot hold together", None, "packages")
    try:
        statements = search.run()
    finally:
        task.done()
    return _told(search.error, statements, beside, solved)


class _Fewest:
    """Leaves out one statement after another, as long as the others cannot hold together.

    `error` is that of those which are left.
    """

    def __init__(
        self, spec: EnvSpec, error: NoSolution, trial: Callable[[EnvSpec], object]
    ) -> None:
        self._spec, self._trial = spec, trial
        self.error = error
        self._trials = 0

    def run(self) -> list[_Statement]:
        statements = list(_statements(self._spec, self.error.platform))
        words = named(self.error)
        likely = [
            statement
            for statement in statements
            if statement.category == "python" or canonicalize_name(statement.name) in words
        ]
        # Mostly it is about what the error names: then all the others go in a single trial.
        if len(likely) < len(statements) and self._refused(likely):
            statements = likely
        # Without one of conda's, what it brings is no longer there, which is another failure: so
        # PyPI's go first, and of conda's its bounds before the whole of it.
        for statement in sorted(statements, key=lambda statement: statement.category != "pypi"):
            rest = [other for other in statements if other is not statement]
            open_ = statement.without_bounds
            loose = [*rest, open_] if open_ != statement else rest
            if rest and self._refused(loose) and (loose == rest or self._refused(rest)):
                statements = rest
        return statements

    def _refused(self, some: Sequence[_Statement]) -> bool:
        if self._trials >= _MOST_TRIALS:
            return False
        self._trials += 1
        try:
            self._trial(_only(self._spec, self.error.platform, some))
        except REFUSALS as refusal:
            # What nobody has only because conda is not asked for it any more is another failure.
            there = isinstance(self.error, UnknownPackage) or not isinstance(
                refusal, UnknownPackage
            )
            if isinstance(refusal, NoSolution) and there:
                self.error = refusal
                return True
        # Nobody knows then that the rest is refused, and the statement stays.
        except ResolveError:
            pass
        return False


def _statements(spec: EnvSpec, platform: str) -> Iterator[_Statement]:
    asked = spec.for_platform(platform)
    for category in ("conda", "npconda", "pypi"):
        yield from (_Statement(category, text) for text in asked.get(category, ()))
    yield from (_Statement("constraint", text) for text in spec.constraints)
    if spec.python:
        yield _Statement("python", spec.python)


def _only(spec: EnvSpec, platform: str, statements: Iterable[_Statement]) -> EnvSpec:
    """The spec with these statements alone, for one platform."""
    texts: dict[str, list[str]] = {}
    for category, text in statements:
        texts.setdefault(category, []).append(text)
    categories = ("conda", "npconda", "pypi")
    asked: Mapping[str, tuple[str, ...]] = {
        "sys": spec.for_platform(platform).get("sys", ()),
        **{category: tuple(texts[category]) for category in categories if category in texts},
    }
    return replace(
        spec,
        requirements=asked,
        platform_requirements={},
        constraints=tuple(texts.get("constraint", ())),
        python="".join(texts.get("python", ())),
    )


def _told(
    error: NoSolution, statements: Sequence[_Statement], beside: Beside, solved: Solved
) -> NoSolution:
    origins = beside.context.origins
    told = [
        f"Python `{statement.text}`" if statement.category == "python" else f"`{statement.text}`"
        for statement in statements
    ]
    together = f"{', '.join(told[:-1])} and {told[-1]} cannot hold together"
    if not told[1:]:
        together = f"{told[0]} cannot hold"
    versions = _versions(error.platform, statements, beside, solved)
    asked = tuple(
        (statement.text, origins.get(statement.text))
        for statement in statements
        if statement.category != "python"
    )
    return type(error)(
        error.platform,
        "; ".join([f"whatever conda chooses, {together}", error.reason, *versions]),
        asked,
        error.hint,
    )


def _versions(
    platform: str, statements: Sequence[_Statement], beside: Beside, solved: Solved
) -> Iterator[str]:
    """Which versions there are of what the statements name."""
    there: dict[str, list[str]] = {}
    for build in beside.alternatives(platform, solved):
        there.setdefault(build.package.name, []).append(build.package.version)
    # Those of PyPI as well: conda may bring what is asked for there.
    conda = dict.fromkeys(
        statement.name.lower() for statement in statements if statement.category != "python"
    )
    yield from _listed("conda", {name: there.get(name, []) for name in conda})
    pypi = [
        canonicalize_name(statement.name)
        for statement in statements
        if statement.category == "pypi"
    ]
    with (
        Uv(beside.context) as uv,
        ProjectFiles(uv, beside.spec, beside.context) as projects,
    ):
        listed = {name: {file.version for file in projects.of(name)} for name in pypi}
    yield from _listed(
        "PyPI", {name: list(map(str, sorted(some)))[::-1] for name, some in listed.items()}
    )


def _listed(where: str, versions: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, some in versions.items():
        if some:
            more = f" and {len(some) - _SHOWN} older ones" if len(some) > _SHOWN else ""
            yield f"{where} has {name} {', '.join(some[:_SHOWN])}{more}"
