"""Which versions of conda's packages could be in the place of those that were chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolvers._conda_question import Move
from resolvers._contents import Contents, look_into_others
from resolvers._distributions import pep440
from resolvers._mixed_diagnosis import named
from resolvers._stubs import Stub

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from resolvers._conda_side import CondaSide
    from resolvers._conda_solve import Alternative
    from resolvers.errors import UnknownPackage
    from resolvers.names import PypiNames
    from resolvers.request import ResolveContext

__all__ = ["Alternatives", "Ladder"]

Ladder = list[tuple[str, "Stub | None"]]
"""Versions of a conda package, each with what it brings of a distribution."""

# So many packages that were not chosen are looked into; of more only those that are spoken of.
_FEW = 60


class Alternatives:
    """Builds that conda could choose, and the distributions in them.

    What lies on another machine is taken for what its name says, as long as what was chosen of it
    is that; it is looked into when it is chosen.
    """

    def __init__(
        self, builds: Iterable[Alternative], names: PypiNames, context: ResolveContext
    ) -> None:
        self._names, self._context = names, context
        self._newest: dict[str, Alternative] = {}
        self._builds: dict[str, list[Alternative]] = {}
        for build in builds:
            # They come newest first, so the first of a name is it.
            self._newest.setdefault(build.package.name, build)
            if build.fits:
                self._builds.setdefault(build.package.name, []).append(build)
        self._contents: dict[str, list[Contents]] = {}

    def versions(self, package: str) -> list[str]:
        """The versions that there are of a conda package, newest first."""
        return [build.package.version for build in self._builds.get(package, ())]

    def ladder(self, side: CondaSide, name: str) -> Ladder:
        """The versions of the conda package that brings a distribution, newest first.

        With each comes the distribution in it, if it is in it.
        """
        chosen = side.provider(name)
        return [
            (contents.package.version, _stub(name, contents))
            for contents in self._of(chosen.package.name, side)
        ]

    def absent(self, side: CondaSide, words: Iterable[str]) -> dict[str, list[Stub]]:
        """By name the distributions that conda does not bring, and would with another choice."""
        packages: Iterable[str] = self._builds
        if len(self._builds) - len(side.versions) > _FEW:
            words = set(words)
            packages = [name for name in self._builds if words & set(self._plain(name))]
        provided = side.by_name
        stubs: dict[str, list[Stub]] = {}
        for package in packages:
            for contents in self._of(package, side):
                for name in contents.distributions:
                    if name not in provided and (stub := _stub(name, contents)):
                        stubs.setdefault(name, []).append(stub)
        return stubs

    def ways_to(self, side: CondaSide, stubs: Iterable[Stub]) -> list[Move]:
        """The moves of which one is made wherever conda brings one of these distributions.

        A package is brought by one that needs it. So on the way to it from what is asked for there is
        a package that is there now, and does not need the next one yet.
        """
        there = side.versions
        holding: dict[str, set[str]] = {}
        for stub in stubs:
            holding.setdefault(stub.package.name, set()).add(stub.package.version)
        moves = [
            self._without(package, versions)
            for package, versions in holding.items()
            if package in there
        ]
        waiting = [package for package in holding if package not in there]
        seen = set(waiting)
        while waiting:
            package = waiting.pop()
            # Backwards along the needs, up to what is there now.
            for other, builds in self._builds.items():
                needing = {
                    build.package.version for build in builds if package in build.package.depends
                }
                if needing and other in there:
                    moves.append(self._without(other, needing))
                elif needing and other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return [move for move in moves if move.versions]

    def _without(self, package: str, versions: Container[str]) -> Move:
        """The move to one of some versions."""
        others = (version for version in self.versions(package) if version not in versions)
        return Move(package=package, versions=tuple(sorted(others)))

    def may_hold(self, error: UnknownPackage) -> bool:
        """Whether a package that PyPI has not may be in one of conda's, for this Python or another."""
        words = named(error)
        return any(
            # What lies on this machine is looked into, and may hold what its name does not say.
            build.package.url.startswith("file:") or words & set(self._plain(name))
            for name, build in self._newest.items()
        )

    def _plain(self, package: str) -> tuple[str, ...]:
        newest = self._newest[package]
        return self._names.guess(newest.package, newest.pypi_names).plain

    def _of(self, package: str, side: CondaSide) -> list[Contents]:
        if package not in self._contents:
            builds = self._builds.get(package, [])
            here = all(build.package.url.startswith("file:") for build in builds)
            chosen = next(
                (contents for contents in side.contents if contents.package.name == package), None
            )
            # On this machine a look costs no request; elsewhere it is worth one where a guess was
            # wrong before.
            if here or (chosen and not _is_plain(chosen)):
                looked = look_into_others(builds, side.solved, self._names, self._context)
            elif chosen:
                looked = [_guessed(build, tuple(chosen.distributions)) for build in builds]
            else:
                looked = [_guessed(build, self._plain(package)) for build in builds]
            self._contents[package] = looked
        return self._contents[package]


def _stub(name: str, contents: Contents) -> Stub | None:
    version = contents.distributions.get(name)
    if version is None:
        return None
    # Its extras are known once it is chosen; see `find_conflict`.
    return Stub(name=name, own_version=version, package=contents.package, extras={})


def _is_plain(contents: Contents) -> bool:
    version = pep440(contents.package.version)
    return all(held == version for held in contents.distributions.values())


def _guessed(other: Alternative, names: Iterable[str]) -> Contents:
    version = pep440(other.package.version)
    distributions: Mapping[str, str] = dict.fromkeys(names, version) if version else {}
    return Contents(package=other.package, distributions=distributions, files=None)
