"""Which Python a lock that has none is for: by the wheels that indexes list, and by what there is."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from envid.spec import EnvSpec
from resolvers._conda_solve import solve_conda
from resolvers._project_files import ProjectFiles
from resolvers._python_choice import bounded, conda_answers, open_minors
from resolvers._question import named_package, plain_requirement
from resolvers._uv import Uv
from resolvers.errors import ResolveError
from resolvers.pythons import Pythons
from resolvers.targets import Target, wheel_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pkgcache.worker import Worker
    from resolvers._conda_solve import Solved
    from resolvers.request import ResolveContext

__all__ = ["OtherPythons", "alone", "for_listed", "only_listed"]

_PINNED = re.compile(r"==([^\s;,]+)")
# So many Pythons are looked at, the newest first, where one that may do is to be named.
_TRIES = 8


def only_listed(spec: EnvSpec, platform: str) -> tuple[str, ...]:
    """The requirements whose files only an index knows."""
    texts = spec.for_platform(platform).get("pypi", ())
    return tuple(text for text in texts if " @ " not in text and "://" not in text)


def alone(spec: EnvSpec, platforms: Iterable[str]) -> EnvSpec:
    """What asks conda for the Python of a spec by itself."""
    return EnvSpec.make(
        requirements={},
        platform_requirements={
            platform: {"sys": spec.for_platform(platform).get("sys", ())} for platform in platforms
        },
        python=spec.python,
        sources=[source for source in spec.sources if source.kind == "channel"],
        options=spec.options,
    )


def for_listed(
    spec: EnvSpec, asked: Mapping[str, tuple[str, ...]], context: ResolveContext
) -> EnvSpec:
    """The spec with the newest Python for which all that indexes list has a wheel, if there is one.

    Hashes do not say for which Python their files are.
    """
    minors = open_minors(spec.python)
    if len(minors) <= 1:
        return spec
    listed = _Listed.make(spec, asked, context)
    number = next(filter(listed.suit, minors), None)
    return spec if number is None else bounded(spec, f"<3.{number + 1}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """The wheels that indexes list of what is asked for."""

    spec: EnvSpec
    asked: Mapping[str, tuple[str, ...]]
    wheels: Mapping[str, Iterable[str]]

    @classmethod
    def make(
        cls, spec: EnvSpec, asked: Mapping[str, tuple[str, ...]], context: ResolveContext
    ) -> _Listed:
        if not any(asked.values()):
            return cls(spec=spec, asked=asked, wheels={})
        with Uv(context) as uv, ProjectFiles(uv, spec, context) as projects:
            wheels = {
                text: projects.wheels(named_package(text), match[1])
                for texts in asked.values()
                for text in texts
                if (match := _PINNED.search(plain_requirement(text)))
            }
        return cls(spec=spec, asked=asked, wheels=wheels)

    def suit(self, minor: int) -> bool:
        """Whether all of it has a wheel for a minor version of Python 3."""
        for platform, texts in self.asked.items():
            ranks = Target.make(platform, self.spec.for_platform(platform).get("sys", ())).ranks(
                f"3.{minor}"
            )
            for text in texts:
                tags = (tag for name in self.wheels.get(text, ()) for tag in wheel_tags(name))
                if not any(tag in ranks for tag in tags):
                    return False
        return True


@dataclass(frozen=True, slots=True)
class OtherPythons:
    """Looks for a Python that may do, after that of a spec has not."""

    worker: Worker
    alias: str
    spec: EnvSpec
    platforms: Sequence[str]

    def newest(self, allowed: str, context: ResolveContext) -> str | None:
        """The newest minor version of those `allowed` that there is, and that all has wheels for.

        None where there is none, or where that cannot be found out. The context holds conda's
        packages that stay.
        """
        asked = {platform: only_listed(self.spec, platform) for platform in self.platforms}
        tried = open_minors(self.spec.python)
        with suppress(ResolveError):  # what went wrong first is told
            listed = _Listed.make(self.spec, asked, context)
            for minor in islice(self._there(replace(self.spec, python=allowed), context), _TRIES):
                # The one that has failed is not to be named again.
                if tried != (minor,) and listed.suit(minor):
                    return f"3.{minor}"
        return None

    def _there(self, spec: EnvSpec, context: ResolveContext) -> Iterator[int]:
        """The minor versions that a channel or this machine has, the newest first."""
        if spec.options.python_provider == "system":
            for python in Pythons(spec.python, context):
                yield int(python.version.split(".")[1])
            return
        solve = partial(self._solve, context=context)
        for answer in conda_answers(alone(spec, self.platforms), solve, context):
            minors = {int(solved.python.split(".")[1]) for solved in answer.values()}
            if len(minors) == 1:
                yield minors.pop()

    def _solve(self, spec: EnvSpec, *, context: ResolveContext) -> Mapping[str, Solved]:
        return solve_conda(self.worker, spec, self.platforms, context, alias=self.alias)
